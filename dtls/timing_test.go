// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// timeOfFlight5 is how long a server takes over the last flight of a client
// that does not hold its key.
func timeOfFlight5(t *testing.T, id CipherSuite, unknown bool) time.Duration {
	t.Helper()
	cfg := func() *Config {
		return &Config{CipherSuites: []CipherSuite{id}, Credentials: with(Credentials{PSK: true})}
	}
	p := newPair(t, cfg(), cfg())
	p.client.key = []byte("fedcba9876543210")
	p.server.unknown = unknown
	var flight5 [][]byte
	p.sent = func(fromClient bool, d []byte) bool {
		h, _ := wire.ParseHandshakeHeader(d[wire.RecordHeaderLen:])
		if fromClient && h.Type != wire.HandshakeClientHello {
			flight5 = append(flight5, bytes.Clone(d))
			return false
		}
		return true
	}
	p.exchange()
	begun := time.Now()
	for _, d := range flight5 {
		p.deliver(true, d)
	}
	sent := len(p.take(&p.server))
	took := time.Since(begun)
	if len(flight5) == 0 || sent != 0 || p.server.established || p.server.State() != Handshaking {
		t.Fatalf("%v: %d datagrams are answered with %d, server is %v", id, len(flight5), sent, p.server.State())
	}
	return took
}

// An unknown identity costs the server as much time as a wrong key: the lower
// quartiles of many turns, taken in turn, are within a fifth of each other.
//
// Proves rfc4279 §2: "Alternatively, if the server wishes to hide the fact
// that the PSK identity was not known, it MAY continue the protocol as if the
// PSK identity existed but the key was incorrect"
// Pitfall A6: time tells nothing about which identities exist
func TestUnknownIdentityTakesTheSameTime(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	for _, id := range []CipherSuite{pskSuite, wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256} {
		quartile := func(d []time.Duration) float64 { slices.Sort(d); return float64(d[len(d)/4]) }
		var ratio float64
		// A busy machine may disturb one series, and hardly all.
		for range 5 {
			var unknown, wrong []time.Duration
			for range 200 {
				unknown = append(unknown, timeOfFlight5(t, id, true))
				wrong = append(wrong, timeOfFlight5(t, id, false))
			}
			if ratio = quartile(unknown) / quartile(wrong); ratio > 0.8 && ratio < 1.25 {
				break
			}
		}
		if t.Logf("%v: unknown identity takes %.2f of the time", id, ratio); ratio < 0.8 || ratio > 1.25 {
			t.Errorf("%v: an unknown identity takes %.2f times as long as a wrong key", id, ratio)
		}
	}
}
