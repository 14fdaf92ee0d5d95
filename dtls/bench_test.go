// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// sealed is a pair with one suite, and what both ends need to pass a record.
func sealed(t testing.TB, id CipherSuite) (p *pair, payload, out []byte) {
	psk := with(Credentials{PSK: true})
	p = newPair(t, &Config{Credentials: psk, CipherSuites: []CipherSuite{id}}, &Config{Credentials: psk, CipherSuites: []CipherSuite{id}})
	p.establish()
	return p, make([]byte, 64), make([]byte, 0, 256)
}

var recordSuites = []CipherSuite{pskSuite, wire.TLS_PSK_WITH_AES_128_CCM, wire.TLS_PSK_WITH_AES_128_GCM_SHA256, wire.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256}

// A record costs no memory in either direction, nor does one that is dropped.
func TestRecordsAllocateNothing(t *testing.T) {
	for _, id := range recordSuites {
		p, payload, out := sealed(t, id)
		var ev Event
		pass := func(tamper byte) {
			record, err := p.client.Seal(out, payload)
			if err != nil {
				t.Fatal(err)
			}
			record[len(record)-1] ^= tamper
			p.server.Receive(p.now, record)
			got := 0
			for p.server.Next(p.now, &ev) {
				got += len(ev.Data)
			}
			if want := (1 - int(tamper)) * len(payload); got != want {
				t.Fatalf("received %d bytes, want %d", got, want)
			}
			if p.server.Transmit(p.now, p.buf) != 0 || p.server.Deadline() < 0 {
				t.Fatal("an answer")
			}
		}
		for _, tamper := range []byte{0, 1} {
			if n := testing.AllocsPerRun(100, func() { pass(tamper) }); n != 0 {
				t.Errorf("%v, tampered %d: %v allocations", id, tamper, n)
			}
		}
	}
}

func BenchmarkSeal64(b *testing.B) {
	for _, id := range recordSuites {
		b.Run(id.String(), func(b *testing.B) {
			p, payload, out := sealed(b, id)
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				p.client.Seal(out, payload)
			}
		})
	}
}

// One record from one end to the other.
func BenchmarkSealOpen64(b *testing.B) {
	for _, id := range recordSuites {
		b.Run(id.String(), func(b *testing.B) {
			p, payload, out := sealed(b, id)
			var ev Event
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				record, _ := p.client.Seal(out, payload)
				p.server.Receive(p.now, record)
				for p.server.Next(p.now, &ev) {
				}
			}
		})
	}
}

// A full handshake of each mode, both ends and the cookie, in memory.
func BenchmarkHandshake(b *testing.B) {
	for _, m := range modes() {
		for _, kx := range m.suites {
			for _, s := range suite.All() {
				if s.KeyExchange != kx || s.TagLen != 8 && kx != suite.ECDHERSA {
					continue
				}
				b.Run(m.name+"/"+s.Name, func(b *testing.B) {
					client, server := m.configs(s)
					p := newPair(b, client, server)
					b.ReportAllocs()
					for b.Loop() {
						p.server = peer{key: p.server.key}
						p.restart(client)
						p.establish()
					}
				})
				if kx == suite.ECDHERSA {
					break
				}
			}
		}
	}
}
