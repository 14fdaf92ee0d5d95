// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

const (
	suitePSK = dtls.CipherSuite(0xC0A8) // TLS_PSK_WITH_AES_128_CCM_8
	suiteECC = dtls.CipherSuite(0xC0AE) // TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
)

// A network is endpoints with virtual time between them. Datagrams arrive at
// once, unless lose says otherwise.
type network struct {
	t       testing.TB
	now     tick.Time
	parties map[netip.AddrPort]*party
	order   []*party
	lose    func(from, to *party, datagram []byte) bool
	buf     udp.Datagram
}

// A party is an endpoint and an application that does the obvious.
type party struct {
	*Endpoint
	net      *network
	addr     netip.AddrPort
	keys     map[string]string // pre-shared keys by identity; a client uses the first
	verdict  func(*dtls.Facts) dtls.Reason
	held     []Event // handshake questions left unanswered while hold is set
	hold     bool
	serve    func(p *party, ev *Event)
	events   []string
	sessions map[PeerID]bool
	requests []ExchangeID
}

func newNetwork(t testing.TB) *network {
	return &network{t: t, now: tick.Time(time.Hour), parties: map[netip.AddrPort]*party{}, buf: udp.Datagram{Buf: make([]byte, 2048)}}
}

func (n *network) party(addr string, cfg Config) *party {
	n.t.Helper()
	if cfg.Rand == nil {
		cfg.Rand = rand.NewChaCha8([32]byte{byte(len(n.order))})
	}
	ep, err := New(cfg, n.now)
	if err != nil {
		n.t.Fatal(err)
	}
	p := &party{Endpoint: ep, net: n, addr: netip.MustParseAddrPort(addr), keys: map[string]string{}, sessions: map[PeerID]bool{}, serve: echo}
	n.parties[p.addr] = p
	n.order = append(n.order, p)
	return p
}

// server returns a party that serves with DTLS, or without if cfg is nil.
func (n *network) server(addr string, cfg *dtls.Config, limits Limits) *party {
	return n.party(addr, Config{Server: true, DTLS: cfg, Limits: limits})
}

func (n *network) client(addr string) *party { return n.party(addr, Config{}) }

// pskConfig is for a client or a server of PreSharedKey mode.
func pskConfig(seed byte) *dtls.Config {
	return &dtls.Config{
		CipherSuites: []dtls.CipherSuite{suitePSK},
		Credentials:  func(string) *dtls.Credentials { return &dtls.Credentials{PSK: true} },
		Rand:         rand.NewChaCha8([32]byte{1: seed, 2: 1}),
	}
}

// rawKeyConfig is for a client or a server of RawPublicKey mode.
func rawKeyConfig(t testing.TB, seed byte) *dtls.Config {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1: seed, 2: 2})
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	credentials := &dtls.Credentials{RawKey: &dtls.KeyPair{Signer: key, SPKI: spki}, AcceptRawKeys: true, RequirePeerKey: true}
	return &dtls.Config{
		CipherSuites: []dtls.CipherSuite{suiteECC},
		Credentials:  func(string) *dtls.Credentials { return credentials },
		Rand:         random,
	}
}

// settle carries datagrams and answers questions until nothing moves.
func (n *network) settle() {
	n.t.Helper()
	for range 10_000 {
		moved := false
		for _, p := range n.order {
			p.drain()
			for p.Transmit(n.now, &n.buf) {
				moved = true
				n.carry(p)
			}
		}
		if !moved {
			return
		}
	}
	n.t.Fatal("the network does not come to rest")
}

// carry delivers what p has put into the buffer.
func (n *network) carry(p *party) {
	to := n.parties[n.buf.Remote]
	if to == nil || n.lose != nil && n.lose(p, to, n.buf.Payload()) {
		return
	}
	n.inject(p.addr, to, n.buf.Payload())
}

// inject lets a datagram arrive, whoever it is from.
func (n *network) inject(from netip.AddrPort, to *party, payload []byte) {
	d := udp.Datagram{Buf: slices.Clone(payload), N: len(payload), Remote: from, Local: to.addr.Addr()}
	to.Receive(n.now, &d)
	to.drain()
}

// sleep lets time pass in the steps the endpoints ask for.
func (n *network) sleep(d time.Duration) {
	n.t.Helper()
	end := n.now.Add(d)
	n.settle()
	for steps := 0; ; steps++ {
		next := end
		for _, p := range n.order {
			next = min(next, p.Deadline())
		}
		n.now = max(n.now, next)
		for _, p := range n.order {
			if p.Deadline() <= n.now {
				p.Expire(n.now)
			}
		}
		n.settle()
		if n.now >= end {
			return
		}
		if steps > 200_000 {
			n.t.Fatal("deadlines do not move on")
		}
	}
}

// drain deals with a party's events.
func (p *party) drain() {
	var ev Event
	for p.Next(&ev) {
		if ev.Kind < EventWantPSK || ev.Kind >= EventSuspect {
			p.note(&ev)
		}
		p.act(&ev)
	}
}

// note keeps an event as a line of text.
func (p *party) note(ev *Event) {
	line := ev.Kind.String()
	switch ev.Kind {
	case EventRequest, EventResponse:
		line += fmt.Sprintf(" %v %s", ev.Message.Code, ev.Message.Payload)
		if ev.More {
			line += ", more"
		}
	case EventFailed, EventUndelivered:
		line += " " + ev.Reason.String()
	case EventDisconnected:
		line += " " + ev.Cause.String()
		if ev.Cause == CauseSession {
			line += " " + ev.Err.Reason.String()
		}
		if ev.Suspected {
			line += ", suspected"
		}
	case EventSuspect:
		line += fmt.Sprintf(" %v %s %v", ev.DTLS.Reason, ev.Facts.PSKIdentity, ev.Remote)
	}
	p.events = append(p.events, line)
}

func (p *party) act(ev *Event) {
	switch ev.Kind {
	case EventConnected:
		p.sessions[ev.Peer()] = true
	case EventDisconnected:
		delete(p.sessions, ev.Peer())
	case EventRequest:
		p.requests = append(p.requests, ev.Exchange)
		p.serve(p, ev)
	case EventWantPSK, EventWantVerdict, EventNeedJob:
		if p.hold {
			held := *ev
			held.DTLS.Identity = slices.Clone(ev.DTLS.Identity)
			p.held = append(p.held, held)
			return
		}
		p.answer(ev)
	}
}

// answer gives a handshake what it asks for.
func (p *party) answer(ev *Event) {
	now := p.net.now
	switch ev.Kind {
	case EventNeedJob:
		ev.DTLS.Job.Run()
		p.Complete(now, ev.Peer(), ev.DTLS.Job)
	case EventWantVerdict:
		reason := dtls.ReasonNone
		if p.verdict != nil {
			reason = p.verdict(ev.Facts)
		}
		p.ProvideVerdict(now, ev.Peer(), reason)
	case EventWantPSK:
		identity := ev.DTLS.Identity
		if !p.cfg.Server {
			for name := range p.keys {
				identity = []byte(name)
			}
		}
		key, ok := p.keys[string(identity)]
		if !ok {
			p.ProvidePSK(now, ev.Peer(), identity, nil)
			return
		}
		p.ProvidePSK(now, ev.Peer(), identity, []byte(key))
	}
}

// echo answers every request with its payload, as far as it fits a message of
// ours.
func echo(p *party, ev *Event) {
	payload := slices.Clone(ev.Message.Payload[:min(len(ev.Message.Payload), 1024)])
	if err := p.Respond(p.net.now, ev.Exchange, request.Outgoing{Code: coap.Content, Payload: payload}); err != nil {
		p.net.t.Errorf("Respond: %v", err)
	}
}

func ignore(*party, *Event) {}

// connect begins to talk to a server and returns when nothing moves any more.
func (p *party) connect(to *party, cfg *dtls.Config) PeerID {
	p.net.t.Helper()
	id, err := p.Connect(p.net.now, to.addr, netip.Addr{}, cfg, "")
	if err != nil {
		p.net.t.Fatal(err)
	}
	p.net.settle()
	return id
}

// get sends a Confirmable request.
func (p *party) get(id PeerID, payload string) ExchangeID {
	p.net.t.Helper()
	x, err := p.Request(p.net.now, id, request.Outgoing{Type: coap.Confirmable, Code: coap.GET, Payload: []byte(payload)})
	if err != nil {
		p.net.t.Fatal(err)
	}
	p.net.settle()
	return x
}

// take returns the events since it was called last.
func (p *party) take() []string {
	taken := p.events
	p.events = nil
	return taken
}

func (p *party) want(t testing.TB, want ...string) {
	t.Helper()
	if got := p.take(); !slices.Equal(got, want) {
		t.Errorf("%v: events\n got %q\nwant %q", p.addr, got, want)
	}
}

// wantIn checks that the last events contain one.
func (p *party) wantIn(t testing.TB, want string) {
	t.Helper()
	if got := p.take(); !slices.Contains(got, want) {
		t.Errorf("%v: no event %q in %q", p.addr, want, got)
	}
}

const key1, key2 = "sixteen byte key", "another long key"

// pskPair is a server and a client that share a key, with a session.
func pskPair(t testing.TB) (n *network, server, client *party, id PeerID) {
	t.Helper()
	n = newNetwork(t)
	server = n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	server.keys["device"] = key1
	client = n.client("198.51.100.2:40000")
	client.keys["device"] = key1
	id = client.connect(server, pskConfig(2))
	client.wantIn(t, "connected")
	server.wantIn(t, "connected")
	return n, server, client, id
}
