// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// resource is something at a server that changes, and who observes it. It tells them
// with the least that RFC 7641 wants: one notification at a time, with the newest
// state.
type resource struct {
	t         *testing.T
	host      *Host
	value     uint32
	non       func() bool    // is the next notification Non-confirmable
	relations []*relation    // in the order of their registration
	ended     map[string]int // by reason
}

// relation is one observer.
type relation struct {
	peer  endpoint.PeerID
	token []byte
	told  uint32
	id    endpoint.ExchangeID // of the notification that is under way
}

func newResource(t *testing.T, host *Host) *resource {
	o := &resource{t: t, host: host, non: func() bool { return false }, ended: map[string]int{}}
	host.News = o.news
	return o
}

func observeOption(v uint32) coap.Options {
	var list coap.OptionList
	list.AddUint(coap.Observe, v)
	return list.Encode(nil)
}

// state is the present representation.
func (o *resource) state(typ coap.Type) request.Outgoing {
	return request.Outgoing{Type: typ, Code: coap.Content, Options: observeOption(o.value), Payload: fmt.Append(nil, o.value)}
}

func (o *resource) news(now tick.Time, ev *endpoint.Event) {
	switch ev.Kind {
	case endpoint.EventRequest:
		o.register(ev)
		o.host.Endpoint.Keep(ev.Peer(), true)
		if err := o.host.Endpoint.Respond(now, ev.Exchange, o.state(0)); err != nil {
			o.t.Error(err)
		}
	case endpoint.EventNotified:
		for _, r := range o.relations {
			if r.id == ev.Exchange {
				r.id = endpoint.ExchangeID{}
				o.tell(now, r)
			}
		}
	case endpoint.EventUndelivered:
		o.end(ev.Reason.String(), func(r *relation) bool { return r.id == ev.Exchange })
	case endpoint.EventDisconnected:
		o.end(ev.Cause.String(), func(r *relation) bool { return r.peer == ev.Peer() })
	}
}

// register adds an observer, or sets the one anew that has registered again.
func (o *resource) register(ev *endpoint.Event) {
	o.relations = slices.DeleteFunc(o.relations, func(r *relation) bool {
		return r.peer == ev.Peer() && string(r.token) == string(ev.Message.Token)
	})
	o.relations = append(o.relations, &relation{peer: ev.Peer(), token: slices.Clone(ev.Message.Token), told: o.value})
}

func (o *resource) end(why string, whose func(*relation) bool) {
	before := len(o.relations)
	o.relations = slices.DeleteFunc(o.relations, whose)
	o.ended[why] += before - len(o.relations)
}

func (o *resource) change(now tick.Time) {
	o.value++
	for _, r := range o.relations {
		o.tell(now, r)
	}
}

// tell brings the present state on its way to one observer.
func (o *resource) tell(now tick.Time, r *relation) {
	if r.told == o.value {
		return
	}
	out := o.state(coap.Confirmable)
	if o.non() {
		out.Type = coap.NonConfirmable
	}
	r.told = o.value
	if r.id.ID != 0 && o.host.Endpoint.Supersede(now, r.id, out) == nil {
		return
	}
	id, err := o.host.Endpoint.Notify(now, r.peer, r.token, out)
	if err != nil {
		o.t.Errorf("notify: %v", err)
	}
	r.id = id
}

// repeat tells the present state once more to all, Confirmable: the end of a burst.
func (o *resource) repeat(now tick.Time) {
	o.non = func() bool { return false }
	o.change(now)
}

// observer is a device that observes, and knows the newest of what it was told.
type observer struct {
	t    *testing.T
	host *Host
	peer endpoint.PeerID
	id   endpoint.ExchangeID
	seen uint32
	got  int
	ends string // why it observes no more
}

func newObserver(t *testing.T, net *Network, addr netip.AddrPort, mode *Mode, seed uint64, limits endpoint.Limits) *observer {
	t.Helper()
	o := &observer{t: t}
	var err error
	if o.host, err = NewHost(net.Now, addr.Addr(), false, nil, limits, Random(seed, false)); err != nil {
		t.Fatal(err)
	}
	o.host.News = o.news
	cfg := configOf(mode, false, seed)
	if o.peer, err = o.host.Endpoint.Connect(net.Now, ServerAddr, addr.Addr(), cfg, "server.example"); err != nil {
		t.Fatal(err)
	}
	net.Attach(addr, o.host)
	o.register(net.Now, nil)
	return o
}

func (o *observer) register(now tick.Time, token []byte) {
	o.t.Helper()
	var err error
	if o.id, err = o.host.Endpoint.Request(now, o.peer, request.Outgoing{Code: coap.GET, Options: observeOption(0), Token: token}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *observer) news(_ tick.Time, ev *endpoint.Event) {
	switch ev.Kind {
	case endpoint.EventResponse:
		if ev.Exchange != o.id {
			o.t.Errorf("a response to %v, asked was %v", ev.Exchange, o.id)
		}
		if v, _ := ev.Message.Options.GetUint(coap.Observe); v > o.seen {
			o.seen = v
		}
		if !ev.More {
			o.ends = "told"
		}
		o.got++
	case endpoint.EventFailed:
		o.ends = ev.Reason.String()
	case endpoint.EventDisconnected:
		o.ends = ev.Cause.String()
	}
}

func observedServer(t *testing.T, net *Network, mode *Mode, limits endpoint.Limits) *resource {
	t.Helper()
	cfg := configOf(mode, true, 1)
	host, err := NewHost(net.Now, ServerAddr.Addr(), true, cfg, limits, Random(1, true))
	if err != nil {
		t.Fatal(err)
	}
	net.Attach(ServerAddr, host)
	net.Violation = func(what string) { t.Error(what) }
	return newResource(t, host)
}

// configOf is nil for nosec.
func configOf(mode *Mode, server bool, seed uint64) *dtls.Config {
	if mode.Name == "nosec" {
		return nil
	}
	return mode.Config(TestParties(), server, Random(seed, server))
}

// observedModes are those in which observations are tried; nosec is the name of none.
func observedModes() []*Mode {
	return []*Mode{{Name: "nosec"}, ModeByName("psk"), ModeByName("rpk")}
}

func observerAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}), 49152)
}

// TestObserversOnBadNetwork: devices observe one resource that changes in bursts, over
// a network that loses, repeats and reorders. In the end whoever is on the list
// knows the newest state, and whoever is not had not answered for long.
//
// Proves rfc7641 §4.5: "However, above all, the server MUST ensure that a client in the list of
// observers of a resource eventually observes the latest state if the resource does not undergo
// a new change in state."
func TestObserversOnBadNetwork(t *testing.T) {
	for _, mode := range observedModes() {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", mode.Name, seed), func(t *testing.T) {
				cryptotest.SetGlobalRandom(t, seed)
				net := NewNetwork(seed)
				o := observedServer(t, net, mode, endpoint.Limits{SleepAfter: time.Second})
				var devices []*observer
				for i := range 20 {
					devices = append(devices, newObserver(t, net, observerAddr(i), mode, seed*100+uint64(i), endpoint.Limits{}))
				}
				net.Run(net.Now.Add(time.Minute))
				net.Faults = Faults{Loss: 0.15, Duplicate: 0.2, Reorder: 0.2, Delay: 20 * time.Millisecond, Jitter: 200 * time.Millisecond}
				o.non = func() bool { return o.value%3 == 0 }
				for i := range 60 {
					o.change(net.Now)
					net.Run(net.Now.Add(time.Duration(i*i) * 100 * time.Millisecond / 7))
				}
				o.repeat(net.Now)
				net.Run(net.Now.Add(time.Hour))
				listed := len(o.relations)
				consistent := 0
				for i, d := range devices {
					if d.seen == o.value {
						consistent++
					}
					if d.seen > o.value || d.got > 400 {
						t.Errorf("device %d knows %d, and was told %d times", i, d.seen, d.got)
					}
				}
				if consistent < listed || listed < 15 {
					t.Errorf("%d on the list, %d know the newest state; ended: %v", listed, consistent, o.ended)
				}
				s := o.host.Endpoint.Stats()
				if s.Awake != 0 || o.host.Endpoint.Active() {
					t.Errorf("%d sessions awake an hour later", s.Awake)
				}
				t.Logf("%d notifications, %d retransmissions, ended %v", s.Notifications, s.Traffic.Retransmissions, o.ended)
			})
		}
	}
}

// TestObserverThatRebooted: a device observes, loses its state, and comes back from
// the same address with a new session. What the server had to tell the first never
// reaches the second, though it observes the same resource with the same token and
// the first has a notification under way.
//
// Proves rfc7641 §7: "All notifications resulting from a GET request with an Observe Option MUST
// be returned within the same epoch of the same connection as the request."
// Pitfall S5, A21: notifications for a session never reach the session that has its address now
func TestObserverThatRebooted(t *testing.T) {
	for _, mode := range []*Mode{ModeByName("psk"), ModeByName("rpk"), ModeByName("x509")} {
		if mode == nil {
			continue
		}
		t.Run(mode.Name, func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, 1)
			net := NewNetwork(1)
			o := observedServer(t, net, mode, endpoint.Limits{})
			first := newObserver(t, net, ClientAddr, mode, 1, endpoint.Limits{})
			net.Run(net.Now.Add(time.Minute))
			token := o.only().token

			// A notification that nobody hears, and is retransmitted.
			net.Attach(ClientAddr, deaf{})
			o.change(net.Now)
			net.Run(net.Now.Add(3 * time.Second))

			second := newObserver(t, net, ClientAddr, mode, 2, endpoint.Limits{})
			second.host.Endpoint.Cancel(net.Now, second.id)
			second.register(net.Now, token)
			var after []string
			net.Tap = func(d *Datagram, _ Fate) {
				if d.To == ClientAddr {
					after = append(after, Describe(d.Data))
				}
			}
			net.Run(net.Now.Add(5 * time.Second))
			if len(o.relations) != 1 || o.ended["superseded"] != 1 || second.got != 1 || second.seen != 1 {
				t.Fatalf("%d relations, ended %v; the second was told %d", len(o.relations), o.ended, second.got)
			}
			after = nil
			net.Run(net.Now.Add(10 * time.Minute))
			if len(after) > 0 {
				t.Errorf("sent to the second: %v", strings.Join(after, ", "))
			}
			o.change(net.Now)
			net.Run(net.Now.Add(time.Minute))
			if second.got != 2 || second.seen != 2 || first.got != 1 {
				t.Errorf("the second was told %d times, the first %d", second.got, first.got)
			}
		})
	}
}

// only is the only relation.
func (o *resource) only() *relation {
	o.t.Helper()
	if len(o.relations) != 1 {
		o.t.Fatalf("%d relations", len(o.relations))
	}
	return o.relations[0]
}

// deaf hears and says nothing.
type deaf struct{}

func (deaf) Receive(tick.Time, netip.AddrPort, []byte)             {}
func (deaf) Transmit(tick.Time, []byte) (n int, to netip.AddrPort) { return 0, to }
func (deaf) Deadline() tick.Time                                   { return tick.Never }
func (deaf) Expire(tick.Time)                                      {}

// TestWeekOfAnObserver: a resource changes every ten minutes for a week. Both ends sleep
// in between, and nothing is missed, retransmitted or renewed.
func TestWeekOfAnObserver(t *testing.T) {
	for _, mode := range observedModes() {
		t.Run(mode.Name, func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, 1)
			net := NewNetwork(1)
			o := observedServer(t, net, mode, endpoint.Limits{})
			d := newObserver(t, net, ClientAddr, mode, 1, endpoint.Limits{})
			o.non = func() bool { return o.value%5 != 0 }
			const changes = 7 * 24 * 6
			for range changes {
				net.Run(net.Now.Add(10 * time.Minute))
				if s := o.host.Endpoint.Stats(); s.Awake != 0 {
					t.Fatal("the server's session is awake")
				}
				if s := d.host.Endpoint.Stats(); s.Awake != 0 {
					t.Fatal("the client's session is awake")
				}
				o.change(net.Now)
			}
			net.Run(net.Now.Add(time.Minute))
			s := o.host.Endpoint.Stats()
			if d.got != changes+1 || d.seen != changes || s.Traffic.Retransmissions != 0 || len(o.relations) != 1 || d.ends != "" {
				t.Errorf("told %d times, the last was %d; %d retransmissions, ended %v %s", d.got, d.seen, s.Traffic.Retransmissions, o.ended, d.ends)
			}
		})
	}
}

// TestObserverVanishes: the last thing that a device that is gone for good costs is one
// notification with its retransmissions.
//
// Proves rfc7641 §4.5: "if the last attempt to retransmit a confirmable notification times out,
// then the client is considered no longer interested and the server MUST remove the associated
// entry from the list of observers."
func TestObserverVanishes(t *testing.T) {
	for _, mode := range observedModes() {
		t.Run(mode.Name, func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, 1)
			net := NewNetwork(1)
			o := observedServer(t, net, mode, endpoint.Limits{})
			newObserver(t, net, ClientAddr, mode, 1, endpoint.Limits{})
			net.Run(net.Now.Add(time.Minute))
			net.Attach(ClientAddr, deaf{})
			sent := 0
			net.Tap = func(*Datagram, Fate) { sent++ }
			for range 100 {
				o.change(net.Now)
				net.Run(net.Now.Add(10 * time.Second))
			}
			if len(o.relations) != 0 || o.ended["timeout"] != 1 || sent != 5 {
				t.Errorf("%d relations, ended %v, %d datagrams sent", len(o.relations), o.ended, sent)
			}
		})
	}
}
