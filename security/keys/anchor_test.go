// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// TestAnchorShown: whether a peer shows the anchor besides makes no difference
// to what is said of its chain, be the anchor the end of all paths or not.
func TestAnchorShown(t *testing.T) {
	p := newDeepPKI(t)
	between := p.intermediate(unchanged)
	narrow := p.intermediate(func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"b.example"}, true
	})
	stranger := newPKI(t)
	seen := map[dtls.Reason]bool{}
	leaves := map[string]*x509.Certificate{
		"good": p.certify(unchanged), "below": between.issue(t, p.leaf, unchanged), "narrow": narrow.issue(t, p.leaf, unchanged),
		"expired": p.certify(func(c *x509.Certificate) { c.NotAfter = noon.Add(-1) }), "strange": stranger.certify(unchanged),
	}
	trusts := map[string]*Trust{
		"root":         NewTrust([]*x509.Certificate{p.root}),
		"intermediate": NewTrust([]*x509.Certificate{between.certificate, narrow.certificate}),
		"all":          NewTrust([]*x509.Certificate{p.root, between.certificate, narrow.certificate}),
	}
	for trusted, trust := range trusts {
		for name, leaf := range leaves {
			for _, now := range []time.Time{noon, noon.AddDate(-100, 0, 0), noon.AddDate(100, 0, 0)} {
				without := []*x509.Certificate{leaf, between.certificate, narrow.certificate}
				with := append(without, p.root)
				own, shown := ReasonOf(trust.VerifyServer(without, aExample, now)), ReasonOf(trust.VerifyServer(with, aExample, now))
				seen[own] = true
				if own != shown {
					t.Errorf("trust in %s, %s leaf, %v: %v, with the root shown %v", trusted, name, now, own, shown)
				}
			}
		}
	}
	if len(seen) < 4 || !seen[dtls.ReasonNone] {
		t.Errorf("the verdicts were %v only", seen)
	}
}

func BenchmarkVerifyServer(b *testing.B) {
	p := newDeepPKI(b)
	trust := NewTrust([]*x509.Certificate{p.root})
	between := p.intermediate(unchanged)
	leaf, below := p.certify(unchanged), between.issue(b, p.leaf, unchanged)
	for _, test := range []struct {
		name  string
		chain []*x509.Certificate
	}{
		{"leaf", []*x509.Certificate{leaf}},
		{"leaf and root", []*x509.Certificate{leaf, p.root}},
		{"leaf and intermediate", []*x509.Certificate{below, between.certificate}},
		{"leaf, intermediate and root", []*x509.Certificate{below, between.certificate, p.root}},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := trust.VerifyServer(test.chain, aExample, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
