// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/demo"
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
	return coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
		start := time.Now()
		recorder := &codeRecorder{ResponseWriter: w}
		next.ServeCOAP(recorder, r)
		caller := demo.CallerOf(&r.Peer)
		attributes := []any{"method", r.Method.Name(), "path", clip(r.Path), "code", recorder.text(r.Method), "peer", caller.Address, "mode", caller.Mode}
		if caller.Identity != "" {
			attributes = append(attributes, "identity", clip(caller.Identity))
		}
		s.logger.Info("request", append(attributes, "took", time.Since(start).Round(time.Microsecond))...)
	})
}

// clip shortens a text that a client has chosen: 64 KiB can come in one datagram.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// codeRecorder remembers the code of the response.
type codeRecorder struct {
	coaps.ResponseWriter
	code coap.Code
}

// SetCode passes the code on.
func (r *codeRecorder) SetCode(code coap.Code) {
	r.code = code
	r.ResponseWriter.SetCode(code)
}

// text is the code sent; without SetCode the method decides.
func (r *codeRecorder) text(method coap.Code) string {
	code := r.code
	if code == coap.Empty {
		switch method {
		case coap.GET, coap.FETCH:
			code = coap.Content
		case coap.DELETE:
			code = coap.Deleted
		default:
			code = coap.Changed
		}
	}
	return code.Dotted()
}
