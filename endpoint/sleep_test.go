// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
)

// asleep fails unless all sessions of a party sleep, and it has nothing else of
// them than their slots and bytes.
func (p *party) asleep(t testing.TB, sessions int) {
	t.Helper()
	if got := p.Stats(); got.Sessions != sessions || got.Awake != 0 || p.peers.Used() != 0 {
		t.Errorf("%v: %d sessions, %d awake, %d peers; want %d asleep", p.addr, got.Sessions, got.Awake, p.peers.Used(), sessions)
	}
}

func (p *party) anyone() PeerID {
	for id := range p.sessions {
		return id
	}
	return PeerID{}
}

// Sessions of both sides sleep, and neither side notices: who speaks wakes both,
// under the identifier they had, with the Facts and exported keys they had.
func TestSleepIsNotNoticed(t *testing.T) {
	for _, speaker := range []string{"client", "server"} {
		n, server, client, id := pskPair(t)
		serverID := server.anyone()
		facts := *server.Facts(serverID)
		key, err := server.Export(serverID, "EXPORTER-test", nil, 16)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			n.sleep(10 * time.Minute)
			server.asleep(t, 1)
			client.asleep(t, 1)
			server.take()
			payload := fmt.Sprint(round)
			if speaker == "client" {
				client.get(id, payload)
				client.want(t, "response 2.05 Content "+payload)
			} else {
				server.get(serverID, payload)
				server.want(t, "response 2.05 Content "+payload)
				client.take()
			}
		}
		n.sleep(10 * time.Minute)
		again, err := server.Export(serverID, "EXPORTER-test", nil, 16)
		if err != nil || !bytes.Equal(key, again) {
			t.Errorf("exported %x, then %x, %v", key, again, err)
		}
		n.sleep(10 * time.Minute)
		if got := server.Facts(serverID); got == nil || string(got.PSKIdentity) != string(facts.PSKIdentity) || got.CipherSuite != facts.CipherSuite {
			t.Errorf("facts %+v, then %+v", facts, got)
		}
		if got := server.Remote(serverID); got != client.addr {
			t.Errorf("remote %v", got)
		}
		if got := server.Stats(); got.Handshakes != 1 || got.Wakes != 5 || got.Idle != 0 {
			t.Errorf("%d handshakes, %d wakes", got.Handshakes, got.Wakes)
		}
	}
}

// What the caller leaves with a peer is there while it is awake.
func TestTag(t *testing.T) {
	n, server, client, id := pskPair(t)
	var tags []any
	server.serve = func(p *party, ev *Event) {
		tags = append(tags, ev.Tag)
		p.SetTag(ev.Peer(), "tagged")
		echo(p, ev)
	}
	client.get(id, "1")
	n.sleep(3 * time.Second)
	client.get(id, "2")
	n.sleep(10 * time.Second) // its duplicates are remembered, but the session sleeps
	client.get(id, "3")
	client.get(id, "4")
	if want := []any{nil, "tagged", nil, "tagged"}; !slices.Equal(tags, want) {
		t.Errorf("tags %v, want %v", tags, want)
	}
	server.SetTag(PeerID{}, "nobody")
	server.SetTag(server.anyone(), nil)
}

// A session sleeps while its exchanges are still remembered: a late duplicate is
// told from a new request, gets the same answer, and all is gone after
// EXCHANGE_LIFETIME.
//
// Proves rfc7252 §4.5: "The recipient SHOULD acknowledge each duplicate copy of a
// Confirmable message using the same Acknowledgement or Reset message but SHOULD
// process any request or response in the message only once."
func TestDuplicateAfterSleep(t *testing.T) {
	d := newDrill(t, true)
	n, server := d.server.net, d.server
	server.take()
	var answers []coap.Message
	for range 3 {
		d.mid = 4710
		d.arrive()
		n.inject(d.remote, server, d.in.Payload())
		answers = append(answers, d.receive(t))
		n.sleep(time.Minute)
		if got := server.Stats(); got.Awake != 0 {
			t.Errorf("%d awake", got.Awake)
		}
	}
	server.want(t, "request GET payload of the question")
	for _, m := range answers {
		if m.MessageID != 4711 || m.Code != coap.Content || string(m.Payload) != string(answers[0].Payload) {
			t.Errorf("answers %v", answers)
		}
	}
	n.sleep(5 * time.Minute)
	server.asleep(t, 1)
	if used := server.mem.Bytes(); used != 0 {
		t.Errorf("%d bytes of exchanges are left", used)
	}
	d.mid = 4710
	d.arrive()
	n.inject(d.remote, server, d.in.Payload())
	server.want(t, "request GET payload of the question")
}

// A peer whose exchanges are in progress stays awake, with its tag.
func TestBusyPeersStayAwake(t *testing.T) {
	n, server, client, id := pskPair(t)
	server.serve = ignore
	server.SetTag(server.anyone(), "busy")
	client.SetTag(id, "asking")
	client.get(id, "a long job")
	server.take()
	n.sleep(100 * time.Second)
	if s, c := server.Stats(), client.Stats(); s.Awake != 1 || c.Awake != 1 || s.Wakes+c.Wakes != 0 {
		t.Errorf("%d, %d awake", s.Awake, c.Awake)
	}
	var ev Event
	if err := server.Respond(n.now, server.requests[0], request.Outgoing{Code: coap.Content}); err != nil {
		t.Fatal(err)
	}
	server.Transmit(n.now, &n.buf)
	n.buf.Remote, n.buf.Local = server.addr, client.addr.Addr()
	client.Receive(n.now, &n.buf)
	if !client.Next(&ev) || ev.Kind != EventResponse || ev.Tag != "asking" {
		t.Errorf("%v with tag %v", ev.Kind, ev.Tag)
	}
	n.sleep(6 * time.Second)
	if s, c := server.Stats(), client.Stats(); s.Awake+c.Awake != 0 {
		t.Errorf("%d, %d awake after it", s.Awake, c.Awake)
	}
}

// No more sessions are awake than the limit says; those that spoke last are.
func TestAwakeLimit(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{Awake: 3})
	server.keys["device"] = key1
	ids := map[*party]PeerID{}
	var clients []*party
	for i := range 10 {
		c := n.client(address(i).String())
		c.keys["device"] = key1
		ids[c] = c.connect(server, pskConfig(byte(10+i)))
		clients = append(clients, c)
	}
	awake := func() (who []int) {
		for i := range clients {
			if at := server.slots.At(server.find(address(i), server.addr.Addr())); at.asleep == 0 {
				who = append(who, i)
			}
		}
		return who
	}
	if got := awake(); !slices.Equal(got, []int{7, 8, 9}) {
		t.Errorf("awake: %v", got)
	}
	for _, i := range []int{2, 8, 4} {
		n.now = n.now.Add(2 * time.Second)
		clients[i].get(ids[clients[i]], "x")
		clients[i].wantIn(t, "response 2.05 Content x")
	}
	if got := awake(); !slices.Equal(got, []int{2, 4, 8}) || server.Stats().Awake != 3 {
		t.Errorf("awake: %v", got)
	}
}

// What is forged at sleeping sessions wakes nobody for longer than it takes to
// see that, and takes no place from those that are awake.
//
// Pitfall P10: all content types in all sorts of epochs
func TestForgedAtSleepers(t *testing.T) {
	const sleepers = 50
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{Awake: 2})
	server.keys["device"] = key1
	var sessions []*dtls.Session
	for i := range sleepers + 2 {
		n.now = n.now.Add(time.Second)
		sessions = append(sessions, handshake(t, server, address(i), byte(i)))
	}
	server.take()
	order := server.ages()
	wakes := server.Stats().Wakes
	for i := range sleepers {
		for kind := range 256 {
			for _, epoch := range []byte{0, 1, 2, 255} {
				forged := append([]byte{byte(kind), 254, 253, 0, epoch, 0, 0, 0, 0, 0, 99, 0, 30}, make([]byte, 30)...)
				n.inject(address(i), server, forged)
			}
		}
		if got := server.tapAll(); len(got) != 0 {
			t.Fatalf("answered by %x", got)
		}
		if got := server.peers.Used(); got != 2 {
			t.Fatalf("%d peers", got)
		}
	}
	server.want(t)
	got := server.Stats()
	if woken := got.Wakes - wakes; woken == 0 || woken > 50*3*3 {
		t.Errorf("%d wakes", woken)
	}
	if got.Drops[DropAsleep] == 0 || !slices.Equal(server.ages(), order) {
		t.Errorf("%d dropped; order %v, before %v", got.Drops[DropAsleep], server.ages(), order)
	}
	for i := sleepers; i < sleepers+2; i++ {
		if at := server.slots.At(server.find(address(i), server.addr.Addr())); at.asleep != 0 {
			t.Errorf("session %d was put to sleep", i)
		}
	}
	d := &drill{server: server, remote: address(7), session: sessions[7], message: newRequests().next()}
	d.in.Buf = make([]byte, 2048)
	d.arrive()
	n.inject(d.remote, server, d.in.Payload())
	server.want(t, "request GET payload")
}

func (p *party) tapAll() [][]byte { return p.net.tapAll(p) }

// ages lists the secure slots, the one silent longest first.
func (p *party) ages() (order []uint32) {
	for i := p.oldest(secure); i != 0; i = p.slots.Next(i) {
		order = append(order, i)
	}
	return order
}

// The forgeries that a session has met are not forgotten in its sleep.
func TestForgeriesAreCountedOverSleep(t *testing.T) {
	n := newNetwork(t)
	cfg := pskConfig(1)
	cfg.MaxRecordFailures = 20
	server := n.server("192.0.2.1:5684", cfg, Limits{})
	server.keys["device"] = key1
	handshake(t, server, address(1), 9)
	server.take()
	n.sleep(10 * time.Minute)
	forged := append([]byte{23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 99, 0, 30}, make([]byte, 30)...)
	for range 19 {
		n.inject(address(1), server, forged)
		n.settle()
		server.asleep(t, 1)
	}
	server.want(t)
	n.inject(address(1), server, forged)
	server.want(t, "disconnected session forgery_limit")
	n.settle()
	server.clear(t, 0)
}

// A device that has lost its state gets a session in place of the one that
// sleeps, which no sooner ends than the new one has proved itself.
//
// Pitfall M1, M2: the old keys stay until the new handshake has finished
func TestRebootWhileAsleep(t *testing.T) {
	n, server, old, id := pskPair(t)
	n.sleep(10 * time.Minute)
	server.asleep(t, 1)
	server.take()
	oldID := server.anyone()

	thief := n.client(old.addr.String())
	thief.keys["device"], thief.hold = key1, true
	thief.connect(server, pskConfig(8)) // gets as far as the cookie
	if got := server.Stats(); got.HalfOpen != 1 || got.Sessions != 1 {
		t.Errorf("%d half-open, %d sessions", got.HalfOpen, got.Sessions)
	}
	n.order = []*party{server, old}
	n.parties[old.addr] = old
	old.get(id, "still here")
	old.want(t, "response 2.05 Content still here")
	n.sleep(10 * time.Minute)
	server.asleep(t, 1)
	server.take()

	fresh := n.reboot(old, "device", key1)
	freshID := fresh.connect(server, pskConfig(9))
	fresh.want(t, "connected")
	server.want(t, "connected", "disconnected superseded")
	if server.Remote(oldID).IsValid() {
		t.Error("the old identifier still names somebody")
	}
	fresh.get(freshID, "x")
	fresh.want(t, "response 2.05 Content x")
	n.sleep(10 * time.Minute)
	server.asleep(t, 1)
}

// A hello without a cookie at the address of a session that sleeps leaves it
// asleep.
func TestHelloAtSleeper(t *testing.T) {
	n, server, client, _ := pskPair(t)
	n.sleep(10 * time.Minute)
	forger := n.client("203.0.113.66:1")
	if _, err := forger.Connect(n.now, server.addr, netip.Addr{}, pskConfig(9), ""); err != nil {
		t.Fatal(err)
	}
	hello := forger.tapAll()[0]
	for range 100 {
		n.inject(client.addr, server, hello)
		if got := server.tapAll(); len(got) != 1 || len(got[0]) > len(hello) {
			t.Fatalf("answers %x", got)
		}
	}
	server.asleep(t, 1)
	if got := server.Stats().Wakes; got != 0 {
		t.Errorf("%d wakes", got)
	}
}

// Proves rfc6347 §4.2.4: "In addition, for at least twice the default MSL
// defined for [TCP], when in the FINISHED state, the node that transmits the
// last flight (the server in an ordinary handshake or the client in a resumed
// handshake) MUST respond to a retransmit of the peer's last flight with a
// retransmit of the last flight."
//
// The last flight is sent again by a session that has gone to sleep meanwhile.
func TestLastFlightFromSleep(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{Awake: 1})
	server.keys["device"] = key1
	client := n.client("198.51.100.2:40000")
	client.keys["device"] = key1
	n.lose = func(from, _ *party, datagram []byte) bool {
		return from == server && datagram[0] == 20 // ChangeCipherSpec, Finished
	}
	id := client.connect(server, pskConfig(2))
	client.want(t)
	for i := range 5 {
		handshake(t, server, address(i), byte(i)) // they take its place
	}
	if at := server.slots.At(server.find(client.addr, server.addr.Addr())); at.asleep == 0 {
		t.Fatal("the session is awake")
	}
	n.lose = nil
	n.sleep(3 * time.Second)
	client.want(t, "connected")
	client.get(id, "x")
	client.want(t, "response 2.05 Content x")
}

// A late copy of the hello from which a session began, while its client still
// waits for the last flight, begins nothing new, even if the session sleeps: the
// copies of the client's other messages would fail there, and the alert would
// end the client's own handshake.
//
// Pitfall E2: what the network repeats, from the client's own address, does
// nothing to its handshake
func TestLateHelloAtSleeper(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{Awake: 1})
	server.keys["device"] = key1
	client := n.client("198.51.100.2:40000")
	client.keys["device"] = key1
	sent := n.tap(client)
	lose := n.lose
	n.lose = func(from, to *party, datagram []byte) bool {
		return lose(from, to, datagram) || from == server && datagram[0] == 20 // ChangeCipherSpec, Finished
	}
	id := client.connect(server, pskConfig(2))
	copies := *sent
	for i := range 5 {
		handshake(t, server, address(i), byte(i)) // they take its place
	}
	if at := server.slots.At(server.find(client.addr, server.addr.Addr())); at.asleep == 0 {
		t.Fatal("the session is awake")
	}
	server.take()
	for range 3 {
		for _, datagram := range copies {
			n.inject(client.addr, server, datagram)
			n.settle()
		}
	}
	server.want(t)
	client.want(t)
	if got := server.Stats(); got.HalfOpen != 0 || got.Sessions != 6 {
		t.Errorf("%d half-open, %d sessions", got.HalfOpen, got.Sessions)
	}
	n.lose = nil
	n.sleep(5 * time.Second)
	client.want(t, "connected")
	client.get(id, "x")
	client.want(t, "response 2.05 Content x")
}

// Sessions end in their sleep as others do: close_notify goes to the peer, the
// caller hears why and who it was.
func TestSleepersEnd(t *testing.T) {
	tests := []struct {
		cause string
		end   func(n *network, server *party)
	}{
		{"closed", func(n *network, server *party) { server.Close(n.now) }},
		{"closed", func(n *network, server *party) { server.Disconnect(n.now, server.anyone()) }},
		{"idle", func(n *network, server *party) { n.sleep(25 * time.Hour) }},
		{"limit", func(n *network, server *party) { handshake(n.t, server, address(1), 77) }},
	}
	for _, tt := range tests {
		n := newNetwork(t)
		server := n.server("192.0.2.1:5684", pskConfig(1), Limits{Sessions: 1})
		server.keys["device"] = key1
		client := n.client("198.51.100.2:40000")
		client.keys["device"] = key1
		client.connect(server, pskConfig(2))
		n.sleep(10 * time.Minute)
		server.asleep(t, 1)
		server.take()
		client.take()
		down := n.tap(server)
		tt.end(n, server)
		n.settle()
		server.wantIn(t, "disconnected "+tt.cause)
		if tt.cause != "limit" { // there handshake swallows it
			client.want(t, "disconnected session peer_closed")
			if len(*down) != 1 {
				t.Errorf("%s: %d datagrams", tt.cause, len(*down))
			}
			server.clear(t, 0)
		}
	}
}

// Close wakes sleepers one by one: it takes no memory for all, and no call takes
// long.
func TestCloseMany(t *testing.T) {
	const sessions = 3000
	c := newCrowd(t, pskConfig(1), pskConfig(2), Limits{Awake: 64})
	c.grow(sessions)
	c.wait(10 * time.Minute)
	peers, heap := c.server.peers.Made(), heapInUse()
	c.server.Close(c.now)
	if c.server.peers.Used() != 0 {
		t.Errorf("Close has woken %d", c.server.peers.Used())
	}
	told, sent := 0, 0
	for c.server.Transmit(c.now, &c.out) {
		if sent++; c.out.Buf[0] != 21 {
			t.Fatalf("%x was sent", c.out.Payload())
		}
		for c.server.Next(&c.ev) {
			if c.ev.Kind == EventDisconnected && c.ev.Cause == CauseLocal && c.ev.Facts != nil {
				told++
			}
		}
	}
	if sent != sessions || told != sessions {
		t.Errorf("%d close_notify, %d events", sent, told)
	}
	if grown := c.server.peers.Made() - peers; grown > 2 {
		t.Errorf("%d peers at once", grown)
	}
	if after := heapInUse(); after > heap+256<<10 { // awake they would be megabytes
		t.Errorf("the heap grew from %d to %d", heap, after)
	}
	if got := c.server; got.slots.Used()+got.peers.Used()+got.dormitory.cells.Used() != 0 || got.index.Len() != 0 {
		t.Errorf("%d slots, %d peers, %d cells, %d keys are left", got.slots.Used(), got.peers.Used(), got.dormitory.cells.Used(), got.index.Len())
	}
	c.join(address(1)) // and begins anew if asked
}

// Whoever looks at all peers does not wake all at once.
func TestLookingAtSleepers(t *testing.T) {
	const sessions = 500
	c := newCrowd(t, pskConfig(1), pskConfig(2), Limits{Awake: 10})
	c.grow(sessions)
	c.wait(10 * time.Minute)
	for i := range sessions {
		at := c.server.find(address(i), crowdServer)
		id := PeerID{at, c.server.slots.At(at).generation}
		if facts := c.server.Facts(id); facts == nil || string(facts.PSKIdentity) != "device" {
			t.Fatalf("facts %+v", facts)
		}
		if got := c.server.Stats().Awake; got > 11 {
			t.Fatalf("%d awake", got)
		}
	}
	c.wait(time.Minute)
	if got := c.server.Stats(); got.Awake != 0 || got.Wakes != sessions {
		t.Errorf("%d awake, %d wakes", got.Awake, got.Wakes)
	}
}
