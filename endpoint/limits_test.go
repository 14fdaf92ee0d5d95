// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

func address(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 40000)
}

// clear fails if the endpoint holds anything of handshakes that are over.
func (p *party) clear(t *testing.T, sessions int) {
	t.Helper()
	got := p.Stats()
	if got.Sessions != sessions || got.HalfOpen != 0 || p.index.Len() != uint32(sessions) {
		t.Errorf("%d sessions (want %d), %d half-open, %d addresses", got.Sessions, sessions, got.HalfOpen, p.index.Len())
	}
	if used := p.slots.Used(); used != sessions || p.peers.Used() > sessions || p.wants.n != 0 || p.news.n != 0 {
		t.Errorf("%d slots in use, %d peers, lists %d, %d", used, p.peers.Used(), p.wants.n, p.news.n)
	}
}

// A client with the wrong key neither gets in nor stays in memory.
//
// Pitfall P18, S4: 1,000 of them, and all counters are back to 0 afterwards
func TestWrongKeysLeaveNothing(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	server.keys["device"] = key1
	round := func(from, to int) {
		for i := from; i < to; i++ {
			client := n.client(address(i).String())
			client.keys["device"] = key2
			client.connect(server, pskConfig(byte(i)))
			n.order = []*party{server}
			delete(n.parties, client.addr)
		}
		n.sleep(3 * time.Minute)
	}
	round(0, 200)
	server.clear(t, 0)
	slots, heap := server.slots.Made(), heapInUse()
	for i := range 4 {
		round(200*i, 200*i+200)
		server.clear(t, 0)
	}
	if server.slots.Made() > slots+10 {
		t.Errorf("slots grew from %d to %d", slots, server.slots.Made())
	}
	server.events = nil
	if grown := int64(heapInUse()) - int64(heap); grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if got := server.Stats(); got.HandshakesFailed != 1000 || got.Handshakes != 0 {
		t.Errorf("%d failed, %d completed", got.HandshakesFailed, got.Handshakes)
	}
	good := n.client("198.51.100.2:40000")
	good.keys["device"] = key1
	good.connect(server, pskConfig(3))
	good.want(t, "connected")
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // pools keep what they have for one more
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Pitfall P19: a handshake that stands still does not hold up 100 others
//
// Pitfall L7: it ends by the clock
func TestStalledHandshakeHoldsUpNobody(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	server.keys["device"] = key1
	stalled := n.client("203.0.113.66:1")
	stalled.hold = true // never says its key
	stalled.keys["device"] = key1
	stalled.connect(server, pskConfig(2))
	if got := server.Stats().HalfOpen; got != 1 {
		t.Fatalf("%d half-open, want the stalled one", got)
	}
	for i := range 100 {
		client := n.client(address(i).String())
		client.keys["device"] = key1
		client.get(client.connect(server, pskConfig(byte(3+i))), "hello")
		client.want(t, "connected", "response 2.05 Content hello")
	}
	server.take()
	n.sleep(2 * time.Minute)
	if got := server.Stats(); got.HalfOpen != 0 || got.Sessions != 100 {
		t.Errorf("two minutes later: %d half-open, %d sessions", got.HalfOpen, got.Sessions)
	}
	if got := server.take(); len(got) != 1 || got[0][:26] != "disconnected session timeo" {
		t.Errorf("events: %q", got)
	}
}

// A server that has to wait for a key or a verdict serves others meanwhile, and
// an answer that comes too late is for nobody.
func TestAnswersMayComeLate(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", rawKeyConfig(t, 1), Limits{})
	server.hold = true
	first := n.client("198.51.100.2:40000")
	first.connect(server, rawKeyConfig(t, 2))
	late := server.held
	server.hold, server.held = false, nil
	second := n.client("198.51.100.3:40000")
	second.connect(server, rawKeyConfig(t, 3))
	second.want(t, "connected")
	for len(late) > 0 {
		for i := range late {
			server.answer(&late[i])
		}
		late = nil
		n.settle()
	}
	first.want(t, "connected")

	// Now a handshake whose peer is gone before the answer.
	server.hold = true
	third := n.client("198.51.100.4:40000")
	id := third.connect(server, rawKeyConfig(t, 4))
	third.Disconnect(n.now, id)
	n.sleep(2 * time.Minute)
	server.hold = false
	for i := range server.held {
		server.answer(&server.held[i])
	}
	n.settle()
	server.clear(t, 2)
}

// Proves rfc7252 §11.3: "CoAP servers SHOULD NOT accept multicast requests that
// can not be authenticated in some way, cryptographically or by some multicast
// boundary limiting the potential sources."
func TestMulticastIsNotServed(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5683", nil, Limits{})
	for _, group := range []string{"224.0.1.187", "ff02::fd"} {
		for _, m := range [][]byte{{0x40, 1, 0, 1}, {0x50, 1, 0, 2}, {0x4f, 1, 0, 3}} {
			d := udp.Datagram{Buf: m, N: len(m), Remote: address(1), Local: netip.MustParseAddr(group)}
			server.Receive(n.now, &d)
		}
	}
	n.settle()
	server.want(t)
	if server.Transmit(n.now, &n.buf) {
		t.Error("a request to a group was answered")
	}
	if got := server.Stats().Drops[DropMulticast]; got != 6 {
		t.Errorf("%d multicast datagrams counted, want 6", got)
	}
}

// Pitfall P11, L8, O20: 100,000 ClientHellos without a cookie from as many
// addresses, and nothing is kept
//
// Pitfall P12: no timer exists before a valid cookie
//
// Pitfall E3: no answer is larger than its question
func TestHelloFloodKeepsNothing(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{AnswerRate: -1})
	client := n.client("203.0.113.66:1")
	if _, err := client.Connect(n.now, server.addr, netip.Addr{}, pskConfig(2), ""); err != nil {
		t.Fatal(err)
	}
	hello := udp.Datagram{Buf: make([]byte, 2048)}
	client.Transmit(n.now, &hello)
	in := udp.Datagram{Buf: make([]byte, 2048)}
	before := heapInUse()
	answers := 0
	for i := range 100_000 {
		in.N, in.Remote = copy(in.Buf, hello.Payload()), address(i)
		server.Receive(n.now, &in)
		server.drain()
		for server.Transmit(n.now, &n.buf) {
			answers++
			if n.buf.N > hello.N {
				t.Fatalf("%d bytes answered to %d", n.buf.N, hello.N)
			}
		}
	}
	server.clear(t, 0)
	if answers != 100_000 {
		t.Errorf("%d answers", answers)
	}
	if grown := int64(heapInUse()) - int64(before); grown > 64<<10 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if d := server.Deadline(); d != tick.Never {
		t.Errorf("a timer runs: %d", d)
	}
}

// halfOpen leaves a handshake standing after its cookie.
func (n *network) halfOpen(server *party, i int) {
	client := n.client(address(i).String())
	client.hold = true
	client.connect(server, pskConfig(byte(i)))
	n.order = []*party{server}
	delete(n.parties, client.addr)
}

// Pitfall L1: handshakes that never end are bounded, and a client gets in among
// them
func TestHalfOpenLimit(t *testing.T) {
	const limit = 50
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{HalfOpen: limit})
	server.keys["device"] = key1
	for i := range 3 * limit {
		n.halfOpen(server, i)
		if got := server.Stats().HalfOpen; got > limit {
			t.Fatalf("%d half-open, limit %d", got, limit)
		}
	}
	server.take()
	good := n.client("198.51.100.2:40000")
	good.keys["device"] = key1
	good.connect(server, pskConfig(3))
	good.want(t, "connected")
	got := server.Stats()
	if got.HalfOpen != limit-1 || got.Drops[DropHalfOpen] != 2*limit+1 {
		t.Errorf("%d half-open, %d gave way", got.HalfOpen, got.Drops[DropHalfOpen])
	}
	if server.slots.Made() > limit+2 {
		t.Errorf("%d slots", server.slots.Made())
	}
	n.sleep(2 * time.Minute)
	server.clear(t, 1)
}

// Pitfall P20: silent sessions and addresses are forgotten by the clock, those
// in use are not
func TestIdlePeersAreForgotten(t *testing.T) {
	n := newNetwork(t)
	secure := n.server("192.0.2.1:5684", pskConfig(1), Limits{SessionIdle: time.Hour})
	secure.keys["device"] = key1
	plain := n.server("192.0.2.1:5683", nil, Limits{PlainIdle: 10 * time.Minute})
	busy, quiet := n.client("198.51.100.2:40000"), n.client("198.51.100.3:40000")
	ids := map[*party][2]PeerID{}
	for _, c := range []*party{busy, quiet} {
		c.keys["device"] = key1
		ids[c] = [2]PeerID{c.connect(secure, pskConfig(3)), c.connect(plain, nil)}
		c.get(ids[c][0], "")
		c.get(ids[c][1], "")
	}
	for range 12 {
		n.sleep(9 * time.Minute)
		busy.get(ids[busy][0], "")
		busy.get(ids[busy][1], "")
	}
	if got := secure.Stats(); got.Sessions != 1 || got.Idle != 1 {
		t.Errorf("after 108 minutes: %d sessions, %d idle", got.Sessions, got.Idle)
	}
	if got := plain.Stats(); got.PlainPeers != 1 || got.Idle != 1 {
		t.Errorf("after 108 minutes: %d plain peers, %d idle", got.PlainPeers, got.Idle)
	}
	quiet.wantIn(t, "disconnected session peer_closed")
	secure.wantIn(t, "disconnected idle")
	n.sleep(2 * time.Hour)
	secure.clear(t, 0)
	plain.clear(t, 0)
}

// A peer that is waited for is not forgotten, and one that ends takes all that
// was kept for it along.
func TestExchangesOfIdlePeers(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{SessionIdle: time.Minute})
	server.keys["device"] = key1
	server.serve = ignore // for now
	client := n.client("198.51.100.2:40000")
	client.keys["device"] = key1
	id := client.connect(server, pskConfig(3))
	client.get(id, "a long job")
	n.sleep(3 * time.Minute)
	if err := server.Respond(n.now, server.requests[0], request.Outgoing{Code: coap.Content, Payload: []byte("done")}); err != nil {
		t.Fatalf("Respond after three minutes: %v", err)
	}
	n.settle()
	client.wantIn(t, "response 2.05 Content done")
	client.get(id, "never answered")
	server.Disconnect(n.now, server.peerAt(client.addr))
	n.settle()
	server.clear(t, 0)
	client.clear(t, 0)
	for _, p := range []*party{server, client} {
		if held := p.mem.Bytes(); held != 0 {
			t.Errorf("%v holds %d bytes of exchanges with nobody", p.addr, held)
		}
	}
}

// Addresses without DTLS can be forged: the one silent longest gives way.
func TestPlainPeerLimit(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5683", nil, Limits{PlainPeers: 10})
	for i := range 100 {
		n.now = n.now.Add(time.Second)
		n.inject(address(i), server, []byte{0x40, 1, 0, byte(i)})
		n.settle()
		if got := server.Stats().PlainPeers; got > 10 {
			t.Fatalf("%d plain peers", got)
		}
	}
	got := server.Stats()
	if got.Requests != 100 || got.Responses != 100 || got.Drops[DropPlainEvicted] != 90 || server.slots.Made() > 12 {
		t.Errorf("%d requests, %d responses, %d evicted, %d slots", got.Requests, got.Responses, got.Drops[DropPlainEvicted], server.slots.Made())
	}
	if !server.knows(address(99)) || server.knows(address(89)) {
		t.Error("the wrong ones gave way")
	}
}

// Proves rfc7252 §9.1.1: "Devices can close a DTLS connection when they need to
// recover resources, but in general they should keep the connection up for as
// long as possible."
func TestSessionLimit(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{Sessions: 3, EvictAfter: time.Minute})
	server.keys["device"] = key1
	var clients []*party
	connect := func() *party {
		c := n.client(address(len(clients)).String())
		c.keys["device"] = key1
		c.connect(server, pskConfig(byte(len(clients))))
		clients = append(clients, c)
		return c
	}
	for range 3 {
		connect().want(t, "connected")
		n.sleep(time.Second)
	}
	// All three have just been heard: the fourth has to wait. Its request, sent
	// with its last flight, is not served.
	server.take()
	fourth := n.client(address(99).String())
	fourth.keys["device"] = key1
	id, _ := fourth.Connect(n.now, server.addr, netip.Addr{}, pskConfig(99), "")
	fourth.get(id, "let me in")
	fourth.want(t, "connected", "disconnected session peer_closed")
	server.want(t, "disconnected limit")
	if got := server.Stats(); got.Sessions != 3 || got.Drops[DropSessions] != 1 {
		t.Errorf("%d sessions, %d refused", got.Sessions, got.Drops[DropSessions])
	}
	n.sleep(time.Minute)
	connect().want(t, "connected")
	clients[0].want(t, "disconnected session peer_closed") // the one silent longest
	if got := server.Stats(); got.Sessions != 3 || got.Drops[DropSessionEvicted] != 1 {
		t.Errorf("%d sessions, %d evicted", got.Sessions, got.Drops[DropSessionEvicted])
	}
}

// What strangers are answered waits in a queue of its own.
func TestReplyQueueLimit(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5683", nil, Limits{Replies: 5})
	for i := range 8 {
		n.inject(address(i), server, []byte{0x40, 0, 0, byte(i)}) // a ping, which is answered by a Reset
	}
	for i := range 5 {
		if !server.Transmit(n.now, &n.buf) || n.buf.Remote != address(i) || !slices.Equal(n.buf.Payload(), []byte{0x70, 0, 0, byte(i)}) {
			t.Errorf("answer %d: %x to %v", i, n.buf.Payload(), n.buf.Remote)
		}
	}
	if server.Transmit(n.now, &n.buf) {
		t.Error("more answers than the queue holds")
	}
	if got := server.Stats().Drops[DropReplyQueue]; got != 3 {
		t.Errorf("%d not answered, want 3", got)
	}
}

// What an unknown address sends without DTLS makes a peer only if it is a
// request.
//
// Proves rfc7252 §4.2: "A recipient MUST either (a) acknowledge a Confirmable
// message with an Acknowledgement message or (b) reject the message if the
// recipient lacks context to process the message properly, including situations
// where the message is Empty, uses a code with a reserved class (1, 6, or 7), or
// has a message format error."
//
// Proves rfc7252 §4.3: "A recipient MUST reject the message if it lacks context
// to process the message properly, including the case where the message is
// Empty, uses a code with a reserved class (1, 6, or 7), or has a message format
// error."
func TestPlainStrangers(t *testing.T) {
	reset := func(mid byte) []byte { return []byte{0x70, 0, 0, mid} }
	for _, tt := range []struct {
		name string
		in   []byte
		out  []byte
		peer bool
	}{
		{"nothing", []byte{}, nil, false},
		{"three bytes", []byte{0x40, 1, 0}, nil, false},
		{"version 0", []byte{0x00, 1, 0, 1}, nil, false},
		{"ping", []byte{0x40, 0, 0, 1}, reset(1), false},
		{"CON response", []byte{0x40, 0x45, 0, 2}, reset(2), false},
		{"CON of a reserved class", []byte{0x40, 0x20, 0, 3}, reset(3), false},
		{"malformed CON request", []byte{0x4f, 1, 0, 4}, reset(4), false},
		{"malformed NON request", []byte{0x5f, 1, 0, 5}, nil, false},
		{"NON response", []byte{0x50, 0x45, 0, 6}, nil, false},
		{"ACK", []byte{0x60, 0, 0, 7}, nil, false},
		{"ACK with a request", []byte{0x60, 1, 0, 7}, nil, false},
		{"RST", []byte{0x70, 0, 0, 8}, nil, false},
		{"request", []byte{0x40, 1, 0, 9}, []byte{0x60, 0x45, 0, 9}, true},
		{"NON request", []byte{0x50, 1, 0, 10}, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNetwork(t)
			server := n.server("192.0.2.1:5683", nil, Limits{})
			n.inject(address(1), server, tt.in)
			if got := server.knows(address(1)); got != tt.peer {
				t.Errorf("peer: %v, want %v", got, tt.peer)
			}
			sent := server.Transmit(n.now, &n.buf)
			if tt.out != nil && (!sent || !slices.Equal(n.buf.Payload(), tt.out)) {
				t.Errorf("answer %x, want %x", n.buf.Payload(), tt.out)
			}
			if tt.out == nil && sent && !tt.peer {
				t.Errorf("answered by %x", n.buf.Payload())
			}
		})
	}
}

// An endpoint that serves nobody takes datagrams only from those it talks to.
func TestClientIgnoresStrangers(t *testing.T) {
	n := newNetwork(t)
	client := n.client("198.51.100.2:40000")
	n.inject(address(1), client, []byte{0x40, 1, 0, 1})
	client.want(t)
	if client.index.Len() != 0 || client.Stats().Drops[DropStranger] != 1 {
		t.Errorf("%d peers, %d strangers", client.index.Len(), client.Stats().Drops[DropStranger])
	}
}

// Requests in progress are bounded for each peer, in both directions.
func TestExchangeLimits(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5683", nil, Limits{PeerRequests: 4})
	server.serve = ignore
	for mid := range 10 {
		n.inject(address(1), server, []byte{0x41, 1, 0, byte(mid), byte(mid)})
	}
	if got := server.Stats().Requests; got != 4 {
		t.Errorf("%d requests handed up, limit 4", got)
	}
	client := n.party("198.51.100.2:40000", Config{Limits: Limits{PeerQueue: 3}})
	id, _ := client.Connect(n.now, address(9), netip.Addr{}, nil, "")
	for i := range 5 {
		_, err := client.Request(n.now, id, request.Outgoing{Type: coap.Confirmable, Code: coap.GET})
		if refused := err == request.ErrBusy; refused != (i >= 3) {
			t.Errorf("request %d: %v", i, err)
		}
	}
}

// A message that cannot fit is refused before it is queued.
func TestTooLarge(t *testing.T) {
	n, server, _, _ := pskPair(t)
	narrow := n.client("198.51.100.7:40000")
	narrow.keys["device"] = key1
	cfg := pskConfig(8)
	cfg.MTU = 300
	id := narrow.connect(server, cfg)
	limit := narrow.peer(id).session.MaxPayload() - 13
	for _, size := range []int{limit + 1, limit} {
		_, err := narrow.Request(n.now, id, request.Outgoing{Type: coap.Confirmable, Code: coap.POST, Payload: make([]byte, size)})
		if tooLarge := err == ErrTooLarge; tooLarge != (size > limit) {
			t.Errorf("request of %d bytes: %v", size, err)
		}
	}
	sent := n.tap(narrow)
	n.settle()
	if len(*sent) != 1 || len((*sent)[0]) > 300 || len((*sent)[0]) < 290 {
		t.Errorf("the largest request: %d datagrams", len(*sent))
	}
	client := n.client("198.51.100.8:40000")
	client.keys["device"] = key1
	id = client.connect(server, pskConfig(9))
	server.serve = func(p *party, ev *Event) {
		if err := p.Respond(n.now, ev.Exchange, request.Outgoing{Code: coap.Content, Payload: make([]byte, 5000)}); err != ErrTooLarge {
			t.Errorf("response of 5000 bytes: %v", err)
		}
		p.Respond(n.now, ev.Exchange, request.Outgoing{Code: coap.InternalServerError})
	}
	client.take()
	client.get(id, "x")
	client.wantIn(t, "response 5.00 Internal Server Error ")
}

// Proves rfc7252 §4.2: "implementations SHOULD take care to check the
// information about the original datagram in the ICMP message, including port
// numbers and CoAP header information such as message type and code, Message ID,
// and Token"
func TestUnreachable(t *testing.T) {
	refuse := func(p *party, quoted []byte) {
		p.Unreachable(p.net.now, &udp.Unreachable{Remote: address(1), Quoted: quoted}, true)
	}
	for _, cfg := range []*dtls.Config{nil, pskConfig(2)} {
		t.Run(fmt.Sprintf("secure=%v", cfg != nil), func(t *testing.T) {
			n := newNetwork(t)
			client := n.client("198.51.100.2:40000")
			id, err := client.Connect(n.now, address(1), netip.Addr{}, cfg, "")
			if err != nil {
				t.Fatal(err)
			}
			if cfg == nil {
				client.Request(n.now, id, request.Outgoing{Type: coap.Confirmable, Code: coap.GET})
			}
			sent := n.tapAll(client)
			for _, forged := range [][]byte{nil, {}, {0x40}, {0x40, 1, 0, 0}, sent[0][:3], append([]byte{1}, sent[0]...)} {
				refuse(client, forged)
				client.drain()
				client.want(t)
			}
			refuse(client, sent[0][:min(len(sent[0]), 40)])
			client.drain()
			client.want(t, "disconnected refused")
			if client.Transmit(n.now, &n.buf) {
				t.Error("something is sent to nobody")
			}
		})
	}
	// A session that is established does not listen to ICMP.
	n, server, client, id := pskPair(t)
	sent := n.tap(client)
	client.get(id, "x")
	client.take()
	for _, datagram := range *sent {
		client.Unreachable(n.now, &udp.Unreachable{Remote: server.addr, Quoted: datagram}, true)
	}
	client.get(id, "y")
	client.want(t, "response 2.05 Content y")
}

// tapAll takes what a party has to send.
func (n *network) tapAll(p *party) (datagrams [][]byte) {
	for p.Transmit(n.now, &n.buf) {
		datagrams = append(datagrams, slices.Clone(n.buf.Payload()))
	}
	return datagrams
}
