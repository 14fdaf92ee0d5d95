// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"crypto/x509"
	"reflect"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// All facts come back, those that are absent as absent. A new one fails here
// until it is packed, unless it is gone before a session rests.
func TestPackFactsForgetsNothing(t *testing.T) {
	full := &Facts{
		Version: wire.VersionDTLS12, CipherSuite: 0xffff, Group: 0xffff, SignatureScheme: 0xffff, LocalSignatureScheme: 0xfffe,
		ExtendedMasterSecret: true, PeerTrusted: true, PeerCertType: 255, LocalCertType: 254, ServerName: "server.example",
		PSKIdentity: []byte("identity"), PSKHint: []byte{}, PeerRawKey: []byte("spki"),
		PeerChain: []*x509.Certificate{chain(t, keys().p256).Leaf, chain(t, keys().p256).Leaf}, PeerMaxFragment: 1 << 14,
	}
	for v, i := reflect.ValueOf(*full), 0; i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "OCSP" {
			t.Fatalf("%s is not tried", name)
		}
	}
	for _, f := range []*Facts{full, {Version: wire.VersionDTLS12}} {
		if got := f.Pack().Facts(f.Version); !reflect.DeepEqual(got, f) {
			t.Errorf("%+v\ncame back as\n%+v", f, got)
		}
	}
}
