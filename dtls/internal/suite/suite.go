// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package suite is what a cipher suite decides: the key exchange, the
// pseudorandom function with everything derived by it, and the AEAD that
// protects records. The suites are one table.
//
// The primitives are those of the standard library and of
// golang.org/x/crypto. AES-CCM, which both lack, is built here on crypto/aes.
package suite

import (
	"crypto"

	// The hashes of the table register themselves.
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// KeyExchange is how the peers of a suite come to a premaster secret and
// prove who they are.
type KeyExchange uint8

// Key exchanges.
const (
	PSK        KeyExchange = iota // RFC 4279 §2
	ECDHEPSK                      // RFC 5489 §2
	ECDHEECDSA                    // RFC 8422 §2.1
	ECDHERSA                      // RFC 8422 §2.2
)

func (k KeyExchange) String() string {
	return [...]string{"PSK", "ECDHE_PSK", "ECDHE_ECDSA", "ECDHE_RSA"}[k]
}

// UsesPSK reports whether the peers prove themselves by a shared key, and
// show no certificates.
func (k KeyExchange) UsesPSK() bool { return k == PSK || k == ECDHEPSK }

// UsesECDHE reports whether the premaster secret has an ephemeral part, which
// keeps the session secret when a long-term key is lost later.
func (k KeyExchange) UsesECDHE() bool { return k != PSK }

// Limits on the use of one key (RFC 9147 §4.5.3 and appendix B; the analysis
// holds for DTLS 1.2, whose records go through the same AEADs).
const (
	// A GCM key protects 2^24.5 full records (RFC 8446 §5.5).
	sealLimitGCM = 23_726_566
	// A CCM key protects 2^23 records, at either tag length.
	sealLimitCCM = 1 << 23
	// ChaCha20-Poly1305 is bounded by the sequence number alone.
	sealLimitChaCha = wire.MaxSequence
	// A key survives 2^36 failed records in GCM and ChaCha20-Poly1305,
	openLimit = 1 << 36
	// and 2^23.5 in CCM.
	openLimitCCM = 11_863_283
	// No limit for CCM_8 both keeps the margin of the others (it would be
	// 2^7) and resists denial of service (RFC 9147 B.3), so this one is a
	// default that the application changes. It bounds the chance of one
	// forged record in a session's life by 2^-44, and costs an attacker
	// some 30 MB of datagrams from the right address for each session it
	// wants to end.
	openLimitCCM8 = 1 << 20
)

// Suite is one row of the table. It is immutable.
type Suite struct {
	ID          wire.CipherSuite
	Name        string // as IANA writes it
	KeyExchange KeyExchange
	Hash        crypto.Hash // of the PRF and of the transcript

	KeyLen           int // bytes of a write key
	FixedIVLen       int // bytes of a write IV
	ExplicitNonceLen int // bytes of nonce carried in each record
	TagLen           int // bytes of authentication tag

	// SealLimit is how many records one key may protect, OpenLimit how many
	// records that fail to authenticate a key outlives.
	SealLimit, OpenLimit uint64

	MandatoryToImplement bool // by RFC 7252 §9.1.3
	OffByDefault         bool

	newAEAD func(key []byte) AEAD
}

// Overhead is the number of bytes that protection adds to a record's
// plaintext, its header apart.
func (s *Suite) Overhead() int { return s.ExplicitNonceLen + s.TagLen }

// AEAD expands the key of one direction. The key must be KeyLen bytes long.
func (s *Suite) AEAD(key []byte) AEAD {
	if len(key) != s.KeyLen {
		panic("suite: key of the wrong length for " + s.Name)
	}
	return s.newAEAD(key)
}

// row completes the facts that follow from the AEAD.
func row(id wire.CipherSuite, kx KeyExchange, a aeadRow) Suite {
	return Suite{
		ID: id, Name: id.String(), KeyExchange: kx, Hash: a.hash,
		KeyLen: a.keyLen, FixedIVLen: a.fixedIVLen, ExplicitNonceLen: NonceLen - a.fixedIVLen, TagLen: a.tagLen,
		SealLimit: a.sealLimit, OpenLimit: a.openLimit,
		OffByDefault: kx == ECDHERSA,
		newAEAD:      a.make,
	}
}

// aeadRow is what the suites with one AEAD have in common.
type aeadRow struct {
	hash                       crypto.Hash
	keyLen, fixedIVLen, tagLen int
	sealLimit, openLimit       uint64
	make                       func(key []byte) AEAD
}

var (
	// RFC 5288 §3: 4 bytes of salt, 8 explicit.
	gcm128 = aeadRow{crypto.SHA256, 16, 4, 16, sealLimitGCM, openLimit, newGCM}
	gcm256 = aeadRow{crypto.SHA384, 32, 4, 16, sealLimitGCM, openLimit, newGCM}
	// RFC 7905 §2: 12 bytes of IV, none explicit.
	chacha = aeadRow{crypto.SHA256, 32, 12, 16, sealLimitChaCha, openLimit, newChaCha}
	// RFC 6655 §3, RFC 7251 §2: as GCM; the tag has 16 or 8 bytes.
	ccm  = aeadRow{crypto.SHA256, 16, 4, 16, sealLimitCCM, openLimitCCM, newCCM16}
	ccm8 = aeadRow{crypto.SHA256, 16, 4, 8, sealLimitCCM, openLimitCCM8, newCCM8}
)

// table holds every suite in the default order of preference. The reasons,
// strongest first:
//
//   - Ephemeral keys before none. A device's PSK is read out of its flash one
//     day; what it said until then should stay secret.
//   - A shared key before certificates. A client offers a PSK suite only when
//     it holds a key, so both sides are proven; clients offer ECDHE_ECDSA for
//     the server's sake alone, and may have nothing to show themselves.
//   - Tags of 16 bytes before those of 8 (RFC 9147 appendix B.3). Who can
//     compute GCM or ChaCha20 can afford the eight bytes; the small devices
//     that cannot offer CCM alone, and CCM_8 is what they get.
//   - Of these, AES-GCM before ChaCha20, as servers, phones and the larger
//     devices have AES instructions, and both before CCM, which needs two
//     passes of AES. 128 bits before 256: the session's other parts have no
//     more than 128 bits of strength.
//
// ECDHE_RSA serves peers that have nothing but an RSA certificate, and no
// device of RFC 7252 has one; it is off unless named.
//
// RFC 7252 demands that the two CCM_8 suites be implemented; they are on by
// default, at the end of their kind. Nothing forces a suite on an
// application: what it does not list is off.
var table = []Suite{
	row(wire.TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, ECDHEPSK, gcm128),
	row(wire.TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384, ECDHEPSK, gcm256),
	row(wire.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, ECDHEPSK, chacha),
	row(wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256, ECDHEPSK, ccm),
	row(wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256, ECDHEPSK, ccm8),

	row(wire.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, ECDHEECDSA, gcm128),
	row(wire.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ECDHEECDSA, gcm256),
	row(wire.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, ECDHEECDSA, chacha),
	row(wire.TLS_ECDHE_ECDSA_WITH_AES_128_CCM, ECDHEECDSA, ccm),
	mandatory(row(wire.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, ECDHEECDSA, ccm8)),

	row(wire.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, ECDHERSA, gcm128),
	row(wire.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, ECDHERSA, gcm256),
	row(wire.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, ECDHERSA, chacha),

	row(wire.TLS_PSK_WITH_AES_128_GCM_SHA256, PSK, gcm128),
	row(wire.TLS_PSK_WITH_AES_256_GCM_SHA384, PSK, gcm256),
	row(wire.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256, PSK, chacha),
	row(wire.TLS_PSK_WITH_AES_128_CCM, PSK, ccm),
	mandatory(row(wire.TLS_PSK_WITH_AES_128_CCM_8, PSK, ccm8)),
}

func mandatory(s Suite) Suite {
	s.MandatoryToImplement = true
	return s
}

// ByID returns the suite with a code point, and nil if there is none here.
func ByID(id wire.CipherSuite) *Suite {
	for i := range table {
		if table[i].ID == id {
			return &table[i]
		}
	}
	return nil
}

// ByName returns the suite with IANA's name for it, and nil if there is none.
// The prefix "TLS_" may be left out.
func ByName(name string) *Suite {
	for i := range table {
		if s := &table[i]; s.Name == name || s.Name == "TLS_"+name {
			return s
		}
	}
	return nil
}

// All returns every suite in the default order of preference.
func All() []*Suite {
	all := make([]*Suite, len(table))
	for i := range table {
		all[i] = &table[i]
	}
	return all
}

// Default returns the suites that are on when an application names none, in
// order of preference. The slice is the caller's.
func Default() []wire.CipherSuite {
	ids := make([]wire.CipherSuite, 0, len(table))
	for i := range table {
		if !table[i].OffByDefault {
			ids = append(ids, table[i].ID)
		}
	}
	return ids
}
