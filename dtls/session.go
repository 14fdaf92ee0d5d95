// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import "github.com/coaps-go/coaps/tick"

// State is where a session stands.
type State uint8

// States.
const (
	Handshaking State = iota
	Established
	Closed
)

// Session is one association with one peer, as client or server. It is made
// by [NewClient] or by [Gate.Screen].
type Session struct{}

// NewClient starts a handshake as a client. serverName, if it is a DNS name,
// is sent to the server (RFC 6066 §3); an IP address is not.
func NewClient(cfg *Config, now tick.Time, serverName string) (*Session, error) { panic("todo") }

// Receive takes one datagram. The session works in it, and owns it until Next
// returns false.
func (s *Session) Receive(now tick.Time, datagram []byte) { panic("todo") }

// Next reports whether there is news and writes it to ev.
func (s *Session) Next(now tick.Time, ev *Event) bool { panic("todo") }

// ProvidePSK answers WantPSK. A nil key says that there is none: to a client
// this looks like a wrong key. A client gives its identity too.
func (s *Session) ProvidePSK(now tick.Time, identity, key []byte) { panic("todo") }

// ProvideVerdict answers WantVerdict: ReasonNone trusts the peer, every other
// reason ends the handshake.
func (s *Session) ProvideVerdict(now tick.Time, r Reason) { panic("todo") }

// Complete brings back a job that has run.
func (s *Session) Complete(now tick.Time, job *Job) { panic("todo") }

// Transmit writes the next datagram of a handshake, or an alert, to dst and
// returns its length, 0 if there is none. dst must hold the MTU.
func (s *Session) Transmit(now tick.Time, dst []byte) int { panic("todo") }

// Seal appends one record of application data to dst.
func (s *Session) Seal(dst, payload []byte) ([]byte, error) { panic("todo") }

// Overhead is the number of bytes that Seal adds to a payload.
func (s *Session) Overhead() int { panic("todo") }

// MaxPayload is the size in bytes of the largest payload that Seal takes now:
// what fits the MTU and the peer's record limit.
func (s *Session) MaxPayload() int { panic("todo") }

// SetMTU changes the largest datagram to send.
func (s *Session) SetMTU(mtu int) { panic("todo") }

// Deadline is when Expire must be called if nothing else happens.
func (s *Session) Deadline() tick.Time { panic("todo") }

// Expire tells that time has passed.
func (s *Session) Expire(now tick.Time) { panic("todo") }

// Close ends the session with close_notify, which Transmit then has ready.
func (s *Session) Close(now tick.Time) { panic("todo") }

// Abort ends the session with the alert of a reason.
func (s *Session) Abort(now tick.Time, r Reason) { panic("todo") }

// State is where the session stands.
func (s *Session) State() State { panic("todo") }

// Facts is what the handshake has established.
func (s *Session) Facts() *Facts { panic("todo") }

// Err is what ended the session, nil while it lives.
func (s *Session) Err() *Error { panic("todo") }

// Counters holds what this session, or all of its gate, dropped.
func (s *Session) Counters() *Counters { panic("todo") }

// Export derives n bytes of keying material (RFC 5705). A nil context is
// different from an empty one.
func (s *Session) Export(label string, context []byte, n int) ([]byte, error) { panic("todo") }

// Authenticates reports whether the first protected record of a datagram
// would open under this session's keys. It changes nothing; it tells which of
// two sessions at one address a datagram is for (RFC 6347 §4.2.8).
func (s *Session) Authenticates(datagram []byte) bool { panic("todo") }

// RepeatsHello reports whether a datagram begins with the very ClientHello
// from which this session began: a copy on the network, or a retransmission,
// and not a new association. It can say yes during the handshake only.
func (s *Session) RepeatsHello(datagram []byte) bool { panic("todo") }
