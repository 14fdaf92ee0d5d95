// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"log/slog"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
)

// LogRequests has a handler leave a line in the log for each request (LogRequest).
// modeName is the word for a security mode. The log may have to wait for its
// reader, so the handler that is returned is not Inline, whatever next is.
func LogRequests(next coaps.Handler, log *slog.Logger, modeName func(security.Mode) string) coaps.Handler {
	return coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
		start := time.Now()
		watched := &codeWatcher{ResponseWriter: w}
		next.ServeCOAP(watched, r)
		attributes := []any{"method", r.Method.Name(), "path", clip(r.Path), "code", watched.text(r.Method), "peer", r.Peer.Addr, "mode", modeName(r.Peer.Mode)}
		if name := r.Peer.Identity.Name(); name != "" {
			attributes = append(attributes, "identity", clip(name))
		}
		log.Info(LogRequest, append(attributes, "took", time.Since(start).Round(time.Microsecond))...)
	})
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

// text is the code sent; without SetCode the method decides.
func (w *codeWatcher) text(method coap.Code) string {
	switch {
	case w.code != coap.Empty:
		return w.code.Dotted()
	case method == coap.GET || method == coap.FETCH:
		return coap.Content.Dotted()
	case method == coap.DELETE:
		return coap.Deleted.Dotted()
	}
	return coap.Changed.Dotted()
}
