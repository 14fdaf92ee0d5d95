// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/mmsg"
)

// tight are limits that a test can reach.
var tight = endpoint.Limits{
	Sessions: 40, HalfOpen: 32, PlainPeers: 64, Bytes: 1 << 20, EvictAfter: time.Hour,
	HandshakeRate: 2000, PrefixHandshakeRate: -1, AnswerRate: 5000,
}

// An overload is more of something than a server takes.
type overload struct {
	name    string
	attack  func(*attacker)
	refused func(*Stats) uint64
	limits  func(*endpoint.Limits) // may be nil
}

var overloads = []overload{
	{name: "junk to the secure port", attack: (*attacker).junk, refused: func(s *Stats) uint64 { return sum(s.DTLSDrops[:]) }},
	{name: "hellos without a cookie", attack: (*attacker).hellos, refused: dropped(endpoint.DropAnswerRate)},
	{name: "half-open handshakes", attack: (*attacker).halfOpen, refused: dropped(endpoint.DropHalfOpen)},
	{
		name: "handshakes a second", attack: (*attacker).halfOpen, refused: dropped(endpoint.DropHandshakeRate),
		limits: func(l *endpoint.Limits) { l.HandshakeRate = 20 },
	},
	{
		name: "handshakes a second of a prefix", attack: (*attacker).halfOpen, refused: dropped(endpoint.DropPrefixHandshakeRate),
		limits: func(l *endpoint.Limits) { l.PrefixHandshakeRate = 2 },
	},
	{
		name: "sessions", attack: (*attacker).sessions, refused: dropped(endpoint.DropSessions),
		limits: func(l *endpoint.Limits) { l.HalfOpen = 1000 },
	},
	{name: "addresses without DTLS", attack: (*attacker).strangers, refused: dropped(endpoint.DropPlainEvicted)},
	{
		name: "bytes of duplicates", attack: (*attacker).strangers,
		refused: func(s *Stats) uint64 { return s.MessageDrops[message.DropEvictedByMemory] },
		limits:  func(l *endpoint.Limits) { l.PlainPeers, l.Bytes = 1<<20, 1<<14 },
	},
	{
		name: "requests for slow handlers", attack: (*attacker).slow,
		refused: func(s *Stats) uint64 { return s.HandlersRefused },
		limits:  func(l *endpoint.Limits) { l.PlainPeers = 1 << 20 },
	},
}

func dropped(d endpoint.Drop) func(*Stats) uint64 {
	return func(s *Stats) uint64 { return s.Drops[d] }
}

// Whatever there is too much of, the server refuses it and counts, its memory
// stays under a cap, sessions that it had stay, and afterwards it is as fast as
// before.
func TestOverloads(t *testing.T) {
	for _, o := range overloads {
		t.Run(o.name, o.test)
	}
}

func (o overload) test(t *testing.T) {
	release := make(chan struct{})
	mux := NewMux()
	mux.Handle("/some/path", HandlerFunc(func(w ResponseWriter, _ *Request) { w.Write(payload) }))
	mux.Handle("/slow", HandlerFunc(func(ResponseWriter, *Request) { <-release }))
	s := newGroup(t, 2, mux, func(s *Server) {
		s.Logger, s.Limits, s.Workers = nil, tight, 2
		if o.limits != nil {
			o.limits(&s.Limits)
		}
	})
	a := newAttacker(t, s)
	old := newBareClient(t, s, true)
	before, base := old.pace(), heap()
	var most uint64
	var stats Stats
	for end := time.Now().Add(10 * time.Second); o.refused(&stats) == 0; stats = s.server.Stats() {
		if time.Now().After(end) {
			t.Fatalf("nothing was refused: %+v", stats)
		}
		o.attack(a)
		most = max(most, heap())
	}
	close(release)
	eventually(t, "it is as fast as before", func() bool { return old.pace() <= 3*before+200*time.Microsecond })
	const memory = 8 << 20
	if most > base+memory || heap() > base+memory {
		t.Errorf("%d KiB before, %d in the middle, %d afterwards", base>>10, most>>10, heap()>>10)
	}
}

// heap is the live memory in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func sum(counters []uint64) (total uint64) {
	for _, n := range counters {
		total += n
	}
	return total
}

// An attacker has all addresses of the loopback network.
type attacker struct {
	s             *stage
	conn          *mmsg.Conn
	plain, secure netip.AddrPort
	batch         []udp.Datagram
	host          uint32 // the last address used
	hello         *dtls.Config
	peers         map[netip.Addr]*dtls.Session
	mid           uint16
}

func newAttacker(t *testing.T, s *stage) *attacker {
	conn, err := mmsg.Config{}.Listen("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	policy := must(s.clientConfig(security.PreSharedKey).Client(keys.Authority{}))
	a := &attacker{s: s, conn: conn, batch: datagrams(64, 2048), hello: policy.DTLS(rand.Reader), peers: make(map[netip.Addr]*dtls.Session)}
	a.plain, a.secure = s.server.Addrs()
	return a
}

// from is the next address of 127.1.0.0 and up: each in a /24 with 63 others.
func (a *attacker) from() netip.Addr {
	a.host++
	return netip.AddrFrom4([4]byte{127, 1 + byte(a.host>>14), byte(a.host >> 6), 1 + byte(a.host&63)})
}

// send sends a batch from new addresses.
func (a *attacker) send(to netip.AddrPort, write func(buf []byte) int) {
	for i := range a.batch {
		d := &a.batch[i]
		d.Remote, d.Local, d.N = to, a.from(), write(d.Buf)
	}
	if _, err := a.conn.Send(a.batch); err != nil {
		a.s.t.Error(err)
	}
}

func (a *attacker) junk() {
	a.send(a.secure, func(buf []byte) int {
		rand.Read(buf[:100])
		buf[0] = 20 + buf[0]%6 // the content types of RFC 6347 section 4.1, and others
		return 100
	})
}

func (a *attacker) client() *dtls.Session { return must(dtls.NewClient(a.hello, 0, "")) }

func (a *attacker) hellos() {
	hello := make([]byte, 2048)
	hello = hello[:a.client().Transmit(0, hello)]
	for range 20 {
		a.send(a.secure, func(buf []byte) int { return copy(buf, hello) })
	}
}

// halfOpen answers the cookies and then says nothing more.
func (a *attacker) halfOpen() { a.handshakes(2) }

// sessions answers everything.
func (a *attacker) sessions() { a.handshakes(100) }

// handshakes begins 64 of them and sends so many datagrams in each.
func (a *attacker) handshakes(datagrams int) {
	clear(a.peers)
	for i := range a.batch {
		d := &a.batch[i]
		session := a.client()
		d.Remote, d.Local, d.N = a.secure, a.from(), session.Transmit(0, d.Buf)
		a.peers[d.Local] = session
	}
	if _, err := a.conn.Send(a.batch); err != nil {
		a.s.t.Error(err)
	}
	a.answer(datagrams - 1)
}

// answer goes on with the handshakes for a while, with so many datagrams in each.
func (a *attacker) answer(most int) {
	in, out := datagrams(64, 2048), datagrams(1, 2048)
	sent := make(map[netip.Addr]int)
	for _ = a.conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); ; {
		n, err := a.conn.Recv(in)
		if err != nil {
			return
		}
		for i := range in[:n] {
			session := a.peers[in[i].Local]
			if session == nil {
				continue
			}
			session.Receive(0, in[i].Payload())
			a.provide(session)
			out[0].Remote, out[0].Local = in[i].Remote, in[i].Local
			for ; sent[in[i].Local] < most; sent[in[i].Local]++ {
				if out[0].N = session.Transmit(0, out[0].Buf); out[0].N == 0 {
					break
				}
				a.conn.Send(out)
			}
		}
	}
}

func (a *attacker) provide(session *dtls.Session) {
	for ev := (dtls.Event{}); session.Next(0, &ev); {
		switch ev.Kind {
		case dtls.EventWantPSK:
			session.ProvidePSK(0, a.s.psk.Identity, a.s.psk.Key.Bytes())
		case dtls.EventNeedJob:
			ev.Job.Run()
			session.Complete(0, ev.Job)
		}
	}
}

// get writes a request for a path of one segment.
func (a *attacker) get(buf []byte, path string) int {
	a.mid++
	buf[0], buf[1] = 0x40, 0x01 // RFC 7252 section 3: CON GET
	binary.BigEndian.PutUint16(buf[2:], a.mid)
	buf[4] = 0xb0 | byte(len(path))
	return 5 + copy(buf[5:], path)
}

func (a *attacker) strangers() {
	a.send(a.plain, func(buf []byte) int { return a.get(buf, "nowhere") })
}

func (a *attacker) slow() {
	a.send(a.plain, func(buf []byte) int { return a.get(buf, "slow") })
}
