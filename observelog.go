// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"log/slog"

	"github.com/coaps-go/coaps/endpoint"
)

// observing logs that an observation has begun.
func (l *serverLog) observing(r *Request) {
	if l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug(LogObservationBegun, append(about(&r.Peer), "path", clip(r.Path))...)
	}
}

// observed logs that an observation ends: as something out of the ordinary, unless
// its client has wanted that, or is gone.
func (l *serverLog) observed(o *observers, i uint32, d *departure) {
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
