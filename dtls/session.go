// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/v12"
	"github.com/coaps-go/coaps/tick"
)

// State is where a session stands.
type State = v12.State

// States.
const (
	Handshaking = v12.Handshaking
	Established = v12.Established
	Closed      = v12.Closed
)

// Errors of Seal, Export and NewClient.
var (
	ErrNotEstablished = v12.ErrNotEstablished
	ErrClosed         = v12.ErrClosed
	ErrTooLarge       = v12.ErrTooLarge
	ErrExhausted      = v12.ErrExhausted
	ErrNoExport       = v12.ErrNoExport
	ErrNoCredentials  = v12.ErrNoCredentials
)

// Session is one association with one peer, as client or server. It is made
// by [NewClient] or by [Gate.Screen]. It is not for concurrent use.
type Session struct{ conn v12.Conn }

// Format prints no keys, whatever the verb. The types within that hold keys say
// the same, but fmt does not ask what it finds in unexported fields.
func (Session) Format(f fmt.State, _ rune) { io.WriteString(f, "dtls.Session") }

// NewClient starts a handshake as a client. serverName, if it is a DNS name,
// is sent to the server (RFC 6066 §3); an IP address is not. Transmit has the
// first datagram.
//
// Errors: a Config that cannot work; ErrNoCredentials; what Config.Rand says.
func NewClient(cfg *Config, now tick.Time, serverName string) (*Session, error) {
	resolved, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	s := new(Session)
	counters := cfg.Counters
	if counters == nil {
		counters = new(Counters)
	}
	if err := s.conn.StartClient(resolved, counters, now, hostName(serverName)); err != nil {
		return nil, err
	}
	return s, nil
}

// hostName is a server name in the form that the extension has: "Literal
// IPv4 and IPv6 addresses are not permitted", and there is no trailing dot
// (RFC 6066 §3). It is empty for what is no such name.
func hostName(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil || !v12.ValidName([]byte(name)) {
		return ""
	}
	return name
}

// Receive takes one datagram. The session works in it, and owns it until Next
// returns false; what is left of the datagram before is lost.
func (s *Session) Receive(now tick.Time, datagram []byte) { s.conn.Receive(datagram) }

// Next reports whether there is news and writes it to ev.
func (s *Session) Next(now tick.Time, ev *Event) bool { return s.conn.Next(now, ev) }

// ProvidePSK answers EventWantPSK. On a server a nil key says that the
// identity is unknown, which the peer cannot tell from a wrong key; on a
// client, which gives its identity too, that there is no key, which ends the
// handshake. Both slices are only used during the call.
func (s *Session) ProvidePSK(now tick.Time, identity, key []byte) {
	s.conn.ProvidePSK(now, identity, key)
}

// ProvideVerdict answers EventWantVerdict: ReasonNone trusts the peer, every
// other reason ends the handshake with its alert, or with certificate_unknown if
// it has none.
func (s *Session) ProvideVerdict(now tick.Time, r Reason) { s.conn.ProvideVerdict(now, r) }

// Complete brings back a job that has run. A job that the session does not
// wait for any more, as it has ended, is wiped and forgotten.
func (s *Session) Complete(now tick.Time, job *Job) { s.conn.Complete(now, job) }

// Transmit writes the next datagram of a handshake, or an alert, to dst and
// returns its length, 0 if there is none. dst should hold the MTU; no
// datagram is longer than either. Call it until it returns 0, after Next,
// Expire, Provide..., Complete, Close and Abort.
func (s *Session) Transmit(now tick.Time, dst []byte) int { return s.conn.Transmit(now, dst) }

// Seal appends one record of application data to dst. It allocates nothing if
// dst has room for the payload and Overhead. The payload must not lie in the
// free part of dst.
//
// Errors: ErrNotEstablished, ErrClosed, ErrTooLarge, and ErrExhausted, which
// ends the session: its sequence numbers or its key are used up.
func (s *Session) Seal(dst, payload []byte) ([]byte, error) { return s.conn.Seal(dst, payload) }

// Overhead is the number of bytes that Seal adds to a payload.
func (s *Session) Overhead() int { return s.conn.Overhead() }

// MaxPayload is the size in bytes of the largest payload that Seal takes now:
// what fits the MTU and the peer's record limit. It is 0 unless the session
// is established.
func (s *Session) MaxPayload() int { return s.conn.MaxPayload() }

// SetMTU changes the largest datagram to send, in bytes of UDP payload; it is
// kept within 128 to 65535. It may be called at any time, also in the middle
// of a flight.
func (s *Session) SetMTU(mtu int) { s.conn.SetMTU(uint16(min(max(mtu, minMTU), maxMTU))) }

// Compact lets go of what can be made again in a session that is likely to be
// idle for a while: its expanded keys, some 1,600 bytes with AES, and its
// Facts, of which chains are large. The next record in each direction, and the
// next call of Facts, make them, in about a microsecond and in some ten for
// each certificate. A session that sleeps has let go of them too.
func (s *Session) Compact() { s.conn.Compact() }

// Sleep puts an established session at rest into few bytes, which it appends
// to dst, and wipes the Session, whose memory may be used again. It reports
// false, and changes nothing, unless the session is at rest: no handshake, no
// end, no news, nothing to transmit and no datagram being read.
//
// The bytes hold all that must not be forgotten: keys, sequence numbers, the
// replay window, the forgeries so far, the Facts, what exported keys come
// from, and, until its time is over, the flight that ended the handshake
// (RFC 6347 §4.2.4). They are secret, mean nothing to another process or
// another version, and must not be copied: who wakes two sessions from one
// has them use one nonce twice.
//
// A session that sleeps needs no timer: Deadline does not count, and what
// runs out meanwhile is gone when it wakes.
func (s *Session) Sleep(now tick.Time, dst []byte) ([]byte, bool) { return s.conn.Sleep(now, dst) }

// Wake makes of a Session, which must be zero or one that sleeps, the one that
// Sleep put into asleep, and clears those bytes. It counts in counters what it
// drops. Bytes that follow those of the session do no harm, and are cleared.
//
// It panics if asleep does not begin with a sleeping session, as after it was
// woken. It trusts what it reads: no byte of it may come from elsewhere than
// Sleep.
func (s *Session) Wake(now tick.Time, counters *Counters, asleep []byte) {
	s.conn.Wake(now, counters, asleep)
}

// Peek returns the Facts of the session that Sleep has put into asleep, which
// sleeps on: the bytes are not changed. The Session that it is called of must
// be zero, or one that sleeps, and stays so; what it reads in passing is wiped.
// It costs what Wake does. What Wake says of the bytes holds.
func (s *Session) Peek(asleep []byte) *Facts { return s.conn.Peek(asleep) }

// Deadline is when Expire must be called if nothing else happens.
func (s *Session) Deadline() tick.Time { return s.conn.Deadline() }

// Expire tells that time has passed. Next and Transmit may have something
// afterwards. It is harmless before the deadline.
func (s *Session) Expire(now tick.Time) { s.conn.Expire(now) }

// Close ends the session with close_notify, which Transmit then has ready. No
// event follows.
func (s *Session) Close(now tick.Time) { s.conn.Close() }

// Abort ends the session with the alert of a reason. EventClosed follows.
func (s *Session) Abort(now tick.Time, r Reason) { s.conn.Abort(r) }

// State is where the session stands.
func (s *Session) State() State { return s.conn.State() }

// Facts is what the handshake has established; see its own documentation for
// what it holds before. It must not be changed. What was returned stays as it
// is, whatever becomes of the session; after a sleep or Compact the next call
// makes another.
func (s *Session) Facts() *Facts { return s.conn.Facts() }

// Err is what ended the session, nil while it lives.
func (s *Session) Err() *Error { return s.conn.Err() }

// Counters holds what this session, or all sessions of its gate, dropped.
func (s *Session) Counters() *Counters { return s.conn.Counters() }

// Export derives n bytes of keying material (RFC 5705). A nil context is
// different from an empty one.
//
// Errors: ErrNotEstablished, ErrClosed; ErrNoExport without extended master
// secret (RFC 7627 §5.4); a label that TLS itself uses, or none; a context of
// more than 65535 bytes.
func (s *Session) Export(label string, context []byte, n int) ([]byte, error) {
	return s.conn.Export(label, context, n)
}

// Authenticates reports whether the first protected record of a datagram
// would open under this session's keys. It tells which of two sessions at one
// address a datagram is for (RFC 6347 §4.2.8). The session does not change,
// but that a forged record counts against its key as in Receive.
func (s *Session) Authenticates(datagram []byte) bool { return s.conn.Authenticates(datagram) }

// RepeatsHello reports whether a datagram begins with the very ClientHello
// from which this session began: a copy made by the network, or a
// retransmission, and not a new association. It can say yes until the peer
// is known to have completed the handshake too.
func (s *Session) RepeatsHello(datagram []byte) bool {
	h, ok := parseHello(datagram)
	return ok == hs.DropNone && s.conn.RepeatsHello(&h.hello)
}
