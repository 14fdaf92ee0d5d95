// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/tick"
)

// This file drives dtls.Session over UDP, for peers that know DTLS and no
// CoAP. One goroutine per socket does everything.

var origin = time.Now()

func clock() tick.Time { return tick.Time(time.Since(origin)) }

// news is what a tunnel has to tell: established (facts and identity set),
// data, or closed (err set).
type news struct {
	kind     dtls.EventKind
	facts    *dtls.Facts
	identity security.Identity
	data     string
	err      *dtls.Error
}

// tunnel is our side of DTLS sessions on one socket.
type tunnel struct {
	conn   *net.UDPConn
	policy *security.Policy
	gate   *dtls.Gate // nil for a client
	echo   bool       // a server sends back what it gets
	news   chan news

	mu       sync.Mutex
	sessions map[netip.AddrPort]*dtls.Session
	buf      [1 << 16]byte
}

// dialTunnel starts a handshake with a port of 127.0.0.1.
func dialTunnel(t *testing.T, policy *security.Policy, timers dtls.Timers, mtu, port int) *tunnel {
	t.Helper()
	u := newTunnel(t, policy)
	cfg := policy.DTLS(rand.Reader)
	cfg.MTU, cfg.Timers = mtu, timers
	session, err := dtls.NewClient(cfg, clock(), policy.ServerName())
	if err != nil {
		t.Fatal(err)
	}
	server := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	u.sessions[server] = session
	u.turn(server, session)
	go u.loop()
	return u
}

// serveTunnel answers handshakes and echoes data.
func serveTunnel(t *testing.T, policy *security.Policy, timers dtls.Timers, mtu int) *tunnel {
	t.Helper()
	u := newTunnel(t, policy)
	cfg := policy.DTLS(rand.Reader)
	cfg.MTU, cfg.Timers = mtu, timers
	gate, err := dtls.NewGate(cfg, clock())
	if err != nil {
		t.Fatal(err)
	}
	u.gate, u.echo = gate, true
	go u.loop()
	return u
}

func newTunnel(t *testing.T, policy *security.Policy) *tunnel {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	u := &tunnel{conn: conn, policy: policy, news: make(chan news, 100), sessions: map[netip.AddrPort]*dtls.Session{}}
	t.Cleanup(func() { conn.Close() })
	return u
}

func (u *tunnel) port() int { return u.conn.LocalAddr().(*net.UDPAddr).Port }

func (u *tunnel) loop() {
	buf := make([]byte, 1<<16)
	for {
		_ = u.conn.SetReadDeadline(u.deadline())
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			u.expire()
		case err == nil:
			u.receive(from, buf[:n])
		}
	}
}

// deadline is the earliest of the sessions', as the socket wants it; a short
// one at most, because Close may come from outside.
func (u *tunnel) deadline() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	first := clock().Add(100 * time.Millisecond)
	for _, s := range u.sessions {
		first = tick.First(first, s.Deadline())
	}
	return origin.Add(time.Duration(first))
}

func (u *tunnel) expire() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for remote, s := range u.sessions {
		if s.Deadline() <= clock() {
			s.Expire(clock())
		}
		u.turnLocked(remote, s)
	}
}

func (u *tunnel) receive(from netip.AddrPort, datagram []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.sessions[from]
	if s == nil && u.gate != nil {
		var reply [256]byte
		screening := u.gate.Screen(clock(), from, datagram, reply[:])
		if screening.Reply > 0 {
			_, _ = u.conn.WriteToUDPAddrPort(reply[:screening.Reply], from)
		}
		if s = screening.Session; s == nil {
			return
		}
		u.sessions[from] = s
		u.turnLocked(from, s)
		return
	}
	if s != nil {
		s.Receive(clock(), datagram)
		u.turnLocked(from, s)
	}
}

func (u *tunnel) turn(remote netip.AddrPort, s *dtls.Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turnLocked(remote, s)
}

// turnLocked answers the session's questions and sends what it has to send.
func (u *tunnel) turnLocked(remote netip.AddrPort, s *dtls.Session) {
	now := clock()
	var ev dtls.Event
	for s.Next(now, &ev) {
		switch ev.Kind {
		case dtls.EventWantPSK:
			asked := ev.Hint
			if u.gate != nil {
				asked = ev.Identity
			}
			identity, key := u.policy.PSK(ev.ServerName, asked)
			s.ProvidePSK(now, identity, key)
		case dtls.EventWantVerdict:
			s.ProvideVerdict(now, u.policy.Verdict(s.Facts(), time.Now()))
		case dtls.EventNeedJob:
			ev.Job.Run()
			s.Complete(now, ev.Job)
		default:
			u.tell(remote, s, &ev)
		}
	}
	u.flush(remote, s)
}

func (u *tunnel) flush(remote netip.AddrPort, s *dtls.Session) {
	for n := s.Transmit(clock(), u.buf[:]); n > 0; n = s.Transmit(clock(), u.buf[:]) {
		_, _ = u.conn.WriteToUDPAddrPort(u.buf[:n], remote)
	}
}

func (u *tunnel) tell(remote netip.AddrPort, s *dtls.Session, ev *dtls.Event) {
	n := news{kind: ev.Kind, data: string(ev.Data), err: ev.Err}
	switch {
	case ev.Kind == dtls.EventEstablished:
		n.facts, n.identity = s.Facts(), u.policy.Identify(s.Facts(), nil)
	case ev.Kind == dtls.EventData && u.echo:
		u.seal(remote, s, ev.Data)
	}
	select {
	case u.news <- n:
	default: // nobody listens any more
	}
}

func (u *tunnel) seal(remote netip.AddrPort, s *dtls.Session, data []byte) {
	if record, err := s.Seal(nil, data); err == nil {
		_, _ = u.conn.WriteToUDPAddrPort(record, remote)
	}
}

// send seals a text for every session of the tunnel.
func (u *tunnel) send(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for remote, s := range u.sessions {
		u.seal(remote, s, []byte(text))
	}
}

// shut sends close_notify in every session.
func (u *tunnel) shut() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for remote, s := range u.sessions {
		s.Close(clock())
		u.turnLocked(remote, s)
	}
}

// failure is why there is no session.
func (n news) failure() error {
	if n.err == nil {
		return errors.New("the time is up")
	}
	return n.err
}

// await returns the next news of a kind, or the news of the end.
func (u *tunnel) await(ctx context.Context, kind dtls.EventKind) (news, bool) {
	for {
		select {
		case n := <-u.news:
			if n.kind == kind || n.kind == dtls.EventClosed {
				return n, n.kind == kind
			}
		case <-ctx.Done():
			return news{}, false
		}
	}
}
