// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

type pssGroup struct {
	PublicKeyDer hexBytes
	Sha, MgfSha  string
	SLen         int // bytes
	Tests        []struct {
		TcID     int
		Msg, Sig hexBytes
	}
}

// Every signature of the file is valid PSS, with each combination of hash,
// hash of the mask and length of salt. It verifies with the scheme whose hash
// is both hashes and as long as the salt (RFC 8446 §4.2.3), and with no other.
// None is left out.
func TestWycheproofParametersOfPSS(t *testing.T) {
	schemes := []struct {
		sha    string
		salt   int
		scheme wire.SignatureScheme
	}{
		{"SHA-256", 32, wire.SchemeRSAPSSSHA256},
		{"SHA-384", 48, wire.SchemeRSAPSSSHA384},
		{"SHA-512", 64, wire.SchemeRSAPSSSHA512},
	}
	file := readPacked[pssGroup](t, "rsa_pss_misc")
	var ran tally
	for _, g := range file.TestGroups {
		key, reason := ParsePeerKey(wire.AppendRawPublicKey(nil, g.PublicKeyDer), wire.CertRawPublicKey)
		if reason != ReasonNone {
			t.Fatalf("key %x: %v", g.PublicKeyDer, reason)
		}
		for _, c := range g.Tests {
			accepted := false
			for _, s := range schemes {
				accept := g.Sha == s.sha && g.MgfSha == s.sha && g.SLen == s.salt
				accepted = accepted || accept
				want := ReasonBadSignature
				if accept {
					want = ReasonNone
				}
				job := &Job{Verification: &Verification{Key: key.Public, Scheme: s.scheme, Message: c.Msg, Signature: c.Sig}}
				if job.Run(); job.Failure != want {
					t.Errorf("test %d (%s, MGF1 of %s, salt of %d) as %v: %v", c.TcID, g.Sha, g.MgfSha, g.SLen, s.scheme, job.Failure)
				}
			}
			ran.count(accepted)
		}
	}
	ran.check(t, tally{accepted: 3, refused: 147}, file.NumberOfTests)
}
