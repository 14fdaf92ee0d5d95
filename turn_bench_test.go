// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/udp"
)

// A mill is a Conn that costs nothing: requests come as fast as they are taken,
// 64 at a time, one from each of as many clients, and answers go nowhere.
type mill struct {
	left  int // requests still to come
	mid   uint16
	turns atomic.Int64 // batches brought
}

// Poll brings 64 requests.
func (m *mill) Poll(batch []udp.Datagram) (int, error) {
	if m.left <= 0 {
		return 0, nil
	}
	m.mid++
	m.turns.Add(1)
	for i := range batch {
		d := &batch[i]
		d.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 5683)
		d.Local = netip.AddrFrom4([4]byte{192, 0, 2, 255})
		d.N = copy(d.Buf, "\x44\x01\x00\x00toke\xb5hello") // RFC 7252 section 3: CON GET /hello
		binary.BigEndian.PutUint16(d.Buf[2:], m.mid)
	}
	m.left -= len(batch)
	return len(batch), nil
}

func (m *mill) Recv(batch []udp.Datagram) (int, error) { return m.Poll(batch) }
func (m *mill) Send(batch []udp.Datagram) (int, error) { return len(batch), nil }
func (m *mill) SetReadDeadline(time.Time) error        { return nil }
func (m *mill) LocalAddr() netip.AddrPort              { return netip.MustParseAddrPort("192.0.2.255:5683") }
func (m *mill) Close() error                           { return nil }

// BenchmarkTurn is what a request costs a server beside system calls.
func BenchmarkTurn(b *testing.B) {
	handler := HandlerFunc(func(w ResponseWriter, _ *Request) { _, _ = w.Write(payload) })
	guard := rules("allow group:sensors POST /telemetry/{device}", "allow anybody GET /hello", "deny device:eve * /**")
	for _, c := range []struct {
		name   string
		h      Handler
		access *acl.List
	}{{"inline", Inline(handler), nil}, {"inline, rules", Inline(handler), guard}, {"pool", handler, nil}} {
		b.Run(c.name, func(b *testing.B) {
			m := &mill{left: b.N}
			s := &Server{NoSec: true, Addr: "mill", Handler: c.h, Access: c.access, ListenPacket: func(string, string) (udp.Conn, error) { return m, nil }}
			if err := s.Listen(); err != nil {
				b.Fatal(err)
			}
			shard := s.plain.shards[0]
			b.ReportAllocs()
			b.ResetTimer()
			for m.left > 0 || shard.inHand > 0 {
				shard.turn()
			}
			b.StopTimer()
			b.ReportMetric(float64(s.plain.workers.workers.Load()), "workers")
			s.plain.workers.close()
			s.plain.workers.wait()
		})
	}
}
