// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
)

// A relation is one client that observes one server.
type relation struct {
	t      testing.TB
	server *party
	client *party
	peer   PeerID // the client, as the server knows it
	token  []byte
	id     ExchangeID // of the client
}

func observeOptions(v uint32) coap.Options {
	var list coap.OptionList
	list.AddUint(coap.Observe, v)
	return list.Encode(nil)
}

// observe has the client register with the server, to which id leads.
func observe(t testing.TB, server, client *party, id PeerID) *relation {
	t.Helper()
	o := &relation{t: t, server: server, client: client}
	serve := server.serve
	server.serve = func(p *party, ev *Event) {
		if v, ok := ev.Message.Options.GetUint(coap.Observe); !ok || v != 0 {
			serve(p, ev)
			return
		}
		o.peer, o.token = ev.Peer(), slices.Clone(ev.Message.Token)
		if err := p.Respond(p.net.now, ev.Exchange, request.Outgoing{Code: coap.Content, Options: observeOptions(1)}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if o.id, err = client.Request(client.net.now, id, request.Outgoing{Code: coap.GET, Options: observeOptions(0)}); err != nil {
		t.Fatal(err)
	}
	client.net.settle()
	client.wantIn(t, "response 2.05 Content , more")
	server.take()
	return o
}

func (o *relation) send(typ coap.Type, payload string) (ExchangeID, error) {
	return o.server.Notify(o.server.net.now, o.peer, o.token, request.Outgoing{Type: typ, Code: coap.Content, Options: observeOptions(2), Payload: []byte(payload)})
}

// notify sends a notification and lets everything settle.
func (o *relation) notify(typ coap.Type, payload string) ExchangeID {
	o.t.Helper()
	x, err := o.send(typ, payload)
	if err != nil {
		o.t.Fatal(err)
	}
	o.server.net.settle()
	if typ == coap.NonConfirmable {
		o.server.net.sleep(3 * time.Second)
	}
	return x
}

// Both ends of an observation sleep between notifications, for as long as sessions
// live, and each notification finds its way.
//
// Proves rfc7641 §7: "Resources can be observed over DTLS-secured CoAP using any of the security
// modes described in Section 9 of RFC 7252."
func TestObserverSleeps(t *testing.T) {
	n, server, client, id := pskPair(t)
	o := observe(t, server, client, id)
	for round := range 30 {
		n.sleep(10 * time.Minute)
		server.asleep(t, 1)
		if got := client.Stats(); got.Sessions != 1 || got.Awake != 0 {
			t.Fatalf("the client has %d of %d awake", got.Awake, got.Sessions)
		}
		typ := coap.Type(round % 2)
		o.notify(typ, fmt.Sprint("state ", round))
		client.want(t, fmt.Sprintf("response 2.05 Content state %d, more", round))
		if typ == coap.Confirmable {
			server.want(t, "notified")
		}
		server.want(t)
	}
	if got := server.Stats(); got.Notifications != 30 || got.Handshakes != 1 || got.Traffic.Retransmissions != 0 {
		t.Errorf("%d notifications, %d handshakes, %d retransmissions", got.Notifications, got.Handshakes, got.Traffic.Retransmissions)
	}
	server.check(t)
}

// Notifications keep no session awake, however many there are at once.
func TestNotificationsKeepNobodyAwake(t *testing.T) {
	for _, typ := range []coap.Type{coap.Confirmable, coap.NonConfirmable} {
		notifyMany(t, typ)
	}
}

func notifyMany(t *testing.T, typ coap.Type) {
	t.Helper()
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{Awake: 4})
	server.keys["device"] = key1
	var relations []*relation
	for i := range 40 {
		client := n.client(fmt.Sprintf("198.51.100.%d:40000", i+1))
		client.keys["device"] = key1
		relations = append(relations, observe(t, server, client, client.connect(server, pskConfig(byte(3+i)))))
	}
	n.lose = func(from, _ *party, _ []byte) bool { return from != server } // nobody answers
	for _, o := range relations {
		if _, err := o.send(typ, "x"); err != nil {
			t.Fatal(err)
		}
		n.settle()
		if got := server.Stats().Awake; got > 6 {
			t.Fatalf("%v: %d awake, the limit is 4", typ, got)
		}
	}
	n.lose = nil
	n.sleep(time.Minute)
	for _, o := range relations {
		o.client.want(t, "response 2.05 Content x, more")
	}
}

// Nor does a Confirmable one that waits to be acknowledged: an observer that is gone
// sleeps between the retransmissions, each of which opens in the session, and an
// acknowledgement that comes after all finds the notification.
func TestUnansweredNotificationKeepsNobodyAwake(t *testing.T) {
	for _, answer := range []string{"none", "late", "reset"} {
		n, server, client, id := pskPair(t)
		o := observe(t, server, client, id)
		n.sleep(time.Minute)
		n.lose = func(from, _ *party, _ []byte) bool { return from == client }
		x := o.notify(coap.Confirmable, "first")
		sent := server.Stats().Traffic.Sent
		for want := uint64(1); want <= 4; want++ {
			for server.Stats().Traffic.Sent < sent+want {
				n.sleep(100 * time.Millisecond)
			}
			n.sleep(5100 * time.Millisecond) // not all of a round, but of SleepAfter
			if got := server.Stats().Awake; want > 2 && got != 0 {
				t.Errorf("%d awake after retransmission %d", got, want)
			}
			server.check(t)
			if want == 3 && answer != "none" {
				break
			}
		}
		switch answer {
		case "none":
			n.sleep(2 * time.Minute)
			server.want(t, "undelivered timeout")
		case "reset":
			n.lose = nil
			client.Cancel(n.now, o.id)
			if err := server.Supersede(n.now, x, request.Outgoing{Code: coap.Content, Options: observeOptions(9), Payload: []byte("second")}); err != nil {
				t.Fatal(err)
			}
			n.sleep(time.Minute)
			server.want(t, "undelivered reset")
		case "late":
			n.lose = nil
			n.sleep(time.Minute)
			server.want(t, "notified")
		}
		n.lose = nil
		n.sleep(10 * time.Minute)
		server.asleep(t, 1)
		client.take()
		client.get(id, "the session lives")
		client.want(t, "response 2.05 Content the session lives")
	}
}

// What a server has to tell an observer is for the session in which he asked, and
// for no other: not when a new session has the address, not even if the token is in
// use there as well; a notification that is being retransmitted then ends.
//
// Proves rfc7641 §7: "All notifications resulting from a GET request with an Observe Option MUST
// be returned within the same epoch of the same connection as the request."
// Pitfall S5: a notification for one session never reaches another at its address
func TestNotificationStaysInItsSession(t *testing.T) {
	for _, underWay := range []bool{false, true} {
		n, server, client, id := pskPair(t)
		o := observe(t, server, client, id)
		first := o.peer
		server.keys["other"] = key2
		if underWay {
			n.lose = func(from, _ *party, _ []byte) bool { return from == server }
			o.notify(coap.Confirmable, "for the first, again and again")
			n.lose = nil
		}
		fresh := n.reboot(client, "other", key2)
		freshID := fresh.connect(server, pskConfig(9))
		fresh.wantIn(t, "connected")
		// The newcomer registers with the same token.
		fresh.Request(n.now, freshID, request.Outgoing{Code: coap.GET, Options: observeOptions(0), Token: o.token})
		n.settle()
		fresh.want(t, "response 2.05 Content , more")
		if err := server.Supersede(n.now, ExchangeID{Peer: first, ID: 1}, request.Outgoing{Code: coap.Content}); err != ErrGone {
			t.Errorf("Supersede: %v", err)
		}
		if _, err := server.Notify(n.now, first, o.token, request.Outgoing{Code: coap.Content, Payload: []byte("for the first")}); err != ErrGone {
			t.Errorf("Notify: %v", err)
		}
		n.sleep(10 * time.Minute)
		fresh.want(t)
		if got := server.Stats().Traffic.Retransmissions; got != 0 {
			t.Errorf("%d retransmissions", got)
		}
	}
}

// What the peer says to a notification, over DTLS and without.
func TestNotificationIsAnswered(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, c := range []struct {
			name   string
			typ    coap.Type
			before func(n *network, o *relation)
			after  time.Duration
			want   []string
		}{
			{"acknowledged", coap.Confirmable, nil, 0, []string{"notified"}},
			{"observer forgot, CON", coap.Confirmable, forget, 0, []string{"undelivered reset"}},
			{"observer forgot, NON", coap.NonConfirmable, forget, 0, []string{"undelivered reset"}},
			{"silence", coap.Confirmable, silence, 2 * time.Minute, []string{"undelivered timeout"}},
			{"canceled", coap.Confirmable, silence, 0, nil},
		} {
			n, server, client, id := observablePair(t, secure)
			o := observe(t, server, client, id)
			if c.before != nil {
				c.before(n, o)
			}
			x := o.notify(c.typ, "x")
			n.sleep(c.after)
			if c.name == "canceled" {
				server.Cancel(n.now, x)
				n.settle()
				c.want = []string{"undelivered canceled"}
			}
			if got := server.take(); !slices.Equal(got, c.want) {
				t.Errorf("secure %v, %s: %q, want %q", secure, c.name, got, c.want)
			}
			if server.Active() {
				t.Errorf("secure %v, %s: still active", secure, c.name)
			}
			server.check(t)
		}
	}
}

func forget(n *network, o *relation) {
	o.client.Cancel(n.now, o.id)
	n.settle()
}

func silence(n *network, o *relation) {
	n.lose = func(from, _ *party, _ []byte) bool { return from == o.client }
}

// observablePair is a server and a client, with DTLS or without.
func observablePair(t testing.TB, secure bool) (n *network, server, client *party, id PeerID) {
	t.Helper()
	if secure {
		return pskPair(t)
	}
	n = newNetwork(t)
	server = n.server("192.0.2.1:5683", nil, Limits{})
	client = n.client("198.51.100.2:40000")
	return n, server, client, client.connect(server, nil)
}

// Too large for a record, or for nobody.
func TestNotifyRefuses(t *testing.T) {
	n, server, client, id := pskPair(t)
	o := observe(t, server, client, id)
	if _, err := o.send(coap.Confirmable, string(make([]byte, 1400))); err != ErrTooLarge {
		t.Errorf("too large: %v", err)
	}
	x := o.notify(coap.Confirmable, "x")
	large := request.Outgoing{Code: coap.Content, Payload: make([]byte, 1400)}
	if err := server.Supersede(n.now, x, large); err != ErrTooLarge {
		t.Errorf("too large: %v", err)
	}
	if err := server.Supersede(n.now, x, request.Outgoing{Code: coap.Content}); err != request.ErrUnknown {
		t.Errorf("over: %v", err)
	}
	for _, peer := range []PeerID{{}, {o.peer.index, o.peer.generation + 1}, {77, 1}} {
		if _, err := server.Notify(n.now, peer, nil, request.Outgoing{Code: coap.Content}); err != ErrGone {
			t.Errorf("%v: %v", peer, err)
		}
	}
	early, err := client.Connect(n.now, netip.MustParseAddrPort("192.0.2.9:5684"), netip.Addr{}, pskConfig(7), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Notify(n.now, early, nil, request.Outgoing{Code: coap.Content}); err != ErrGone {
		t.Errorf("during the handshake: %v", err)
	}
	server.Disconnect(n.now, o.peer)
	if _, err := o.send(coap.Confirmable, "x"); err != ErrGone {
		t.Errorf("after Disconnect: %v", err)
	}
}

// An observer without DTLS is kept though he is silent, gives way after those who
// are not kept, and his end is told.
func TestKeep(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5683", nil, Limits{PlainPeers: 8})
	visit := func(i int) (*party, PeerID) {
		client := n.client(fmt.Sprintf("198.51.100.%d:40000", i+1))
		return client, client.connect(server, nil)
	}
	client, id := visit(0)
	o := observe(t, server, client, id)
	server.Keep(o.peer, true)
	n.sleep(24 * time.Hour)
	o.notify(coap.Confirmable, "a day later")
	server.want(t, "notified")
	client.want(t, "response 2.05 Content a day later, more")
	for i := 1; i < 30; i++ {
		c, id := visit(i)
		c.get(id, "x")
	}
	server.take()
	o.notify(coap.Confirmable, "after a crowd")
	server.want(t, "notified")
	server.check(t)

	server.Keep(o.peer, false)
	n.sleep(time.Hour)
	server.want(t) // it was forgotten, and nothing told
	if _, err := o.send(coap.Confirmable, "x"); err != ErrGone {
		t.Errorf("not kept any more: %v", err)
	}
	server.Keep(o.peer, true)
	server.Keep(PeerID{}, true)
	if got := server.Stats().PlainPeers; got != 0 {
		t.Errorf("%d remembered", got)
	}
}

// A session is as idle as it is, kept or not.
func TestKeepIsForPlainPeers(t *testing.T) {
	n, server, client, id := pskPair(t)
	o := observe(t, server, client, id)
	server.Keep(o.peer, true)
	n.sleep(25 * time.Hour)
	server.want(t, "disconnected idle")
}

// When all are kept, the one silent longest gives way and its end is told.
func TestKeptGivesWay(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5683", nil, Limits{PlainPeers: 3})
	server.serve = func(p *party, ev *Event) {
		p.Keep(ev.Peer(), true)
		echo(p, ev)
	}
	for i := range 5 {
		client := n.client(fmt.Sprintf("198.51.100.%d:40000", i+1))
		client.get(client.connect(server, nil), "x")
		n.sleep(time.Minute)
	}
	ended := 0
	for _, event := range server.take() {
		if event == "disconnected limit" {
			ended++
		}
	}
	if got := server.Stats().PlainPeers; got != 3 || ended != 2 {
		t.Errorf("%d remembered, %d ends told", got, ended)
	}
	server.check(t)
	server.Close(n.now)
	n.settle()
	server.drain()
	if got := len(server.take()); got != 3 {
		t.Errorf("%d ends told at last", got)
	}
}

// A notification and its acknowledgement cost the server no allocation, also if
// nothing was left of a peer without DTLS but its slot. (A session that has slept
// expands its keys.)
func TestNotifyDoesNotAllocate(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, asleep := range []bool{false, !secure} {
			d := newDrill(t, secure)
			o := d.observe(t)
			step := func() {
				if asleep {
					if o.pass(10 * time.Minute); d.server.peers.Used() != 0 {
						t.Fatal("not asleep")
					}
				}
				o.round(t)
			}
			for range 300 {
				step()
			}
			if n := testing.AllocsPerRun(500, step); n != 0 {
				t.Errorf("secure %v, asleep %v: %v allocations", secure, asleep, n)
			}
		}
	}
}

// A watcher is a drill's client that observes and acknowledges by hand.
type watcher struct {
	*drill
	peer  PeerID
	state request.Outgoing
	ev    Event
	news  dtls.Event
	reply []byte
}

func (d *drill) observe(t testing.TB) *watcher {
	t.Helper()
	d.arrive()
	o := &watcher{drill: d, state: request.Outgoing{Code: coap.Content, Options: observeOptions(3), Payload: answer}}
	e, now := d.server.Endpoint, d.server.net.now
	e.Receive(now, &d.in)
	for e.Next(&o.ev) {
		if o.ev.Kind == EventRequest {
			o.peer = o.ev.Peer()
			e.Respond(now, o.ev.Exchange, o.state)
		}
	}
	for e.Transmit(now, &d.out) {
	}
	e.Keep(o.peer, true)
	return o
}

// round is a notification on its way to the client and the acknowledgement back.
func (o *watcher) round(t testing.TB) {
	e, now := o.server.Endpoint, o.server.net.now
	if _, err := e.Notify(now, o.peer, watched, o.state); err != nil {
		t.Fatal(err)
	}
	if !e.Transmit(now, &o.out) {
		t.Fatal("nothing is sent")
	}
	message := o.out.Payload()
	if o.session != nil {
		o.session.Receive(now, message)
		if !o.session.Next(now, &o.news) || o.news.Kind != dtls.EventData {
			t.Fatal("not opened")
		}
		message = o.news.Data
	}
	o.reply = append(o.reply[:0], 0x60, 0, message[2], message[3])
	o.in.N = copy(o.in.Buf, o.reply)
	if o.session != nil {
		record, err := o.session.Seal(o.in.Buf[:0], o.reply)
		if err != nil {
			t.Fatal(err)
		}
		o.in.N = len(record)
	}
	e.Receive(now, &o.in)
	if !e.Next(&o.ev) || o.ev.Kind != EventNotified {
		t.Fatalf("%v instead of an acknowledgement", o.ev.Kind)
	}
	for e.Next(&o.ev) {
	}
	for e.Transmit(now, &o.out) {
	}
}

var watched = []byte("token")

// BenchmarkNotify is a notification and its acknowledgement at the server, and in
// PreSharedKey mode the client's two records; asleep if it is the first after a
// while.
func BenchmarkNotify(b *testing.B) {
	for _, c := range []struct {
		name   string
		secure bool
		pause  time.Duration
	}{
		{"nosec", false, 5 * time.Millisecond},
		{"nosec-asleep", false, 10 * time.Minute},
		{"psk", true, 5 * time.Millisecond},
		{"psk-asleep", true, 10 * time.Minute},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := newDrill(b, c.secure).observe(b)
			b.ReportAllocs()
			for b.Loop() {
				o.pass(c.pause)
				o.round(b)
			}
		})
	}
}

// pass lets time pass at the server.
func (o *watcher) pass(d time.Duration) {
	n := o.server.net
	end := n.now.Add(d)
	for o.server.Deadline() <= end {
		n.now = max(n.now, o.server.Deadline())
		o.server.Expire(n.now)
		for o.server.Next(&o.ev) {
		}
		for o.server.Transmit(n.now, &o.out) {
		}
	}
	n.now = end
}

// Of very many who are kept, and were silent longest, none gives way to a crowd.
func TestKeepMany(t *testing.T) {
	const most, kept = 3 * turn, 2 * turn
	n := newNetwork(t)
	server := n.server("192.0.2.1:5683", nil, Limits{PlainPeers: most})
	for i := range 3 * most {
		client := n.client(fmt.Sprintf("198.51.%d.%d:40000", i/256, i%256))
		id := client.connect(server, nil)
		if i >= kept {
			client.get(id, "x")
			n.sleep(time.Second)
			continue
		}
		server.Keep(observe(t, server, client, id).peer, true)
	}
	for _, event := range server.take() {
		if strings.HasPrefix(event, "disconnected") {
			t.Fatal(event)
		}
	}
	if got := server.Stats().PlainPeers; got >= most+turn {
		t.Errorf("%d peers", got)
	}
}
