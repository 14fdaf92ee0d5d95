// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/echo"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// timed is how many latencies a report without failures and without a warm-up
// should have.
func timed(rep *Report) uint64 {
	if rep.Config.Rate == 0 {
		return rep.Operations
	}
	return rep.Operations + rep.Drained + rep.Unfinished + rep.Overdue
}

// whole checks what holds for every report of a run that went well.
func whole(t *testing.T, rep *Report) {
	t.Helper()
	if rep.Failed() != 0 || rep.Unfinished != 0 || rep.Interrupted {
		t.Errorf("failures %v, %d unfinished, interrupted %v", rep.Failures, rep.Unfinished, rep.Interrupted)
	}
	if rep.Operations == 0 || rep.Latency.Count != timed(rep) {
		t.Errorf("%d operations, %d timed, want %d", rep.Operations, rep.Latency.Count, timed(rep))
	}
	var buckets, series uint64
	for _, b := range rep.Latency.Buckets {
		buckets += b.Count
	}
	for _, in := range rep.Series {
		series += in.Operations
	}
	if buckets != rep.Latency.Count || series != rep.Operations {
		t.Errorf("%d operations, %d in the buckets, %d in the series", rep.Operations, buckets, series)
	}
	l := rep.Latency
	if !(0 < l.Min && l.Min <= l.P50 && l.P50 <= l.P90 && l.P90 <= l.P99 && l.P99 <= l.P999 && l.P999 <= l.Max) {
		t.Errorf("latencies out of order: %+v", l)
	}
	if rep.Seconds <= 0 || math.Abs(rep.PerSecond*rep.Seconds-float64(rep.Operations)) > 1 {
		t.Errorf("%d in %g s are not %g a second", rep.Operations, rep.Seconds, rep.PerSecond)
	}
	if rep.Client.CPUPerOp <= 0 {
		t.Error("no CPU time of the client")
	}
}

func TestRequests(t *testing.T) {
	s := serve(t)
	for name, cfg := range map[string]Config{"coap": s.open(), "coaps": s.secured()} {
		t.Run(name, func(t *testing.T) {
			cfg.ServerPID = os.Getpid()
			cfg.Warmup = 50 * time.Millisecond
			rep := generate(t, cfg)
			whole(t, rep)
			if rep.Connected != cfg.Clients || rep.Codes["2.05"] != rep.Operations {
				t.Errorf("%d connected, codes %v", rep.Connected, rep.Codes)
			}
			if cfg.Secure != (rep.Handshakes != nil) || cfg.Secure && rep.Handshakes.Completed != uint64(cfg.Clients) {
				t.Errorf("handshakes: %+v", rep.Handshakes)
			}
			if rep.Server == nil || rep.Server.CPUPerOp <= 0 || rep.Server.RSSAfter == 0 {
				t.Errorf("server: %+v", rep.Server)
			}
			if w := rep.Wire; w.DatagramsUp < rep.Operations || w.BytesUp <= w.DatagramsUp || w.BytesDown == 0 {
				t.Errorf("on the wire: %+v", w)
			}
		})
	}
}

// A report is JSON that reads back as it was.
func TestReportJSON(t *testing.T) {
	s := serve(t)
	cfg := s.secured()
	cfg.Count, cfg.Duration = 100, 0
	rep := generate(t, cfg)
	text, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	back.Began = rep.Began
	if diff := cmp.Diff(rep, &back); diff != "" {
		t.Error(diff)
	}
}

// Each client can be somebody else.
func TestIdentities(t *testing.T) {
	s := serve(t)
	cfg := s.secured()
	cfg.Clients, cfg.Security, cfg.PSK = fleet, nil, fleetPSK
	cfg.Count, cfg.Duration, cfg.Mix = 10*fleet, 0, []Request{{Path: "/who"}}
	whole(t, generate(t, cfg))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range fleet {
		name, _ := fleetPSK(i)
		if s.who[string(name)] == 0 {
			t.Errorf("%s has not asked: %v", name, s.who)
		}
	}
}

func TestRawPublicKeys(t *testing.T) {
	s := serve(t)
	all := &security.Config{RawKey: s.key, Pins: pins(s.key)}
	cfg := s.secured()
	cfg.Kind, cfg.Count, cfg.Duration = Handshakes, 20, 0
	cfg.Security = func(int) *security.Config { return all }
	rep := generate(t, cfg)
	whole(t, rep)
	if !strings.Contains(rep.Config.Suite, "ECDHE_ECDSA") {
		t.Errorf("suite %q", rep.Config.Suite)
	}
	stranger, err := keys.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all = &security.Config{RawKey: s.key, Pins: pins(stranger)}
	if rep := generate(t, cfg); rep.Reason() != "rpk_not_pinned" {
		t.Errorf("failures %v", rep.Failures)
	}
}

// Clients that cannot have an address each have a socket each.
func TestSocketsOfTheirOwn(t *testing.T) {
	conn, err := listen("udp6", "[::1]:0")
	if err != nil {
		t.Skip(err)
	}
	served := make(chan error, 1)
	go func() { served <- echo.Serve(conn) }()
	rep := generate(t, Config{
		Kind: Echo, Server: conn.LocalAddr(), Clients: 100, Count: 1000, Mix: []Request{{PayloadSize: 60}},
	})
	whole(t, rep)
	if rep.Operations != 1000 || rep.Config.Sockets != 100 {
		t.Errorf("%d echoes over %d sockets", rep.Operations, rep.Config.Sockets)
	}
	conn.Close()
	<-served
}

func TestCount(t *testing.T) {
	s := serve(t)
	for _, loops := range []int{1, 2} {
		cfg := s.secured()
		cfg.Count, cfg.Duration, cfg.Loops, cfg.Window = 1001, 0, loops, 3
		rep := generate(t, cfg)
		whole(t, rep)
		if rep.Operations != 1001 {
			t.Errorf("%d loops: %d operations", loops, rep.Operations)
		}
	}
}

// begun checks that as many operations were due as the rate says.
func begun(t *testing.T, rep *Report, rate float64) {
	t.Helper()
	due := rep.Operations + rep.Drained + rep.Unfinished + rep.Overdue
	if want := rate * rep.Seconds; math.Abs(float64(due)-want) > 2 || rep.Operations < due/2 {
		t.Errorf("%d were due, %d done in %.3f s at %.0f a second", due, rep.Operations, rep.Seconds, rate)
	}
}

// An open loop begins as many as it is told to, whatever the server does.
func TestRate(t *testing.T) {
	s := serve(t)
	cfg := s.secured()
	cfg.Rate, cfg.Duration = 200, time.Second
	rep := generate(t, cfg)
	whole(t, rep)
	begun(t, rep, 200)
}

// Latency counts from when a request was due: a server that takes 20 ms and
// one client give 50 a second, and at 100 a second the last has waited for half
// of the time.
func TestRateTooHigh(t *testing.T) {
	s := serve(t)
	cfg := s.open()
	cfg.Clients, cfg.Rate, cfg.Duration, cfg.Mix = 1, 100, time.Second, []Request{{Path: "/slow"}}
	rep := generate(t, cfg)
	if rep.Overdue < 20 || len(rep.Notes) == 0 {
		t.Errorf("%d overdue, notes %q", rep.Overdue, rep.Notes)
	}
	if rep.Latency.Max < Duration(300*time.Millisecond) {
		t.Errorf("nobody waited: %+v", rep.Latency)
	}
}

// stalled is a run that begins 100 requests a second for 600 ms, at a server
// that does not answer any more after half of that time.
func stalled(t *testing.T) (*target, Config) {
	s := serve(t)
	cfg := s.open()
	cfg.Rate, cfg.Duration, cfg.Mix = 100, 600*time.Millisecond, []Request{{Path: "/stall"}}
	return s, cfg
}

// A stall at the end of a run is seen as one in its middle: those who were
// asking then have the latency that they had in the end, and those who could not
// even ask have waited at least until the measured part ended.
func TestStallAtTheEnd(t *testing.T) {
	_, cfg := stalled(t)
	rep := generate(t, cfg)
	whole(t, rep)
	if rep.Drained != uint64(cfg.Clients) || rep.Overdue < 10 || rep.Latency.AtLeast != rep.Overdue {
		t.Errorf("%d drained, %d overdue, %d latencies at least", rep.Drained, rep.Overdue, rep.Latency.AtLeast)
	}
	if got := time.Duration(rep.Latency.Max); got < stallEnd-stallBegin-100*time.Millisecond || got > stallEnd {
		t.Errorf("who asked last waited for %v", got)
	}
	if got := time.Duration(rep.Latency.P90); got < stallBegin {
		t.Errorf("a tenth waited for %v", got)
	}
	if len(rep.Notes) != 2 {
		t.Errorf("notes: %q", rep.Notes)
	}
}

// So is one in which the run is interrupted.
func TestInterruptedInAStall(t *testing.T) {
	s, cfg := stalled(t)
	cfg.Duration = time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for int(s.stuck.Load()) < cfg.Clients {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond)
		cancel()
	}()
	rep, err := Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Unfinished != uint64(cfg.Clients) || rep.Latency.Count != timed(rep) || rep.Latency.AtLeast != rep.Unfinished+rep.Overdue {
		t.Errorf("%d unfinished, %d overdue, latencies %+v", rep.Unfinished, rep.Overdue, rep.Latency)
	}
	if rep.Latency.Max < Duration(150*time.Millisecond) {
		t.Errorf("nobody waited for longer than %v", rep.Latency.Max)
	}
}

// An open loop does not count what was due before the measured part.
func TestRateAfterWarmup(t *testing.T) {
	s := serve(t)
	cfg := s.open()
	cfg.Clients, cfg.Rate, cfg.Duration, cfg.Warmup = 1, 100, 400*time.Millisecond, 400*time.Millisecond
	cfg.Mix = []Request{{Path: "/slow"}}
	rep := generate(t, cfg)
	if n := rep.Latency.Count; n < 36 || n > 42 {
		t.Errorf("%d latencies, and 40 were due: %+v", n, rep)
	}
}

func TestMix(t *testing.T) {
	s := serve(t)
	cfg := s.secured()
	cfg.Window, cfg.Count, cfg.Duration = 4, 2000, 0
	cfg.Mix = []Request{
		{Weight: 3, Path: "/hello"},
		{Weight: 1, Method: coap.POST, Path: "/store", PayloadSize: 500},
		{Weight: 1, Path: "/nothing", NonConfirmable: true},
	}
	rep := generate(t, cfg)
	whole(t, rep)
	for code, want := range map[string]float64{"2.05": 0.6, "2.04": 0.2, "4.04": 0.2} {
		if got := float64(rep.Codes[code]) / float64(rep.Operations); math.Abs(got-want) > 0.05 {
			t.Errorf("%s: %.3f, want %.1f", code, got, want)
		}
	}
	if rep.Errors != rep.Codes["4.04"] {
		t.Errorf("%d errors of %v", rep.Errors, rep.Codes)
	}
	if up := float64(rep.Wire.BytesUp) / float64(rep.Operations); up < 120 {
		t.Errorf("%.0f bytes up a request", up)
	}
}

// A ramp spreads the connections over its time.
func TestRamp(t *testing.T) {
	s := serve(t)
	cfg := s.secured()
	cfg.Clients, cfg.Ramp, cfg.Loops = 30, 300*time.Millisecond, 2
	rep := generate(t, cfg)
	whole(t, rep)
	if h := rep.Handshakes; h.Completed != 30 || h.Seconds < 0.25 {
		t.Errorf("%d handshakes in %.3f s", h.Completed, h.Seconds)
	}
}

func TestHandshakes(t *testing.T) {
	s := serve(t)
	cfg := s.secured()
	cfg.Kind = Handshakes
	cfg.Count, cfg.Duration = 200, 0
	rep := generate(t, cfg)
	whole(t, rep)
	if rep.Operations != 200 || rep.Handshakes.Completed != 200 || rep.Connected != cfg.Clients {
		t.Errorf("%d operations, %+v, %d connected", rep.Operations, rep.Handshakes, rep.Connected)
	}
	if perHandshake := float64(rep.Wire.DatagramsUp) / 200; perHandshake < 4 || perHandshake > 6 {
		t.Errorf("%.1f datagrams up a handshake", perHandshake)
	}
}

func TestHandshakesAtARate(t *testing.T) {
	s := serve(t)
	cfg := s.secured()
	cfg.Kind, cfg.Rate, cfg.Duration = Handshakes, 100, 500*time.Millisecond
	rep := generate(t, cfg)
	if begun(t, rep, 100); rep.Failed() > 0 || rep.Latency.Count != timed(rep) {
		t.Errorf("failures %v, %d latencies, want %d", rep.Failures, rep.Latency.Count, timed(rep))
	}
}

func TestSessions(t *testing.T) {
	s := serve(t)
	cfg := s.secured()
	cfg.Kind, cfg.Clients, cfg.ServerPID = Sessions, 300, os.Getpid()
	cfg.Greet, cfg.Hold, cfg.Touch = true, 200*time.Millisecond, true
	rep := generate(t, cfg)
	whole(t, rep)
	got := rep.Sessions
	if rep.Operations != 300 || got.Established != 300 || got.Touched != 300 || got.Lost+got.TouchFailed != 0 {
		t.Errorf("%d operations, %+v", rep.Operations, got)
	}
	if got.HeldSeconds < 0.2 || got.TouchLatency.Count != 300 || rep.Config.Sockets != 1 {
		t.Errorf("%+v, %d sockets", got, rep.Config.Sockets)
	}
}

func TestEcho(t *testing.T) {
	conn, err := listen("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- echo.Serve(conn) }()
	for _, clients := range []int{8, 100} {
		rep := generate(t, Config{
			Kind: Echo, Server: conn.LocalAddr(), Clients: clients, Window: 2, Loss: 0.01, Timeout: 50 * time.Millisecond,
			Duration: 300 * time.Millisecond, Mix: []Request{{PayloadSize: 60}},
		})
		if rep.Operations < 100 || rep.Latency.Count != rep.Operations {
			t.Errorf("%d clients: %d operations", clients, rep.Operations)
		}
		if rep.Failures["timeout"] == 0 {
			t.Errorf("%d clients: nothing was lost: %v", clients, rep.Failures)
		}
		if w := rep.Wire; w.BytesUp != 60*w.DatagramsUp || w.BytesDown != 60*w.DatagramsDown {
			t.Errorf("on the wire: %+v", w)
		}
	}
	conn.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
