// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"slices"
	"strings"
	"testing"
)

// The lists are what a Config uses, and every suite is found by its name.
func TestLists(t *testing.T) {
	all, on := CipherSuites(), DefaultCipherSuites()
	if len(all) != 18 {
		t.Errorf("%d suites, want 18", len(all))
	}
	for _, id := range all {
		name := id.String()
		for _, text := range []string{name, strings.ToLower(name), strings.TrimPrefix(name, "TLS_")} {
			if got, ok := CipherSuiteByName(text); !ok || got != id {
				t.Errorf("%q is %v, %v", text, got, ok)
			}
		}
		if rsa := strings.Contains(name, "ECDHE_RSA"); slices.Contains(on, id) == rsa {
			t.Errorf("%s is on: %v", name, !rsa)
		}
		for _, bad := range []string{"CBC", "anon", "NULL", "TLS_RSA"} {
			if strings.Contains(name, bad) {
				t.Errorf("suite %s", name)
			}
		}
	}
	for _, name := range []string{"", "TLS_", "TLS_EMPTY_RENEGOTIATION_INFO_SCSV", "TLS_RSA_WITH_AES_128_CBC_SHA"} {
		if id, ok := CipherSuiteByName(name); ok {
			t.Errorf("%q is %v", name, id)
		}
	}
	for _, id := range []CipherSuite{TLS_PSK_WITH_AES_128_CCM_8, TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8} {
		if !slices.Contains(on, id) {
			t.Errorf("%v is off", id)
		}
	}
	if g := DefaultGroups(); !slices.Contains(g, GroupSecp256r1) || len(g) != 3 {
		t.Errorf("groups %v", g)
	}
	if s := DefaultSignatureSchemes(); s[0] != ECDSAWithP256AndSHA256 || len(s) != 9 {
		t.Errorf("schemes %v", s)
	}
}
