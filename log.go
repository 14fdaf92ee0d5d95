// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security/keys"
)

// The messages a Server logs. They are stable: the text is the name of the
// event and all particulars are attributes. No attribute holds a secret.
const (
	LogListening         = "listening"          // Info: plain, secure
	LogHandshakeAccepted = "handshake accepted" // Info: peer, mode, identity, cipher
	LogHandshakeRefused  = "handshake refused"  // Warn: peer, reason, and what is known of identity, detail; at most 10 a second. Reasons unknown_identity and bad_psk come while the handshake still lasts, and only then
	LogUnlogged          = "not logged"         // Warn: count of refused handshakes and dropped responses that were not logged one by one
	LogSessionEnded      = "session ended"      // Debug: peer, reason
	LogHandlerPanic      = "handler panicked"   // Error: peer, path, panic, stack
	LogResponseDropped   = "response dropped"   // Warn: peer, path, reason; at most 10 a second with the refusals
)

// A serverLog keeps what attackers can cause within bounds.
type serverLog struct {
	*slog.Logger

	mu       sync.Mutex
	second   time.Time // the second being counted
	logged   int
	unlogged int
}

func newServerLog(l *slog.Logger) *serverLog {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return &serverLog{Logger: l}
}

func (l *serverLog) accepted(p *Peer) {
	if !l.Enabled(context.Background(), slog.LevelInfo) {
		return // a handshake costs less than what follows
	}
	l.Info(LogHandshakeAccepted, "peer", p.Addr, "mode", p.Mode.String(), "identity", clip(p.Identity.Name()), "cipher", p.CipherSuite.String())
}

// refused tells the operator more than the wire does: whether the identity is
// unknown or the key wrong, and who claimed to be whom.
func (l *serverLog) refused(ev *endpoint.Event, detail error) {
	if !l.allow() {
		return
	}
	args := []any{"peer", ev.Remote, "reason", disconnectReason(ev)}
	if ev.Facts != nil && ev.Facts.PSKIdentity != nil {
		args = append(args, "identity", clip(keys.PrintableIdentity(ev.Facts.PSKIdentity)))
	}
	if detail != nil {
		args = append(args, "detail", clip(detail.Error()))
	}
	if ev.Err != nil && (ev.Err.Sent || ev.Err.Received) {
		args = append(args, "alert", ev.Err.Alert.String(), "received", ev.Err.Received)
	}
	l.Warn(LogHandshakeRefused, args...)
}

// allow reports whether one more line that others cause may be logged this
// second.
func (l *serverLog) allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.second) >= time.Second {
		if l.unlogged > 0 {
			l.Warn(LogUnlogged, "count", l.unlogged)
		}
		l.second, l.logged, l.unlogged = now, 0, 0
	}
	if l.logged++; l.logged > refusalsLogged {
		l.unlogged++
		return false
	}
	return true
}

func (l *serverLog) ended(ev *endpoint.Event) {
	if l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug(LogSessionEnded, "peer", ev.Remote, "reason", disconnectReason(ev))
	}
}

func (l *serverLog) dropped(remote netip.AddrPort, path string, err error) {
	if !l.allow() {
		return
	}
	l.Warn(LogResponseDropped, "peer", remote, "path", clip(path), "reason", err.Error())
}

// clip shortens a text that a peer has chosen.
func clip(s string) string {
	if len(s) <= textLogged {
		return s
	}
	return strings.ToValidUTF8(s[:textLogged], "") + "..."
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
