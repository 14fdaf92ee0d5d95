// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"crypto/x509"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// costly is a server whose share of a handshake is measured: gate, session,
// jobs and verdict, without the client's share and without a network.
type costly struct {
	*pair
	session *Session
	roots   *x509.CertPool // judges chains; nil: takes every key
	out     [][]byte       // datagrams of the last turn, in memory that is used again
	spare   [8][1500]byte
	// around is called with each turn of the server.
	around func(turn func())
}

// handshake runs one and reports whether it completed.
func (s *costly) handshake(client *Config) bool {
	s.restart(client)
	s.session = nil
	for range 6 {
		for _, datagram := range s.take(&s.client) {
			s.around(func() { s.serve(datagram) })
			for _, d := range s.out {
				s.deliver(false, d)
			}
		}
	}
	return s.session != nil && s.session.State() == Established && s.client.established
}

// serve is one turn of the server: a datagram in, and all that follows out.
func (s *costly) serve(datagram []byte) {
	s.out = s.out[:0]
	if s.session == nil {
		screening := s.gate.Screen(s.now, s.addr, datagram, s.spare[0][:])
		if screening.Reply > 0 {
			s.out = append(s.out, s.spare[0][:screening.Reply])
		}
		if s.session = screening.Session; s.session == nil {
			return
		}
	} else {
		s.session.Receive(s.now, datagram)
	}
	var ev Event
	for s.session.Next(s.now, &ev) {
		s.answer(&ev)
	}
	for i := range s.spare {
		n := s.session.Transmit(s.now, s.spare[i][:])
		if n == 0 {
			break
		}
		s.out = append(s.out, s.spare[i][:n])
	}
}

func (s *costly) answer(ev *Event) {
	switch ev.Kind {
	case EventWantPSK:
		s.session.ProvidePSK(s.now, nil, s.server.key)
	case EventNeedJob:
		ev.Job.Run()
		s.session.Complete(s.now, ev.Job)
	case EventWantVerdict:
		s.session.ProvideVerdict(s.now, s.judge(s.session.Facts().PeerChain))
	}
}

// judge verifies a client's chain to the roots.
func (s *costly) judge(chain []*x509.Certificate) Reason {
	if s.roots == nil || len(chain) == 0 {
		return ReasonNone
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{
		Roots: s.roots, CurrentTime: time.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return ReasonCertBad
	}
	return ReasonNone
}

// costlyServer is a server of a mode, with its first suite of 8 byte tags.
func costlyServer(t testing.TB, name string, kx suite.KeyExchange) (s *costly, client *Config) {
	for _, m := range modes() {
		if m.name != name {
			continue
		}
		id := map[suite.KeyExchange]CipherSuite{
			suite.PSK: pskSuite, suite.ECDHEPSK: wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256,
			suite.ECDHEECDSA: wire.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
		}[kx]
		client, server := m.configs(suite.ByID(id))
		s := &costly{pair: newPair(t, client, server), around: func(turn func()) { turn() }}
		if m.server.AcceptCertificates {
			s.roots = x509.NewCertPool()
			s.roots.AddCert(testKeys().ca)
		}
		return s, client
	}
	t.Fatalf("no mode %q", name)
	return nil, nil
}

var costlyModes = []struct {
	name        string
	kx          suite.KeyExchange
	allocations uint64  // at most, the server's
	ratio       float64 // at most, to the primitives
}{
	{"PSK", suite.PSK, 30, 4},
	{"PSK", suite.ECDHEPSK, 50, 2},
	{"RPK mutual", suite.ECDHEECDSA, 156, 1.8},
	{"RPK server alone", suite.ECDHEECDSA, 118, 1.8},
	{"X.509 mutual", suite.ECDHEECDSA, 264, 1.8},
}

// BenchmarkServerHandshake is the server's share of a handshake with cookie,
// in memory: server-ns/op; ns/op holds the client's share too.
func BenchmarkServerHandshake(b *testing.B) {
	for _, m := range costlyModes {
		b.Run(m.name+"/"+m.kx.String(), func(b *testing.B) {
			s, client := costlyServer(b, m.name, m.kx)
			var took time.Duration
			s.around = func(turn func()) {
				begun := time.Now()
				turn()
				took += time.Since(begun)
			}
			for b.Loop() {
				if !s.handshake(client) {
					b.Fatal("does not complete")
				}
			}
			b.ReportMetric(float64(took)/float64(b.N), "server-ns/op")
		})
	}
}

// TestServerHandshakeAllocations bounds what a server allocates for one
// handshake.
func TestServerHandshakeAllocations(t *testing.T) {
	if instrumented() {
		t.Skip("the race detector allocates, too")
	}
	for _, m := range costlyModes {
		s, client := costlyServer(t, m.name, m.kx)
		var mallocs, bytes uint64
		s.around = func(turn func()) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			turn()
			runtime.ReadMemStats(&after)
			mallocs += after.Mallocs - before.Mallocs
			bytes += after.TotalAlloc - before.TotalAlloc
		}
		const runs = 10
		for range runs {
			if !s.handshake(client) {
				t.Fatal("does not complete")
			}
		}
		t.Logf("%s/%v: %d allocations, %d bytes", m.name, m.kx, mallocs/runs, bytes/runs)
		if mallocs/runs > m.allocations {
			t.Errorf("%s/%v: %d allocations, want at most %d", m.name, m.kx, mallocs/runs, m.allocations)
		}
	}
}

// TestServerHandshakeBesidePrimitives: what a server does for a handshake is
// mostly the primitives, which is where to look if it should cost less. The
// lower quartiles of many turns, taken in turn, are compared; the bounds leave
// room for a busy machine.
func TestServerHandshakeBesidePrimitives(t *testing.T) {
	if testing.Short() || instrumented() {
		t.Skip("measures time")
	}
	for _, m := range costlyModes {
		s, client := costlyServer(t, m.name, m.kx)
		floor := primitives(t, m.name, m.kx)
		var took time.Duration
		s.around = func(turn func()) { took += timeOf(turn) }
		var ours, theirs []time.Duration
		for range 200 {
			took = 0
			if !s.handshake(client) {
				t.Fatal("does not complete")
			}
			ours = append(ours, took)
			took = 0
			for _, p := range floor {
				took += timeOf(p.run)
			}
			theirs = append(theirs, took)
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		own, sum := ours[len(ours)/4], theirs[len(theirs)/4]
		ratio := float64(own) / float64(sum)
		t.Logf("%s/%v: server %v, primitives %v, ratio %.2f", m.name, m.kx, own, sum, ratio)
		if ratio > m.ratio {
			t.Errorf("%s/%v: a handshake costs %.2f times its primitives, want at most %.2f", m.name, m.kx, ratio, m.ratio)
		}
	}
}

func timeOf(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

// instrumented reports whether the race detector watches Go code, and not
// the assembly that primitives are made of.
func instrumented() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
