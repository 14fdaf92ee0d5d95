// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// A meter is a Guard that counts what it is asked, and refuses everything.
type meter struct{ answers, begins int }

func (m *meter) Answer(tick.Time) bool {
	m.answers++
	return false
}

func (m *meter) Begin(tick.Time, netip.Addr) bool {
	m.begins++
	return false
}

// The guard is asked for each thing that costs more than a look, before it is
// done, and for nothing else.
func TestGuard(t *testing.T) {
	g := newGateTest(t)
	cookie := g.cookie(testAddr)
	old := plainRecord(wire.ContentHandshake, 0, 0, rawMessage(wire.HandshakeClientHello, 0,
		(&wire.ClientHello{Version: wire.VersionDTLS10, Random: make([]byte, 32), Compression: []byte{0}, CipherSuites: g.hello.CipherSuites}).Append(nil)))
	with := func(cookie []byte) []byte {
		g.hello.Cookie = cookie
		return g.datagram(1, 1)
	}
	for _, tt := range []struct {
		name     string
		datagram []byte
		drop     Drop
		asked    meter
	}{
		{"no cookie", with(nil), hs.DropNoCookie, meter{answers: 1}},
		{"a bad cookie", with(make([]byte, cookieLen)), hs.DropBadCookie, meter{answers: 1}},
		{"a good cookie", with(cookie), hs.DropNone, meter{begins: 1}},
		{"DTLS 1.0", old, hs.DropVersion, meter{answers: 1}},
		{"junk", bytes.Repeat([]byte{0xAB}, 50), hs.DropNotHello, meter{}},
		{"nothing", nil, hs.DropNotHello, meter{}},
	} {
		m := new(meter)
		g.Guard(m)
		s := g.screen(testAddr, tt.datagram)
		if s.Reply != 0 || s.Session != nil || s.Drop != tt.drop || *m != tt.asked {
			t.Errorf("%s: %+v, asked %+v", tt.name, s, *m)
		}
	}
	g.Guard(nil)
	if s := g.screen(testAddr, with(cookie)); s.Session == nil {
		t.Errorf("without a guard: %+v", s)
	}
}

// IsProtected finds a record that an established session could open, wherever in
// the datagram it stands.
func TestIsProtected(t *testing.T) {
	record := func(typ wire.ContentType, version Version, epoch uint16) []byte {
		h := wire.RecordHeader{Type: typ, Version: version, Epoch: epoch, Length: 20}
		return append(h.Append(nil), make([]byte, 20)...)
	}
	data, plain := record(wire.ContentApplicationData, VersionDTLS12, 1), record(wire.ContentHandshake, VersionDTLS12, 0)
	for _, tt := range []struct {
		name     string
		datagram []byte
		want     bool
	}{
		{"application data", data, true},
		{"an alert", record(wire.ContentAlert, VersionDTLS12, 1), true},
		{"a Finished behind a flight in plaintext", append(bytes.Clone(plain), record(wire.ContentHandshake, VersionDTLS12, 1)...), true},
		{"plaintext", plain, false},
		{"a record cut short", data[:32], false},
		{"another version", record(wire.ContentApplicationData, 0x0303, 1), false},
		{"another type", record(99, VersionDTLS12, 1), false},
		{"ChangeCipherSpec, which is never protected", record(wire.ContentChangeCipherSpec, VersionDTLS12, 1), false},
		{"CoAP", []byte{0x40, 1, 0, 1}, false},
		{"nothing", nil, false},
	} {
		if got := IsProtected(tt.datagram); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
