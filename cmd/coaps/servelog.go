// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "log/slog"

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
