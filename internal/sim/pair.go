// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
)

// Addresses of the two sides.
var (
	ClientAddr = netip.MustParseAddrPort("192.0.2.1:49152")
	ServerAddr = netip.MustParseAddrPort("192.0.2.2:5684")
)

// Pair is a client and a server with a network between them.
type Pair struct {
	Network *Network
	Mode    *Mode
	Client  *Party
	Server  *Server
}

// Options change what NewPair makes.
type Options struct {
	MTU     int           // of both sides; 0: the engine's default
	Latency time.Duration // of both sides' applications
	Config  func(cfg *dtls.Config, server bool)
	Party   func(p *Party, server bool)
}

// NewPair makes the two sides of a mode; the client's first flight is ready
// to be sent.
func NewPair(seed uint64, mode *Mode, o Options) (*Pair, error) {
	p := &Pair{Network: NewNetwork(seed), Mode: mode}
	var err error
	if p.Server, err = NewServer(0, o.config(mode, true, seed)); err != nil {
		return nil, err
	}
	p.Server.OnSession = func(party *Party) { o.prepare(party, true) }
	if err := p.Connect(seed, o); err != nil {
		return nil, err
	}
	p.Network.Attach(ServerAddr, p.Server)
	return p, nil
}

// Connect puts a new client in the place of the old one, at its address.
func (p *Pair) Connect(seed uint64, o Options) error {
	client, err := NewClient(p.Network.Now, o.config(p.Mode, false, seed), "server.example", ServerAddr)
	if err != nil {
		return err
	}
	o.prepare(client, false)
	p.Client = client
	p.Network.Attach(ClientAddr, client)
	return nil
}

func (o Options) config(mode *Mode, server bool, seed uint64) *dtls.Config {
	cfg := mode.Config(TestParties(), server, Random(seed, server))
	cfg.MTU = o.MTU
	if o.Config != nil {
		o.Config(cfg, server)
	}
	return cfg
}

func (o Options) prepare(p *Party, server bool) {
	p.Latency = o.Latency
	if o.Party != nil {
		o.Party(p, server)
	}
}

// Random is a source of random bytes for one side.
func Random(seed uint64, server bool) io.Reader {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	if server {
		key[31] = 1
	}
	return rand.NewChaCha8(key)
}

// Peer returns the server's newest established session, or its newest one, or
// nil. A late copy of the client's hello begins one that never comes to more.
func (p *Pair) Peer() *Party {
	var newest *Party
	for _, s := range p.Server.Sessions {
		if newest == nil || s.Established || !newest.Established {
			newest = s
		}
	}
	return newest
}

// Settle runs until nothing is left to wait for and returns what is wrong
// with the state of rest, nil if nothing is.
func (p *Pair) Settle() error {
	var violations []error
	p.Network.Violation = func(what string) { violations = append(violations, errors.New(what)) }
	if !p.Network.Run(p.Network.Now.Add(time.Hour)) {
		violations = append(violations, errors.New("not at rest after an hour"))
	}
	for _, party := range append([]*Party{p.Client}, p.Server.Sessions...) {
		violations = append(violations, party.check())
	}
	return errors.Join(violations...)
}

// check finds a session that rests in the middle.
func (p *Party) check() error {
	state := p.Session.State()
	switch {
	case p.abandoned:
		return nil
	case state == dtls.Handshaking:
		return fmt.Errorf("%s hangs: a handshake without a deadline", p.side())
	case state == dtls.Established && !p.Established:
		return fmt.Errorf("%s is established and never said so", p.side())
	case state == dtls.Closed && (p.Closed == nil || p.Closed.Reason == dtls.ReasonNone):
		return fmt.Errorf("%s is closed without a reason", p.side())
	case p.Session.Deadline() != tick.Never:
		return fmt.Errorf("%s still has a deadline", p.side())
	}
	return nil
}

func (p *Party) side() string {
	if p.server {
		return "the server"
	}
	return "the client"
}

// Complete returns nil if both sides are established with the mode's suite
// and hear each other, and otherwise what is wrong.
func (p *Pair) Complete() error {
	peer := p.Peer()
	switch {
	case !p.Client.Established:
		return fmt.Errorf("the client is not established: %v", p.Client.Session.Err())
	case peer == nil || !peer.Established:
		return errors.New("the client is established, the server is not")
	case p.Client.Session.Facts().CipherSuite != p.Mode.Suite || peer.Session.Facts().CipherSuite != p.Mode.Suite:
		return errors.New("another suite was negotiated")
	}
	return p.Echo()
}

// Echo heals the network and sends data both ways.
func (p *Pair) Echo() error {
	p.Network.Faults = Faults{Delay: time.Millisecond}
	p.Network.Decide = nil
	peer := p.Peer()
	before := [2]int{len(p.Client.Received), len(peer.Received)}
	if err := errors.Join(p.Client.Send("ping"), peer.Send("pong")); err != nil {
		return err
	}
	p.Network.Run(p.Network.Now.Add(10 * time.Second))
	if len(p.Client.Received) != before[0]+1 || len(peer.Received) != before[1]+1 {
		return fmt.Errorf("application data got lost: client has %q, server has %q", p.Client.Received, peer.Received)
	}
	return nil
}

// Close ends the session from the client's side and returns what is left that
// should not be.
func (p *Pair) Close() error {
	p.Client.Close(p.Network.Now)
	p.Network.Run(p.Network.Now.Add(time.Hour))
	for _, party := range append([]*Party{p.Client}, p.Server.Sessions...) {
		if party.abandoned {
			continue
		}
		if party.Session.State() != dtls.Closed || party.Session.Deadline() != tick.Never {
			return fmt.Errorf("%s lives on after close_notify", party.side())
		}
	}
	return nil
}
