// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Lengths of secrets and of what is derived from them, in bytes.
const (
	MasterSecretLen = 48 // RFC 5246 §8.1
	VerifyDataLen   = 12 // RFC 5246 §7.4.9
	RandomLen       = 32 // RFC 5246 §7.4.1.2
)

// MasterSecret is the secret that both peers of a session hold. Formatting
// one prints no secret.
type MasterSecret [MasterSecretLen]byte

// Format redacts the secret whatever the verb.
func (MasterSecret) Format(f fmt.State, _ rune) { redact(f) }

// Wipe overwrites the secret.
func (m *MasterSecret) Wipe() { clear(m[:]) }

func redact(f fmt.State) { f.Write([]byte("[secret]")) }

// Keys are the raw keys of one direction, 44 bytes. They are all that an idle
// direction needs to keep: Suite.AEAD expands them when a record comes.
type Keys struct {
	key [32]byte
	iv  [NonceLen]byte
}

// Key is the write key of a suite. The slice lies in k.
func (k *Keys) Key(s *Suite) []byte { return k.key[:s.KeyLen] }

// IV is the fixed part of the nonce of a suite, its "salt" (RFC 5288 §3,
// RFC 6655 §3) or all of it (RFC 7905 §2). The slice lies in k.
func (k *Keys) IV(s *Suite) []byte { return k.iv[:s.FixedIVLen] }

// Format redacts the keys whatever the verb.
func (Keys) Format(f fmt.State, _ rune) { redact(f) }

// Wipe overwrites the keys.
func (k *Keys) Wipe() { *k = Keys{} }

// Schedule derives what a handshake needs from its master secret. It is part
// of the handshake's scratch, to be wiped and dropped when that ends.
type Schedule struct {
	suite  *Suite
	master MasterSecret
	prf    prf
}

// MasterSecret derives the master secret of RFC 5246 §8.1 from a premaster
// secret, which the caller wipes.
func (s *Suite) MasterSecret(premaster, clientRandom, serverRandom []byte) *Schedule {
	return s.schedule(premaster, "master secret", clientRandom, serverRandom)
}

// ExtendedMasterSecret derives the master secret of RFC 7627 §4 from a
// premaster secret, which the caller wipes, and the hash of all handshake
// messages up to and including ClientKeyExchange.
func (s *Suite) ExtendedMasterSecret(premaster, sessionHash []byte) *Schedule {
	return s.schedule(premaster, "extended master secret", sessionHash)
}

func (s *Suite) schedule(premaster []byte, label string, seeds ...[]byte) *Schedule {
	sched := &Schedule{suite: s}
	sched.prf.start(s.Hash, premaster)
	sched.prf.expand(sched.master[:], label, seeds...)
	sched.prf.start(s.Hash, sched.master[:])
	return sched
}

// Master is the master secret. It lies in the schedule and is wiped with it.
func (d *Schedule) Master() *MasterSecret { return &d.master }

// Format redacts the secrets whatever the verb.
func (Schedule) Format(f fmt.State, _ rune) { redact(f) }

// Wipe overwrites the master secret and what follows from it.
func (d *Schedule) Wipe() {
	d.master.Wipe()
	d.prf.wipe()
}

// KeyBlock derives the keys of both directions (RFC 5246 §6.3). AEAD suites
// have no MAC keys.
func (d *Schedule) KeyBlock(clientRandom, serverRandom []byte) (client, server Keys) {
	s := d.suite
	var space [2 * (32 + NonceLen)]byte
	block := space[:2*(s.KeyLen+s.FixedIVLen)]
	d.prf.expand(block, "key expansion", serverRandom, clientRandom)
	for _, part := range [][]byte{client.Key(s), server.Key(s), client.IV(s), server.IV(s)} {
		block = block[copy(part, block):]
	}
	clear(space[:])
	return client, server
}

// ClientVerifyData is the content of the client's Finished (RFC 5246 §7.4.9)
// over the hash of the handshake messages before it.
func (d *Schedule) ClientVerifyData(transcriptHash []byte) [VerifyDataLen]byte {
	return d.verifyData("client finished", transcriptHash)
}

// ServerVerifyData is the content of the server's Finished.
func (d *Schedule) ServerVerifyData(transcriptHash []byte) [VerifyDataLen]byte {
	return d.verifyData("server finished", transcriptHash)
}

func (d *Schedule) verifyData(label string, transcriptHash []byte) (v [VerifyDataLen]byte) {
	d.prf.expand(v[:], label, transcriptHash)
	return v
}

// Errors of Export.
var (
	ErrExportLabel   = errors.New("dtls: exporter label is reserved or empty")
	ErrExportContext = errors.New("dtls: exporter context is longer than 65535 bytes")
)

// Export fills out with keying material for the application (RFC 5705 §4). A
// nil context means none, which differs from an empty one.
func (s *Suite) Export(out []byte, master *MasterSecret, clientRandom, serverRandom []byte, label string, context []byte) error {
	switch label {
	case "", "client finished", "server finished", "master secret", "extended master secret", "key expansion":
		// RFC 5705 §4: a label must not be one that TLS itself uses.
		return ErrExportLabel
	}
	if len(context) > math.MaxUint16 {
		return ErrExportContext
	}
	seeds := [][]byte{clientRandom, serverRandom}
	if context != nil {
		seeds = append(seeds, binary.BigEndian.AppendUint16(nil, uint16(len(context))), context)
	}
	PRF(s.Hash, out, master[:], label, seeds...)
	return nil
}

// maxPSKLen is the longest PSK that a premaster secret can hold.
const maxPSKLen = math.MaxUint16

// PSKPremaster is the premaster secret of a PSK suite (RFC 4279 §2): the
// length N of the PSK as uint16, N zero bytes, N again, the PSK. It reports
// false for a PSK of more than 65535 bytes. The caller wipes the result.
func PSKPremaster(psk []byte) (premaster []byte, ok bool) {
	if len(psk) > maxPSKLen {
		return nil, false
	}
	premaster = make([]byte, 2+len(psk), 2*(2+len(psk)))
	binary.BigEndian.PutUint16(premaster, uint16(len(psk)))
	return appendPSK(premaster, psk), true
}

// ECDHEPSKPremaster is the premaster secret of an ECDHE_PSK suite (RFC 5489
// §2): the length of the ECDH shared secret as uint16 and the secret, then
// the same of the PSK. It reports false for a PSK of more than 65535 bytes.
// The caller wipes the result.
func ECDHEPSKPremaster(shared, psk []byte) (premaster []byte, ok bool) {
	if len(psk) > maxPSKLen || len(shared) > math.MaxUint16 {
		return nil, false
	}
	premaster = make([]byte, 0, 2+len(shared)+2+len(psk))
	premaster = binary.BigEndian.AppendUint16(premaster, uint16(len(shared)))
	premaster = append(premaster, shared...)
	return appendPSK(premaster, psk), true
}

func appendPSK(premaster, psk []byte) []byte {
	premaster = binary.BigEndian.AppendUint16(premaster, uint16(len(psk)))
	return append(premaster, psk...)
}
