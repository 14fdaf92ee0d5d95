// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"bytes"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
)

// couple is a client and a server whose datagrams need no network.
type couple struct {
	tb             testing.TB
	now            tick.Time
	client, server Table
	event          Event
	buf            [1200]byte
	body           []byte
}

func newCouple(tb testing.TB) *couple {
	c := &couple{tb: tb, now: start, body: make([]byte, 64)}
	c.client.Init(NewMemory(&Config{}), seeded(1))
	c.server.Init(NewMemory(&Config{}), seeded(2))
	for range 500 { // more than what is remembered of one peer
		c.roundTrip(coap.Confirmable)
		c.roundTrip(coap.NonConfirmable)
	}
	return c
}

// pass takes a datagram from one table to the other.
func (c *couple) pass(from, to *Table) {
	n := from.Transmit(c.now, c.buf[:])
	if n == 0 {
		c.tb.Fatal("nothing to send")
	}
	to.Receive(c.now, c.buf[:n])
}

// serve is the server's half of a round trip.
func (c *couple) serve() {
	if !c.server.Next(&c.event) || c.event.Kind != RequestReceived {
		c.tb.Fatal("no request")
	}
	if err := c.server.Respond(c.now, c.event.ID, Outgoing{Code: coap.Content, Payload: c.body}); err != nil {
		c.tb.Fatal(err)
	}
}

// roundTrip is a request and its response. The time between two is such that the
// Message IDs last.
func (c *couple) roundTrip(typ coap.Type) {
	c.now = c.now.Add(5 * time.Millisecond)
	if _, err := c.client.Request(c.now, Outgoing{Type: typ, Code: coap.GET}); err != nil {
		c.tb.Fatal(err)
	}
	c.pass(&c.client, &c.server)
	c.serve()
	c.pass(&c.server, &c.client)
	if !c.client.Next(&c.event) || c.event.Kind != ResponseReceived {
		c.tb.Fatal("no response")
	}
}

// TestRoundTripDoesNotAllocate, neither at the server nor at the client.
func TestRoundTripDoesNotAllocate(t *testing.T) {
	c := newCouple(t)
	for _, typ := range []coap.Type{coap.Confirmable, coap.NonConfirmable} {
		n := testing.AllocsPerRun(1000, func() {
			c.roundTrip(typ)
			for _, table := range []*Table{&c.client, &c.server} {
				if table.Deadline() <= c.now {
					table.Expire(c.now)
				}
			}
		})
		if n != 0 {
			t.Errorf("%v: %v allocations", typ, n)
		}
	}
}

// TestSeparateDoesNotAllocate: nor the longer way.
func TestSeparateDoesNotAllocate(t *testing.T) {
	c := newCouple(t)
	n := testing.AllocsPerRun(1000, func() {
		c.now = c.now.Add(5 * time.Millisecond)
		c.client.Request(c.now, Outgoing{Code: coap.GET})
		c.pass(&c.client, &c.server)
		c.server.Next(&c.event)
		c.server.Accept(c.event.ID)
		c.pass(&c.server, &c.client)
		c.client.Next(&c.event)
		c.server.Respond(c.now, c.server.mem.lastID, Outgoing{Code: coap.Content, Payload: c.body})
		c.pass(&c.server, &c.client)
		c.client.Next(&c.event)
		c.pass(&c.client, &c.server)
		if c.event.Kind != ResponseReceived || c.server.Active() || c.client.Active() {
			t.Fatal("not completed")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestWakingUpDoesNotAllocate: nor a device that asks something every hour, so
// that its table sleeps in between.
func TestWakingUpDoesNotAllocate(t *testing.T) {
	c := newCouple(t)
	n := testing.AllocsPerRun(100, func() {
		c.roundTrip(coap.Confirmable)
		c.now = c.now.Add(time.Hour)
		c.client.Expire(c.now)
		c.server.Expire(c.now)
		if c.client.conversation != nil || c.server.conversation != nil {
			t.Fatal("still awake")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// observe makes the client an observer and returns its token.
func (c *couple) observe() []byte {
	if _, err := c.client.Request(c.now, Outgoing{Code: coap.GET, Options: register()}); err != nil {
		c.tb.Fatal(err)
	}
	c.pass(&c.client, &c.server)
	c.server.Next(&c.event)
	token := bytes.Clone(c.event.Message.Token)
	if err := c.server.Respond(c.now, c.event.ID, Outgoing{Code: coap.Content, Options: register(1)}); err != nil {
		c.tb.Fatal(err)
	}
	c.pass(&c.server, &c.client)
	if !c.client.Next(&c.event) || !c.event.More {
		c.tb.Fatal("not observing")
	}
	return token
}

// notify is a notification and, if it is Confirmable, its acknowledgement.
func (c *couple) notify(token []byte, out *Outgoing) ID {
	c.now = c.now.Add(5 * time.Millisecond)
	id, err := c.server.Notify(c.now, token, *out)
	if err != nil {
		c.tb.Fatal(err)
	}
	if out.Type == coap.NonConfirmable {
		c.now = c.now.Add(3 * time.Second)
		c.server.Expire(c.now)
	}
	c.pass(&c.server, &c.client)
	if !c.client.Next(&c.event) || !c.event.More {
		c.tb.Fatal("not told")
	}
	if out.Type == coap.Confirmable {
		c.pass(&c.client, &c.server)
		if !c.server.Next(&c.event) || c.event.Kind != Notified {
			c.tb.Fatal("not acknowledged")
		}
	}
	return id
}

// TestNotifyDoesNotAllocate, at neither end; nor does replacing what waits or is
// under way.
func TestNotifyDoesNotAllocate(t *testing.T) {
	c := newCouple(t)
	token := c.observe()
	options := register(2)
	for name, run := range map[string]func(){
		"CON": func() { c.notify(token, &Outgoing{Code: coap.Content, Options: options, Payload: c.body}) },
		"NON": func() {
			c.notify(token, &Outgoing{Type: coap.NonConfirmable, Code: coap.Content, Options: options, Payload: c.body})
		},
		"superseded": func() {
			c.now = c.now.Add(5 * time.Millisecond)
			out := Outgoing{Code: coap.Content, Options: options, Payload: c.body}
			id, err := c.server.Notify(c.now, token, out)
			for range 2 {
				if err != nil || c.server.Supersede(c.now, id, out) != nil {
					t.Fatal("not replaced")
				}
				c.server.Transmit(c.now, c.buf[:]) // and lost, the first
				c.now = c.server.Deadline()
				c.server.Expire(c.now)
			}
			c.pass(&c.server, &c.client)
			c.client.Next(&c.event)
			c.pass(&c.client, &c.server)
			if !c.server.Next(&c.event) || c.event.Kind != Notified {
				t.Fatal("not acknowledged")
			}
		},
	} {
		run()
		if n := testing.AllocsPerRun(1000, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkNotify is the whole way of a notification, both ends.
func BenchmarkNotify(b *testing.B) {
	for _, typ := range []coap.Type{coap.Confirmable, coap.NonConfirmable} {
		b.Run(typ.String(), func(b *testing.B) {
			c := newCouple(b)
			token := c.observe()
			out := Outgoing{Type: typ, Code: coap.Content, Options: register(2), Payload: c.body}
			b.ReportAllocs()
			for b.Loop() {
				c.notify(token, &out)
			}
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, typ := range []coap.Type{coap.Confirmable, coap.NonConfirmable} {
		b.Run(typ.String(), func(b *testing.B) {
			c := newCouple(b)
			b.ReportAllocs()
			for b.Loop() {
				c.roundTrip(typ)
			}
		})
	}
}

// BenchmarkServer is the server's half alone: receive, respond, transmit.
func BenchmarkServer(b *testing.B) {
	c := newCouple(b)
	request := datagram(b, get(coap.Confirmable, 0))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		request[2], request[3] = byte(i>>8), byte(i)
		c.now = c.now.Add(5 * time.Millisecond)
		c.server.Receive(c.now, request)
		c.serve()
		c.server.Transmit(c.now, c.buf[:])
	}
}

// BenchmarkServerPeers is the same with many peers in turn, of whom each has
// sent enough to fill what is remembered of one, or of all together.
func BenchmarkServerPeers(b *testing.B) {
	for _, peers := range []int{1, 64, 10_000} {
		b.Run(strconv.Itoa(peers), func(b *testing.B) {
			f := newFleet(b, peers)
			for range min(peers*256, 1<<20) {
				f.ask()
			}
			b.ReportAllocs()
			for b.Loop() {
				f.ask()
			}
		})
	}
}

// fleet is peers that ask one server in turn, twice a second each.
type fleet struct {
	tb     testing.TB
	now    tick.Time
	mem    *Memory
	tables []Table
	asked  int
	in     []byte
	out    [1200]byte
	body   []byte
	event  Event
}

func newFleet(tb testing.TB, peers int) *fleet {
	f := &fleet{tb: tb, now: start, mem: NewMemory(&Config{}), tables: make([]Table, peers), body: make([]byte, 8)}
	f.in = datagram(tb, get(coap.Confirmable, 0))
	random := seeded(1)
	for i := range f.tables {
		f.tables[i].Init(f.mem, random)
	}
	return f
}

func (f *fleet) ask() {
	t := &f.tables[f.asked%len(f.tables)]
	mid := f.asked / len(f.tables)
	f.asked++
	f.now = f.now.Add(time.Second / 2 / time.Duration(len(f.tables)))
	f.in[2], f.in[3] = byte(mid>>8), byte(mid)
	t.Receive(f.now, f.in)
	if !t.Next(&f.event) || t.Respond(f.now, f.event.ID, Outgoing{Code: coap.Content, Payload: f.body}) != nil {
		f.tb.Fatal("not served")
	}
	t.Transmit(f.now, f.out[:])
}

// TestPeerThatReports: a device that reports once a minute holds what is
// remembered of its last five messages.
func TestPeerThatReports(t *testing.T) {
	const devices = 5000
	f := newFleet(t, devices)
	f.body = nil // 2.04, no more
	before := heap()
	for range 20 * devices {
		f.now = f.now.Add(time.Minute/devices - time.Second/2/devices)
		f.ask()
	}
	each := (heap() - before) / devices
	t.Logf("%d bytes a device, %d of them in messages; a session and its place in the endpoint not counted", each, f.mem.Bytes()/devices)
	if each > 800 {
		t.Errorf("a device that reports once a minute holds %d bytes", each)
	}
	runtime.KeepAlive(f)
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
