// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
)

// A Connection is a Client's way to one server: a session, or an address in
// NoSec mode. Three parties touch it: callers wait for it, its dial goroutine
// makes it, and the event loop of its line runs it from then on.
type Connection struct {
	client *Client
	key    authority
	policy *security.Policy // nil for coap
	config *dtls.Config     // likewise
	addrs  []netip.AddrPort // to try; found by the dial goroutine if empty

	ready chan struct{} // closed by the dial goroutine, when requests can be sent or err is set
	gone  chan struct{} // closed by the event loop when the peer is gone

	// Fixed when ready is closed.
	err       error
	abandoned error // how the handshake ended that nobody waited for; err is errNotSent then
	line      *line
	id        endpoint.PeerID
	peer      Peer
	flights   []Flight
	took      time.Duration
	rest      []netip.AddrPort // addresses not tried

	// Of the event loop, from the attempt on.
	attempted chan<- error // where the attempt's end is reported; nil afterwards
	began     tick.Time
	up        bool
	calls     map[request.ID]*call
	heard     tick.Time // when the peer answered last
	unheard   tick.Time // when the first message since then was sent that it did not answer; 0 for none
	verdict   error     // what was wrong with the peer's key
	retired   bool      // the server does not answer in this session any more
	ended     bool      // the peer is gone

	// Callers in wait. When the last one gives up, so does the dial goroutine.
	mu      sync.Mutex
	waiting int
	ctx     context.Context
	cancel  context.CancelFunc
}

func newConnection(c *Client, key authority, policy *security.Policy, addrs []netip.AddrPort) *Connection {
	conn := &Connection{
		client: c, key: key, policy: policy, addrs: addrs,
		ready: make(chan struct{}), gone: make(chan struct{}), calls: make(map[request.ID]*call),
	}
	conn.ctx, conn.cancel = context.WithCancel(c.ctx)
	if policy != nil {
		conn.config = policy.DTLS(rand.Reader)
		conn.config.Timers, conn.config.MTU = c.Timers, c.MTU
		conn.config.RecordSizeLimit, conn.config.MaxFragmentLength = c.RecordSizeLimit, c.MaxFragmentLength
	}
	return conn
}

func (a authority) security() keys.Authority {
	return keys.Authority{Scheme: "coaps", Host: a.host, Port: a.port}
}

// dial tries the host's addresses until one is not refused.
func (conn *Connection) dial() {
	defer conn.cancel()
	err := conn.resolve()
	for i, remote := range conn.addrs {
		if err = conn.try(remote); err == nil || !elsewhere(err) {
			conn.rest = conn.addrs[i+1:]
			break
		}
	}
	if err != nil {
		conn.forget()
		conn.err = err
		if conn.ctx.Err() != nil && conn.client.ctx.Err() == nil {
			conn.err, conn.abandoned = errNotSent, err
		}
	}
	close(conn.ready)
}

// elsewhere reports whether another address of the host may do better.
func elsewhere(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Reason == ReasonRefused || e.Reason == ReasonUnreachable)
}

func (conn *Connection) resolve() error {
	if len(conn.addrs) > 0 {
		return nil
	}
	var found []netip.Addr
	if a, err := netip.ParseAddr(conn.key.host); err == nil {
		found = []netip.Addr{a}
	} else if found, err = conn.client.lookUp(conn.ctx, conn.key.host); err != nil {
		return &Error{Reason: ReasonNotResolved, Err: err}
	}
	for _, a := range found {
		a = canonical(a)
		if !zoneExists(a) {
			return &Error{Reason: ReasonUnreachable, Err: fmt.Errorf("there is no network interface %q", a.Zone())}
		}
		if !a.IsMulticast() {
			conn.addrs = append(conn.addrs, netip.AddrPortFrom(a, conn.key.port))
		}
	}
	if len(conn.addrs) == 0 {
		return &Error{Reason: ReasonMulticast, Err: errMulticast}
	}
	return nil
}

// canonical is an address as the system reports it of a datagram's sender: IPv4
// not mapped, and a zone only where it means something, by its name.
func canonical(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Zone() == "" {
		return a
	}
	if !a.IsLinkLocalUnicast() {
		return a.WithZone("")
	}
	if index, err := strconv.Atoi(a.Zone()); err == nil {
		if i, err := net.InterfaceByIndex(index); err == nil {
			return a.WithZone(i.Name)
		}
	}
	return a
}

// zoneExists says whether the interface of a canonical link-local address is
// there. Without it nothing is sent, and nothing says so.
func zoneExists(a netip.Addr) bool {
	if a.Zone() == "" {
		return true
	}
	_, err := net.InterfaceByName(a.Zone())
	return err == nil
}

// try connects to one address and returns when the handshake has ended.
func (conn *Connection) try(remote netip.AddrPort) error {
	l, err := conn.client.lineTo(remote)
	if err != nil {
		return err
	}
	attempted := make(chan error, 1)
	if l.mail.post(attempt{conn, l, remote, attempted}, true) != nil {
		return errClientClosed
	}
	select {
	case err := <-attempted:
		return err
	case <-l.done:
		return errClientClosed
	case <-conn.ctx.Done():
	}
	_ = l.mail.post(hangUp{conn, l}, true)
	select {
	case err := <-attempted:
		return err
	case <-l.done:
		return errClientClosed
	}
}

// wait returns when requests can be sent, or why they never can.
func (conn *Connection) wait(ctx context.Context) error {
	conn.mu.Lock()
	conn.waiting++
	conn.mu.Unlock()
	var gaveUp *Error
	select {
	case <-conn.ready:
	case <-ctx.Done():
		gaveUp = contextError(ctx)
	}
	conn.mu.Lock()
	conn.waiting--
	last := conn.waiting == 0
	conn.mu.Unlock()
	switch {
	case gaveUp == nil:
		return conn.err
	case !last:
		return gaveUp
	}
	return conn.abandon(gaveUp)
}

// abandon ends a handshake that nobody waits for any more. How far it had come
// tells more than that time is up.
func (conn *Connection) abandon(why *Error) error {
	conn.forget()
	conn.cancel()
	<-conn.ready
	var e *dtls.Error
	if why.Reason == ReasonTimeout && errors.As(conn.abandoned, &e) && e.Silence != dtls.ReasonNone {
		return &Error{Reason: e.Silence.String(), Err: e}
	}
	return why
}

// forget makes the client's next request begin another connection.
func (conn *Connection) forget() {
	c := conn.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.connections[conn.key] == conn {
		delete(c.connections, conn.key)
	}
}

// roundTrip sends a call and waits for its result.
func (conn *Connection) roundTrip(ctx context.Context, call *call) (*Response, error) {
	if err := conn.wait(ctx); err != nil {
		return nil, err
	}
	call.conn = conn
	if err := conn.line.mail.post(call, false); err != nil {
		return nil, postError(err)
	}
	select {
	case r := <-call.done:
		return r.response, r.err
	case <-conn.line.done:
		return nil, errClientClosed
	case <-ctx.Done():
		_ = conn.line.mail.post(giveUp{call}, true)
		return nil, contextError(ctx)
	}
}

// Peer is the server and what it has proved.
func (conn *Connection) Peer() Peer { return conn.peer }

// Flights lists the handshake's flights in order; empty for coap.
func (conn *Connection) Flights() []Flight { return conn.flights }

// HandshakeTime is the time from the first datagram to the end of the
// handshake; zero for coap.
func (conn *Connection) HandshakeTime() time.Duration { return conn.took }

// Export derives n bytes of keying material (RFC 5705).
func (conn *Connection) Export(label string, context []byte, n int) ([]byte, error) {
	answer := make(chan exported, 1)
	if err := conn.line.mail.post(export{conn, label, context, n, answer}, false); err != nil {
		return nil, failed("export", "", postError(err))
	}
	select {
	case e := <-answer:
		return e.octets, e.err
	case <-conn.line.done:
		return nil, failed("export", "", errClientClosed)
	}
}

// Ping is Client.Ping on this connection and no other.
func (conn *Connection) Ping(ctx context.Context) (time.Duration, error) {
	response, err := conn.roundTrip(ctx, newPing())
	if err != nil {
		return 0, failed("ping", conn.uri(), err)
	}
	return response.RTT, nil
}

// Close sends close_notify and fails what is in flight; the Client makes a new
// connection when it needs one.
func (conn *Connection) Close() error {
	conn.forget()
	if conn.line.mail.post(hangUp{conn, conn.line}, true) == nil {
		select {
		case <-conn.gone:
		case <-conn.line.done:
		}
	}
	return nil
}

func (conn *Connection) uri() string {
	if conn.key.secure {
		return conn.key.security().String()
	}
	return fmt.Sprintf("coap://%s", conn.peer.Addr)
}

// A Flight is a run of handshake datagrams in one direction.
type Flight struct {
	Sent      bool // by the client
	Datagrams int
	Bytes     int           // UDP payloads, retransmissions included
	At        time.Duration // since the first datagram of the handshake
}

// countDatagram adds a datagram to the handshake's flights.
func (conn *Connection) countDatagram(now tick.Time, sent bool, n int) {
	if last := len(conn.flights) - 1; last < 0 || conn.flights[last].Sent != sent {
		conn.flights = append(conn.flights, Flight{Sent: sent, At: now.Sub(conn.began)})
	}
	f := &conn.flights[len(conn.flights)-1]
	f.Datagrams++
	f.Bytes += n
}
