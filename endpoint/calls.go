// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"net/netip"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// Connect begins to talk to a server. With a configuration it begins a DTLS
// handshake, whose end EventConnected or EventDisconnected reports; without
// one the peer is in NoSec mode and ready. local is the address to send from,
// or the zero Addr, which leaves it to the system. One remote address may have
// as many peers as there are local ones; ErrInUse is for the same pair twice.
func (e *Endpoint) Connect(now tick.Time, remote netip.AddrPort, local netip.Addr, cfg *dtls.Config, serverName string) (PeerID, error) {
	e.now = now
	k, ok := e.zones.key(remote, local, true)
	if !ok {
		e.drop(DropZone)
		return PeerID{}, errZone
	}
	if e.index.find(&e.slots, &k) != 0 {
		return PeerID{}, ErrInUse
	}
	var session *dtls.Session
	if cfg != nil {
		s, err := dtls.NewClient(cfg, now, serverName)
		if err != nil {
			return PeerID{}, err
		}
		session = s
	}
	p := e.newPeer(now, k, session)
	p.at.ours, p.sent = true, new(sent)
	e.admitKey(p.id.index)
	if session == nil {
		e.open(now, p)
	}
	e.touch(p)
	return p.id, nil
}

// Request sends a request. One to a peer whose handshake is in progress waits
// for its end. Errors are ErrGone and those of request.Table.
func (e *Endpoint) Request(now tick.Time, id PeerID, out request.Outgoing) (ExchangeID, error) {
	e.now = now
	p := e.peer(id)
	if p == nil || !p.takesRequests() {
		return ExchangeID{}, ErrGone
	}
	if !p.fits(&out) {
		return ExchangeID{}, ErrTooLarge
	}
	x, err := p.table.Request(now, out)
	e.wants.push(p)
	return ExchangeID{id, x}, err
}

// takesRequests reports whether requests may be made of a peer: it is there, or
// we have asked for it and they wait for the handshake.
func (p *peer) takesRequests() bool { return p.phase == open || p.at.ours }

// Respond answers the request that EventRequest brought. It returns ErrGone if
// the session in which the request came is not there any more, even if the
// address has a new one, ErrTooLarge if the response does not fit into a
// datagram, in which case another response may be given, and the errors of
// request.Table.
func (e *Endpoint) Respond(now tick.Time, id ExchangeID, out request.Outgoing) error {
	e.now = now
	p := e.peer(id.Peer)
	if p == nil || p.table.Idle() {
		e.drop(DropLateResponse)
		return ErrGone
	}
	if !p.fits(&out) {
		return ErrTooLarge
	}
	err := p.table.Respond(now, id.ID, out)
	if err == nil {
		e.stats.Responses++
	}
	e.wants.push(p)
	return err
}

// fits reports whether a message surely fits into one record.
func (p *peer) fits(out *request.Outgoing) bool {
	if p.session == nil || p.phase != open {
		return true // the table knows its own limit
	}
	const header = 4 + 8 + 1 // with the longest token, and the payload marker
	return header+len(out.Options)+len(out.Payload) <= p.session.MaxPayload()
}

// Ping asks whether the peer is there (RFC 7252 section 4.3).
func (e *Endpoint) Ping(now tick.Time, id PeerID) (ExchangeID, error) {
	e.now = now
	p := e.peer(id)
	if p == nil || !p.takesRequests() {
		return ExchangeID{}, ErrGone
	}
	x, err := p.table.Ping(now)
	e.wants.push(p)
	return ExchangeID{id, x}, err
}

// Cancel gives up a request, a ping or an observation, and EventFailed follows; or a
// notification, as request.Table.Cancel says.
func (e *Endpoint) Cancel(now tick.Time, id ExchangeID) {
	e.now = now
	if p := e.peer(id.Peer); p != nil {
		p.table.Cancel(id.ID)
		e.touch(p)
	}
}

// ProvidePSK answers EventWantPSK; see dtls.Session.
func (e *Endpoint) ProvidePSK(now tick.Time, id PeerID, identity, key []byte) {
	if p := e.handshake(now, id); p != nil {
		p.session.ProvidePSK(now, identity, key)
		e.touch(p)
	}
}

// ProvideVerdict answers EventWantVerdict; see dtls.Session.
func (e *Endpoint) ProvideVerdict(now tick.Time, id PeerID, r dtls.Reason) {
	if p := e.handshake(now, id); p != nil {
		p.session.ProvideVerdict(now, r)
		e.touch(p)
	}
}

// Complete brings back the job of EventNeedJob after it has run. The secret in
// one that comes too late is wiped.
func (e *Endpoint) Complete(now tick.Time, id PeerID, job *dtls.Job) {
	p := e.handshake(now, id)
	if p == nil {
		job.Wipe()
		return
	}
	p.session.Complete(now, job)
	e.touch(p)
}

// Abort ends a handshake for a reason of the caller's, such as no capacity.
func (e *Endpoint) Abort(now tick.Time, id PeerID, r dtls.Reason) {
	if p := e.handshake(now, id); p != nil {
		p.session.Abort(now, r)
		e.touch(p)
	}
}

// Disconnect ends a peer, with close_notify if it has a session.
func (e *Endpoint) Disconnect(now tick.Time, id PeerID) {
	e.now = now
	if p := e.peer(id); p != nil {
		e.end(now, p, CauseLocal)
	}
}

// Unreachable tells of an ICMP error. It ends a peer that was named to Connect
// and has not proved itself; to one with a session an unauthenticated message
// does nothing. RFC 7252 section 4.2: "implementations SHOULD take care to
// check the information about the original datagram in the ICMP message",
// otherwise it is ignored.
func (e *Endpoint) Unreachable(now tick.Time, u *udp.Unreachable, refused bool) {
	e.now = now
	p := e.unproved(u.Remote, u.Local)
	if p == nil || !p.sent.quotedBy(u.Quoted) {
		e.drop(DropUnreachable)
		return
	}
	e.failed(now, p, refused)
}

// SendFailed tells that the system did not take a datagram that Transmit made.
// An established session takes it for a loss.
func (e *Endpoint) SendFailed(now tick.Time, d *udp.Datagram, refused bool) {
	e.now = now
	if p := e.unproved(d.Remote, d.Local); p != nil {
		e.failed(now, p, refused)
	}
}

// unproved is a peer that was named to Connect and has not proved itself, nil
// if none has the addresses.
func (e *Endpoint) unproved(remote netip.AddrPort, local netip.Addr) *peer {
	i := e.find(remote, local)
	if i == 0 {
		return nil
	}
	if p := e.awake(e.slots.At(i)); p != nil && p.sent != nil {
		return p
	}
	return nil
}

func (e *Endpoint) failed(now tick.Time, p *peer, refused bool) {
	p.silent = true
	if refused {
		e.end(now, p, CauseRefused)
		return
	}
	e.end(now, p, CauseUnreachable)
}

// Facts is what the peer's handshake has settled, nil in NoSec mode and for a
// peer that is gone. They must not be changed.
func (e *Endpoint) Facts(id PeerID) *dtls.Facts {
	if p := e.peer(id); p != nil && p.session != nil {
		return p.session.Facts()
	}
	return nil
}

// SetDTLS changes the configuration of sessions to come on a server that was
// made with one. After an error, which is dtls.NewGate's, nothing has changed.
func (e *Endpoint) SetDTLS(cfg *dtls.Config) error {
	if e.gate == nil {
		return errNoGate
	}
	return e.gate.SetConfig(cfg)
}

// SetTag leaves something of the caller's with a peer; its events carry it as
// Tag. It is gone when the peer has slept: who is there then is to be found out
// again, from the note or from Facts.
func (e *Endpoint) SetTag(id PeerID, tag any) {
	if p := e.peer(id); p != nil {
		p.tag = tag
	}
}

// Remote is the peer's address, the zero AddrPort if it is gone.
func (e *Endpoint) Remote(id PeerID) netip.AddrPort {
	if at := e.slotOf(id); at != nil {
		return e.zones.remote(&at.key)
	}
	return netip.AddrPort{}
}

// Export derives n bytes of keying material from the peer's session (RFC 5705).
func (e *Endpoint) Export(id PeerID, label string, context []byte, n int) ([]byte, error) {
	p := e.peer(id)
	if p == nil || p.session == nil {
		return nil, errNoSession
	}
	return p.session.Export(label, context, n)
}

var (
	errNoSession = errors.New("endpoint: no session")
	errNoGate    = errors.New("endpoint: not a server with DTLS")
	errZone      = errors.New("endpoint: too many IPv6 zones")
)

// slotOf finds the slot of the peer that an identifier names, nil if it is gone.
func (e *Endpoint) slotOf(id PeerID) *slot {
	if id.index == 0 || int(id.index) > e.slots.Made() {
		return nil
	}
	at := e.slots.At(id.index)
	if at.generation != id.generation || at.class == ended || e.ending {
		return nil
	}
	return at
}

// peer finds the peer that an identifier names, nil if it is gone. If it sleeps
// it is woken.
func (e *Endpoint) peer(id PeerID) *peer {
	at := e.slotOf(id)
	if at == nil {
		return nil
	}
	e.trim() // first: it must not be this one
	p := e.awake(at)
	if p == nil || at.asleep != 0 {
		p = e.wake(id.index)
	}
	e.stir(p)
	return p
}

// handshake finds a peer whose handshake the caller has something for.
func (e *Endpoint) handshake(now tick.Time, id PeerID) *peer {
	e.now = now
	p := e.peer(id)
	if p == nil || p.phase != handshaking {
		return nil
	}
	return p
}
