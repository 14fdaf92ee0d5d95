// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/udp"
)

const secureAt = "192.0.2.1:5684"

// A gauge is a server in the air whose resources all show one number, and a client
// of it.
type gauge struct {
	t     *testing.T
	air   *air
	stage *stage // its keys alone
	keys  *security.Config
	value atomic.Int64

	server *Server
	conns  []*airConn
	served chan error
}

func newGauge(t *testing.T, a *air) *gauge {
	g := &gauge{t: t, air: a, stage: &stage{t: t}}
	g.keys = g.stage.credentials(netip.MustParseAddrPort(secureAt))
	g.begin()
	t.Cleanup(func() { g.end() })
	return g
}

// begin starts a server, another one each time.
func (g *gauge) begin() {
	g.t.Helper()
	show := HandlerFunc(func(w ResponseWriter, r *Request) {
		w.SetUint(coap.MaxAge, 60)
		fmt.Fprintf(w, "%s=%d", r.Path, g.value.Load())
	})
	g.conns = nil
	g.server = &Server{
		NoSec: true, Addr: sensorAt, SecureAddr: secureAt, Security: g.keys, Handler: Observable(show), ObserversPerPeer: 300,
		ListenPacket: func(_, addr string) (udp.Conn, error) {
			c := g.air.listen(addr)
			g.conns = append(g.conns, c)
			return c, nil
		},
	}
	if err := g.server.Listen(); err != nil {
		g.t.Fatal(err)
	}
	g.served = make(chan error, 1)
	go func(s *Server, served chan<- error) { served <- s.Serve(context.Background()) }(g.server, g.served)
}

// set changes the number.
func (g *gauge) set(v int64) {
	g.value.Store(v)
	g.server.NotifyTree("/")
}

// end closes the server, with a word to everybody.
func (g *gauge) end() {
	g.server.Close()
	<-g.served
}

// crash ends the server without a word.
func (g *gauge) crash() {
	g.air.mu.Lock()
	for _, c := range g.conns {
		c.cut = true
		delete(g.air.at, c.addr)
	}
	g.air.mu.Unlock()
	g.end()
}

func (g *gauge) client(mode security.Mode) (*Client, string) {
	c := &Client{Security: g.stage.clientConfig(mode), ListenPacket: g.air.anywhere, Timers: unhurried}
	g.t.Cleanup(func() { c.Close() })
	if mode == security.NoSec {
		return c, "coap://" + sensorAt
	}
	return c, "coaps://" + secureAt
}

func (g *gauge) observe(c *Client, uri string) *Observation {
	g.t.Helper()
	o, err := c.Observe(g.t.Context(), &Request{URI: uri})
	if err != nil {
		g.t.Fatal(err)
	}
	return o
}

// until reads updates until one says text, and returns their kinds.
func (g *gauge) until(o *Observation, text string) (kinds []UpdateKind, last *Response) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 24*time.Hour)
	defer cancel()
	for {
		u, err := o.Update(ctx)
		if err != nil {
			g.t.Fatalf("%v, waiting for %q; %v %+v", err, text, kinds, o.Stats())
		}
		kinds = append(kinds, u.Kind)
		if u.Response != nil && string(u.Response.Payload) == text {
			return kinds, u.Response
		}
	}
}

// An observation outlives the server, in every mode and whatever becomes of that: it
// says goodbye, or dies and is away for a while or for long, or is back before
// anybody has noticed.
func TestObserveOutlivesServer(t *testing.T) {
	for _, mode := range allModes {
		for name, tt := range map[string]struct {
			goodbye bool
			away    time.Duration
		}{
			"goodbye":   {true, 0},
			"upgrade":   {true, 10 * time.Second},
			"unnoticed": {false, 0},
			"away":      {false, 2 * time.Minute},
			"long":      {false, 40 * time.Minute}, // the certificates last an hour
		} {
			t.Run(mode.String()+"/"+name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, a *air) {
					g := newGauge(t, a)
					c, uri := g.client(mode)
					o := g.observe(c, uri+"/x")
					g.until(o, "/x=0")
					g.set(1)
					_, before := g.until(o, "/x=1")
					if tt.goodbye {
						g.end()
					} else {
						g.crash()
					}
					time.Sleep(tt.away)
					g.value.Store(2)
					back := time.Now()
					g.begin()
					kinds, after := g.until(o, "/x=2")
					// Max-Age, the 15 s after it, the time until a request has timed out, and a
					// minute until the next try.
					if took := time.Since(back); took > 75*time.Second+93*time.Second+90*time.Second {
						t.Errorf("back after %v", took)
					}
					wantReturn(t, kinds, mode)
					if after.Peer.Mode != mode || mode != security.NoSec && after.Peer.Facts == before.Peer.Facts {
						t.Errorf("by %v, before by %v", after.Peer, before.Peer)
					}
					g.set(3)
					g.until(o, "/x=3")
					if !o.Observing() {
						t.Error("not observing")
					}
					o.Close()
					c.Close()
				})
			})
		}
	}
}

// wantReturn: lost, any number of times, and then in a new session; without
// sessions it need not be noticed.
func wantReturn(t *testing.T, kinds []UpdateKind, mode security.Mode) {
	t.Helper()
	if mode == security.NoSec && slices.Equal(kinds, []UpdateKind{UpdateReregistered, UpdateNotified}) {
		return
	}
	i := 0
	for i < len(kinds) && kinds[i] == UpdateLost {
		i++
	}
	if i == 0 || i > updatesKept || len(kinds) != i+2 || kinds[i] == UpdateNotified {
		t.Errorf("%v", kinds)
	}
	if mode != security.NoSec && kinds[i] != UpdateReconnected {
		t.Errorf("%v", kinds)
	}
}

// Tries to reach a server that is gone become rare, and do not come together with
// those of others.
func TestObserveBacksOff(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		g := newGauge(t, a)
		const devices = 20
		starts := make([][]time.Duration, devices)
		clients := map[uint16]int{}
		for i := range devices {
			c, uri := g.client(security.PreSharedKey)
			g.observe(c, uri+"/x")
			clients[uint16(50000+a.clients)] = i
		}
		g.end()
		begun := time.Now()
		a.setFate(func(from, _ netip.AddrPort, datagram []byte) []time.Duration {
			if i, ok := clients[from.Port()]; ok && isFirstHello(datagram) {
				starts[i] = append(starts[i], time.Since(begun))
			}
			return arrives
		})
		time.Sleep(time.Hour)
		a.setFate(nil) // it is not called any more from here on
		together := map[time.Duration]int{}
		for i, at := range starts {
			if len(at) < 35 || len(at) > 70 {
				t.Errorf("%d tries in an hour: %v", len(at), at)
			}
			for j := 8; j < len(at); j++ {
				if gap := at[j] - at[j-1]; gap < time.Minute || gap > 91*time.Second {
					t.Errorf("device %d: %v after the try before", i, gap)
				}
			}
			if at[0] < time.Second || at[0] > 1600*time.Millisecond {
				t.Errorf("the first try after %v", at[0])
			}
			together[at[len(at)-1].Truncate(time.Second)]++
		}
		if len(together) < devices/3 {
			t.Errorf("the tries come together: %v", together)
		}
		g.begin()
		time.Sleep(100 * time.Second)
		if got := g.server.Stats(); got.Observers != devices || got.Handshakes != devices {
			t.Errorf("%d observers after %d handshakes", got.Observers, got.Handshakes)
		}
	})
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		low, high := retryIn(n, func(int64) int64 { return 0 }), retryIn(n, func(most int64) int64 { return most })
		if low != want*time.Second || high != want*time.Second*3/2 {
			t.Errorf("after %d failures: %v to %v", n, low, high)
		}
	}
	if got := retryIn(1<<30, func(int64) int64 { return 0 }); got != time.Minute {
		t.Error(got)
	}
}

// isFirstHello knows the first flight of a handshake.
func isFirstHello(datagram []byte) bool {
	return len(datagram) > 13 && datagram[0] == 22 && datagram[13] == 1 && bytes.Equal(datagram[17:19], []byte{0, 0})
}

// What an old session had under way, or says still, never counts in a new one:
// not even when the server and the numbers are the same.
//
// Proves rfc7641 §7: "All notifications resulting from a GET request with an
// Observe Option MUST be returned within the same epoch of the same connection as
// the request."
// Pitfall S5: a notification of an earlier session at the same address
func TestObserveIgnoresOldSession(t *testing.T) {
	for _, mode := range allModes {
		t.Run(mode.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, a *air) {
				g := newGauge(t, a)
				c, uri := g.client(mode)
				o := g.observe(c, uri+"/x")
				g.until(o, "/x=0")
				type flight struct {
					from, to netip.AddrPort
					datagram []byte
				}
				flights := make(chan flight, 100)
				a.setFate(func(from, to netip.AddrPort, datagram []byte) []time.Duration {
					flights <- flight{from, to, datagram}
					return nil
				})
				g.set(666)
				old := <-flights
				g.crash()
				a.setFate(nil)
				g.value.Store(1)
				g.begin()
				g.until(o, "/x=1")
				heard := o.Stats()
				a.carry(old.from, old.to, old.datagram)
				time.Sleep(100 * time.Millisecond)
				g.set(2)
				kinds, _ := g.until(o, "/x=2")
				heard.Received++
				if mode == security.NoSec { // where only its number tells
					heard.Received++
					heard.Stale++
				}
				if len(kinds) != 1 || o.Stats() != heard {
					t.Errorf("%v, %+v, want %+v", kinds, o.Stats(), heard)
				}
				o.Close()
				c.Close()
			})
		})
	}
}

// Many observations share a session, and when that is lost, the next one.
func TestObserveMany(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		const many = 200
		g := newGauge(t, a)
		c, uri := g.client(security.RawPublicKey)
		all := make([]*Observation, many)
		for i := range all {
			all[i] = g.observe(c, fmt.Sprintf("%s/%d", uri, i))
		}
		settled := func(v int64) {
			t.Helper()
			for i, o := range all {
				g.until(o, fmt.Sprintf("/%d=%d", i, v))
			}
			if got := g.server.Stats(); got.Handshakes != 1 || got.Observers != many {
				t.Errorf("%d handshakes, %d observers", got.Handshakes, got.Observers)
			}
		}
		settled(0)
		g.set(1)
		settled(1)
		g.end()
		g.value.Store(2)
		g.begin()
		settled(2)
		g.set(3)
		settled(3)
		if response, err := c.Get(t.Context(), uri+"/7"); err != nil || string(response.Payload) != "/7=3" {
			t.Errorf("%v, %v", response, err)
		}
		for _, o := range all[:many/2] {
			o.Close()
		}
		if got := g.server.Stats(); got.Observers != many/2 {
			t.Errorf("%d observers", got.Observers)
		}
		c.Close()
		for _, o := range all[many/2:] {
			for err := error(nil); !errors.Is(err, ErrClientClosed); {
				if _, err = o.Next(t.Context()); err == io.EOF {
					t.Fatal(err)
				}
			}
		}
	})
}

// A path that loses, repeats and reorders datagrams costs states, but never the
// last one, and what is read is never older than what was read before.
func TestObserveOverBadPath(t *testing.T) {
	for seed := range uint64(20) {
		for _, mode := range []security.Mode{security.NoSec, security.PreSharedKey} {
			inBubble(t, func(t *testing.T, a *air) {
				g := newGauge(t, a)
				c, uri := g.client(mode)
				o := g.observe(c, uri+"/x")
				fates, pauses := rand.New(rand.NewPCG(seed, 7641)), rand.New(rand.NewPCG(seed, 1467))
				a.setFate(func(netip.AddrPort, netip.AddrPort, []byte) (at []time.Duration) {
					for fates.IntN(100) >= 25 && len(at) < 3 {
						at = append(at, time.Duration(fates.IntN(4000))*time.Millisecond)
					}
					return at
				})
				const states = 50
				for v := range int64(states) {
					g.set(v + 1)
					time.Sleep(time.Duration(pauses.IntN(3000)) * time.Millisecond)
				}
				wantRising(t, o, states)
				a.setFate(nil)
				o.Close()
				c.Close()
			})
		}
	}
}

// wantRising reads until the number is last.
func wantRising(t *testing.T, o *Observation, last int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for before := -1; before != last; {
		r, err := o.Next(ctx)
		if err != nil {
			t.Fatalf("%v after %d; %+v", err, before, o.Stats())
		}
		var v int
		if _, err := fmt.Sscanf(string(r.Payload), "/x=%d", &v); err != nil || v < before {
			t.Fatalf("%q after %d", r.Payload, before)
		}
		before = v
	}
}

// A server that has no time when it is asked again is left alone for as long as it
// wishes, and is no reason to give up.
func TestObserveUnavailable(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one", more: maxAge(10)})
		w.reads("one")
		w.answer(w.registration(observeRegister, time.Minute), said{number: -1, code: coap.ServiceUnavailable, more: maxAge(100)})
		if u := w.hears(UpdateLost); wantReason(t, u.Err, ReasonUnavailable) == nil {
			t.Error(u.Err)
		}
		w.quiet(99 * time.Second)
		w.answer(w.registration(observeRegister, 2*time.Second), said{number: 2, text: "two"})
		w.hears(UpdateReregistered)
		w.reads("two")
	})
}

// A host that gets another address is found there, with or without a session.
func TestObserveFindsNewAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		w := watch(t, a, said{number: 1, text: "one", more: maxAge(10)})
		w.reads("one")
		first := w.client.connectionTo(t, "coap://"+sensorAt)
		// Nothing comes from the address any more: the connection, which knows no
		// other, is given up.
		w.hears(UpdateLost)
		synctest.Wait()
		again := w.client.connectionTo(t, "coap://"+sensorAt)
		if first == again {
			t.Error("the connection is kept")
		}
		for {
			m, ok := w.hear(time.Minute)
			if !ok {
				t.Fatal("no other registration")
			}
			if !bytes.Equal(m.Token, w.token) { // in what is another conversation
				w.answer(m, said{number: 1, text: "two"})
				break
			}
		}
		w.hears(UpdateReconnected)
		w.reads("two")
	})
}

func (c *Client) connectionTo(t *testing.T, uri string) *Connection {
	t.Helper()
	parsed := must(coap.ParseURI(uri))
	conn, err := c.connection(&parsed)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// Who cannot be reached at first is reported as by any other request.
func TestObserveFirstFails(t *testing.T) {
	inBubble(t, func(t *testing.T, a *air) {
		g := newGauge(t, a)
		c, _ := g.client(security.PreSharedKey)
		for uri, reason := range map[string]string{
			"coap://192.0.2.9/x":           ReasonRefused,
			"coaps://192.0.2.9/x":          ReasonRefused,
			"coap://[ff02::1]/x":           ReasonMulticast,
			"http://192.0.2.1/x":           ReasonBadURI,
			"coaps://device.invalid.:x1/x": ReasonBadURI,
		} {
			_, err := c.Observe(t.Context(), &Request{URI: uri})
			if e := wantReason(t, err, reason); e.Op != "observe" {
				t.Errorf("%v", e)
			}
		}
		_, err := c.Observe(t.Context(), &Request{URI: "coap://" + sensorAt + "/x", Method: coap.PUT})
		wantReason(t, err, ReasonSetup)
		wrong := must(keys.NewPSK(g.stage.psk.Identity, bytes.Repeat([]byte{1}, 16)))
		stranger := &Client{Security: &security.Config{ClientPSK: &wrong}, ListenPacket: a.anywhere, Timers: hasty}
		defer stranger.Close()
		_, err = stranger.Observe(t.Context(), &Request{URI: "coaps://" + secureAt + "/x"})
		wantReason(t, err, dtls.ReasonBadPSKOrUnknownIdentity.String())
		c.Close()
		synctest.Wait()
	})
}
