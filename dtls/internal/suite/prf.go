// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto"
	"encoding"
	"hash"
)

// prf is the pseudorandom function of TLS 1.2 under one secret (RFC 5246 §5):
//
//	PRF(secret, label, seed) = P_<hash>(secret, label + seed)
//
// It computes HMAC (RFC 2104 §2) with one hash object:
//
//	HMAC(K, text) = H(K XOR opad, H(K XOR ipad, text))
//
// The states of the hash after each padded key are kept, which spares hashing
// the key for every use, and all of it lies in one piece: a handshake derives
// from two secrets in twelve HMACs, and crypto/hmac, which hashes the key for
// its first use, allocates two objects and four buffers a secret.
type prf struct {
	hash         restorable
	inner, outer []byte // states of the hash, in states
	seed         []byte // label and seeds, in space if they fit

	states [2][maxState]byte
	a      [maxHash]byte // A(i)
	block  [maxHash]byte
	space  [maxBlock]byte // for the seed, and before that for the padded secret
}

// restorable is a hash whose state can be kept, as those of the standard
// library.
type restorable interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// Bytes of SHA-512 and its relatives, the largest of the table's hashes.
const (
	maxHash  = 64
	maxBlock = 128
	maxState = 204
)

func newPRF(h crypto.Hash, secret []byte) *prf {
	p := new(prf)
	p.start(h, secret)
	return p
}

// start makes the function that of a secret. It may be used again for
// another.
func (p *prf) start(h crypto.Hash, secret []byte) {
	if p.hash == nil {
		p.hash = h.New().(restorable)
	}
	if len(secret) > p.hash.BlockSize() {
		secret = p.sum(p.a[:0], secret, nil)
	}
	// "append zeros to the end of K to create a B byte string"
	clear(p.space[copy(p.space[:], secret):])
	p.inner = p.padded(p.states[0][:0], &p.space, 0x36)
	p.outer = p.padded(p.states[1][:0], &p.space, 0x36^0x5c)
	clear(p.space[:])
	clear(p.a[:])
}

// padded appends the state of the hash after the key XOR with.
func (p *prf) padded(dst []byte, key *[maxBlock]byte, with byte) []byte {
	for i := range key {
		key[i] ^= with
	}
	p.hash.Reset()
	p.hash.Write(key[:p.hash.BlockSize()])
	state, err := p.hash.AppendBinary(dst)
	if err != nil {
		panic("suite: " + err.Error())
	}
	return state
}

// sum appends the hash of two texts.
func (p *prf) sum(dst, first, second []byte) []byte {
	p.hash.Reset()
	p.hash.Write(first)
	p.hash.Write(second)
	return p.hash.Sum(dst)
}

// mac appends the HMAC of two texts, which may lie where it is written.
func (p *prf) mac(dst, first, second []byte) []byte {
	p.restore(p.inner)
	p.hash.Write(first)
	p.hash.Write(second)
	digest := p.hash.Sum(dst)
	p.restore(p.outer)
	p.hash.Write(digest[len(dst):])
	return p.hash.Sum(dst)
}

func (p *prf) restore(state []byte) {
	if err := p.hash.UnmarshalBinary(state); err != nil {
		panic("suite: " + err.Error())
	}
}

// expand fills out with P_hash(secret, label + seeds). The function gives its
// output in blocks of the hash's size:
//
//	P_hash(secret, seed) = HMAC_hash(secret, A(1) + seed) +
//	                       HMAC_hash(secret, A(2) + seed) + ...
//	A(0) = seed, A(i) = HMAC_hash(secret, A(i-1))
func (p *prf) expand(out []byte, label string, seeds ...[]byte) {
	p.seed = append(p.space[:0], label...)
	for _, s := range seeds {
		p.seed = append(p.seed, s...)
	}
	for a := p.seed; len(out) > 0; {
		a = p.mac(p.a[:0], a, nil)
		out = out[copy(out, p.mac(p.block[:0], a, p.seed)):]
	}
	clear(p.block[:])
}

// wipe overwrites what follows from the secret. What the hash itself buffers,
// less than a block, is out of reach and goes with the garbage.
func (p *prf) wipe() { *p = prf{} }

// PRF fills out with the pseudorandom function of TLS 1.2 over the
// concatenation of the seeds (RFC 5246 §5). Who derives more than one thing
// from a secret uses a Schedule.
func PRF(h crypto.Hash, out, secret []byte, label string, seeds ...[]byte) {
	newPRF(h, secret).expand(out, label, seeds...)
}
