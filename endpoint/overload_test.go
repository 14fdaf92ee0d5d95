// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/request"
)

// An overload is more of something than a limit allows.
type overload struct {
	name   string
	limits Limits
	count  int
	flood  func(c *crowd, l *load, i int) // the i-th of count
	drops  func(Stats) uint64             // what the limit refused
	most   int                            // bytes the heap may have grown when it is over
}

// A load has what floods are made of.
type load struct {
	hello    []byte
	sessions []*dtls.Session // of the clients that must not notice
	requests *requests
}

func (c *crowd) inject(remote netip.AddrPort, datagram []byte) {
	c.in.N, c.in.Remote = copy(c.in.Buf, datagram), remote
	c.server.Receive(c.now, &c.in)
	c.drain()
	c.transmit(nil)
}

// begin gets as far as a handshake that the client then leaves.
func (c *crowd) begin(remote netip.AddrPort) {
	s, err := dtls.NewClient(c.client, c.now, "")
	if err != nil {
		c.t.Fatal(err)
	}
	var ev dtls.Event
	buf := make([]byte, 2048)
	for range 2 {
		c.in.N, c.in.Remote = copy(c.in.Buf, buf[:s.Transmit(c.now, buf)]), remote
		c.server.Receive(c.now, &c.in)
		c.drain()
		c.transmit(func(d []byte) {
			s.Receive(c.now, d)
			for s.Next(c.now, &ev) {
			}
		})
	}
}

var overloads = []overload{{
	name: "answers", limits: Limits{AnswerRate: 1000}, count: 100_000,
	flood: func(c *crowd, l *load, i int) { c.inject(address(i), l.hello) },
	drops: func(s Stats) uint64 { return s.Drops[DropAnswerRate] },
}, {
	name: "handshakes a second", limits: Limits{HandshakeRate: 500}, count: 5000,
	flood: func(c *crowd, l *load, i int) { c.begin(address(i << 8)) },
	drops: func(s Stats) uint64 { return s.Drops[DropHandshakeRate] },
	most:  500 * 4096,
}, {
	name: "handshakes a second of a prefix", limits: Limits{PrefixHandshakeRate: 50}, count: 5000,
	flood: func(c *crowd, l *load, i int) { c.begin(address(i % 200)) },
	drops: func(s Stats) uint64 { return s.Drops[DropPrefixHandshakeRate] },
}, {
	name: "half-open handshakes", limits: Limits{HalfOpen: 50}, count: 5000,
	flood: func(c *crowd, l *load, i int) { c.begin(address(i)) },
	drops: func(s Stats) uint64 { return s.Drops[DropHalfOpen] },
}, {
	name: "sessions", limits: Limits{Sessions: 100, Awake: 30}, count: 3000,
	flood: func(c *crowd, l *load, i int) { c.knock(address(i)) },
	drops: func(s Stats) uint64 { return s.Drops[DropSessions] },
	most:  100 * 1024,
}, {
	name: "records for those that sleep", limits: Limits{Awake: 1}, count: 100_000,
	flood: func(c *crowd, l *load, i int) {
		forged := [60]byte{23, 254, 253, 0, byte(i % 3), 12: 47}
		c.inject(client(i%len(l.sessions)), forged[:])
	},
	drops: func(s Stats) uint64 { return s.Drops[DropAsleep] },
}, {
	name: "junk", count: 100_000,
	flood: func(c *crowd, l *load, i int) { c.inject(address(i), make([]byte, i%200)) },
	drops: func(s Stats) uint64 {
		total := uint64(0)
		for _, n := range s.DTLSDrops {
			total += n
		}
		return total
	},
}, {
	name: "requests of one peer", count: 20_000,
	flood: func(c *crowd, l *load, i int) {
		c.mute = true
		c.ask(l.sessions[0], client(0), l.requests.next())
		c.mute = false
	},
	drops: func(s Stats) uint64 { return s.RequestDrops[request.DropPending] },
	most:  256 * 256,
}, {
	name: "duplicates of one peer", count: 20_000,
	flood: func(c *crowd, l *load, i int) { c.ask(l.sessions[0], client(0), l.requests.next()) },
	drops: func(s Stats) uint64 { return s.MessageDrops[message.DropEvictedByPeer] },
	most:  256 * 256,
}, {
	name: "bytes of all peers", limits: Limits{Bytes: 200 << 10}, count: 20_000,
	flood: func(c *crowd, l *load, i int) {
		n := i % len(l.sessions)
		c.ask(l.sessions[n], client(n), l.requests.next())
	},
	drops: func(s Stats) uint64 { return s.MessageDrops[message.DropEvictedByMemory] },
	most:  200 << 10,
}}

// Whatever there is too much of, what is refused is counted under its name,
// memory stays under its cap, those who have a session notice nothing, and when
// it is over a request costs what it cost before.
//
// Pitfall O20, P11: floods at each limit
func TestOverload(t *testing.T) {
	for _, o := range overloads {
		t.Run(o.name, func(t *testing.T) { o.run(t) })
	}
}

func (o *overload) run(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := newCrowd(t, pskConfig(1), pskConfig(2), o.limits)
	l := o.load(c)
	before := c.requestCost(l)
	c.wait(10 * time.Minute) // what is remembered is forgotten
	for i := range l.sessions {
		l.ask(t, c, i)
	}
	heap, stats := heapInUse(), c.server.Stats()

	for i := range o.count {
		c.now = c.now.Add(2 * time.Microsecond)
		o.flood(c, l, i)
	}
	grown := int(heapInUse()) - int(heap)
	got := c.server.Stats()
	refused := o.drops(got) - o.drops(stats)
	t.Logf("%d of %d refused, the heap grew by %d KiB", refused, o.count, grown>>10)
	if refused == 0 {
		t.Error("nothing was refused")
	}
	if most := o.most + 512<<10; grown > most {
		t.Errorf("the heap grew by %d bytes, more than %d", grown, most)
	}
	if got.Drops[DropSessionEvicted]+got.Superseded+got.Idle != 0 {
		t.Errorf("sessions were lost: %+v", got)
	}
	c.now = c.now.Add(time.Minute)
	c.wait(time.Minute)
	for i := range l.sessions[1:] {
		l.ask(t, c, i+1)
	}
	after := c.requestCost(l)
	for again := 0; again < 5 && after > 3*before; again++ { // the machine has other things to do
		after = min(after, c.requestCost(l))
	}
	if after > 3*before {
		t.Errorf("a request cost %v, and costs %v after it", before, after)
	}
}

func (o *overload) load(c *crowd) *load {
	l := &load{requests: newRequests()}
	s, err := dtls.NewClient(c.client, c.now, "")
	if err != nil {
		c.t.Fatal(err)
	}
	buf := make([]byte, 2048)
	l.hello = buf[:s.Transmit(c.now, buf)]
	for i := range 20 {
		c.now = c.now.Add(20 * time.Millisecond)
		l.sessions = append(l.sessions, c.join(client(i)))
	}
	return l
}

func (l *load) ask(t *testing.T, c *crowd, i int) {
	t.Helper()
	if n := c.ask(l.sessions[i], client(i), l.requests.next()); n != 1 {
		t.Errorf("client %d: %d answers", i, n)
	}
}

// requestCost is what a request takes, the best of several rounds.
func (c *crowd) requestCost(l *load) time.Duration {
	const rounds, each = 8, 2000
	best := time.Hour
	last := len(l.sessions) - 1
	for range rounds {
		began := threadTime()
		for range each {
			c.now = c.now.Add(10 * time.Microsecond)
			c.ask(l.sessions[last], client(last), l.requests.next())
		}
		best = min(best, (threadTime()-began)/each)
	}
	return best
}
