// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/udp"
)

// air is a network without sockets, so that whole servers and clients can run in a
// bubble of testing/synctest, where an hour takes no time.
type air struct {
	mu      sync.Mutex
	at      map[netip.AddrPort]*airConn
	clients int

	// fate says when a datagram arrives, each time it does; it arrives once, after
	// a millisecond, if fate is nil.
	fate func(from, to netip.AddrPort, datagram []byte) []time.Duration
}

const airTime = time.Millisecond

var arrives = []time.Duration{airTime}

func newAir() *air { return &air{at: make(map[netip.AddrPort]*airConn)} }

// setFate changes what becomes of datagrams from now on.
func (a *air) setFate(fate func(from, to netip.AddrPort, datagram []byte) []time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fate = fate
}

// listen opens a socket at an address, such as "192.0.2.1:5683".
func (a *air) listen(addr string) *airConn {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &airConn{air: a, addr: netip.MustParseAddrPort(addr), wake: make(chan struct{}, 1)}
	a.at[c.addr] = c
	return c
}

// anywhere opens a client's socket.
func (a *air) anywhere(_, _ string) (udp.Conn, error) {
	a.mu.Lock()
	a.clients++
	addr := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), uint16(50000+a.clients))
	a.mu.Unlock()
	return a.listen(addr.String()), nil
}

// carry brings a datagram to where it goes, or an ICMP message back.
func (a *air) carry(from, to netip.AddrPort, datagram []byte) {
	a.mu.Lock()
	delays := arrives
	if a.fate != nil {
		delays = a.fate(from, to, datagram)
	}
	a.mu.Unlock()
	for _, delay := range delays {
		time.AfterFunc(delay, func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			if c := a.at[to]; c != nil {
				c.put(airDatagram{from: from, payload: datagram})
			} else if c := a.at[from]; c != nil {
				c.put(airDatagram{from: to, payload: datagram, refused: true})
			}
		})
	}
}

// An airConn is a socket of it.
type airConn struct {
	air  *air
	addr netip.AddrPort
	wake chan struct{} // holds one: something has changed

	mu       sync.Mutex
	inbox    []airDatagram
	deadline time.Time
	closed   bool

	cut bool // it sends nothing any more; guarded by air.mu
}

type airDatagram struct {
	from    netip.AddrPort
	payload []byte
	refused bool // an ICMP message that quotes it
}

func (c *airConn) changed() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *airConn) put(d airDatagram) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inbox = append(c.inbox, d)
	c.changed()
}

func (c *airConn) Recv(batch []udp.Datagram) (int, error) {
	for {
		n, until, err := c.poll(batch)
		if n > 0 || err != nil {
			return n, err
		}
		var alarm <-chan time.Time
		if !until.IsZero() {
			timer := time.NewTimer(time.Until(until))
			defer timer.Stop()
			alarm = timer.C
		}
		select {
		case <-c.wake:
		case <-alarm:
		}
	}
}

func (c *airConn) poll(batch []udp.Datagram) (n int, until time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, c.deadline, net.ErrClosed
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return 0, c.deadline, os.ErrDeadlineExceeded
	case len(c.inbox) == 0:
		return 0, c.deadline, nil
	}
	d := c.inbox[0]
	c.inbox = c.inbox[1:]
	if d.refused {
		return 0, c.deadline, &udp.Unreachable{Remote: d.from, Local: c.addr.Addr(), Quoted: d.payload, Err: syscall.ECONNREFUSED}
	}
	batch[0].N, batch[0].Remote, batch[0].Local = copy(batch[0].Buf, d.payload), d.from, c.addr.Addr()
	return 1, c.deadline, nil
}

func (c *airConn) Send(batch []udp.Datagram) (int, error) {
	c.air.mu.Lock()
	cut := c.cut
	c.air.mu.Unlock()
	for i := range batch {
		if cut {
			break
		}
		c.air.carry(c.addr, batch[i].Remote, append([]byte(nil), batch[i].Payload()...))
	}
	return len(batch), nil
}

func (c *airConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	c.changed()
	return nil
}

func (c *airConn) LocalAddr() netip.AddrPort { return c.addr }

func (c *airConn) Close() error {
	c.air.mu.Lock()
	if c.air.at[c.addr] == c {
		delete(c.air.at, c.addr)
	}
	c.air.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changed()
	return nil
}

// A scripted server does what a test says, message by message.
type scripted struct {
	t    *testing.T
	conn *airConn
	peer netip.AddrPort // who was heard last
	mid  uint16
	in   []udp.Datagram
}

func newScripted(t *testing.T, a *air, addr string) *scripted {
	return &scripted{t: t, conn: a.listen(addr), mid: 1000, in: datagrams(1, 2000)}
}

// next is the next message from a client, which must come within the given time.
func (s *scripted) next(within time.Duration) coap.Message {
	s.t.Helper()
	m, ok := s.hear(within)
	if !ok {
		s.t.Fatalf("nothing heard within %v", within)
	}
	return m
}

func (s *scripted) hear(within time.Duration) (coap.Message, bool) {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(within))
	n, err := s.conn.Recv(s.in)
	if n == 0 || err != nil {
		return coap.Message{}, false
	}
	s.peer = s.in[0].Remote
	m, err := coap.Parse(append([]byte(nil), s.in[0].Payload()...))
	if err != nil {
		s.t.Fatal(err)
	}
	return m, true
}

// quiet wants nothing to be heard for the given time.
func (s *scripted) quiet(d time.Duration) {
	s.t.Helper()
	if m, ok := s.hear(d); ok {
		s.t.Fatalf("unexpected %v %v mid %d", m.Type, m.Code, m.MessageID)
	}
}

// registration is the next message, which must be a request with the given value
// of Observe.
func (s *scripted) registration(observe uint32, within time.Duration) coap.Message {
	s.t.Helper()
	m := s.next(within)
	if v, ok := m.Options.GetUint(coap.Observe); m.Code != coap.GET || !ok || v != observe {
		s.t.Fatalf("%v %v with Observe %d, %v; want GET with %d", m.Type, m.Code, v, ok, observe)
	}
	return m
}

func (s *scripted) send(m coap.Message) {
	s.t.Helper()
	b, err := m.AppendTo(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.conn.air.carry(s.conn.addr, s.peer, b)
}

// A said is what a scripted server says: a sequence number, or -1 for none, the
// text and more options.
type said struct {
	number int
	text   string
	code   coap.Code // 2.05 if 0
	more   []coap.Option
}

func (d said) message(token []byte) coap.Message {
	var list coap.OptionList
	if d.number >= 0 {
		list.AddUint(coap.Observe, uint32(d.number))
	}
	list = append(list, d.more...)
	if d.code == 0 {
		d.code = coap.Content
	}
	return coap.Message{Code: d.code, Token: token, Options: list.Encode(nil), Payload: []byte(d.text)}
}

// answer piggybacks a response on the acknowledgement of a request.
func (s *scripted) answer(req coap.Message, d said) {
	s.t.Helper()
	m := d.message(req.Token)
	m.Type, m.MessageID = coap.Acknowledgement, req.MessageID
	s.send(m)
}

// notify sends a notification and returns its Message ID.
func (s *scripted) notify(kind coap.Type, token []byte, d said) uint16 {
	s.t.Helper()
	s.mid++
	m := d.message(token)
	m.Type, m.MessageID = kind, s.mid
	s.send(m)
	return s.mid
}

// wants wants an empty message in answer to one of ours: Acknowledgement or Reset.
func (s *scripted) wants(kind coap.Type, mid uint16) {
	s.t.Helper()
	if m := s.next(time.Second); m.Type != kind || m.MessageID != mid || m.Code != coap.Empty {
		s.t.Fatalf("%v %v mid %d, want empty %v of %d", m.Type, m.Code, m.MessageID, kind, mid)
	}
}

// inBubble runs a test where time is not real.
func inBubble(t *testing.T, f func(t *testing.T, a *air)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newAir()) })
}
