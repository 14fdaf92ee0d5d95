// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/coaps-go/coaps"
)

// auditEvents are those that the audit file has: who came in, who was turned away
// and why, who changed what.
var auditEvents = map[string]bool{
	coaps.LogHandshakeAccepted: true, coaps.LogHandshakeRefused: true, coaps.LogRequestDenied: true,
	coaps.LogSessionRevoked: true, coaps.LogAuthorized: true, coaps.LogUnlogged: true, coaps.LogLookupFailed: true, coaps.LogObservationEnded: true,
	LogStarted: true, LogStopped: true, LogReloaded: true, LogReloadFailed: true, LogStoreChanged: true, LogCredentials: true,
	LogRules: true, LogRulesFailed: true, LogSessionsDropped: true, LogAdminRefused: true, LogTokenRefused: true,
	LogStoreDown: true, LogStoreUp: true, LogClockJumped: true, LogRepeated: true,
}

// repeatable are the events that others can cause as often as they like.
var repeatable = map[string]bool{
	coaps.LogHandshakeRefused: true, coaps.LogRequestDenied: true, coaps.LogResponseDropped: true,
	coaps.LogLookupFailed: true, LogTokenRefused: true, coaps.LogObservationEnded: true,
}

// arrivals are those that who has a credential can cause as often as he likes.
var arrivals = map[string]bool{coaps.LogHandshakeAccepted: true, coaps.LogAuthorized: true}

// recorder is the slog.Handler of a gateway. It passes records on to the log,
// writes those of auditEvents into the audit file and refused handshakes into
// the ban file, counts them, and holds repetitions back.
type recorder struct {
	shared *recorderState
	log    slog.Handler // stderr
	audit  slog.Handler // the file
}

// recorderState is what the handlers that WithAttrs makes have in common.
type recorderState struct {
	auditFile, banFile *logFile
	repeats, arrivals  repeats

	mu      sync.Mutex
	refused map[string]uint64 // handshakes by reason
}

// newRecorder makes the handler. The files are opened by their own means.
func newRecorder(log slog.Handler) *recorder {
	state := &recorderState{auditFile: new(logFile), banFile: new(logFile), refused: map[string]uint64{}}
	return &recorder{shared: state, log: log, audit: slog.NewJSONHandler(state.auditFile, nil)}
}

// Enabled reports whether anybody wants such records: the log, or the audit file,
// whose records have level Info at least. Refusals, which are warnings, are counted
// in any case.
func (r *recorder) Enabled(ctx context.Context, level slog.Level) bool {
	return r.log.Enabled(ctx, level) || level >= slog.LevelWarn || level >= slog.LevelInfo && r.shared.auditFile.open()
}

// WithAttrs is that of slog.Handler.
func (r *recorder) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &recorder{r.shared, r.log.WithAttrs(attrs), r.audit.WithAttrs(attrs)}
}

// WithGroup is that of slog.Handler.
func (r *recorder) WithGroup(name string) slog.Handler {
	return &recorder{r.shared, r.log.WithGroup(name), r.audit.WithGroup(name)}
}

// Handle is that of slog.Handler.
func (r *recorder) Handle(ctx context.Context, record slog.Record) error {
	facts := factsOf(&record)
	if record.Message == coaps.LogHandshakeRefused {
		r.shared.count(facts.reason, 1)
		r.shared.ban(record.Time, &facts)
	}
	if record.Message == coaps.LogUnlogged {
		r.shared.countUnlogged(&record)
	}
	held := repeatable[record.Message] && !r.shared.repeats.first(record.Time, record.Message, &facts) ||
		arrivals[record.Message] && !r.shared.arrivals.comes(record.Time, record.Message, &facts)
	if held {
		return nil
	}
	return r.write(ctx, record)
}

func (r *recorder) write(ctx context.Context, record slog.Record) error {
	if auditEvents[record.Message] && record.Level >= slog.LevelInfo && r.shared.auditFile.open() {
		_ = r.audit.Handle(ctx, record)
	}
	if r.log.Enabled(ctx, record.Level) {
		return r.log.Handle(ctx, record)
	}
	return nil
}

// flush writes how often what was held back has been repeated.
func (r *recorder) flush(now time.Time) {
	for _, one := range append(r.shared.repeats.ended(now), r.shared.arrivals.ended(now)...) {
		record := slog.NewRecord(now, slog.LevelWarn, LogRepeated, 0)
		record.AddAttrs(slog.String("event", one.message), slog.Int("count", one.held), slog.String("reason", one.reason))
		if one.peer.IsValid() {
			record.AddAttrs(slog.String("peer", one.peer.String()))
		}
		if one.identity != "" {
			record.AddAttrs(slog.String("identity", one.identity))
		}
		if one.device != "" {
			record.AddAttrs(slog.String("device", one.device))
		}
		_ = r.write(context.Background(), record)
	}
}

// maxReasons bounds the table of reasons, which come from a closed list.
const maxReasons = 256

func (s *recorderState) count(reason string, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refused) >= maxReasons {
		return
	}
	s.refused[reason] += n
}

// unloggedRefusals stands in place of the reason of refused handshakes that had no
// line of their own, as there were too many in a second.
const unloggedRefusals = "not_logged"

// countUnlogged takes a coaps.LogUnlogged for what it says of refused handshakes.
func (s *recorderState) countUnlogged(record *slog.Record) {
	var message string
	var n int64
	record.Attrs(func(a slog.Attr) bool {
		switch {
		case a.Key == "message":
			message = a.Value.String()
		case a.Key == "count" && a.Value.Kind() == slog.KindInt64:
			n = a.Value.Int64()
		}
		return true
	})
	if message == coaps.LogHandshakeRefused && n > 0 {
		s.count(unloggedRefusals, uint64(n))
	}
}

// refusals are the counts by reason.
func (s *recorderState) refusals() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.refused)
}

// facts are the attributes that are looked at here.
type facts struct {
	peer             netip.Addr
	reason, identity string
	device, rule     string
}

func factsOf(record *slog.Record) facts {
	var f facts
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "peer":
			f.peer = addressOf(a.Value)
		case "reason":
			f.reason = a.Value.String()
		case "identity":
			f.identity = a.Value.String()
		case "device":
			f.device = a.Value.String()
		case "rule":
			f.rule = a.Value.String()
		}
		return true
	})
	return f
}

// addressOf is without the port, which changes with every attempt.
func addressOf(v slog.Value) netip.Addr {
	switch peer := v.Resolve().Any().(type) {
	case netip.AddrPort:
		return peer.Addr().Unmap()
	case string:
		if at, err := netip.ParseAddrPort(peer); err == nil {
			return at.Addr().Unmap()
		}
	}
	return netip.Addr{}
}
