// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/security"
)

// newLogger writes to stderr: text for people, JSON where asked for.
func (s *server) newLogger() *slog.Logger {
	level := slog.LevelInfo
	switch {
	case s.quiet:
		level = slog.LevelWarn
	case s.verbose > 0:
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level}
	if s.json {
		return slog.New(slog.NewJSONHandler(s.err, options))
	}
	return slog.New(slog.NewTextHandler(s.err, options))
}

// logRequests puts one line into the log for each request. Who does not want the
// lines does not pay for them either: the log may have to wait for its reader, so
// that no handler that writes to it runs on the event loop.
func (s *server) logRequests(next coaps.Handler) coaps.Handler {
	if !s.logger.Enabled(context.Background(), slog.LevelInfo) {
		return next
	}
	return gateway.LogRequests(next, s.logger, security.Mode.String)
}
