// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/keys"
)

// The messages a Server logs. They are stable: the text is the name of the
// event and all particulars are attributes, of which peer is always the address
// and reason always one word from a closed list. No attribute holds a secret.
// What a peer has chosen is clipped, and what cannot be printed in it is escaped.
// Where there is a device of a tenant, there is its tenant, too.
//
// Of each message marked with a star there are at most 10 a second.
const (
	LogListening         = "listening"          // Info: plain, secure
	LogHandshakeAccepted = "handshake accepted" // Info: peer, mode, identity, device, cipher, and host if it is not the default one
	LogHandshakeRefused  = "handshake refused"  // Warn*: peer, reason, and what is known of identity (as claimed), detail, alert and received (one that was sent or came), elsewhere (the other virtual hosts at which the credential is known). Of pre-shared keys the reasons unknown_identity and bad_psk, and those for which a credential is refused, come while the handshake still lasts, and only then
	LogUnlogged          = "not logged"         // Warn: message, count of those that were not logged one by one
	LogSessionEnded      = "session ended"      // Debug: peer, reason
	LogSessionRevoked    = "session revoked"    // Warn*: peer, reason, mode, identity, device, action
	LogAuthorized        = "session authorized" // Info: peer, mode, identity, device
	LogRequestDenied     = "request denied"     // Warn*: peer, reason, mode, identity, device, method, path, code, rule
	LogLookupFailed      = "look-up failed"     // Error*: reason, detail
	LogRequest           = "request"            // Info: method, path, code, peer, mode, identity, device, took; if Server.LogRequests. Those that no handler has seen are among them
	LogObservationBegun  = "observation begun"  // Debug: peer, mode, identity, device, path
	LogObservationEnded  = "observation ended"  // Info*, Debug if the client has ended it: peer, reason, mode, identity, device, path, code, rule
	LogHandlerPanic      = "handler panicked"   // Error: peer, path, panic, stack
	LogResponseDropped   = "response dropped"   // Warn*: peer, path, reason (too_large: 5.00 went in its place), detail
)

// A serverLog keeps what attackers can cause within bounds.
type serverLog struct {
	*slog.Logger

	mu     sync.Mutex
	counts map[string]*lineCount // by message
}

// A lineCount is how often one message was logged in a second.
type lineCount struct {
	second   time.Time
	logged   int
	unlogged int
}

func newServerLog(l *slog.Logger) *serverLog {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return &serverLog{Logger: l, counts: make(map[string]*lineCount)}
}

func (l *serverLog) accepted(p *Peer) {
	if !l.Enabled(context.Background(), slog.LevelInfo) {
		return // a handshake costs less than what follows
	}
	args := append(about(p), "cipher", p.CipherSuite.String())
	if host := p.Identity.Host(); host != "" {
		args = append(args, "host", host)
	}
	l.Info(LogHandshakeAccepted, args...)
}

// about is who a session's peer is.
func about(p *Peer) []any {
	args := []any{"peer", p.Addr, "mode", p.Mode.String(), "identity", clip(p.Identity.Name())}
	if device := p.Identity.Device(); device != "" {
		args = append(args, "device", clip(device))
	}
	if tenant := p.Identity.Tenant(); tenant != "" {
		args = append(args, "tenant", clip(tenant))
	}
	return args
}

// refusal makes the line that tells the operator more than the wire does: whether
// the identity is unknown, the key wrong, or the credential not good any more, and who
// claimed to be whom. It reports false if there are too many such lines.
func (l *serverLog) refusal(ev *endpoint.Event, detail error) (line slog.Record, ok bool) {
	if !l.allow(slog.LevelWarn, LogHandshakeRefused) {
		return line, false
	}
	args := []any{"peer", ev.Remote, "reason", refusalReason(ev, detail)}
	if claimed := claimedIdentity(ev.Facts); claimed != "" {
		args = append(args, "identity", clip(claimed))
	}
	if detail != nil {
		args = append(args, "detail", clip(detail.Error()))
	}
	if ev.Err != nil && (ev.Err.Sent || ev.Err.Received) {
		args = append(args, "alert", ev.Err.Alert.String(), "received", ev.Err.Received)
	}
	line = slog.NewRecord(time.Now(), slog.LevelWarn, LogHandshakeRefused, 0)
	line.Add(args...)
	return line, true
}

// write writes a line that was made before.
func (l *serverLog) write(line slog.Record) { _ = l.Handler().Handle(context.Background(), line) }

// refusalReason is the word for why a handshake fails. The session knows only
// that it was given no key.
func refusalReason(ev *endpoint.Event, detail error) string {
	if ev.Kind == endpoint.EventSuspect && ev.DTLS.Reason == dtls.ReasonUnknownIdentity && detail != nil {
		return keys.ReasonOf(detail).String()
	}
	return disconnectReason(ev)
}

// claimedIdentity is who a peer claims to be, whether that is so or not.
func claimedIdentity(f *dtls.Facts) string {
	switch {
	case f == nil:
	case f.PSKIdentity != nil:
		return keys.PrintableIdentity(f.PSKIdentity)
	case len(f.PeerRawKey) > 0:
		return keys.NameOf(f.PeerRawKey, keys.SHA256_120).String()
	case len(f.PeerChain) > 0:
		return keys.CertificateName(f.PeerChain[0])
	}
	return ""
}

func (l *serverLog) denied(r *Request, code coap.Code, reason string, access *acl.List, rule int) {
	if !l.allow(slog.LevelWarn, LogRequestDenied) {
		return
	}
	args := append(about(&r.Peer), "reason", reason, "method", r.Method.String(), "path", clip(r.Path), "code", code.String())
	if access != nil {
		args = append(args, "rule", access.Label(rule))
	}
	l.Warn(LogRequestDenied, args...)
}

func (l *serverLog) revoked(p *Peer, reason string, action RevokeAction) {
	if l.allow(slog.LevelWarn, LogSessionRevoked) {
		l.Warn(LogSessionRevoked, append(about(p), "reason", reason, "action", action.String())...)
	}
}

func (l *serverLog) authorized(p *Peer) { l.Info(LogAuthorized, about(p)...) }

func (l *serverLog) lookupFailed(err error) {
	if l.allow(slog.LevelError, LogLookupFailed) {
		l.Error(LogLookupFailed, "reason", keys.ReasonOf(err).String(), "detail", clip(err.Error()))
	}
}

// allow reports whether one more line that others cause may be logged this
// second.
func (l *serverLog) allow(level slog.Level, message string) bool {
	if !l.Enabled(context.Background(), level) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[message]
	if c == nil {
		c = new(lineCount)
		l.counts[message] = c
	}
	if now := time.Now(); now.Sub(c.second) >= time.Second {
		l.tellUnlogged(message, c)
		*c = lineCount{second: now}
	}
	if c.logged++; c.logged > linesLogged {
		c.unlogged++
		return false
	}
	return true
}

// tellUnlogged says how many more lines there would have been.
func (l *serverLog) tellUnlogged(message string, c *lineCount) {
	if c.unlogged > 0 {
		l.Warn(LogUnlogged, "message", message, "count", c.unlogged)
		c.unlogged = 0
	}
}

// flush says so at the end.
func (l *serverLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for message, c := range l.counts {
		l.tellUnlogged(message, c)
	}
}

func (l *serverLog) ended(ev *endpoint.Event) {
	if l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug(LogSessionEnded, "peer", ev.Remote, "reason", disconnectReason(ev))
	}
}

func (l *serverLog) dropped(remote netip.AddrPort, path string, err error) {
	if !l.allow(slog.LevelWarn, LogResponseDropped) {
		return
	}
	reason := callError(err).Reason
	if reason == ReasonSetup {
		reason = ReasonFailed // what a handler has put together is no message
	}
	l.Warn(LogResponseDropped, "peer", remote, "path", clip(path), "reason", reason, "detail", clip(err.Error()))
}

// observationBegun logs a registration that was accepted.
func (l *serverLog) observationBegun(r *Request) {
	if l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug(LogObservationBegun, append(about(&r.Peer), "path", clip(r.Path))...)
	}
}

// observationEnded logs the end of an observation: as something out of the ordinary, unless
// its client has wanted that, or is gone.
func (l *serverLog) observationEnded(o *observers, i uint32, d *departure) {
	level := slog.LevelInfo
	switch d.reason {
	case ReasonCanceled, ReasonReset, ReasonClosed, ReasonDisplaced:
		level = slog.LevelDebug
	}
	if !l.Enabled(context.Background(), level) || level == slog.LevelInfo && !l.allow(level, LogObservationEnded) {
		return
	}
	ob := o.list.At(i)
	args := []any{"reason", d.reason, "path", clip(o.list.Path(i))}
	if peer := d.peer; peer != nil {
		args = append(about(peer), args...)
	} else if who := o.peer(endpoint.PeerIDOf(ob.Peer)); who != nil {
		args = append(about(&who.peer), args...)
	}
	if d.last.Code != 0 {
		args = append(args, "code", d.last.Code.String())
	}
	if d.access != nil {
		args = append(args, "rule", d.access.Label(d.rule))
	}
	l.Log(context.Background(), level, LogObservationEnded, args...)
}

// clip shortens a text that a peer has chosen, and escapes what cannot be
// printed in it: names in certificates can hold anything, and not every handler
// of a log escapes it.
func clip(s string) string {
	cut := len(s) > textLogged
	if cut {
		s = strings.ToValidUTF8(s[:textLogged], "")
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		quoted := strconv.QuoteToGraphic(s)
		s = quoted[1 : len(quoted)-1]
	}
	if cut {
		s += "..."
	}
	return s
}

// disconnectReason is the one word for why a peer is gone, or will be.
func disconnectReason(ev *endpoint.Event) string {
	if ev.Kind == endpoint.EventSuspect {
		return ev.DTLS.Reason.String()
	}
	if ev.Cause == endpoint.CauseSession && ev.Err != nil {
		return ev.Err.Reason.String()
	}
	return ev.Cause.String()
}
