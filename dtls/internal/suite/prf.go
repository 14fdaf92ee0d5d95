// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto"
	"crypto/hmac"
	"hash"
)

// prf is the pseudorandom function of TLS 1.2 under one secret (RFC 5246 §5):
//
//	PRF(secret, label, seed) = P_<hash>(secret, label + seed)
//
// The keyed HMAC is made once and reset for each use, which spares hashing
// the secret again.
type prf struct {
	mac   hash.Hash
	a     []byte // A(i)
	block []byte
	seed  []byte // label and seeds
}

func newPRF(h crypto.Hash, secret []byte) *prf {
	size := h.Size()
	scratch := make([]byte, 2*size)
	return &prf{mac: hmac.New(h.New, secret), a: scratch[:0:size], block: scratch[size:size]}
}

// expand fills out with P_hash(secret, label + seeds). The function gives its
// output in blocks of the hash's size:
//
//	P_hash(secret, seed) = HMAC_hash(secret, A(1) + seed) +
//	                       HMAC_hash(secret, A(2) + seed) + ...
//	A(0) = seed, A(i) = HMAC_hash(secret, A(i-1))
func (p *prf) expand(out []byte, label string, seeds ...[]byte) {
	p.seed = append(p.seed[:0], label...)
	for _, s := range seeds {
		p.seed = append(p.seed, s...)
	}
	a := p.seed
	for len(out) > 0 {
		p.mac.Reset()
		p.mac.Write(a)
		p.a = p.mac.Sum(p.a[:0])
		a = p.a

		p.mac.Reset()
		p.mac.Write(a)
		p.mac.Write(p.seed)
		p.block = p.mac.Sum(p.block[:0])
		out = out[copy(out, p.block):]
	}
	clear(p.block)
}

// PRF fills out with the pseudorandom function of TLS 1.2 over the
// concatenation of the seeds (RFC 5246 §5). Who derives more than one thing
// from a secret uses a Schedule.
func PRF(h crypto.Hash, out, secret []byte, label string, seeds ...[]byte) {
	newPRF(h, secret).expand(out, label, seeds...)
}
