// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/udp"
)

// Pitfall E2: a hello with nothing in common, or with garbage, from another
// address does nothing to a handshake in progress
//
// Pitfall T12: neither does any beginning of a handshake with its messages out
// of order
func TestOthersDoNotDisturbAHandshake(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	server.keys["device"] = key1
	victim := n.client("198.51.100.2:40000")
	victim.keys["device"], victim.hold = key1, true
	id := victim.connect(server, pskConfig(2)) // waits in the middle

	stranger := n.client("203.0.113.66:1")
	stranger.keys["device"] = key2
	stranger.connect(server, rawKeyConfig(t, 3)) // shares no cipher suite
	stranger.wantIn(t, "disconnected session alert_handshake_failure")
	for length := range 60 {
		n.inject(address(length), server, make([]byte, length))
		n.inject(address(length), server, append([]byte{22, 254, 253}, make([]byte, length)...))
	}
	messages := n.flights(server, pskConfig(4))
	for i, first := range messages {
		for j, second := range messages {
			for _, third := range messages {
				from := address(1000 + i*10 + j)
				n.inject(from, server, first)
				n.inject(from, server, second)
				n.inject(from, server, third)
			}
		}
	}
	n.settle()

	victim.hold = false
	for i := range victim.held {
		victim.answer(&victim.held[i])
	}
	n.settle()
	victim.want(t, "connected")
	victim.get(id, "undisturbed")
	victim.want(t, "response 2.05 Content undisturbed")
}

// flights returns the datagrams of a client that completes a handshake.
func (n *network) flights(server *party, cfg *dtls.Config) [][]byte {
	n.t.Helper()
	client := n.client("203.0.113.67:1")
	client.keys["device"] = key1
	sent := n.tap(client)
	client.connect(server, cfg)
	client.wantIn(n.t, "connected")
	n.lose = nil
	return *sent
}

// Pitfall L9: 10,000 copies of one ClientHello in a burst, with sessions closing
// at the same time
func TestHelloBurst(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	server.keys["device"] = key1
	victim := n.client("198.51.100.9:40000")
	victim.keys["device"] = key1
	id := victim.connect(server, pskConfig(9))
	hellos := n.flights(server, pskConfig(2))
	for i := range 10_000 {
		n.inject(address(7), server, hellos[i%2])
		if i%100 == 0 {
			n.settle()
		}
		if i%1000 == 500 {
			for peer := range server.sessions {
				if server.Remote(peer) == address(7) {
					server.Disconnect(n.now, peer)
				}
			}
			server.Disconnect(n.now, server.peerAt(address(7)))
		}
	}
	n.settle()
	if got := server.Stats(); got.HalfOpen > 1 {
		t.Errorf("one address has %d handshakes", got.HalfOpen)
	}
	victim.take()
	victim.get(id, "still here")
	victim.want(t, "response 2.05 Content still here")
	n.sleep(2 * time.Minute)
	if got := server.Stats(); got.HalfOpen != 0 {
		t.Errorf("%d half-open", got.HalfOpen)
	}
}

func (p *party) peerAt(remote netip.AddrPort) PeerID {
	if i := p.find(remote, p.addr.Addr()); i != 0 {
		return PeerID{i, p.slots.At(i).generation}
	}
	return PeerID{}
}

func (p *party) knows(remote netip.AddrPort) bool { return p.peerAt(remote) != PeerID{} }

// A repeated hello belongs to the handshake it began, a new one from the same
// address begins another, and both end in a session.
func TestClientStartsAgainInTheMiddle(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	server.keys["device"] = key1
	first := n.client("198.51.100.2:40000")
	first.hold = true
	sent := n.tap(first)
	first.connect(server, pskConfig(2))
	for _, hello := range *sent {
		n.inject(first.addr, server, hello)
		n.inject(first.addr, server, hello)
	}
	if got := server.Stats(); got.HalfOpen != 1 || got.HandshakesFailed != 0 {
		t.Fatalf("repeated hellos: %d half-open, %d failed", got.HalfOpen, got.HandshakesFailed)
	}
	second := n.reboot(first, "device", key1)
	id := second.connect(server, pskConfig(3))
	second.want(t, "connected")
	second.get(id, "x")
	second.want(t, "response 2.05 Content x")
	if got := server.Stats(); got.Sessions != 1 || got.HalfOpen != 0 {
		t.Errorf("%d sessions, %d half-open", got.Sessions, got.HalfOpen)
	}
}

// The same beside a live session: it has one candidate at a time.
func TestOneCandidateAtATime(t *testing.T) {
	n, server, old, id := pskPair(t)
	for i := range 5 {
		fresh := n.client(old.addr.String())
		fresh.hold = true
		fresh.keys["device"] = key1
		fresh.connect(server, pskConfig(byte(20+i)))
		if got := server.Stats(); got.HalfOpen != 1 || got.Sessions != 1 {
			t.Errorf("start %d: %d half-open, %d sessions", i+1, got.HalfOpen, got.Sessions)
		}
		n.order = []*party{server, old}
	}
	n.parties[old.addr] = old
	n.sleep(2 * time.Minute)
	server.take()
	old.get(id, "still here")
	old.wantIn(t, "response 2.05 Content still here")
	server.clear(t, 1)
}

// Pitfall S1, S4: handshakes that fail at every step, with every kind of
// mismatch, leave no state that would fail a good one
//
// Pitfall L2: an answer of "no" at each question is an end, not a crash
func TestFailuresDoNotStick(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", rawKeyConfig(t, 1), Limits{})
	i := 0
	attempt := func(prepare func(*party)) *party {
		i++
		client := n.client(address(i).String())
		if prepare != nil {
			prepare(client)
		}
		client.connect(server, rawKeyConfig(t, byte(10+i)))
		return client
	}
	refuse := func(*dtls.Facts) dtls.Reason { return dtls.ReasonRPKNotPinned }
	for step := range 12 {
		carried := 0
		n.lose = func(_, _ *party, datagram []byte) bool {
			carried++
			return carried > step // the line goes dead
		}
		attempt(nil)
		n.lose = func(_, _ *party, datagram []byte) bool {
			if carried++; carried == step {
				datagram[len(datagram)-1] ^= 1 // one bit of one datagram
			}
			return false
		}
		carried = 0
		attempt(nil)
		n.lose = nil
		attempt(func(p *party) { p.verdict = refuse }).wantIn(t, "disconnected session rpk_not_pinned")
		server.verdict = refuse
		attempt(nil)
		server.verdict = nil
		stranger := n.client(address(5000 + step).String())
		stranger.keys["device"] = key1
		stranger.connect(server, pskConfig(byte(step))) // no common suite
		n.sleep(90 * time.Second)
		good := attempt(nil)
		good.wantIn(t, "connected")
		for _, p := range n.order {
			if p != server {
				p.Close(n.now)
			}
		}
		n.settle()
		n.order = []*party{server}
		server.clear(t, 0)
	}
}

// After the handshake a datagram that does not authenticate has no effect: it
// is answered by nothing and the session lives.
//
// Pitfall P10: all content types in all sorts of epochs
func TestForgedRecordsAreSilent(t *testing.T) {
	n, server, client, id := pskPair(t)
	sent := n.tap(client)
	client.get(id, "x")
	genuine := (*sent)[0]
	server.take()
	client.take()
	for _, victim := range []*party{server, client} {
		from := client.addr
		if victim == client {
			from = server.addr
		}
		for kind := range 256 {
			for _, epoch := range []byte{0, 1, 2, 255} {
				forged := slices.Clone(genuine)
				forged[0], forged[4], forged[10] = byte(kind), epoch, 99
				n.inject(from, victim, forged)
			}
		}
		for victim.Transmit(n.now, &n.buf) {
			t.Errorf("%v answered a forged record by %x", victim.addr, n.buf.Payload())
		}
		victim.want(t)
	}
	client.get(id, "y")
	client.want(t, "response 2.05 Content y")
}

// FuzzReceive lets anything arrive from a stranger and from the address of a
// live session, whose owner must notice nothing and goes on observing.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x40, 1, 0, 1})
	f.Add([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 1, 0})
	n, server, client, id := pskPair(f)
	plain := n.server("192.0.2.1:5683", nil, Limits{})
	o := observe(f, server, client, id)
	i := 0
	f.Fuzz(func(t *testing.T, datagram []byte) {
		n.t = t
		for _, from := range []netip.AddrPort{client.addr, address(i)} {
			n.inject(from, server, datagram)
			n.inject(from, plain, datagram)
		}
		i++
		n.settle()
		client.take()
		client.get(id, fmt.Sprint(i))
		client.want(t, fmt.Sprintf("response 2.05 Content %d", i))
		o.t = t
		o.notify(coap.Type(i%2), fmt.Sprint("state ", i))
		client.want(t, fmt.Sprintf("response 2.05 Content state %d, more", i))
		n.now = n.now.Add(time.Second)
		var out udp.Datagram
		out.Buf = make([]byte, 2048)
		plain.Expire(n.now)
		for plain.Transmit(n.now, &out) {
		}
	})
}
