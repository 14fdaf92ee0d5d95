// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/internal/echo"
	"github.com/coaps-go/coaps/message"
)

// answer is what every server here answers: as long as libcoap's /time.
var answer = []byte("Nov 22 10:07:45")

// garbage is how much the heap may grow before it is collected, in percent, as
// in the command coaps serve.
const garbage = 50

// serveCommand is our server: a plain and a secure port, a resource on the event
// loop and the same on the pool. On stdin it is asked for its gauges.
func serveCommand(args []string) error {
	set := flag.NewFlagSet("serve", flag.ExitOnError)
	dir := set.String("dir", "", "`folder` with the keys")
	plain := set.String("plain", "127.0.0.1:5683", "`address` of the plain port")
	secure := set.String("secure", "127.0.0.1:5684", "`address` of the secure port")
	fleet := set.Bool("fleet", false, "no limit on handshakes a second, and room for sessions that all come at once")
	sleepAfter := set.Duration("sleep-after", 0, "limit of that name")
	idle := set.Duration("session-idle", 0, "limit of that name")
	latency := set.Duration("max-latency", 0, "MAX_LATENCY")
	profile := set.String("profile", os.Getenv("COAPS_BENCH_PROFILE"), "write a CPU profile of the first ten seconds to `file`")
	set.Parse(args)
	if *profile != "" {
		if err := profileTo(*profile, 10*time.Second); err != nil {
			return err
		}
	}
	m, err := readMaterial(*dir, true)
	if err != nil {
		return err
	}
	config, err := m.server()
	if err != nil {
		return err
	}
	mux := coaps.NewMux()
	write := coaps.HandlerFunc(func(w coaps.ResponseWriter, _ *coaps.Request) { w.Write(answer) })
	mux.Handle("/inline", coaps.Inline(write))
	mux.Handle("/pool", write)
	s := &coaps.Server{Addr: *plain, SecureAddr: *secure, NoSec: true, Security: config, Handler: mux}
	s.Limits.SleepAfter, s.Limits.SessionIdle = *sleepAfter, *idle
	s.Params = message.Params{MaxLatency: *latency}
	if *fleet {
		s.Limits.Sessions, s.Limits.HalfOpen = 2<<20, 1<<14
		s.Limits.HandshakeRate, s.Limits.PrefixHandshakeRate, s.Limits.AnswerRate = -1, -1, -1
	}
	if err := s.Listen(); err != nil {
		return err
	}
	debug.SetGCPercent(garbage)
	go answerGauges(os.Stdin, os.Stdout, s)
	return s.Serve(context.Background())
}

// profileTo writes a CPU profile of some time from now.
func profileTo(file string, during time.Duration) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	time.AfterFunc(during, func() {
		pprof.StopCPUProfile()
		f.Close()
	})
	return pprof.StartCPUProfile(f)
}

// gauges are what a server says of itself.
type gauges struct {
	HeapBytes  uint64         `json:"heap_bytes"` // live, after a collection
	Goroutines int            `json:"goroutines"`
	PauseMax   time.Duration  `json:"pause_max"` // of the collections so far, the longest
	Overflows  uint64         `json:"overflows"` // datagrams that the system dropped for want of room
	Stats      endpoint.Stats `json:"stats"`
}

// answerGauges answers each line by the gauges, in JSON on one line. A line
// "collect" asks for a collection first.
func answerGauges(in io.Reader, out io.Writer, s *coaps.Server) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if lines.Text() == "collect" {
			runtime.GC()
			runtime.GC()
		}
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		var gc debug.GCStats
		debug.ReadGCStats(&gc)
		stats := s.Stats()
		g := gauges{HeapBytes: memory.HeapAlloc, Goroutines: runtime.NumGoroutine(), Overflows: stats.ReceiveOverflows, Stats: stats.Stats}
		for _, pause := range gc.Pause {
			g.PauseMax = max(g.PauseMax, pause)
		}
		line, err := json.Marshal(g)
		if err != nil {
			line = fmt.Appendf(nil, "{%q: %q}", "error", err)
		}
		out.Write(append(line, '\n'))
	}
}

// echoCommand sends datagrams back.
func echoCommand(args []string) error {
	set := flag.NewFlagSet("echo", flag.ExitOnError)
	addr := set.String("addr", "127.0.0.1:7", "`address` to listen on")
	set.Parse(args)
	conn, err := coaps.ListenPacket("udp4", *addr)
	if err != nil {
		return err
	}
	return echo.Serve(conn)
}
