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
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/coaps-go/coaps/internal/load"
	"github.com/coaps-go/coaps/internal/perf"
	"github.com/coaps-go/coaps/security"
)

// A crowd is how many sessions are held idle at one server.
type crowd struct {
	what string // "idle-psk", "idle-rpk", "idle-cert"
	mode string
	who  *contestant
	n    int
}

// subject is how the results call it.
func (c crowd) subject() string { return fmt.Sprintf("%s, %d", c.who.name, c.n) }

// settle is how long sessions rest before they are counted: longer than ours
// are kept awake.
const settle = 12 * time.Second

// A holder is a process that holds sessions idle.
type holder struct{ *process }

// fill makes sessions with a server and leaves them alone.
func (b *bench) fill(ctx context.Context, c crowd, s *running) (*holder, error) {
	p, err := start(b.results.Machine.ClientCore, nil, b.self, "hold", "-dir", b.dir, "-mode", c.mode,
		"-server", s.secure.String(), "-n", strconv.Itoa(c.n))
	if err != nil {
		return nil, err
	}
	var connected int
	done := make(chan error, 1)
	go func() { done <- json.NewDecoder(p.stdout).Decode(&connected) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	switch {
	case err != nil:
		err = fmt.Errorf("%w %s", err, p.stderr)
	case connected < c.n:
		err = fmt.Errorf("%d of %d sessions were made: %s", connected, c.n, p.stderr)
	default:
		return &holder{p}, nil
	}
	p.stop()
	return nil, err
}

// weigh measures what an idle session costs a server. With hold the two
// processes go on, to be measured further.
func (b *bench) weigh(ctx context.Context, c crowd) (s *running, h *holder, err error) {
	if s, err = b.begin(c.who); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	before, err := b.mass(s, c)
	if err != nil {
		return nil, nil, err
	}
	began := time.Now()
	if h, err = b.fill(ctx, c, s); err != nil {
		return nil, nil, err
	}
	made := time.Since(began)
	time.Sleep(b.plan.settle)
	after, err := b.mass(s, c)
	if err != nil {
		h.stop()
		return nil, nil, err
	}
	v := perf.Values{perf.Round: float64(b.round), perf.Sessions: float64(c.n), "made_s": made.Seconds()}
	for name, x := range after {
		v[name] = (x - before[name]) / float64(c.n)
	}
	if c.who == coapsServer {
		v[perf.Goroutines] = after[perf.Goroutines] - before[perf.Goroutines]
	}
	b.results.Add(c.what, c.subject(), v)
	b.say("%-15s %-20s %.0f B resident, %.0f B live heap a session; made in %.0f s", c.what, c.subject(), v[perf.RSSBytes], v[perf.HeapBytes], made.Seconds())
	return s, h, nil
}

// mass is what a server weighs. The resident size is taken before the heap, as
// that asks for a collection.
func (b *bench) mass(s *running, c crowd) (perf.Values, error) {
	resident, err := rss(s.pid())
	if err != nil {
		return nil, err
	}
	v := perf.Values{perf.RSSBytes: float64(resident)}
	if c.who != coapsServer {
		return v, nil
	}
	g, err := s.gauges(true)
	v[perf.HeapBytes], v[perf.Goroutines] = float64(g.HeapBytes), float64(g.Goroutines)
	return v, err
}

// memory weighs idle sessions of all contestants, ours in three sizes, and asks
// for requests beside the largest crowd.
func (b *bench) memory(ctx context.Context) error {
	for _, c := range b.plan.crowds {
		if !b.plan.match.MatchString(c.what + " " + c.subject()) {
			continue
		}
		s, h, err := b.weigh(ctx, c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			b.results.Skip(c.what, c.subject(), err.Error())
			b.say("%-15s %-20s skipped: %v", c.what, c.subject(), err)
			continue
		}
		if c.n == b.plan.beside && c.mode == modePSK {
			err = b.besideCrowd(ctx, c, s)
		}
		h.stop()
		s.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// besideCrowd compares requests to the server with the crowd with those to one
// that has none: as many as it can, for its work, and half as many at fixed
// times, for the latency.
func (b *bench) besideCrowd(ctx context.Context, c crowd, crowded *running) error {
	empty, err := b.begin(coapsServer)
	if err != nil {
		return err
	}
	defer empty.stop()
	servers := []struct {
		subject string
		s       *running
	}{{perf.Alone, empty}, {perf.Beside(c.n), crowded}}
	for b.round = 1; b.round <= b.plan.rounds; b.round++ {
		for _, server := range servers {
			full := measure{"get-psk-beside", server.subject, coapsServer, load.Requests, "/inline"}
			if err := b.measureAt(ctx, full, server.s, 0); err != nil {
				return err
			}
			rate, _ := b.results.Median("get-psk-beside", perf.Alone, perf.PerSecond)
			half := measure{"get-psk-beside-half", server.subject, coapsServer, load.Requests, "/inline"}
			if err := b.measureAt(ctx, half, server.s, rate/2); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureAt is measure in PreSharedKey mode, with an open loop if there is a
// rate.
func (b *bench) measureAt(ctx context.Context, m measure, s *running, rate float64) error {
	cfg, err := b.config(m, s)
	if err == nil {
		err = b.protect(&cfg, s, modePSK)
	}
	if err != nil {
		return err
	}
	cfg.Rate = rate
	r, err := load.Run(ctx, cfg)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		b.results.Skip(m.what, m.subject, err.Error())
		return nil
	}
	b.results.Add(m.what, m.subject, b.values(r))
	b.say("%-15s %-20s %s", m.what, m.subject, brief(r))
	return nil
}

// holdCommand makes sessions, prints how many, and holds them until it is ended.
func holdCommand(args []string) error {
	set := flag.NewFlagSet("hold", flag.ExitOnError)
	dir := set.String("dir", "", "`folder` with the keys")
	mode := set.String("mode", modePSK, "security `mode`")
	server := set.String("server", "", "`address` of the secure port")
	n := set.Int("n", 1, "how many sessions")
	set.Parse(args)
	m, err := readMaterial(*dir, false)
	if err != nil {
		return err
	}
	config, err := m.client(*mode)
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddrPort(*server)
	if err != nil {
		return err
	}
	said := false
	r, err := load.Run(context.Background(), load.Config{
		Kind: load.Sessions, Server: addr, Host: hostName, Secure: true, Clients: *n, Window: handshaking,
		Security: func(int) *security.Config { return config },
		Hold:     24 * time.Hour, Abandon: true,
		Progress: func(s load.Snapshot) {
			if s.Phase == load.Holding && !said {
				said = true
				json.NewEncoder(os.Stdout).Encode(s.Connected)
			}
		},
	})
	if err != nil {
		return err
	}
	return errors.New("the sessions ended: " + r.Reason())
}
