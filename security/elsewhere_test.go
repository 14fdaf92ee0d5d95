// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

// Where a credential is known is told of each kind, and never the host that was asked
// for.
func TestElsewhere(t *testing.T) {
	w := theWorld()
	now := w.client.Leaf.NotBefore.Add(time.Minute)
	entries := map[string]Entry{
		"b.example/psk dev1":  pskEntry("dev1", "sixteen byte key"),
		"c.example/psk dev1":  refused("dev1", dtls.ReasonCredentialExpired),
		"/psk here":           pskEntry("here", "sixteen byte key"),
		"b.example/psk there": {Reason: dtls.ReasonStoreUnavailable},
	}
	b := &book{entries: entries}
	show := Config{Chains: []dtls.Chain{w.server}, Directory: b}
	other := show
	other.Trust = w.trust
	p := must((&Config{Chains: []dtls.Chain{w.server}, Directory: b, Hosts: map[string]*Config{"b.example": &other, "c.example": &show}}).Server())
	if !p.Hosted() || must((&Config{Directory: b, Chains: []dtls.Chain{w.server}}).Server()).Hosted() {
		t.Error("Hosted")
	}
	raw := must(keys.NewKey(rand.Reader)).SPKI
	entries["c.example/rpk "+keys.NameOf(raw, keys.SHA256_120).String()] = deviceEntry("raw")
	for _, test := range []struct {
		what  string
		facts dtls.Facts
		want  []string
	}{
		{"a key of two hosts", dtls.Facts{PSKIdentity: []byte("dev1")}, []string{"b.example", "c.example"}},
		{"asked for one of them", dtls.Facts{PSKIdentity: []byte("dev1"), ServerName: "B.example."}, []string{"c.example"}},
		{"asked for a name that is none", dtls.Facts{PSKIdentity: []byte("dev1"), ServerName: "x.example"}, []string{"b.example", "c.example"}},
		{"of the default host", dtls.Facts{PSKIdentity: []byte("here"), ServerName: "b.example"}, []string{""}},
		{"of nobody", dtls.Facts{PSKIdentity: []byte("nobody")}, nil},
		{"of a store that is away", dtls.Facts{PSKIdentity: []byte("there")}, nil},
		{"a raw key", dtls.Facts{PeerRawKey: raw, PeerCertType: dtls.CertRawPublicKey}, []string{"c.example"}},
		{"a certificate that another host trusts", dtls.Facts{PeerChain: []*x509.Certificate{w.client.Leaf}, PeerCertType: dtls.CertX509}, []string{"b.example"}},
		{"nothing", dtls.Facts{}, nil},
	} {
		if got := p.Elsewhere(t.Context(), &test.facts, now); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.what, got, test.want)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if got := p.Elsewhere(over, &dtls.Facts{PSKIdentity: []byte("dev1")}, now); got != nil {
		t.Errorf("when there is no time: %q", got)
	}
}
