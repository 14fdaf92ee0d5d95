// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
)

// swap is a handler that can be replaced while requests come.
type swap struct{ now atomic.Pointer[served] }

// served is what a configuration serves, and whether each request is logged.
type served struct {
	mux *coaps.Mux
	log *slog.Logger // nil: no
}

// ServeCOAP passes the request on.
func (s *swap) ServeCOAP(w coaps.ResponseWriter, r *coaps.Request) {
	now := s.now.Load()
	if now.log == nil {
		now.mux.ServeCOAP(w, r)
		return
	}
	start := time.Now()
	watched := &codeWatcher{ResponseWriter: w}
	now.mux.ServeCOAP(watched, r)
	attributes := []any{"method", r.Method.Name(), "path", clip(r.Path), "code", watched.text(), "peer", r.Peer.Addr, "mode", modeNames[r.Peer.Mode]}
	if name := r.Peer.Identity.Name(); name != "" {
		attributes = append(attributes, "identity", clip(name))
	}
	now.log.Info(LogRequest, append(attributes, "took", time.Since(start).Round(time.Microsecond))...)
}

// codeWatcher remembers the code of the response.
type codeWatcher struct {
	coaps.ResponseWriter
	code coap.Code
}

// SetCode passes the code on.
func (w *codeWatcher) SetCode(code coap.Code) {
	w.code = code
	w.ResponseWriter.SetCode(code)
}

// text is the code that was set, "2.xx" when the method decides.
func (w *codeWatcher) text() string {
	if w.code == coap.Empty {
		return "2.xx"
	}
	return w.code.Dotted()
}
