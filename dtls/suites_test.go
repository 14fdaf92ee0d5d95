// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
)

// Each suite of the list has a name of its own and is taken by a Config, and
// the ones that RFC 7252 makes mandatory are there.
//
// Proves rfc7252 §9.1.3.1: "Implementations in these modes MUST support the
// mandatory-to-implement cipher suite TLS_PSK_WITH_AES_128_CCM_8 as specified
// in [RFC6655]."
// Proves rfc7252 §9.1.3.2: "Implementations in RawPublicKey mode MUST support
// the mandatory-to-implement cipher suite TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 as
// specified in [RFC7251], [RFC5246], and [RFC4492]."
func TestCipherSuites(t *testing.T) {
	all := CipherSuites()
	names := map[string]bool{}
	for _, id := range all {
		name := id.String()
		if !strings.HasPrefix(name, "TLS_") || names[name] {
			t.Errorf("%#x is called %q", uint16(id), name)
		}
		names[name] = true
		if _, err := (&Config{Rand: rand.Reader, CipherSuites: []CipherSuite{id}}).resolve(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, mandatory := range []string{"TLS_PSK_WITH_AES_128_CCM_8", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"} {
		if !names[mandatory] {
			t.Errorf("%s is missing", mandatory)
		}
	}
	all[0] = 0
	if slices.Contains(CipherSuites(), 0) {
		t.Error("the caller's slice is the table")
	}
}
