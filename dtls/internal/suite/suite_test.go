// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto"
	"crypto/tls"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// facts are the columns of the table that the RFCs fix.
type facts struct {
	Name                                         string
	KeyExchange                                  KeyExchange
	Hash                                         crypto.Hash
	KeyLen, FixedIVLen, ExplicitNonceLen, TagLen int
}

// TestTableAgainstRFCs writes every suite out a second time, from the RFCs'
// text, so that a slip in a row shows.
//
// Proves rfc6655 §3: "those that end in "_8" have an 8-octet
// authentication tag, while the other ciphersuites have 16-octet
// authentication tags."
//
// Proves rfc6655 §3: "The nonce_explicit length
// (SecurityParameters.record_iv_length) is 8 octets."
//
// Proves rfc6655 §4: "These ciphersuites make use of the default TLS 1.2 Pseudorandom
// Function (PRF), which uses HMAC with the SHA-256 hash function."
//
// Proves rfc7251 §2: "Cipher suites ending with "8" use eight-octet authentication tags;
// the other cipher suites have 16-octet authentication tags."
//
// Proves rfc5246 §6.2.3.3: "Each
// AEAD cipher MUST NOT produce an expansion of greater than 1024 bytes."
func TestTableAgainstRFCs(t *testing.T) {
	const gcm256 = crypto.SHA384
	want := map[wire.CipherSuite]facts{
		0x00a8: {"TLS_PSK_WITH_AES_128_GCM_SHA256", PSK, crypto.SHA256, 16, 4, 8, 16},        // RFC 5487
		0x00a9: {"TLS_PSK_WITH_AES_256_GCM_SHA384", PSK, gcm256, 32, 4, 8, 16},               // RFC 5487
		0xccab: {"TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", PSK, crypto.SHA256, 32, 12, 0, 16}, // RFC 7905
		0xc0a4: {"TLS_PSK_WITH_AES_128_CCM", PSK, crypto.SHA256, 16, 4, 8, 16},               // RFC 6655
		0xc0a8: {"TLS_PSK_WITH_AES_128_CCM_8", PSK, crypto.SHA256, 16, 4, 8, 8},              // RFC 6655

		0xd001: {"TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", ECDHEPSK, crypto.SHA256, 16, 4, 8, 16},        // RFC 8442
		0xd002: {"TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384", ECDHEPSK, gcm256, 32, 4, 8, 16},               // RFC 8442
		0xccac: {"TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", ECDHEPSK, crypto.SHA256, 32, 12, 0, 16}, // RFC 7905
		0xd005: {"TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256", ECDHEPSK, crypto.SHA256, 16, 4, 8, 16},        // RFC 8442
		0xd003: {"TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256", ECDHEPSK, crypto.SHA256, 16, 4, 8, 8},       // RFC 8442

		0xc02b: {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", ECDHEECDSA, crypto.SHA256, 16, 4, 8, 16},        // RFC 5289
		0xc02c: {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", ECDHEECDSA, gcm256, 32, 4, 8, 16},               // RFC 5289
		0xcca9: {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", ECDHEECDSA, crypto.SHA256, 32, 12, 0, 16}, // RFC 7905
		0xc0ac: {"TLS_ECDHE_ECDSA_WITH_AES_128_CCM", ECDHEECDSA, crypto.SHA256, 16, 4, 8, 16},               // RFC 7251
		0xc0ae: {"TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", ECDHEECDSA, crypto.SHA256, 16, 4, 8, 8},              // RFC 7251

		0xc02f: {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", ECDHERSA, crypto.SHA256, 16, 4, 8, 16},        // RFC 5289
		0xc030: {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", ECDHERSA, gcm256, 32, 4, 8, 16},               // RFC 5289
		0xcca8: {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", ECDHERSA, crypto.SHA256, 32, 12, 0, 16}, // RFC 7905
	}
	got := map[wire.CipherSuite]facts{}
	for _, s := range All() {
		if s.Overhead() != s.ExplicitNonceLen+s.TagLen || s.Overhead() > 1024 {
			t.Errorf("%s expands a record by %d bytes", s.Name, s.Overhead())
		}
		got[s.ID] = facts{s.Name, s.KeyExchange, s.Hash, s.KeyLen, s.FixedIVLen, s.ExplicitNonceLen, s.TagLen}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table differs (-RFCs +table):\n%s", diff)
	}
}

// TestTableAgainstCryptoTLS compares numbers with the standard library's,
// where it has the suite.
func TestTableAgainstCryptoTLS(t *testing.T) {
	common := 0
	for _, theirs := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ours := ByName(theirs.Name)
		if ours == nil {
			continue
		}
		common++
		if uint16(ours.ID) != theirs.ID {
			t.Errorf("%s is %#04x, crypto/tls says %#04x", ours.Name, uint16(ours.ID), theirs.ID)
		}
	}
	if common != 6 { // ECDHE_ECDSA and ECDHE_RSA with three AEADs
		t.Errorf("%d suites are in crypto/tls too, want 6", common)
	}
}

// Proves rfc7252 §9.1.3.1: "Implementations in these modes MUST support the mandatory-to-
// implement cipher suite TLS_PSK_WITH_AES_128_CCM_8 as specified in
// [RFC6655]."
//
// Proves rfc7252 §9.1.3.2: "Implementations in RawPublicKey
// mode MUST support the mandatory-to-implement cipher suite
// TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 as specified in [RFC7251],
// [RFC5246], and [RFC4492]."
//
// Proves rfc7252 §9.1.3.3: "Implementations in Certificate Mode MUST support the mandatory-to-
// implement cipher suite TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 as
// specified in [RFC7251], [RFC5246], and [RFC4492]."
func TestDefaults(t *testing.T) {
	defaults := Default()
	for _, id := range []wire.CipherSuite{0xc0a8, 0xc0ae} {
		if !ByID(id).MandatoryToImplement {
			t.Errorf("%v is not marked as mandatory", id)
		}
		if !slices.Contains(defaults, id) {
			t.Errorf("%v is off by default", id)
		}
	}
	position := map[wire.CipherSuite]int{}
	for i, id := range defaults {
		s := ByID(id)
		if s.KeyExchange == ECDHERSA {
			t.Errorf("%s is on by default", s.Name)
		}
		position[id] = i
	}
	if len(position) != len(defaults) || len(defaults) != 15 {
		t.Errorf("%d defaults, %d different, want 15", len(defaults), len(position))
	}
	// The reasons in the table's comment, in order.
	for _, pair := range [][2]wire.CipherSuite{
		{0xd003, 0x00a8}, // an ephemeral key even with CCM_8 before none
		{0xd003, 0xc02b}, // a shared key before certificates
		{0xc0ac, 0xc0ae}, // 16 bytes of tag before 8
		{0xc02b, 0xc02c}, // 128 bits before 256
		{0xc02c, 0xcca9}, // AES-GCM before ChaCha20
		{0xcca9, 0xc0ac}, // either before CCM
	} {
		if position[pair[0]] >= position[pair[1]] {
			t.Errorf("%v does not come before %v", pair[0], pair[1])
		}
	}
	defaults[0] = 0
	if Default()[0] == 0 {
		t.Error("Default hands out its own memory")
	}
}

// Pitfall A8: the limits on the use of a key, by AEAD
func TestLimits(t *testing.T) {
	for _, s := range All() {
		var seal, open uint64
		switch {
		case s.TagLen == 8: // CCM_8: RFC 9147 §4.5.3 leaves the number to us
			seal, open = 1<<23, 1<<20
		case s.FixedIVLen == 12: // ChaCha20-Poly1305
			seal, open = 1<<48-1, 1<<36
		case s.sealsWithGCM():
			seal, open = 23_726_566, 1<<36 // 2^24.5
		default: // CCM
			seal, open = 1<<23, 11_863_283 // 2^23.5
		}
		if s.SealLimit != seal || s.OpenLimit != open {
			t.Errorf("%s: limits %d sealed, %d failed, want %d, %d", s.Name, s.SealLimit, s.OpenLimit, seal, open)
		}
	}
}

func (s *Suite) sealsWithGCM() bool {
	_, ok := s.AEAD(make([]byte, s.KeyLen)).(*library)
	return ok && s.FixedIVLen == 4
}

func TestLookups(t *testing.T) {
	for _, s := range All() {
		if ByID(s.ID) != s || ByName(s.Name) != s || ByName(s.Name[len("TLS_"):]) != s {
			t.Errorf("%s is not found by its own id and names", s.Name)
		}
	}
	if ByID(wire.TLS_EMPTY_RENEGOTIATION_INFO_SCSV) != nil || ByName("") != nil || ByName("TLS_") != nil {
		t.Error("found a suite that does not exist")
	}
}
