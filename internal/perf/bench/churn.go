// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/coaps-go/coaps/internal/load"
	"github.com/coaps-go/coaps/internal/perf"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
)

// How the clients of a soak behave.
const (
	connectRate = 400               // connections of a cohort a second, and requests after its rest
	restFor     = 110 * time.Second // longer than the server remembers what was asked
	askers      = 500               // that ask all the time
	askRate     = 1000              // requests of theirs a second
	askFor      = time.Minute       // until they close and connect anew
)

// A churn is all clients of a soak.
type churn struct {
	server  netip.AddrPort
	config  *security.Config
	cohort  int
	apart   time.Duration // from the first connection of one cohort to that of the next
	began   time.Time
	end     time.Time
	mu      sync.Mutex
	encoder *json.Encoder
}

// churnCommand runs all cohorts until the duration is over and reports each of
// their lives on a line.
func churnCommand(args []string) error {
	set := flag.NewFlagSet("churn", flag.ExitOnError)
	dir := set.String("dir", "", "`folder` with the keys")
	server := set.String("server", "", "`address` of the secure port")
	cohort := set.Int("cohort", 10_000, "sessions of each cohort")
	duration := set.Duration("duration", time.Minute, "how long")
	set.Parse(args)
	m, err := readMaterial(*dir, false)
	if err != nil {
		return err
	}
	c := &churn{cohort: *cohort, began: time.Now(), encoder: json.NewEncoder(os.Stdout)}
	c.end = c.began.Add(*duration)
	// Two cohorts connect at a time, unless all are to be there in half of the time.
	c.apart = min(time.Duration(*cohort)*time.Second/connectRate/2, *duration/2/soakCohorts)
	if c.config, err = m.client(modePSK); err != nil {
		return err
	}
	if c.server, err = netip.ParseAddrPort(*server); err != nil {
		return err
	}
	ctx, cancel := interruptible()
	defer cancel()
	ctx, stop := context.WithDeadline(ctx, c.end)
	defer stop()
	failures := make(chan error, soakCohorts+1)
	for i := range soakCohorts {
		go func() { failures <- c.repeat(ctx, i, fmt.Sprintf("cohort %d", i), c.life) }()
	}
	go func() { failures <- c.repeat(ctx, soakCohorts, "askers", c.asking) }()
	for range soakCohorts + 1 {
		if e := <-failures; e != nil {
			err = e
		}
	}
	return err
}

// sources are the addresses of one group of clients: a sixteenth of
// 127.0.0.0/8, never its first /16, where the server is.
func sources(i int) []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(16*i + 8), 0, 0}), 13)}
}

// repeat runs one group of clients again and again. The groups begin one after
// the other.
func (c *churn) repeat(ctx context.Context, i int, who string, config func(i int, turn uint64) load.Config) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(time.Duration(i%soakCohorts) * c.apart):
	}
	for turn := uint64(1); ctx.Err() == nil; turn++ {
		cfg := config(i, turn)
		cfg.Server, cfg.Host, cfg.Secure, cfg.Sources, cfg.Seed = c.server, hostName, true, sources(i), turn
		cfg.Security = func(int) *security.Config { return c.config }
		cfg.Loss, cfg.Params = soakLoss, message.Params{MaxLatency: maxLatency}
		r, err := load.Run(ctx, cfg)
		if err != nil {
			return err
		}
		if err := c.tell(who, r); err != nil {
			return err
		}
	}
	return nil
}

// life is that of a cohort. Where time is short, four connect at a time.
func (c *churn) life(int, uint64) load.Config {
	return load.Config{
		Kind: load.Sessions, Clients: c.cohort, Rate: max(connectRate, float64(c.cohort)/4/c.apart.Seconds()), Window: c.cohort, Greet: true, Hold: restFor, Touch: true,
		Mix: []load.Request{{Path: "/pool"}},
	}
}

// asking is what the others do: they stay for a minute and ask.
func (c *churn) asking(int, uint64) load.Config {
	return load.Config{
		Kind: load.Requests, Clients: askers, Rate: askRate, Ramp: 2 * time.Second, Duration: askFor, Timeout: 2 * time.Minute,
		Mix: []load.Request{{Weight: 3, Path: "/pool"}, {Weight: 1, Path: "/inline"}},
	}
}

// tell writes what became of a group.
func (c *churn) tell(who string, r *load.Report) error {
	s := perf.SoakRun{
		Who: who, At: float64(int(time.Since(c.began).Seconds())), Established: uint64(r.Connected), Failures: r.Failures, Cut: r.Interrupted,
		Retransmits: r.Wire.Retransmissions, P50Us: r.Latency.P50.Microseconds(), P999Us: r.Latency.P999.Microseconds(),
	}
	for _, n := range r.Codes {
		s.Requests += n
	}
	s.Unanswered = r.Unfinished
	if t := r.Sessions; t != nil {
		s.Established, s.Lost, s.Requests = t.Established, t.Lost, r.Operations+t.Touched
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.encoder.Encode(s)
}
