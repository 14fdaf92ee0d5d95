// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/tick"
)

// A requestLog writes the lines of requests on a goroutine of its own: a log may
// have to wait for its reader, and no client is to wait with it.
type requestLog struct {
	writer *pool // of one
	to     *slog.Logger
	lost   atomic.Uint64 // lines that found no room since the last that did
}

// SetLogRequests changes whether there is a line in the log for each request (LogRequest), from
// the next one on. It works before Listen, too.
func (s *Server) SetLogRequests(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.LogRequests = on
	if s.log != nil {
		s.setLogRequests()
	}
}

// setLogRequests does what LogRequests says, under s.mu. The writer stays for
// the next time, as what was logged is still being written.
func (s *Server) setLogRequests() {
	if !s.LogRequests || s.closed {
		s.requests.Store(nil)
		return
	}
	if s.requestLog == nil {
		s.requestLog = &requestLog{writer: newPool(1, requestLinesWaiting), to: s.log.Logger}
	}
	s.requests.Store(s.requestLog)
}

// endLogRequests has the lines written that are waiting. The loops have ended.
func (s *Server) endLogRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests.Store(nil)
	if s.requestLog != nil {
		s.requestLog.writer.close()
	}
}

// waitLogRequests returns when they are written.
func (s *Server) waitLogRequests() {
	s.mu.Lock()
	l := s.requestLog
	s.mu.Unlock()
	if l != nil {
		l.writer.wait()
	}
}

// answered logs a request and the code that it was answered by.
func (w *work) answered(code coap.Code) {
	s := w.shard
	if l := s.server.requests.Load(); l != nil {
		l.add(&w.request, code, s.clock.now().Sub(w.began))
	}
}

// turnedAway logs a request that did not come as far as to be a work.
func (s *shard) turnedAway(now tick.Time, ev *endpoint.Event, code coap.Code) {
	if l := s.server.requests.Load(); l != nil {
		m := &ev.Message
		l.add(&Request{Peer: s.who(ev).peer, Method: m.Code, Path: s.paths.of(m.Options)}, code, s.clock.now().Sub(now))
	}
}

// add has a line written, or counts it if too many wait.
func (l *requestLog) add(r *Request, code coap.Code, took time.Duration) {
	if !l.to.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	if !l.writer.submit(&requestLine{l, time.Now(), r.Method, r.Path, code, r.Peer, took}) {
		l.lost.Add(1)
	}
}

// A requestLine is what was asked by whom and became of it.
type requestLine struct {
	log    *requestLog
	at     time.Time
	method coap.Code
	path   string
	code   coap.Code
	peer   Peer
	took   time.Duration
}

// run writes the line, with the time at which the request was answered.
func (l *requestLine) run() {
	if n := l.log.lost.Swap(0); n > 0 {
		l.log.to.Warn(LogUnlogged, "message", LogRequest, "count", n)
	}
	line := slog.NewRecord(l.at, slog.LevelInfo, LogRequest, 0)
	line.Add("method", l.method.Name(), "path", clip(l.path), "code", l.code.Dotted())
	line.Add(about(&l.peer)...)
	line.Add("took", l.took.Round(time.Microsecond))
	_ = l.log.to.Handler().Handle(context.Background(), line)
}
