// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// A line is one of a client's sockets. Its methods run on its event loop,
// unless they say otherwise.
type line struct {
	*loop
	client *Client
	taken  map[netip.AddrPort]bool // remotes in use; guarded by client.mu

	peers   map[endpoint.PeerID]*Connection
	remotes map[netip.AddrPort]*Connection
	repeats uint64 // retransmissions that Trace knows of
}

// newLine starts the event loop. It may be called on any goroutine.
func newLine(c *Client, l *loop) *line {
	n := &line{
		loop: l, client: c, taken: make(map[netip.AddrPort]bool),
		peers: make(map[endpoint.PeerID]*Connection), remotes: make(map[netip.AddrPort]*Connection),
	}
	l.handle, l.seen = n.handle, n.seen
	go l.run()
	return n
}

// alive may be called on any goroutine.
func (l *line) alive() bool {
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

func (l *line) handle(now tick.Time, ev *endpoint.Event) {
	conn := l.peers[ev.Peer()]
	if conn == nil {
		return
	}
	switch ev.Kind {
	case endpoint.EventConnected:
		conn.established(now, ev)
	case endpoint.EventDisconnected:
		l.disconnected(now, conn, ev)
	case endpoint.EventWantPSK, endpoint.EventWantVerdict, endpoint.EventNeedJob:
		l.keyTask(now, conn, ev)
	case endpoint.EventResponse, endpoint.EventPong, endpoint.EventFailed:
		conn.settle(now, ev)
	case endpoint.EventAcknowledged:
		conn.hear(now)
	case endpoint.EventRequest:
		// RFC 7252 section 9.1.1 lets the server ask, too. There is nothing here.
		_ = l.ep.Respond(now, ev.Exchange, request.Outgoing{Code: coap.NotFound})
	}
}

func (l *line) keyTask(now tick.Time, conn *Connection, ev *endpoint.Event) {
	t := newKeyTask(l.loop, conn.policy, ev)
	t.judged = func(_ endpoint.PeerID, err error) { conn.verdict = err }
	if !l.client.keyWorkers.submit(t) {
		l.ep.Abort(now, ev.Peer(), dtls.ReasonLimit)
	}
}

// seen watches the datagrams.
func (l *line) seen(now tick.Time, sent bool, remote netip.AddrPort, n int) {
	if conn := l.remotes[remote]; conn != nil && !conn.up {
		conn.countDatagram(now, sent, n)
	}
	t := l.client.Trace
	switch {
	case t == nil:
	case !sent && t.DatagramReceived != nil:
		t.DatagramReceived(remote, n)
	case sent && t.DatagramSent != nil:
		t.DatagramSent(remote, n)
	}
	if t == nil || !sent || t.Retransmission == nil {
		return
	}
	if repeats := l.ep.Traffic().Retransmissions; repeats != l.repeats {
		l.repeats = repeats
		t.Retransmission(remote)
	}
}

// release gives an address back to other connections.
func (l *line) release(remote netip.AddrPort) {
	delete(l.remotes, remote)
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	delete(l.taken, remote)
}

// An attempt is the letter that begins a connection to one address.
type attempt struct {
	conn      *Connection
	line      *line
	remote    netip.AddrPort
	attempted chan<- error
}

func (a attempt) deliver(now tick.Time) {
	conn, l := a.conn, a.line
	serverName := ""
	if conn.policy != nil {
		serverName = l.client.serverName(conn.policy)
	}
	id, err := l.ep.Connect(now, a.remote, netip.Addr{}, conn.config, serverName)
	if err != nil {
		l.release(a.remote)
		a.attempted <- &Error{Reason: ReasonSetup, Err: err}
		return
	}
	conn.line, conn.id, conn.attempted, conn.began = l, id, a.attempted, now
	conn.flights, conn.verdict = nil, nil
	l.peers[id], l.remotes[a.remote] = conn, conn
	if conn.config == nil {
		conn.up, conn.peer = true, Peer{Addr: a.remote}
		conn.report(nil)
	}
}

// report tells the dial goroutine how its attempt has ended.
func (conn *Connection) report(err error) {
	if conn.attempted != nil {
		conn.attempted <- err
		conn.attempted = nil
	}
}

func (conn *Connection) established(now tick.Time, ev *endpoint.Event) {
	identity := conn.policy.Identify(ev.Facts, nil)
	conn.up, conn.took = true, now.Sub(conn.began)
	conn.peer = Peer{
		Mode: identity.Mode(), Identity: identity, CipherSuite: ev.Facts.CipherSuite, Addr: ev.Remote, Facts: ev.Facts,
	}
	conn.traceHandshake(now, ev, nil)
	conn.report(nil)
}

// disconnected fails everything that waits for the peer.
func (l *line) disconnected(now tick.Time, conn *Connection, ev *endpoint.Event) {
	delete(l.peers, ev.Peer())
	l.release(ev.Remote)
	err := conn.endOf(ev)
	if conn.attempted != nil {
		conn.traceHandshake(now, ev, err)
		conn.report(err)
		return
	}
	conn.forget()
	conn.ended = true
	for id, c := range conn.calls {
		delete(conn.calls, id)
		c.fail(err)
	}
	close(conn.gone)
}

// endOf says why a peer is gone.
func (conn *Connection) endOf(ev *endpoint.Event) error {
	e := &Error{Reason: disconnectReason(ev)}
	switch {
	case ev.Cause != endpoint.CauseSession && ev.Cause != endpoint.CauseLocal:
		// What became of the session is a consequence.
	case ev.Err != nil && conn.verdict != nil:
		e.Err = fmt.Errorf("%w: %w", ev.Err, conn.verdict)
	case ev.Err != nil:
		e.Err = ev.Err
	}
	return e
}

// A hangUp is the letter that ends a connection, if it is the line's.
type hangUp struct {
	conn *Connection
	line *line
}

func (h hangUp) deliver(now tick.Time) {
	if h.conn.line == h.line {
		h.line.ep.Disconnect(now, h.conn.id)
	}
}

// deaf reports whether the server seems to have lost the session: nothing has
// been heard for ACK_TIMEOUT since a message was sent that it should have
// acknowledged. Callers may give up sooner than that, so it is the first
// message in a row that counts; of those that are not acknowledged
// (Non-confirmable ones) it takes two.
func (conn *Connection) deaf(now tick.Time, ev *endpoint.Event, non bool) bool {
	if conn.policy == nil || ev.Reason != request.Timeout && ev.Reason != request.Canceled {
		return false
	}
	// What is sent in the turn in which something was heard is sent after it.
	if conn.unheard == 0 && ev.Sent != tick.Never && ev.Sent >= conn.heard {
		conn.unheard = ev.Sent
		if non {
			return false
		}
	}
	return conn.unheard != 0 && now.Sub(conn.unheard) >= conn.client.Params.Resolved().AckTimeout
}

// moved reports whether an observation should look for the server elsewhere:
// without a session there is nothing to lose but an address, and nothing comes
// from that any more.
func (conn *Connection) moved(ev *endpoint.Event, c *call) bool {
	return conn.policy == nil && c.registration != nil && ev.Reason == request.Timeout && conn.heard <= ev.Sent
}

// hear notes that the server has answered.
func (conn *Connection) hear(now tick.Time) { conn.heard, conn.unheard = now, 0 }

// retire gives the connection up. Requests that wait behind the one that failed
// have not been sent and are made again on the next connection; the letter is
// delivered when they have been settled.
func (conn *Connection) retire(now tick.Time) {
	conn.forget()
	conn.retired = true
	for _, c := range conn.calls {
		c.cause = &Error{Reason: ReasonTimeout, Err: errDeaf}
		conn.line.ep.Cancel(now, c.id)
	}
	_ = conn.line.mail.post(hangUp{conn, conn.line}, true)
}

var errDeaf = errors.New("coaps: the server does not answer in this session any more")

// An export is the letter that asks for keying material.
type export struct {
	conn    *Connection
	label   string
	context []byte
	n       int
	answer  chan<- exported
}

type exported struct {
	octets []byte
	err    error
}

func (e export) deliver(tick.Time) {
	octets, err := e.conn.line.ep.Export(e.conn.id, e.label, e.context, e.n)
	e.answer <- exported{octets, err}
}
