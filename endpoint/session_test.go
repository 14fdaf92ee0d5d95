// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/udp"
)

// tap records what a party sends.
func (n *network) tap(from *party) *[][]byte {
	var seen [][]byte
	lose := n.lose
	n.lose = func(a, b *party, datagram []byte) bool {
		if a == from {
			seen = append(seen, slices.Clone(datagram))
		}
		return lose != nil && lose(a, b, datagram)
	}
	return &seen
}

// reboot replaces the client by one that has lost everything but its key and
// its address.
func (n *network) reboot(old *party, identity, key string) *party {
	n.order = slices.DeleteFunc(n.order, func(p *party) bool { return p == old })
	fresh := n.client(old.addr.String())
	fresh.keys[identity] = key
	return fresh
}

func coapMessage(t *testing.T, m coap.Message) []byte {
	t.Helper()
	octets, err := m.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// Proves rfc7252 §9.1.1: "When the DTLS handshake has finished, the client may
// initiate the first CoAP request."
//
// Proves rfc7252 §9.1.1: "All CoAP messages MUST be sent as DTLS "application
// data"."
//
// A request that is made during the handshake waits for its end.
func TestRequestWaitsForHandshake(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	server.keys["device"] = key1
	client := n.client("198.51.100.2:40000")
	client.keys["device"] = key1
	up, down := n.tap(client), n.tap(server)
	id, err := client.Connect(n.now, server.addr, netip.Addr{}, pskConfig(2), "")
	if err != nil {
		t.Fatal(err)
	}
	client.get(id, "early")
	client.want(t, "connected", "response 2.05 Content early")
	for _, datagram := range append(*up, *down...) {
		const applicationData = 23
		if datagram[0] == applicationData && datagram[4] == 0 {
			t.Errorf("application data in epoch 0: %x", datagram)
		}
		if datagram[0]>>6 == 1 || bytes.Contains(datagram, []byte("early")) {
			t.Errorf("CoAP in the clear: %x", datagram)
		}
	}
}

// Proves rfc7252 §9.1.2: "Any attempt to supply a NoSec response to a DTLS
// request simply does not match the request and therefore MUST be rejected
// (unless it does match an unrelated NoSec request)."
//
// Pitfall A19, P1: a plain response with the right token and Message ID, from
// the right address
func TestPlainResponseDoesNotMatchSecureRequest(t *testing.T) {
	n, server, client, id := pskPair(t)
	server.serve = ignore
	x, err := client.Request(n.now, id, request.Outgoing{Type: coap.Confirmable, Code: coap.GET, Token: []byte("tok"), Payload: []byte("q")})
	if err != nil {
		t.Fatal(err)
	}
	n.settle()
	sent := n.tap(client)
	for mid := range 1 << 16 {
		n.inject(server.addr, client, coapMessage(t, coap.Message{
			Type: coap.Acknowledgement, Code: coap.Content, MessageID: uint16(mid), Token: []byte("tok"), Payload: []byte("forged"),
		}))
	}
	client.want(t)
	n.settle()
	if len(*sent) != 0 {
		t.Errorf("plain responses made the client send %d datagrams", len(*sent))
	}
	if err := server.Respond(n.now, server.requests[0], request.Outgoing{Code: coap.Content, Payload: []byte("true")}); err != nil {
		t.Fatal(err)
	}
	n.settle()
	client.want(t, "response 2.05 Content true")
	_ = x
}

// Proves rfc7252 §9.1.2: "The DTLS session MUST be the same, and the epoch MUST
// be the same."
//
// Proves rfc7252 §9.1.2: "This means the response to a DTLS secured request
// MUST always be DTLS secured using the same security session and epoch."
//
// Pitfall S5, A21: the session of another client behind the same address gets
// nothing that was made for the first
//
// Pitfall L4: the same token and the same Message ID in two sessions
func TestResponseIsNotSealedForAnotherSession(t *testing.T) {
	n, server, alice, id := pskPair(t)
	server.keys["other"] = key2
	server.serve = ignore
	alice.get(id, "alice asks")
	asked := server.requests[0]

	bob := n.reboot(alice, "other", key2)
	bobID := bob.connect(server, pskConfig(9))
	bob.want(t, "connected")
	server.wantIn(t, "disconnected superseded")
	down := n.tap(server)
	before := len(*down)

	err := server.Respond(n.now, asked, request.Outgoing{Code: coap.Content, Payload: []byte("for alice")})
	if !errors.Is(err, ErrGone) {
		t.Errorf("Respond to a request of the old session: %v, want ErrGone", err)
	}
	n.sleep(5 * time.Minute) // past every retransmission and delayed acknowledgement
	if len(*down) != before {
		t.Errorf("%d datagrams for the old session went out", len(*down)-before)
	}
	bob.want(t)
	if got := server.Stats().Drops[DropLateResponse]; got != 1 {
		t.Errorf("%d late responses counted, want 1", got)
	}
	server.serve = echo
	bob.get(bobID, "bob asks")
	bob.want(t, "response 2.05 Content bob asks")
}

// Proves rfc7252 §9.1.1: "A message is the same when it is sent within the same
// DTLS session and same epoch and has the same Message ID."
//
// A Message ID that comes again in a new session is a new message.
func TestDuplicatesBelongToTheSession(t *testing.T) {
	d := newDrill(t, true)
	n, server := d.server.net, d.server
	server.take()
	for range 2 {
		d.mid = 999
		d.arrive()
		n.inject(d.remote, server, d.in.Payload())
	}
	server.want(t, "request GET payload of the question")

	d.session = handshake(t, server, d.remote, 77)
	server.take()
	d.mid = 999
	d.arrive()
	n.inject(d.remote, server, d.in.Payload())
	server.want(t, "request GET payload of the question")
}

// Proves rfc7252 §9.1.1: "The following rules are added for matching an
// Acknowledgement message or Reset message to a Confirmable message, or a Reset
// message to a Non-confirmable message: The DTLS session MUST be the same, and
// the epoch MUST be the same."
func TestAcknowledgementBelongsToTheSession(t *testing.T) {
	for _, answer := range []coap.Message{{Type: coap.Acknowledgement}, {Type: coap.Reset}} {
		d := newDrill(t, true)
		n, server := d.server.net, d.server
		var peer PeerID
		for id := range server.sessions {
			peer = id
		}
		if _, err := server.Request(n.now, peer, request.Outgoing{Type: coap.Confirmable, Code: coap.POST}); err != nil {
			t.Fatal(err)
		}
		answer.MessageID = d.receive(t).MessageID

		// Somebody else settles it, in a session of his own and in the clear.
		other := *d
		other.remote = netip.MustParseAddrPort("203.0.113.66:5683")
		other.session = handshake(t, server, other.remote, 5)
		server.take()
		other.message = coapMessage(t, answer)
		record, _ := other.session.Seal(nil, other.message)
		n.inject(other.remote, server, record)
		n.inject(d.remote, server, other.message)
		server.want(t)
		n.now = n.now.Add(4 * time.Second)
		server.Expire(n.now)
		if m := d.receive(t); m.MessageID != answer.MessageID || m.Code != coap.POST {
			t.Errorf("after a foreign %v: %v, want the retransmission", answer.Type, m.Code)
		}
		record, _ = d.session.Seal(nil, other.message)
		n.inject(d.remote, server, record)
		n.now = n.now.Add(time.Minute)
		server.Expire(n.now)
		if server.Transmit(n.now, &d.out) {
			t.Errorf("retransmitted after the peer's own %v", answer.Type)
		}
	}
}

// receive opens the one message that the server has for the client.
func (d *drill) receive(t *testing.T) (m coap.Message) {
	t.Helper()
	var ev dtls.Event
	found := false
	for d.server.Transmit(d.server.net.now, &d.out) {
		d.session.Receive(d.server.net.now, slices.Clone(d.out.Payload()))
		for d.session.Next(d.server.net.now, &ev) {
			if ev.Kind != dtls.EventData {
				continue
			}
			var err error
			if m, err = coap.Parse(slices.Clone(ev.Data)); err != nil {
				t.Fatal(err)
			}
			found = true
		}
	}
	if !found {
		t.Fatal("the server sends nothing")
	}
	return m
}

// Proves rfc7252 §9.1.1: "Retransmissions MUST NOT be performed across epochs."
func TestNoRetransmissionInAnotherSession(t *testing.T) {
	n, server, client, _ := pskPair(t)
	var peer PeerID
	for id := range server.sessions {
		peer = id
	}
	client.serve = ignore
	n.lose = func(from, _ *party, _ []byte) bool { return from == server }
	if _, err := server.Request(n.now, peer, request.Outgoing{Type: coap.Confirmable, Code: coap.POST, Payload: []byte("old")}); err != nil {
		t.Fatal(err)
	}
	n.settle()
	n.lose = nil
	client = n.reboot(client, "device", key1)
	client.connect(server, pskConfig(9))
	client.want(t, "connected")
	down := n.tap(server)
	n.sleep(5 * time.Minute)
	if len(*down) != 0 {
		t.Errorf("%d datagrams after the session was replaced", len(*down))
	}
	server.take()
	client.want(t)
}

// Proves rfc6347 §4.2.8: "In cases where a server believes it has an existing
// association on a given host/port quartet and it receives an epoch=0
// ClientHello, it SHOULD proceed with a new handshake but MUST NOT destroy the
// existing association until the client has demonstrated reachability either by
// completing a cookie exchange or by completing a complete handshake including
// delivering a verifiable Finished message."
//
// Proves rfc6347 §4.2.8: "After a correct Finished message is received, the
// server MUST abandon the previous association to avoid confusion between two
// valid associations with overlapping epochs."
//
// Pitfall M1: the old keys stay until the new handshake has finished, whatever
// step it stops at
//
// Pitfall M2: data flows before and after an attempt that stops at the cookie
func TestRebootedClient(t *testing.T) {
	for stop := range 4 {
		n, server, old, id := pskPair(t)
		fresh := n.reboot(old, "device", key1)
		delete(n.parties, old.addr)
		n.parties[old.addr] = old // the attacker, or the network, lets only old hear

		// The newcomer's first datagrams arrive, up to stop of them.
		var answers [][]byte
		n.lose = func(from, to *party, datagram []byte) bool {
			if from == server && datagram[0] == 22 {
				answers = append(answers, slices.Clone(datagram))
				return true
			}
			return false
		}
		if _, err := fresh.Connect(n.now, server.addr, netip.Addr{}, pskConfig(9), ""); err != nil {
			t.Fatal(err)
		}
		for range stop {
			n.order = []*party{server, fresh}
			n.settle()
			for _, a := range answers {
				n.inject(server.addr, fresh, a)
			}
			answers = nil
		}
		n.order = []*party{server, old}
		n.lose = nil
		server.take()
		if stop < 3 {
			old.get(id, "still here")
			server.want(t, "request GET still here")
			old.want(t, "response 2.05 Content still here")
			continue
		}
		if got := server.Stats(); got.Sessions != 1 || got.Superseded != 1 || got.HalfOpen != 0 {
			t.Errorf("after the new session: %d sessions, %d half-open, %d superseded", got.Sessions, got.HalfOpen, got.Superseded)
		}
		old.get(id, "too late")
		server.want(t)
	}
}

// Proves rfc6347 §4.2.8: "The reachability requirement prevents off-path/blind
// attackers from destroying associations merely by sending forged
// ClientHellos."
func TestForgedHelloLeavesTheSession(t *testing.T) {
	n, server, client, id := pskPair(t)
	forger := n.client("203.0.113.66:1")
	if _, err := forger.Connect(n.now, server.addr, netip.Addr{}, pskConfig(9), ""); err != nil {
		t.Fatal(err)
	}
	var hello udp.Datagram
	hello.Buf = make([]byte, 2048)
	forger.Transmit(n.now, &hello)
	n.lose = func(from, _ *party, datagram []byte) bool { return from == server && datagram[0] == 22 }
	for range 1000 {
		n.inject(client.addr, server, hello.Payload())
		n.settle()
	}
	if got := server.Stats(); got.HalfOpen != 0 || got.Sessions != 1 {
		t.Errorf("forged hellos: %d half-open, %d sessions", got.HalfOpen, got.Sessions)
	}
	client.get(id, "still here")
	client.want(t, "response 2.05 Content still here")
}

// A malformed message in a good record is treated by the rules of RFC 7252
// section 4 and does nothing to the session.
//
// Proves rfc7252 §4.2: "Rejecting a Confirmable message is effected by sending
// a matching Reset message and otherwise ignoring it."
//
// Pitfall R5, R6: every parse failure is silence or a Reset
func TestMalformedMessageLeavesTheSession(t *testing.T) {
	malformed := [][]byte{
		{}, {0x40}, {0x40, 1, 0}, // too short
		{0x80, 1, 0, 1}, {0x00, 1, 0, 1}, // version
		{0x49, 1, 0, 2}, {0x4f, 1, 0, 3}, // token length
		{0x44, 1, 0, 4, 1, 2},                               // token cut off
		{0x40, 1, 0, 5, 0xff},                               // marker without payload
		{0x40, 1, 0, 6, 0xf0},                               // reserved delta
		{0x40, 1, 0, 7, 0xe0, 0xff, 0xff, 0xe0, 0xff, 0xff}, // sum of deltas
		{0x40, 0, 0, 8, 0xff},                               // Empty with something behind
		{0x40, 0x20, 0, 9},                                  // reserved class
		bytes.Repeat([]byte{0xff}, 200),
	}
	d := newDrill(t, true)
	n, server := d.server.net, d.server
	server.take()
	for _, m := range malformed {
		record, err := d.session.Seal(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		n.inject(d.remote, server, record)
		var out udp.Datagram
		out.Buf = make([]byte, 2048)
		answers := 0
		for server.Transmit(n.now, &out) {
			answers++
			d.session.Receive(n.now, out.Payload())
			var ev dtls.Event
			for d.session.Next(n.now, &ev) {
				if ev.Kind != dtls.EventData || len(ev.Data) != 4 || ev.Data[0] != 0x70 {
					t.Errorf("%x was answered by %v %x, want a Reset", m, ev.Kind, ev.Data)
				}
			}
		}
		if answers > 1 {
			t.Errorf("%x was answered by %d datagrams", m, answers)
		}
	}
	server.want(t)
	d.arrive()
	n.inject(d.remote, server, d.in.Payload())
	server.want(t, "request GET payload of the question")
	if got := server.Stats(); got.Sessions != 1 {
		t.Errorf("%d sessions are left", got.Sessions)
	}
}

// Proves rfc7252 §9.1.1: "DTLS connections in RawPublicKey and Certificate mode
// are set up using mutual authentication so they can remain up and be reused
// for future message exchanges in either direction."
func TestServerAsksInTheClientsSession(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", rawKeyConfig(t, 1), Limits{})
	client := n.client("198.51.100.2:40000")
	client.connect(server, rawKeyConfig(t, 2))
	client.want(t, "connected")
	for id := range server.sessions {
		server.get(id, "and you?")
	}
	client.want(t, "request GET and you?")
	server.want(t, "connected", "response 2.05 Content and you?")
}

// Close and Disconnect say so to the peer.
func TestCloseNotify(t *testing.T) {
	n, server, client, id := pskPair(t)
	client.Disconnect(n.now, id)
	n.settle()
	client.want(t, "disconnected closed")
	server.want(t, "disconnected session peer_closed")

	id = client.connect(server, pskConfig(5))
	client.want(t, "connected")
	server.Close(n.now)
	n.settle()
	client.want(t, "disconnected session peer_closed")
	if _, err := client.Request(n.now, id, request.Outgoing{Code: coap.GET}); !errors.Is(err, ErrGone) {
		t.Errorf("Request after the end: %v, want ErrGone", err)
	}
	for _, p := range []*party{client, server} {
		if got := p.Stats(); got.Sessions+got.HalfOpen != 0 || p.index.Len() != 0 {
			t.Errorf("%v still has %d sessions, %d half-open", p.addr, got.Sessions, got.HalfOpen)
		}
		if d := p.Deadline(); d < n.now.Add(time.Hour) {
			t.Errorf("%v still has a timer in %v", p.addr, d.Sub(n.now))
		}
	}
}

// An identifier never comes to name another peer.
func TestPeerIDIsNotReused(t *testing.T) {
	n, server, client, first := pskPair(t)
	seen := map[PeerID]bool{first: true}
	for i := range 50 {
		client.Disconnect(n.now, first)
		n.settle()
		first = client.connect(server, pskConfig(byte(10+i)))
		if seen[first] {
			t.Fatalf("%v names a second peer", first)
		}
		if first.Index() > 2 {
			t.Fatalf("slots are not used again: %v", first)
		}
		seen[first] = true
	}
	if client.peer(PeerID{}) != nil {
		t.Error("the zero PeerID names somebody")
	}
}

// What is wrong with a client's PSK is told while its handshake lasts, once,
// and also when the client begins anew before that ends.
func TestSuspectsAreNamedAtOnce(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	server.keys["device"] = key1
	wrong := n.client("198.51.100.2:40000")
	wrong.keys["device"] = key2
	id := wrong.connect(server, pskConfig(2))
	server.want(t, "suspect bad_psk device 198.51.100.2:40000")
	unknown := n.client("198.51.100.3:40000")
	unknown.keys["nobody"] = key1
	unknown.connect(server, pskConfig(3))
	server.want(t, "suspect unknown_identity nobody 198.51.100.3:40000")
	if got := server.Stats(); got.WrongPSKs != 1 || got.UnknownIdentities != 1 || got.HalfOpen != 2 || got.HandshakesFailed != 0 {
		t.Errorf("%+v", got)
	}

	n.sleep(10 * time.Second) // both repeat their Finished
	server.want(t)
	n.lose = func(from, _ *party, _ []byte) bool { return from == wrong } // its close_notify
	wrong.Disconnect(n.now, id)
	n.settle()
	wrong.take()
	n.lose = nil
	wrong.keys["device"] = key1
	wrong.connect(server, pskConfig(4))
	wrong.want(t, "connected")
	server.want(t, "disconnected superseded, suspected", "connected")

	n.sleep(time.Minute)
	server.want(t, "disconnected session unknown_identity, suspected")
	unknown.want(t, "disconnected session bad_psk_or_unknown_identity")
	if got := server.Stats(); got.WrongPSKs != 1 || got.UnknownIdentities != 1 || got.HandshakesFailed != 2 || got.Sessions != 1 {
		t.Errorf("%+v", got)
	}
	client := n.client("198.51.100.4:40000") // a handshake that fails for another reason
	client.keys["device"], client.hold = key1, true
	client.connect(server, pskConfig(5))
	n.sleep(2 * time.Minute)
	server.want(t, "disconnected session timeout_flight_4")
}
