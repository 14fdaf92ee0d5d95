// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/internal/perf"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/request"
)

// The soak: cohorts of sessions that connect, ask once, rest until they sleep,
// ask again and close, one after the other, while others ask all the time.
const (
	soakCohorts  = 12
	soakLoss     = 0.01
	soakSamples  = 240 // about so many
	soakCollect  = 4   // every so many samples a collection is asked for
	maxLatency   = 5 * time.Second
	soakSleep    = 5 * time.Second
	soakIdle     = 4 * time.Minute
	soakPatience = 90 * time.Second // for the cohorts to end, when the time is up
)

// A soak is one run.
type soak struct {
	*bench
	server *running
	report *perf.Soak
}

// soakCommand runs a server and the churn on it, and judges what has become of
// both.
func soakCommand(args []string) error {
	set := flag.NewFlagSet("soak", flag.ExitOnError)
	duration := set.Duration("duration", 20*time.Minute, "how long")
	cohort := set.Int("cohort", 10_000, "sessions of each of the 12 cohorts")
	out := set.String("out", "docs/soak.json", "`file` for the results; the report is made beside it")
	set.Parse(args)
	server, client, err := cores()
	if err != nil {
		return err
	}
	if err := pinSelfBut(server, client); err != nil {
		return err
	}
	b, done, err := newBench(plan{smoke: true})
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := interruptible()
	defer cancel()
	s, err := newSoak(b, *cohort, *duration)
	if err != nil {
		return err
	}
	defer s.server.stop()
	if err := s.run(ctx, *duration); err != nil {
		return err
	}
	if err := s.report.Write(*out); err != nil {
		return err
	}
	return errors.Join(renderSoak(*out), verdict(s.report))
}

// verdict prints the checks; one that does not hold is an error.
func verdict(s *perf.Soak) error {
	for _, c := range s.Checks() {
		fmt.Printf("%-5v %s: %s\n", c.OK, c.What, c.Shown)
	}
	if !s.OK() {
		return errors.New("the soak has failed")
	}
	return nil
}

func newSoak(b *bench, cohort int, duration time.Duration) (*soak, error) {
	flags := []string{"-fleet", "-max-latency", maxLatency.String(), "-sleep-after", soakSleep.String(), "-session-idle", soakIdle.String()}
	who := &contestant{name: "coaps", plain: true, secure: true, command: coapsCommand(flags...)}
	running, err := b.begin(who)
	if err != nil {
		return nil, err
	}
	lifetime := message.Params{MaxLatency: maxLatency}.ExchangeLifetime()
	s := &soak{bench: b, server: running}
	s.report = &perf.Soak{
		V: perf.Version, Began: b.began.UTC().Truncate(time.Second), Commit: commit(), Machine: b.results.Machine,
		Server: "bench serve " + strings.Join(flags, " "), Cohorts: soakCohorts, Cohort: cohort, Loss: soakLoss,
		WarmUp: min(duration*2/3, 5*time.Minute).Seconds(),
		Settings: []string{
			fmt.Sprintf("MAX_LATENCY is %v on both ends, not 100 s, so that EXCHANGE_LIFETIME is %v, not 247 s: so long the server remembers a request, and the soak is to see that it forgets.", maxLatency, lifetime),
			fmt.Sprintf("Limits.SleepAfter is %v, as by default; Limits.SessionIdle is %v, not 24 hours: of the close_notify alerts %.0f %% are lost like all else, nobody repeats them, and the server is to forget such sessions within the soak.", soakSleep, soakIdle, soakLoss*100),
			"Handshakes a second are not limited, and 16,384 may be in progress: a cohort is in a hurry.",
		},
	}
	return s, nil
}

// run lets the churn go on for the duration and takes samples of the server.
func (s *soak) run(ctx context.Context, duration time.Duration) error {
	p, err := start(s.results.Machine.ClientCore, nil, s.self, "churn", "-dir", s.dir, "-server", s.server.secure.String(),
		"-cohort", strconv.Itoa(s.report.Cohort), "-duration", duration.String())
	if err != nil {
		return err
	}
	defer p.stop()
	reported := make(chan error, 1)
	go func() { reported <- s.listen(p.stdout) }()
	ticker := time.NewTicker(max(duration/soakSamples, time.Second))
	defer ticker.Stop()
	for late := time.After(duration + soakPatience); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("the clients do not come to an end: %s", p.stderr)
		case err := <-reported:
			if err == nil && len(s.report.Runs) == 0 {
				err = fmt.Errorf("the clients say nothing: %s", p.stderr)
			}
			return errors.Join(err, s.last())
		case <-ticker.C:
			if err := s.sample(); err != nil {
				return err
			}
		}
	}
}

// listen collects what the churn reports until its end.
func (s *soak) listen(from io.Reader) error {
	for decoder := json.NewDecoder(from); ; {
		var r perf.SoakRun
		switch err := decoder.Decode(&r); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		s.report.Runs = append(s.report.Runs, r)
		s.say("%-10s %6d established, %d lost, %d requests, %d unanswered, failures %v", r.Who, r.Established, r.Lost, r.Requests, r.Unanswered, r.Failures)
	}
}

// sample takes one.
func (s *soak) sample() error {
	collect := len(s.report.Samples)%soakCollect == 0
	resident, err := rss(s.server.pid())
	if err != nil {
		return err
	}
	g, err := s.server.gauges(collect)
	if err != nil {
		return err
	}
	at := time.Since(s.began).Seconds()
	x := perf.SoakSample{At: float64(int(at)), RSS: resident, Sessions: g.Stats.Sessions, Asleep: g.Stats.Sessions - g.Stats.Awake}
	if collect {
		x.Heap = g.HeapBytes
	}
	s.report.Samples = append(s.report.Samples, x)
	s.report.Seconds = at
	s.say("%d sessions, %d asleep, %d MiB resident, %d MiB heap", x.Sessions, x.Asleep, x.RSS>>20, x.Heap>>20)
	return nil
}

// last takes the counters of the server at the end.
func (s *soak) last() error {
	g, err := s.server.gauges(true)
	if err != nil {
		return err
	}
	s.report.Seconds = time.Since(s.began).Seconds()
	s.report.Totals = map[string]float64{
		"handshakes": float64(g.Stats.Handshakes), "handshakes failed": float64(g.Stats.HandshakesFailed), "requests": float64(g.Stats.Requests),
		"responses": float64(g.Stats.Responses), "forgotten as idle": float64(g.Stats.Idle), "replaced by a new session": float64(g.Stats.Superseded),
		"longest pause of the collector, µs": float64(g.PauseMax.Microseconds()),
	}
	s.report.Drops = drops(&g)
	return nil
}

// drops are the counters that are not zero, by layer and name.
func drops(g *gauges) map[string]uint64 {
	s := &g.Stats
	all := map[string]uint64{"socket receive_overflow": g.Overflows}
	for i, n := range s.Drops {
		all["endpoint "+endpoint.Drop(i).String()] = n
	}
	for i, n := range s.DTLSDrops {
		all["dtls "+dtls.Drop(i).String()] = n
	}
	for i, n := range s.RequestDrops {
		all["request "+request.Drop(i).String()] = n
	}
	for i, n := range s.MessageDrops {
		all["message "+message.Drop(i).String()] = n
	}
	maps.DeleteFunc(all, func(_ string, n uint64) bool { return n == 0 })
	return all
}
