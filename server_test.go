// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
)

// A slow handler holds up neither others nor itself: the acknowledgement goes
// out at once and the response follows.
//
// Proves rfc7252 §5.2.2: "It may not be possible to return a piggybacked response
// in all cases."
func TestSlowHandler(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	mux := NewMux()
	mux.HandleFunc("/slow", func(w ResponseWriter, _ *Request) {
		entered <- struct{}{}
		<-release
		w.Write([]byte("at last"))
	})
	mux.Handle("/quick", whoami)
	s := newStage(t, mux, func(s *Server) { s.Params = impatient })
	for _, mode := range []security.Mode{security.NoSec, security.PreSharedKey} {
		slow, quick := s.client(mode), s.client(mode)
		var heard atomic.Int32
		slow.Trace = &Trace{DatagramReceived: func(netip.AddrPort, int) { heard.Add(1) }}
		done := make(chan *Response, 1)
		go func() {
			r, err := slow.Get(timeout(t), s.uri(mode)+"/slow")
			if err != nil {
				t.Errorf("%v: %v", mode, err)
			}
			done <- r
		}()
		<-entered
		for range 5 {
			if _, err := quick.Get(timeout(t), s.uri(mode)+"/quick"); err != nil {
				t.Errorf("%v: beside a slow handler: %v", mode, err)
			}
		}
		handshake := map[security.Mode]int32{security.PreSharedKey: 3}[mode] // datagrams of the server's
		eventually(t, "an acknowledgement", func() bool { return heard.Load() > handshake })
		release <- struct{}{}
		if r := <-done; r != nil && (r.Type != coap.Confirmable || string(r.Payload) != "at last") {
			t.Errorf("%v: %v %s, want a separate response", mode, r.Type, r.Payload)
		}
	}
}

// More requests than workers and their queue hold are answered by 5.03.
//
// Proves rfc7252 §5.9.3.4: "This Response Code is like HTTP 503 "Service
// Unavailable" but uses the Max-Age Option in place of the "Retry-After" header
// field to indicate the number of seconds after which to retry."
func TestOverload(t *testing.T) {
	release := make(chan struct{})
	var running, most atomic.Int32
	var busy atomic.Bool
	busy.Store(true)
	handler := HandlerFunc(func(w ResponseWriter, _ *Request) {
		if !busy.Load() {
			return
		}
		highest(&most, running.Add(1))
		<-release
		running.Add(-1)
	})
	s := newStage(t, handler, func(s *Server) {
		s.Workers = 2
		s.Limits.PeerRequests = 1000
	})
	c := s.client(security.NoSec)
	c.Params = message.Params{NStart: 1000}
	const requests = 2 + 2*handlersWaiting + 10
	var wg sync.WaitGroup
	var refused atomic.Int32
	for range requests {
		wg.Go(func() {
			r, err := c.Get(timeout(t), s.plain+"/")
			if err != nil {
				t.Errorf("Get: %v", err)
				return
			}
			if r.Code == coap.ServiceUnavailable {
				refused.Add(1)
				if age, ok := r.Options.GetUint(coap.MaxAge); !ok || age == 0 {
					t.Errorf("5.03 with Max-Age %d, %v", age, ok)
				}
			}
		})
	}
	eventually(t, "requests are refused", func() bool { return refused.Load() >= 10 })
	busy.Store(false)
	if r, err := s.client(security.PreSharedKey).Get(timeout(t), s.secure+"/"); err != nil || r.Code != coap.Content {
		t.Errorf("the secure port beside it: %v, %v", r, err)
	}
	close(release)
	wg.Wait()
	if refused.Load() > 12 || most.Load() != 2 {
		t.Errorf("%d refused, %d handlers at once", refused.Load(), most.Load())
	}
	if got := s.server.Stats().HandlersRefused; got != uint64(refused.Load()) {
		t.Errorf("%d refusals counted, want %d", got, refused.Load())
	}
}

// highest keeps the higher of what is there and n, whoever else does so.
func highest(most *atomic.Int32, n int32) {
	for old := most.Load(); old < n && !most.CompareAndSwap(old, n); old = most.Load() {
	}
}

// Proves rfc7252 §5.10.2: "An endpoint receiving a request with a Proxy-Uri Option
// that is unable or unwilling to act as a forward-proxy for the request MUST
// cause the return of a 5.05 (Proxying Not Supported) response."
func TestNoProxy(t *testing.T) {
	s := newStage(t, whoami, nil)
	c := s.client(security.PreSharedKey)
	for option, value := range map[coap.OptionNumber]string{coap.ProxyURI: "coap://example.com/", coap.ProxyScheme: "http"} {
		r := &Request{URI: s.secure}
		r.Options.AddString(option, value)
		got, err := c.Do(timeout(t), r)
		if err != nil || got.Code != coap.ProxyingNotSupported {
			t.Errorf("%v: %v, %v", option, got, err)
		}
	}
}

// A handler that panics costs its request a 5.00 and nobody else anything.
func TestHandlerPanics(t *testing.T) {
	panics := HandlerFunc(func(w ResponseWriter, _ *Request) {
		w.Write([]byte("half a secret"))
		panic("oops")
	})
	mux := NewMux()
	mux.Handle("/worker", panics)
	mux.Handle("/inline", Inline(panics))
	s := newStage(t, mux, nil)
	c := s.client(security.PreSharedKey)
	for _, path := range []string{"/worker", "/inline", "/worker"} {
		r, err := c.Get(timeout(t), s.secure+path)
		if err != nil || r.Code != coap.InternalServerError || len(r.Payload) != 0 {
			t.Errorf("%s: %v, %v", path, r, err)
		}
	}
	s.wantLog(LogHandlerPanic, "oops", "path=/inline")
	if got := s.server.Stats().HandlersPanicked; got != 3 {
		t.Errorf("%d panics counted", got)
	}
}

// A response that fits into no datagram becomes a diagnostic, and a line in the log,
// where the client's people are told to look.
func TestResponseTooLarge(t *testing.T) {
	mux := NewMux()
	mux.HandleFunc("/large", func(w ResponseWriter, _ *Request) { w.Write(make([]byte, 3000)) })
	mux.HandleFunc("/endless", func(w ResponseWriter, _ *Request) {
		for range 1000 {
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				return
			}
		}
		t.Error("a handler wrote a megabyte")
	})
	mux.HandleFunc("/nonsense", func(w ResponseWriter, _ *Request) { w.SetCode(coap.GET) })
	s := newStage(t, mux, nil)
	for _, mode := range []security.Mode{security.NoSec, security.PreSharedKey} {
		c := s.client(mode)
		for path, want := range map[string]string{"/large": "does not fit", "/endless": "does not fit", "/nonsense": ""} {
			r, err := c.Get(timeout(t), s.uri(mode)+path)
			if err != nil || r.Code != coap.InternalServerError || !strings.Contains(string(r.Payload), want) {
				t.Errorf("%v %s: %v, %v", mode, path, r, err)
			}
		}
	}
	s.wantLog(LogResponseDropped, "path=/large", "reason="+ReasonTooLarge)
	s.wantLog(LogResponseDropped, "path=/nonsense", "reason="+ReasonFailed)
}

// Handlers keep nothing of each other's requests.
func TestRequestsAreNotMixed(t *testing.T) {
	handler := HandlerFunc(func(w ResponseWriter, r *Request) {
		time.Sleep(time.Millisecond)
		tag, _ := r.Options.Get(coap.IfMatch)
		w.SetOption(coap.ETag, tag)
		fmt.Fprintf(w, "%s %q %s %s", r.Path, r.Query, r.Payload, r.Peer.Addr)
	})
	s := newStage(t, handler, func(s *Server) { s.Workers = 8 })
	var wg sync.WaitGroup
	for i := range 8 {
		mode := []security.Mode{security.NoSec, security.PreSharedKey}[i%2]
		c := s.client(mode)
		c.Params = message.Params{NStart: 4}
		for j := range 4 {
			wg.Go(func() {
				for k := range 10 {
					tag := fmt.Sprintf("%d.%d.%d", i, j, k)
					r := &Request{Method: coap.POST, URI: s.uri(mode) + "/" + tag + "?" + tag, Payload: []byte(tag)}
					r.Options.Add(coap.IfMatch, []byte(tag))
					got, err := c.Do(timeout(t), r)
					if err != nil {
						t.Errorf("%s: %v", tag, err)
						return
					}
					want := fmt.Sprintf("/%s [%q] %s 127.0.0.1:", tag, tag, tag)
					etag, _ := got.Options.Get(coap.ETag)
					if !strings.HasPrefix(string(got.Payload), want) || string(etag) != tag {
						t.Errorf("got %s, want %s", got.Payload, want)
					}
				}
			})
		}
	}
	wg.Wait()
}

// Shutdown waits for handlers at work and delivers their responses, and answers
// new requests by 5.03 meanwhile.
func TestShutdownDrains(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	handler := HandlerFunc(func(w ResponseWriter, r *Request) {
		if r.Path == "/slow" {
			close(started)
			<-release
		}
		w.Write([]byte("done"))
	})
	s := newStage(t, handler, nil)
	slow, other := s.client(security.PreSharedKey), s.client(security.PreSharedKey)
	if _, err := other.Get(timeout(t), s.secure+"/"); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		r, err := slow.Get(timeout(t), s.secure+"/slow")
		if err == nil && string(r.Payload) != "done" {
			err = errors.New("wrong payload")
		}
		result <- err
	}()
	<-started
	shut := make(chan error, 1)
	go func() { shut <- s.server.Shutdown(timeout(t)) }()
	eventually(t, "new requests are refused", func() bool {
		r, err := other.Get(timeout(t), s.secure+"/")
		return err == nil && r.Code == coap.ServiceUnavailable
	})
	select {
	case err := <-shut:
		t.Fatalf("Shutdown did not wait: %v", err)
	default:
	}
	close(release)
	if err := <-shut; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-result; err != nil {
		t.Errorf("request in hand: %v", err)
	}
}

// Shutdown gives up when its context ends, and Close does not wait at all.
func TestCloseDoesNotWait(t *testing.T) {
	started, release := make(chan struct{}, 2), make(chan struct{})
	handler := HandlerFunc(func(_ ResponseWriter, r *Request) {
		started <- struct{}{}
		<-release
		if r.Context().Err() == nil {
			t.Error("the handler's context lives on after Close")
		}
	})
	s := newStage(t, handler, nil)
	c := s.client(security.PreSharedKey)
	result := make(chan error, 1)
	go func() {
		_, err := c.Get(timeout(t), s.secure+"/")
		result <- err
	}()
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	wantReason(t, <-result, "peer_closed")
	close(release)
	s.server.Close()
	s.server.Close()
	if err := s.server.Serve(context.Background()); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve after Close: %v", err)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	s := &Server{NoSec: true, Addr: "127.0.0.1:0"}
	ctx, cancel := context.WithCancelCause(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.ListenAndServe(ctx) }()
	eventually(t, "listening", func() bool { plain, _ := s.Addrs(); return plain.IsValid() })
	cancel(errors.New("enough"))
	if err := <-served; err == nil || err.Error() != "enough" {
		t.Errorf("Serve: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	taken := socket(t)
	defer taken.Close()
	for name, s := range map[string]*Server{
		"nothing to serve":   {},
		"nothing to show":    {Security: &security.Config{}},
		"address in use":     {NoSec: true, Addr: taken.LocalAddr().String()},
		"bad address":        {NoSec: true, Addr: "127.0.0.1:port"},
		"one of two in use":  {NoSec: true, Addr: "127.0.0.1:0", SecureAddr: taken.LocalAddr().String(), Security: &security.Config{PSK: must(keys.NewPSKMap(must(keys.NewPSK([]byte("a"), make([]byte, 16)))))}},
		"bad parameters":     {NoSec: true, Addr: "127.0.0.1:0", Params: message.Params{AckRandomFactor: 0.5}},
		"a weak key":         {Security: &security.Config{PSK: must(keys.NewPSKMap(must(keys.NewPSK([]byte("a"), []byte("short")))))}},
		"a bad network name": {NoSec: true, Network: "tcp", Addr: "127.0.0.1:0"},
	} {
		if err := s.Listen(); err == nil {
			t.Errorf("%s: Listen succeeded", name)
			s.Close()
		}
	}
	unserved := &Server{NoSec: true, Addr: "127.0.0.1:0"}
	if err := unserved.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := unserved.Listen(); err == nil {
		t.Error("Listen twice succeeded")
	}
	unserved.Close()
	if err := unserved.Listen(); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Listen after Close: %v", err)
	}
}

// Who names all addresses of IPv4 opens nothing on IPv6.
func TestAllAddressesOfIPv4(t *testing.T) {
	s := &Server{NoSec: true, Addr: "0.0.0.0:0"}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	plain, _ := s.Addrs()
	if !plain.Addr().Is4() {
		t.Errorf("0.0.0.0 became %v", plain)
	}
}

// IPv4 and IPv6 on one socket, each answered from the address it asked at.
func TestBothFamilies(t *testing.T) {
	s := &Server{NoSec: true, Addr: ":0", Handler: whoami}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background()) }()
	defer func() { s.Close(); <-served }()
	plain, _ := s.Addrs()
	c := &Client{Params: patient}
	defer c.Close()
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		if probe, err := net.ListenPacket("udp", net.JoinHostPort(host, "0")); err != nil {
			t.Logf("no %s here: %v", host, err)
			continue
		} else {
			probe.Close()
		}
		uri := "coap://" + netip.AddrPortFrom(netip.MustParseAddr(host), plain.Port()).String()
		if _, err := c.Get(timeout(t), uri); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// One datagram can hold an identity or a path of 64 KiB; a log line does not.
func TestLogLinesAreBounded(t *testing.T) {
	s := newStage(t, HandlerFunc(func(ResponseWriter, *Request) { panic("oops") }), func(s *Server) { s.Timers = hasty })
	long := must(keys.RandomPSK(rand.Reader, bytes.Repeat([]byte{0xff}, 60_000)))
	c := &Client{Security: &security.Config{ClientPSK: &long}, Timers: hasty, Params: impatient}
	defer c.Close()
	if _, err := c.Get(timeout(t), s.secure); err == nil {
		t.Error("a stranger got in")
	}
	s.wantLog(LogHandshakeRefused, "identity=0xffff", "...")
	s.client(security.PreSharedKey).Get(timeout(t), s.secure+strings.Repeat("/path", 200))
	s.wantLog(LogHandlerPanic, "path=/path/path", "...")
	for line := range strings.Lines(s.log.String()) {
		if before, _, _ := strings.Cut(line, "stack="); len(before) > 1000 {
			t.Errorf("a line of %d bytes: %.100s", len(line), line)
		}
	}
}

// The operator's log tells a wrong key from an unknown identity, names who was
// claimed, holds no key, and is bounded whatever an attacker does.
func TestHandshakeLog(t *testing.T) {
	s := newStage(t, whoami, func(s *Server) { s.Timers = hasty })
	wrong := must(keys.RandomPSK(nilRandom{}, []byte("device")))
	unknown := must(keys.RandomPSK(nilRandom{}, []byte("nobody")))
	for i, tt := range []struct{ config *security.Config }{
		{&security.Config{ClientPSK: &wrong}},
		{&security.Config{ClientPSK: &unknown}},
		{&security.Config{RawKey: s.serverKey, Pins: pin(s.serverKey)}},
	} {
		c := &Client{Security: tt.config, Timers: hasty, Params: impatient}
		_, err := c.Get(timeout(t), s.secure+"/")
		want := [][]string{{"bad_psk_or_unknown_identity"}, {"bad_psk_or_unknown_identity"}, {"alert_certificate_unknown", "alert_illegal_parameter"}}[i]
		wantReason(t, err, want...)
		c.Close()
	}
	s.wantLog(LogHandshakeRefused, "reason=bad_psk ", "identity=device", "peer=127.0.0.1:")
	s.wantLog(LogHandshakeRefused, "reason=unknown_identity", "identity=nobody")
	s.wantLog(LogHandshakeRefused, "reason=rpk_not_pinned", "detail=", "ni:///sha-256-120;")
	eventually(t, "no handshake", func() bool { return s.server.Stats().HalfOpen == 0 })
	s.wantRefusals(3)
	if text := s.log.String(); strings.Contains(text, string(s.psk.Key.Bytes())) || strings.Contains(text, fmt.Sprintf("%x", s.psk.Key.Bytes())) {
		t.Error("the log holds a key")
	}
}

// wantRefusals checks how many handshakes the log calls refused.
func (s *stage) wantRefusals(n int) {
	s.t.Helper()
	if text := s.log.String(); strings.Count(text, LogHandshakeRefused) != n {
		s.t.Errorf("want %d refusals in the log:\n%s", n, text)
	}
}

// Why a PSK fails is in the log at once and not when the handshake ends, which
// is after a minute, and it is there once. The client says what it can know, by
// its context too.
func TestPSKFailuresAreLoggedAtOnce(t *testing.T) {
	s := newStage(t, whoami, nil)
	wrong := must(keys.RandomPSK(nilRandom{}, []byte("device")))
	unknown := must(keys.RandomPSK(nilRandom{}, []byte("no\nbody")))
	for i, psk := range []*keys.PSK{&wrong, &unknown} {
		c := &Client{Security: &security.Config{ClientPSK: psk}}
		ctx, failed := newDeadline(t), make(chan error, 1)
		go func() { _, err := c.Get(ctx, s.secure+"/"); failed <- err }()
		eventually(t, "a line in the log", func() bool { return strings.Count(s.log.String(), LogHandshakeRefused) == i+1 })
		close(ctx.over)
		wantReason(t, <-failed, "bad_psk_or_unknown_identity")
		c.Close()
	}
	s.wantLog(LogHandshakeRefused, "reason=bad_psk ", "identity=device", "peer=127.0.0.1:")
	s.wantLog(LogHandshakeRefused, "reason=unknown_identity ", "identity=0x6e6f0a626f6479", "peer=127.0.0.1:")
	if got := s.server.Stats(); got.HalfOpen != 2 || got.HandshakesFailed != 0 || got.WrongPSKs != 1 || got.UnknownIdentities != 1 {
		t.Errorf("%d handshakes last, %d have failed, %d wrong keys, %d unknown identities", got.HalfOpen, got.HandshakesFailed, got.WrongPSKs, got.UnknownIdentities)
	}
	s.server.Close()
	eventually(t, "the end of both", func() bool { return strings.Count(s.log.String(), LogSessionEnded) == 2 })
	s.wantRefusals(2)
}

type nilRandom struct{}

func (nilRandom) Read(p []byte) (int, error) { return len(p), nil }

func TestRefusalsInTheLogAreBounded(t *testing.T) {
	var buf bytes.Buffer
	log := newServerLog(slog.New(slog.NewTextHandler(&buf, nil)))
	refuse := func() {
		if line, ok := log.refusal(&endpoint.Event{Cause: endpoint.CauseLimit}, nil); ok {
			log.write(line)
		}
	}
	for range 1000 {
		refuse()
	}
	if n := strings.Count(buf.String(), LogHandshakeRefused); n > 2*linesLogged+2 {
		t.Errorf("%d lines for 1000 refusals", n)
	}
	log.counts[LogHandshakeRefused].second = time.Now().Add(-2 * time.Second)
	refuse()
	if !strings.Contains(buf.String(), LogUnlogged+`" message="handshake refused" count=`) {
		t.Errorf("those not logged are not counted: %s", buf.String())
	}
}

// A verdict on a peer that has gone meanwhile leaves nothing behind.
func TestVerdictOnNobody(t *testing.T) {
	s := newStage(t, whoami, nil)
	shard := s.server.secure.shards[0]
	for range 10 {
		task := &lookup{shard: shard, kind: endpoint.EventWantVerdict, answer: security.Answer{Err: errors.New("bad key")}}
		shard.mail.post(task, true)
	}
	left := make(chan int)
	shard.mail.post(note(func(tick.Time) { left <- len(shard.details) }), true)
	if n := <-left; n != 0 {
		t.Errorf("%d verdicts are kept", n)
	}
}

// Shutdown ends with its context also when the server has been closed under it
// and a handler hangs.
func TestShutdownOfAClosedServer(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	s := newStage(t, HandlerFunc(func(ResponseWriter, *Request) { close(started); <-release }), nil)
	c := s.client(security.NoSec)
	go c.Get(timeout(t), s.plain+"/")
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	time.AfterFunc(40*time.Millisecond, func() { s.server.Close() })
	if err := s.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	close(release)
	c.Close()
}

// When the key workers cannot keep up, handshakes end and are tried again, and
// sessions that exist are served.
func TestKeyWorkersAreBusy(t *testing.T) {
	s := newStage(t, whoami, nil)
	psk, rpk := s.client(security.PreSharedKey), s.client(security.RawPublicKey)
	if _, err := psk.Get(timeout(t), s.secure+"/"); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	var held atomic.Int32
	hold := job(func() { held.Add(1); <-release })
	for held.Load() < s.server.keyWorkers.max {
		s.server.keyWorkers.submit(hold)
	}
	for s.server.keyWorkers.submit(hold) { // now nobody takes any
	}
	_, err := rpk.Get(timeout(t), s.secure+"/")
	wantReason(t, err, "alert_internal_error")
	if got := s.server.Stats().KeyJobsRefused; got != 1 {
		t.Errorf("%d refused", got)
	}
	if _, err := psk.Get(timeout(t), s.secure+"/"); err != nil {
		t.Errorf("a session that exists: %v", err)
	}
	close(release)
	eventually(t, "the workers are free", s.server.keyWorkers.queue.empty)
	if _, err := rpk.Get(timeout(t), s.secure+"/"); err != nil {
		t.Errorf("the next attempt: %v", err)
	}
}

// Pitfall P19: clients that stall in the handshake hold up nobody. The
// public-key work of others is not done on the loop either.
func TestStalledHandshakes(t *testing.T) {
	s := newStage(t, whoami, nil)
	for range 20 {
		c := &Client{Security: s.clientConfig(security.RawPublicKey), ListenPacket: deafAfter(3), Timers: hasty}
		go c.Connect(timeout(t), s.secure)
		t.Cleanup(func() { c.Close() })
	}
	var wg sync.WaitGroup
	for i := range 100 {
		mode := allModes[1+i%3]
		wg.Go(func() {
			c := &Client{Security: s.clientConfig(mode)}
			defer c.Close()
			if _, err := c.Get(timeout(t), s.secure+"/"); err != nil {
				t.Errorf("%v: %v", mode, err)
			}
		})
	}
	wg.Wait()
}
