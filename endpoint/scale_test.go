// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// A crowd is a server with very many sessions. The clients' halves are forgotten
// after the handshake, but for those that are asked to stay.
type crowd struct {
	t       testing.TB
	server  *Endpoint
	now     tick.Time
	client  *dtls.Config
	in, out udp.Datagram
	ev      Event
	mute    bool                  // requests are not answered
	calls   map[string]*callTimes // by name
	clock   bool                  // measure that
}

var crowdServer = netip.MustParseAddr("192.0.2.1")

// newCrowd makes a server that lets in whoever comes, unless limits name a rate.
func newCrowd(t testing.TB, server, client *dtls.Config, limits Limits) *crowd {
	for _, rate := range []*int{&limits.HandshakeRate, &limits.PrefixHandshakeRate, &limits.AnswerRate} {
		rateByDefault(rate, -1)
	}
	c := &crowd{t: t, now: tick.Time(time.Hour), client: client, calls: map[string]*callTimes{}}
	ep, err := New(Config{Server: true, DTLS: server, Limits: limits, Rand: server.Rand}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	c.server = ep
	c.in = udp.Datagram{Buf: make([]byte, 4096), Local: crowdServer}
	c.out = udp.Datagram{Buf: make([]byte, 4096)}
	return c
}

// timed calls f, by the clock of the thread if that is asked for: what others
// do on the machine does not count.
func (c *crowd) timed(name string, f func()) {
	if !c.clock {
		f()
		return
	}
	began := threadTime()
	f()
	took := threadTime() - began
	t := c.calls[name]
	if t == nil {
		t = new(callTimes)
		c.calls[name] = t
	}
	t.n++
	t.longest = max(t.longest, took)
	if took > long {
		t.long++
	}
}

// callTimes is how long calls of one name have taken.
type callTimes struct {
	n, long int
	longest time.Duration
}

// long is what no call should take.
const long = time.Millisecond

// drain gives handshakes what they ask for, on either side.
func (c *crowd) drain() {
	more := true
	for more {
		c.timed("Next", func() { more = c.server.Next(&c.ev) })
		if !more {
			return
		}
		switch c.ev.Kind {
		case EventWantPSK:
			c.server.ProvidePSK(c.now, c.ev.Peer(), c.ev.DTLS.Identity, []byte(key1))
		case EventWantVerdict:
			c.server.ProvideVerdict(c.now, c.ev.Peer(), dtls.ReasonNone)
		case EventNeedJob:
			c.ev.DTLS.Job.Run()
			c.server.Complete(c.now, c.ev.Peer(), c.ev.DTLS.Job)
		case EventRequest:
			if !c.mute {
				c.server.Respond(c.now, c.ev.Exchange, crowdAnswer)
			}
		}
	}
}

func (c *crowd) carry(s *dtls.Session, remote netip.AddrPort) {
	var ev dtls.Event
	for {
		n := s.Transmit(c.now, c.in.Buf)
		if n == 0 {
			return
		}
		c.in.N, c.in.Remote = n, remote
		c.timed("Receive", func() { c.server.Receive(c.now, &c.in) })
		c.drain()
		c.transmit(func(d []byte) {
			s.Receive(c.now, d)
			for s.Next(c.now, &ev) {
				switch ev.Kind {
				case dtls.EventWantPSK:
					s.ProvidePSK(c.now, []byte("device"), []byte(key1))
				case dtls.EventWantVerdict:
					s.ProvideVerdict(c.now, dtls.ReasonNone)
				case dtls.EventNeedJob:
					ev.Job.Run()
					s.Complete(c.now, ev.Job)
				}
			}
		})
	}
}

// transmit takes what the server sends, and lets time pass for it.
func (c *crowd) transmit(take func(datagram []byte)) (n int) {
	more := true
	for {
		c.timed("Transmit", func() { more = c.server.Transmit(c.now, &c.out) })
		if !more {
			break
		}
		n++
		if take != nil {
			take(c.out.Payload())
		}
	}
	if c.server.Deadline() <= c.now {
		c.timed("Expire", func() { c.server.Expire(c.now) })
		c.drain()
	}
	return n
}

// join makes one more session and returns the client's half.
func (c *crowd) join(remote netip.AddrPort) *dtls.Session {
	s := c.knock(remote)
	if s.State() != dtls.Established {
		c.t.Fatal("no session")
	}
	return s
}

// knock goes through a handshake, whatever comes of it.
func (c *crowd) knock(remote netip.AddrPort) *dtls.Session {
	s, err := dtls.NewClient(c.client, c.now, "")
	if err != nil {
		c.t.Fatal(err)
	}
	for range 10 {
		if c.carry(s, remote); s.State() != dtls.Handshaking {
			break
		}
	}
	return s
}

// grow makes n more sessions, at 10,000 a second.
func (c *crowd) grow(n int) {
	from := c.server.Stats().Sessions
	for i := range n {
		c.now = c.now.Add(100 * time.Microsecond)
		c.join(address(from + i))
	}
	if got := c.server.Stats().Sessions; got != from+n {
		c.t.Fatalf("%d sessions, want %d", got, from+n)
	}
}

// wait lets time pass.
func (c *crowd) wait(d time.Duration) {
	for end := c.now.Add(d); ; {
		c.drain()
		c.transmit(nil)
		if c.now >= end {
			return
		}
		c.now = max(c.now, min(c.server.Deadline(), end))
	}
}

// ask has a client send a request, and returns how many datagrams answer it.
func (c *crowd) ask(s *dtls.Session, remote netip.AddrPort, message []byte) int {
	record, err := s.Seal(c.in.Buf[:0], message)
	if err != nil {
		c.t.Fatal(err)
	}
	c.in.N, c.in.Remote = len(record), remote
	c.server.Receive(c.now, &c.in)
	c.drain()
	return c.transmit(nil)
}

var crowdModes = []struct {
	name           string
	server, client func(testing.TB) *dtls.Config
}{
	{"PSK", func(testing.TB) *dtls.Config { return pskConfig(1) }, func(testing.TB) *dtls.Config { return pskConfig(2) }},
	{"RPK", func(t testing.TB) *dtls.Config { return rawKeyConfig(t, 1) }, func(t testing.TB) *dtls.Config { return rawKeyConfig(t, 2) }},
}

// The sizes that everything is multiplied by.
func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		name       string
		size, most uintptr
	}{
		{"slot", unsafe.Sizeof(slot{}), 80},
		{"peer", unsafe.Sizeof(peer{}), 192},
		{"cell", unsafe.Sizeof(cell{}), cellLen},
		{"key", unsafe.Sizeof(key{}), 36},
	} {
		t.Logf("a %s has %d bytes", tt.name, tt.size)
		if tt.size > tt.most {
			t.Errorf("a %s has %d bytes, more than %d", tt.name, tt.size, tt.most)
		}
	}
}

// many is how many sessions the large tests make: as many as COAPS_SESSIONS
// says, and without -short some.
func many(t testing.TB, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("COAPS_SESSIONS")); err == nil {
		return n
	}
	if testing.Short() {
		t.Skip("many sessions")
	}
	return otherwise
}

// A session at rest holds at most 512 bytes beside its slot, and there is
// nothing of it but these bytes.
func TestIdleSessionBytes(t *testing.T) {
	for _, mode := range crowdModes {
		t.Run(mode.name, func(t *testing.T) {
			some := 20_000
			if mode.name == "RPK" {
				some = 600 // a handshake is a millisecond or two
			}
			sessions := many(t, some)
			// What is there for those awake is not the question, so there are few.
			c := newCrowd(t, mode.server(t), mode.client(t), Limits{Awake: 64})
			const others = 2 * maxSpares
			c.grow(others)
			c.wait(10 * time.Second)
			before := heapInUse()
			c.grow(sessions)
			c.wait(10 * time.Second)
			got := c.server.Stats()
			if got.Sessions != sessions+others || got.Awake != 0 || c.server.peers.Used() != 0 {
				t.Fatalf("%d sessions, %d awake, %d peers", got.Sessions, got.Awake, c.server.peers.Used())
			}
			each := float64(heapInUse()-before) / float64(sessions)
			runtime.KeepAlive(c)
			cells := float64(c.server.dormitory.cells.Used()) / float64(got.Sessions)
			t.Logf("%d sessions: %.0f bytes of live heap each, %.1f cells", sessions, each, cells)
			if beside := each - float64(unsafe.Sizeof(slot{})); beside > 512 {
				t.Errorf("%.0f bytes each beside the slot", beside)
			}
		})
	}
}

// A session that has served a request, which must be known again for
// EXCHANGE_LIFETIME, sleeps meanwhile. What the exchange takes goes back when
// that is over.
func TestRememberingSessionBytes(t *testing.T) {
	sessions := many(t, 20_000)
	c := newCrowd(t, pskConfig(1), pskConfig(2), Limits{Awake: 64, Bytes: 1 << 30})
	c.grow(2 * maxSpares)
	c.wait(10 * time.Minute)
	before := heapInUse()
	requests := newRequests()
	for i := range sessions {
		c.now = c.now.Add(100 * time.Microsecond)
		remote := address(1<<23 + i)
		c.ask(c.join(remote), remote, requests.next())
	}
	c.wait(10 * time.Second)
	bytes := func() float64 { return float64(heapInUse()-before) / float64(sessions) }
	each := bytes()
	if got := c.server.Stats(); got.Awake != 0 || c.server.peers.Used() != sessions {
		t.Fatalf("%d awake, %d peers", got.Awake, c.server.peers.Used())
	}
	c.wait(10 * time.Minute)
	after := bytes()
	runtime.KeepAlive(c)
	t.Logf("%.0f bytes each while a request is remembered, %.0f afterwards", each, after)
	if each > 1200 || after > 512 || c.server.peers.Used() != 0 {
		t.Errorf("%.0f and %.0f bytes, %d peers", each, after, c.server.peers.Used())
	}
}

// No call takes long while sessions become very many, whatever has to grow for
// them. It is measured in processor time of the thread, and the collector runs
// in between, so that neither it nor the machine's other work counts.
func TestGrowsWithoutPause(t *testing.T) {
	sessions := many(t, 20_000)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := newCrowd(t, pskConfig(1), pskConfig(2), Limits{})
	c.clock = true
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range sessions / 10_000 {
		c.grow(10_000)
		runtime.GC()
	}
	c.wait(10 * time.Minute)
	names := []string{}
	for name, calls := range c.calls {
		names = append(names, fmt.Sprintf("%s %v (of %d, %d over %v)", name, calls.longest, calls.n, calls.long, long))
		// A page that the system has to find now and then is in it.
		if calls.longest > 10*time.Millisecond || calls.long > calls.n/10_000 {
			t.Errorf("one %s took %v, %d took over %v", name, calls.longest, calls.long, long)
		}
	}
	slices.Sort(names)
	t.Logf("%d sessions, longest calls: %v", sessions, strings.Join(names, "; "))
}

var crowdAnswer = request.Outgoing{Code: coap.Content, Payload: answer}

func crowdQuestion(payload string) request.Outgoing {
	return request.Outgoing{Type: coap.Confirmable, Code: coap.GET, Payload: []byte(payload)}
}
