// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
)

// Each request has its line, whatever it was answered by and by whom: a handler
// on a worker or on the loop, or nobody, because it was denied, was not fit to be
// handled, or the session may not go on. The Mux is seen as it is, so that
// RevealMissing works.
func TestRequestsAreLogged(t *testing.T) {
	mux := NewMux()
	mux.Handle("/public", say)
	mux.Handle("/inline", Inline(say))
	mux.HandleFunc("/panic", func(ResponseWriter, *Request) { panic("oh") })
	mux.HandleFunc("/large", func(w ResponseWriter, _ *Request) { _, _ = w.Write(make([]byte, 1<<14)) })
	s, d := newGuarded(t, mux, func(s *Server) {
		s.LogRequests, s.RevealMissing, s.OnRevoke = true, true, RevokeForbid
		s.Access = rules("allow device:sensor-7 GET /**", "allow anybody GET /public")
	})
	known, nobody := s.with(d.add("sensor-7")), s.client(security.NoSec)
	for _, test := range []struct {
		c    *Client
		uri  string
		want []string
	}{
		{known, s.secure + "/public", []string{"path=/public", "code=2.05", "mode=PreSharedKey", "identity=sensor-7", "device=sensor-7", "took="}},
		{known, s.secure + "/inline", []string{"path=/inline", "code=2.05", "took="}},
		{known, s.secure + "/panic", []string{"path=/panic", "code=5.00"}},
		{known, s.secure + "/large", []string{"path=/large", "code=5.00"}},
		{known, s.secure + "/missing", []string{"path=/missing", "code=4.04", "identity=sensor-7"}},
		{nobody, s.plain + "/public", []string{"path=/public", "code=2.05", "mode=NoSec", "peer=127.0.0.1:"}},
		{nobody, s.plain + "/inline", []string{"path=/inline", "code=4.01", "mode=NoSec"}},
		{nobody, s.plain + "/nothing", []string{"path=/nothing", "code=4.04", "mode=NoSec"}}, // RevealMissing
	} {
		get(t, test.c, test.uri)
		s.wantLog(append(test.want, "msg="+LogRequest, "method=GET")...)
	}
	if _, err := known.Put(timeout(t), s.secure+"/public", coap.TextPlain, nil); err != nil {
		t.Fatal(err)
	}
	s.wantLog("msg="+LogRequest, "method=PUT", "code=4.03", "identity=sensor-7")
	proxied := &Request{URI: s.plain + "/public"}
	proxied.Options.AddString(coap.ProxyURI, "coap://elsewhere.example/")
	if _, err := nobody.Do(timeout(t), proxied); err != nil {
		t.Fatal(err)
	}
	s.wantLog("msg="+LogRequest, "path=/public", "code=5.05", "mode=NoSec")
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	s.server.Recheck(nil)
	eventually(t, "forbidden", func() bool { return get(t, known, s.secure+"/barred") == "4.03 Forbidden" })
	s.wantLog("msg="+LogRequest, "path=/barred", "code=4.03", "identity=sensor-7")
	lines, requests := strings.Count(s.log.String(), "msg="+LogRequest+" "), s.server.Stats().Requests
	if uint64(lines) != requests {
		t.Errorf("%d lines of %d requests:\n%s", lines, requests, s.log.String())
	}
}

// Lines can be asked for and done without while the server listens, from the next
// request on.
func TestRequestsAreLoggedFromNowOn(t *testing.T) {
	s := newStage(t, Inline(say), func(s *Server) { s.SetLogRequests(true); s.SetLogRequests(false) })
	c := s.client(security.NoSec)
	for _, on := range []bool{false, true, false, true} {
		s.server.SetLogRequests(on)
		get(t, c, s.plain+"/"+strconv.FormatBool(on))
	}
	eventually(t, "two lines", func() bool { return strings.Count(s.log.String(), "path=/true") == 2 })
	if text := s.log.String(); strings.Contains(text, "path=/false") {
		t.Error(text)
	}
	s.server.Close()
	s.server.SetLogRequests(true) // too late, and no harm
	new(Server).SetLogRequests(true)
}

// Requests that find no worker have their line like others.
func TestRefusedRequestsAreLogged(t *testing.T) {
	release := make(chan struct{})
	s := newStage(t, HandlerFunc(func(ResponseWriter, *Request) { <-release }), func(s *Server) { s.Workers, s.LogRequests = 1, true })
	var all sync.WaitGroup
	for range 4 * handlersWaiting {
		c := s.client(security.NoSec)
		c.Params = patient
		all.Go(func() { get(t, c, s.plain+"/") })
	}
	eventually(t, "refusals", func() bool { return s.server.Stats().HandlersRefused > 2*handlersWaiting })
	close(release)
	all.Wait()
	s.wantLog("msg="+LogRequest, "code=5.03")
	s.server.Close()
	refused := s.server.Stats().HandlersRefused
	eventually(t, "a line for each", func() bool { return strings.Count(s.log.String(), "code=5.03") == int(refused) })
}

// A stuckHandler takes no line until it is released, and counts what it is told.
type stuckHandler struct {
	slog.Handler // of Discard, for what is not asked here
	release      chan struct{}
	lines, lost  atomic.Int64
}

func (h *stuckHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *stuckHandler) Handle(_ context.Context, r slog.Record) error {
	switch r.Message {
	case LogRequest:
		<-h.release
		h.lines.Add(1)
	case LogUnlogged:
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "count" {
				h.lost.Add(int64(a.Value.Uint64()))
			}
			return true
		})
	}
	return nil
}

// A log that does not take its lines, because nobody reads at the other end of a
// pipe, holds up no request, not even one of a handler on the event loop. What it
// could not take is counted.
func TestALogThatIsStuckHoldsNobodyUp(t *testing.T) {
	log := &stuckHandler{Handler: slog.DiscardHandler, release: make(chan struct{})}
	s := newStage(t, Inline(HandlerFunc(func(w ResponseWriter, r *Request) { _, _ = w.Write(pathOf(r)) })), func(s *Server) { s.Logger, s.LogRequests = slog.New(log), true })
	c := newBareClient(t, s, false)
	const requests = 2 * requestLinesWaiting
	for range requests {
		c.get()
	}
	if n := log.lines.Load(); n != 0 {
		t.Fatalf("%d lines", n)
	}
	close(log.release)
	eventually(t, "the lines that wait", func() bool { return log.lines.Load() >= requestLinesWaiting })
	c.get()
	eventually(t, "the count of the rest", func() bool { return log.lines.Load()+log.lost.Load() == requests+1 })
	if log.lost.Load() == 0 {
		t.Error("none was lost: the test has shown nothing")
	}
}

// What is not asked for costs nothing: no allocation, whether or not it was asked for before.
func TestNoLinesCostNothing(t *testing.T) {
	s := newStage(t, Inline(HandlerFunc(func(w ResponseWriter, r *Request) { _, _ = w.Write(pathOf(r)) })), nil)
	c := newBareClient(t, s, false)
	s.server.SetLogRequests(true)
	c.get()
	s.server.SetLogRequests(false)
	for range 1000 {
		c.get() // pools and tables grow to their size
	}
	if n := testing.AllocsPerRun(2000, c.get); n != 0 {
		t.Errorf("a request costs %v allocations", n)
	}
}
