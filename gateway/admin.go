// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps/store"
)

// The admin socket speaks HTTP with JSON. Who may connect may do everything, so
// that the bounds below are against mistakes more than against enemies.
const (
	adminConnections = 32
	adminWatches     = 8         // of the connections
	adminWrites      = 2         // changes to the store at a time, as their bodies are large
	adminHeader      = 16 << 10  // bytes
	adminSmall       = 64 << 10  // bytes of an ordinary body
	adminApply       = 128 << 20 // bytes of the ops of one Apply
	adminKeys        = 4 << 20   // bytes of the keys of one GetAll
	adminBatch       = 256       // records read at a time for it
	adminPatience    = 30 * time.Second
)

// commander is what the admin socket asks of the server.
type commander interface {
	reload(ctx context.Context, why string) error
	status(ctx context.Context) *Status
	sessions(ctx context.Context, filter SessionFilter, yield func(*Session) error) error
	drop(ctx context.Context, filter SessionFilter) (int, error)
	registryStore() store.Store
	readRules(ctx context.Context) error
}

// adminServer answers at the admin socket.
type adminServer struct {
	commander
	log     *slog.Logger
	http    *http.Server
	socket  *adminSocket
	writes  chan struct{}
	watches chan struct{}

	unready  atomic.Pointer[error] // why nothing is answered yet
	released chan struct{}         // closed by release
}

// heldTime is how long a question waits for release. A server that has said that
// it is ready needs no more, and one that waits for its store says so.
const heldTime = time.Second

func newAdminServer(socket *adminSocket, c commander, log *slog.Logger) *adminServer {
	a := &adminServer{commander: c, log: log, socket: socket,
		writes: make(chan struct{}, adminWrites), watches: make(chan struct{}, adminWatches), released: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/reload", a.serveReload)
	mux.HandleFunc("GET /v1/status", a.serveStatus)
	mux.HandleFunc("POST /v1/sessions", a.serveSessions)
	mux.HandleFunc("POST /v1/sessions/drop", a.serveDrop)
	mux.HandleFunc("POST /v1/store/get", a.serveGet)
	mux.HandleFunc("POST /v1/store/getall", a.serveGetAll)
	mux.HandleFunc("POST /v1/store/apply", a.serveApply)
	mux.HandleFunc("POST /v1/store/load", a.serveLoad)
	mux.HandleFunc("POST /v1/store/scan", a.serveScan)
	mux.HandleFunc("POST /v1/store/watch", a.serveWatch)
	mux.HandleFunc("GET /v1/store/status", a.serveStoreStatus)
	a.http = &http.Server{
		Handler:           a.admit(mux),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       adminPatience,
		MaxHeaderBytes:    adminHeader,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			who := caller{uid: strangerUID}
			if known, ok := conn.(*adminConn); ok {
				who = known.who
			}
			return context.WithValue(ctx, callerKey{}, who)
		},
	}
	return a
}

// strangerUID is nobody's: the kernel did not say who has connected.
const strangerUID = -2

// serve answers until close.
func (a *adminServer) serve() {
	_ = a.http.Serve(a.socket)
}

// hold has everything answered by an error until release. It is safe on nil.
func (a *adminServer) hold(why error) {
	if a != nil {
		a.unready.Store(&why)
	}
}

// release has questions answered, once. It is safe on nil.
func (a *adminServer) release() {
	if a != nil {
		a.unready.Store(nil)
		close(a.released)
	}
}

// held waits for release, and returns why that does not come.
func (a *adminServer) held(ctx context.Context) error {
	if a.unready.Load() == nil {
		return nil
	}
	select {
	case <-a.released:
	case <-ctx.Done():
	case <-time.After(heldTime):
	}
	if why := a.unready.Load(); why != nil {
		return *why
	}
	return nil
}

func (a *adminServer) close() {
	_ = a.http.Close()
	_ = a.socket.Close()
}

// admit lets the owner of the server and root in, and bounds how long a request
// may take to arrive.
func (a *adminServer) admit(next http.Handler) http.Handler {
	own := os.Geteuid()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := callerOf(r.Context())
		if who.uid != -1 && who.uid != own && who.uid != 0 {
			a.log.Warn(LogAdminRefused, "uid", who.uid, "pid", who.pid)
			writeError(w, http.StatusForbidden, fmt.Errorf("%w: the admin socket is for the owner of the server and root", fs.ErrPermission))
			return
		}
		if why := a.held(r.Context()); why != nil {
			writeError(w, http.StatusServiceUnavailable, why)
			return
		}
		who.command = clip(r.Header.Get(commandHeader))
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(adminPatience))
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	})
}

// commandHeader carries what the person has typed, for the audit log.
const commandHeader = "Coaps-Command"

func (a *adminServer) serveReload(w http.ResponseWriter, r *http.Request) {
	unhurried(w)
	who := callerOf(r.Context())
	if err := a.reload(r.Context(), "coaps reload by "+who.String()); err != nil {
		writeError(w, http.StatusConflict, err)
		return
	}
	writeJSON(w, a.status(r.Context()).Reload)
}

// unhurried lifts the deadline of reading when all has been read: a connection that
// misses it is given up, and with it what is being done for it.
func unhurried(w http.ResponseWriter) { _ = http.NewResponseController(w).SetReadDeadline(time.Time{}) }

// hurry gives an answer its time.
func hurry(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(adminPatience))
}

func (a *adminServer) serveStatus(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, a.status(r.Context()))
}

func (a *adminServer) serveSessions(w http.ResponseWriter, r *http.Request) {
	var filter SessionFilter
	if !readJSON(w, r, &filter) {
		return
	}
	out := newLineWriter(w)
	out.end(a.sessions(r.Context(), filter, func(s *Session) error { return out.write(line{Session: s}) }))
}

func (a *adminServer) serveDrop(w http.ResponseWriter, r *http.Request) {
	var filter SessionFilter
	if !readJSON(w, r, &filter) {
		return
	}
	if filter.Empty() {
		writeError(w, http.StatusBadRequest, errors.New("which sessions? name a device, a tenant, a mode or an id"))
		return
	}
	dropped, err := a.drop(r.Context(), filter)
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	who := callerOf(r.Context())
	a.log.Info(LogSessionsDropped, "count", dropped, "filter", filter.String(), "by", who.String(), "command", who.command)
	writeJSON(w, map[string]int{"dropped": dropped})
}

// line is one line of an answer that is a sequence. The last one has End or
// Error: without it the answer was cut off.
type line struct {
	Session *Session      `json:"session,omitempty"`
	Record  *store.Record `json:"record,omitempty"`
	Event   *store.Event  `json:"event,omitempty"`
	Op      *store.Op     `json:"op,omitempty"`
	Error   *wireError    `json:"error,omitempty"`
	End     bool          `json:"end,omitempty"`
}

// lineWriter sends lines, each within adminPatience.
type lineWriter struct {
	control *http.ResponseController
	encoder *json.Encoder
	failed  error
}

func newLineWriter(w http.ResponseWriter) *lineWriter {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &lineWriter{control: http.NewResponseController(w), encoder: json.NewEncoder(w)}
}

func (l *lineWriter) write(one line) error {
	_ = l.control.SetWriteDeadline(time.Now().Add(adminPatience))
	if l.failed == nil {
		l.failed = l.encoder.Encode(one)
	}
	return l.failed
}

func (l *lineWriter) end(err error) {
	if err != nil {
		_ = l.write(line{Error: toWire(err)})
		return
	}
	_ = l.write(line{End: true})
}

// readJSON reads a small body; false: it has been answered.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	return readBody(w, r, v, adminSmall)
}

func readBody(w http.ResponseWriter, r *http.Request, v any, most int64) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		status := http.StatusBadRequest
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			status = http.StatusRequestEntityTooLarge
		}
		writeError(w, status, fmt.Errorf("the body is not understood: %w", err))
		return false
	}
	unhurried(w)
	return true
}

func writeJSON(w http.ResponseWriter, v any) {
	hurry(w)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, status int, err error) {
	hurry(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(line{Error: toWire(err)})
}

// clip shortens a text from elsewhere.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
