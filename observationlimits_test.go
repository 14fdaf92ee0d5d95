// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
)

// A client observes so many resources of a server and not one more; the refusal is
// told by name, and costs the others nothing.
func TestObserveTooMany(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		const most = 256
		g := newGauge(t, a)
		c, uri := g.client(security.PreSharedKey)
		var first *Observation
		for i := range most {
			if o := g.observe(c, fmt.Sprintf("%s/%d", uri, i)); i == 0 {
				first = o
			}
		}
		_, err := c.Observe(t.Context(), &Request{URI: uri + "/more"})
		wantReason(t, err, ReasonBusy)
		g.until(first, "/0=0")
		g.set(1)
		g.until(first, "/0=1")
		first.Close()
		g.until(g.observe(c, uri+"/more"), "/more=1")
		c.Close()
	})
}

// A registration may be Non-confirmable, and may be a FETCH, whose payload says
// what is wanted (RFC 8132); both stay so when it is made again.
func TestObserveOtherRequests(t *testing.T) {
	for name, request := range map[string]Request{
		"non":   {NonConfirmable: true},
		"fetch": {Method: coap.FETCH, Payload: []byte("temp,hum")},
		"token": {Token: []byte{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, a *air) {
				s, c := newScripted(t, a, sensorAt), &Client{ListenPacket: a.anywhere}
				defer s.conn.Close()
				defer c.Close()
				request := request
				request.URI = "coap://" + sensorAt + "/all"
				begun := make(chan *Observation, 1)
				go func() {
					o, err := c.Observe(t.Context(), &request)
					if err != nil {
						t.Error(err)
					}
					begun <- o
				}()
				first := s.next(time.Second)
				s.reply(first, said{number: 1, text: "one", more: maxAge(10)})
				o := <-begun
				again := s.next(time.Minute)
				if again.Type != first.Type || again.Code != first.Code || !bytes.Equal(again.Token, first.Token) ||
					!bytes.Equal(again.Payload, first.Payload) || !bytes.Equal(again.Options, first.Options) {
					t.Errorf("first %v, again %v", first, again)
				}
				if request.Token != nil && !bytes.Equal(first.Token, request.Token) {
					t.Errorf("token %x", first.Token)
				}
				s.reply(again, said{number: 2, text: "two"})
				if _, err := o.Next(t.Context()); err != nil {
					t.Fatal(err)
				}
				if r, err := o.Next(t.Context()); err != nil || string(r.Payload) != "two" {
					t.Fatal(r, err)
				}
			})
		})
	}
}

// reply answers a request in a message of its own type.
func (s *scripted) reply(req coap.Message, d said) {
	s.t.Helper()
	if req.Type == coap.Confirmable {
		s.answer(req, d)
		return
	}
	s.notify(coap.NonConfirmable, req.Token, d)
}

// Proves rfc7641 §3.2: "If the client included one or more ETag Options in the GET
// request (see Section 3.3), notifications can have a 2.03 (Valid) response code
// rather than a 2.05 (Content) response code."
func TestObserveValid(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, code: coap.Valid, more: []coap.Option{{Number: coap.ETag, Value: []byte("e1")}}},
			coap.Option{Number: coap.ETag, Value: []byte("e1")})
		if r := w.reads(""); r.Code != coap.Valid {
			t.Error(r.Code)
		}
		w.notify(coap.NonConfirmable, w.token, said{number: 2, text: "changed"})
		w.reads("changed")
		if w.notify(coap.NonConfirmable, w.token, said{number: 3, code: coap.Valid}); w.reads("").Code != coap.Valid || !w.got.Observing() {
			t.Error("2.03 ends it")
		}
	})
}

// A response that breaks RFC 7252 while we observe is an error like any other, and
// another registration follows.
func TestObserveBadNotification(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one", more: maxAge(600)})
		w.reads("one")
		critical := []coap.Option{{Number: 65001, Value: []byte("?")}}
		mid := w.notify(coap.Confirmable, w.token, said{number: 2, text: "two", more: critical})
		w.wants(coap.Reset, mid)
		if u := w.hears(UpdateLost); wantReason(t, u.Err, ReasonBadResponse) == nil {
			t.Error(u.Err)
		}
		w.answer(w.registration(observeRegister, 2*time.Second), said{number: 3, text: "three"})
		w.hears(UpdateReregistered)
		w.reads("three")
	})
}

// The latest Max-Age counts, whether it is shorter or longer than the one before.
//
// Proves rfc7641 §3.3.1: "It is RECOMMENDED that the client does not issue the
// request while it still has a fresh notification/response for the resource in its
// cache."
func TestObserveLatestMaxAge(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one", more: maxAge(10)})
		w.notify(coap.NonConfirmable, w.token, said{number: 2, text: "two", more: maxAge(1800)})
		w.quiet(1800 * time.Second)
		w.answer(w.registration(observeRegister, 20*time.Second), said{number: 3, text: "three", more: maxAge(1800)})
		w.notify(coap.NonConfirmable, w.token, said{number: 4, text: "four", more: maxAge(0)})
		w.quiet(5 * time.Second)
		w.answer(w.registration(observeRegister, 12*time.Second), said{number: 5, text: "five"})
	})
}

// An answer to another registration that a newer notification has overtaken is not
// shown, and is no reason to ask again at once.
func TestObserveStaleAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 100, text: "hundred", more: maxAge(10)})
		w.reads("hundred")
		again := w.registration(observeRegister, time.Minute)
		w.send(coap.Message{Type: coap.Acknowledgement, MessageID: again.MessageID})
		mid := w.notify(coap.Confirmable, w.token, said{number: 99, text: "old", more: maxAge(10)}) // the answer, or of long ago
		w.wants(coap.Acknowledgement, mid)
		w.readsNothing()
		w.quiet(4 * time.Second)
		w.answer(w.registration(observeRegister, 12*time.Second), said{number: 101, text: "new", more: maxAge(10)})
		w.hears(UpdateReregistered)
		w.reads("new")
		if got := w.got.Stats(); got.Reregistered != 1 || got.Stale != 1 || got.Lost != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// Proves rfc7641 §3.6: "A client that is no longer interested in receiving
// notifications for a resource can simply "forget" the observation."
func TestObserveForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		g := newGauge(t, a)
		c, uri := g.client(security.PreSharedKey)
		g.observe(c, uri+"/x")
		c.Close() // without a word but close_notify
		time.Sleep(time.Second)
		if got := g.server.Stats(); got.Observers != 0 {
			t.Errorf("%d observers", got.Observers)
		}
	})
}

// A name that leads elsewhere after a while: the observation follows it, in the
// secure modes to the same identity alone.
func TestObserveFollowsName(t *testing.T) {
	// What package net makes once must not be made in a bubble.
	if _, err := hosts("192.0.2.77").LookupNetIP(t.Context(), "ip4", "device.example"); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []security.Mode{security.NoSec, security.PreSharedKey, security.RawPublicKey} {
		t.Run(mode.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, a *air) {
				var addr atomic.Pointer[netip.Addr]
				addr.Store(new(netip.MustParseAddr("192.0.2.77")))
				g := newGauge(t, a)
				for _, c := range g.conns { // the server is where the name leads at first
					a.move(c, *addr.Load())
				}
				c, uri := g.client(mode)
				c.Network, c.Resolver = "udp4", resolver(&addr)
				uri = uri[:len(uri)-len(sensorAt)] + "device.example" + uri[len(uri)-len(":5683"):]
				o := g.observe(c, uri+"/x")
				g.until(o, "/x=0")
				for _, c := range g.conns {
					a.move(c, netip.MustParseAddr("192.0.2.88"))
				}
				a.setFate(func(_, to netip.AddrPort, _ []byte) []time.Duration {
					if to.Addr() == netip.MustParseAddr("192.0.2.77") {
						return nil // a router swallows what goes there
					}
					return arrives
				})
				addr.Store(new(netip.MustParseAddr("192.0.2.88")))
				g.set(1)
				kinds, r := g.until(o, "/x=1")
				if r.Peer.Addr.Addr() != *addr.Load() || kinds[len(kinds)-2] != UpdateReconnected {
					t.Errorf("%v, from %v", kinds, r.Peer.Addr)
				}
				o.Close()
				c.Close()
			})
		})
	}
}

// move gives a socket another address.
func (a *air) move(c *airConn, to netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(a.at, c.addr)
	c.addr = netip.AddrPortFrom(to, c.addr.Port())
	a.at[c.addr] = c
}

// resolver is hosts for an address that changes.
func resolver(addr *atomic.Pointer[netip.Addr]) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go answerDNS(theirs, *addr.Load())
		return ours, nil
	}}
}

// However an observation ends, on a real socket too, it leaves no goroutine.
func TestObserveLeavesNothing(t *testing.T) {
	for _, mode := range allModes {
		leavesNothing(t, mode.String(), func(t *testing.T) {
			s := newStage(t, Observable(whoami), nil)
			c := s.client(mode)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var all []*Observation
			for _, path := range []string{"/closed", "/canceled", "/left", "/shared", "/shared"} {
				o, err := c.Observe(ctx, &Request{URI: s.uri(mode) + path})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, o)
			}
			all[0].Close()
			all[3].Close()
			cancel()
			all[1].Close()
			c.Close()
			all[4].Close()
		})
	}
}
