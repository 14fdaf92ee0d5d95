// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coaps-go/coaps/internal/load"
	"github.com/coaps-go/coaps/internal/perf"
)

// A plan is how much is measured.
type plan struct {
	rounds       int
	each, warmup time.Duration // of each load
	primitive    time.Duration // of each primitive
	crowds       []crowd
	settle       time.Duration
	beside       int  // the crowd beside which requests are measured; 0 for none
	flood        bool // whether to flood
	smoke        bool // only what is quick, to see that it runs
	match        *regexp.Regexp
}

// Crowds of 5,000 show what a session costs with anybody; the large ones are
// ours. Connecting a million with public keys would take longer than all the
// rest, so that is asked for by -million-rpk.
var (
	small = []crowd{
		{"idle-psk", modePSK, coapsServer, 5000}, {"idle-psk", modePSK, gnutlsPSK, 5000}, {"idle-psk", modePSK, opensslPSK, 5000},
		{"idle-psk", modePSK, pionPSK, 5000}, {"idle-rpk", modeRPK, coapsServer, 5000},
	}
	large = []crowd{
		{"idle-psk", modePSK, coapsServer, 100_000}, {"idle-rpk", modeRPK, coapsServer, 100_000},
		{"idle-psk", modePSK, coapsServer, 1_000_000},
	}
	millionRPK = crowd{"idle-rpk", modeRPK, coapsServer, 1_000_000}
)

var plans = map[string]plan{
	"full": {
		rounds: 5, each: 2 * time.Second, warmup: 500 * time.Millisecond, primitive: 300 * time.Millisecond,
		crowds: append(small, large...), settle: settle, beside: 1_000_000, flood: true,
	},
	"quick": {
		rounds: 1, each: time.Second, warmup: 300 * time.Millisecond, primitive: 100 * time.Millisecond,
		crowds: []crowd{small[0], small[1], small[4]}, settle: settle, flood: true,
	},
	"smoke": {rounds: 1, each: 200 * time.Millisecond, warmup: 100 * time.Millisecond, smoke: true},
}

// limit makes the crowds no larger than most, and adds the one of raw public
// keys if that is wanted.
func (p *plan) limit(most int, rpk bool) {
	crowds := slices.Clone(p.crowds)
	if rpk {
		crowds = append(crowds, millionRPK)
	}
	p.beside = min(p.beside, most)
	p.crowds = nil
	for _, c := range crowds {
		c.n = min(c.n, most)
		if !slices.Contains(p.crowds, c) {
			p.crowds = append(p.crowds, c)
		}
	}
}

// leaves reports whether the plan leaves a measure out.
func (p plan) leaves(m measure) bool {
	if p.match != nil && !p.match.MatchString(m.what+" "+m.subject) {
		return true
	}
	return p.smoke && (m.who != echoServer && m.who != coapsServer || m.kind == load.Handshakes && m.what != "handshake-psk")
}

// A bench is one run.
type bench struct {
	plan    plan
	self    string // this program
	pion    string
	noPion  error
	dir     string // keys and programs
	keys    *material
	port    int // of the contestant that was started last
	round   int
	results *perf.Results
	began   time.Time
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0fs  %d  %s\n", time.Since(b.began).Seconds(), b.round, fmt.Sprintf(format, args...))
}

// runCommand measures everything and writes the results.
func runCommand(args []string) error {
	set := flag.NewFlagSet("run", flag.ExitOnError)
	mode := set.String("mode", "full", "how much: `full`, quick, or smoke (whether it runs at all)")
	out := set.String("out", "docs/performance.json", "`file` for the results")
	rounds := set.Int("rounds", 0, "`number` of rounds, instead of the mode's")
	each := set.Duration("each", 0, "how long each load lasts, instead of the mode's")
	rpk := set.Bool("million-rpk", false, "also hold 1,000,000 idle sessions with raw public keys (10 minutes more)")
	most := set.Int("most", 1_000_000, "the largest `number` of idle sessions, some 3 KB each for both ends")
	only := set.String("only", "", "`part` to measure: rounds, memory or flood")
	match := set.String("match", "", "measure only what matches the `expression`, such as 'handshake-rpk coaps'")
	set.Parse(args)
	plan, ok := plans[*mode]
	if !ok {
		return fmt.Errorf("there is no mode %q", *mode)
	}
	plan.rounds, plan.each = cmp.Or(*rounds, plan.rounds), cmp.Or(*each, plan.each)
	plan.limit(*most, *rpk)
	var err error
	if plan.match, err = regexp.Compile(*match); err != nil {
		return err
	}
	server, client, err := cores()
	if err != nil {
		return err
	}
	if err := pinSelfBut(server, client); err != nil {
		return err
	}
	b, done, err := newBench(plan)
	if err != nil {
		return err
	}
	defer done()
	b.results.Mode, b.results.Rounds = *mode, plan.rounds
	b.results.Command = strings.Join(append([]string{"bench", "run"}, args...), " ")
	ctx, cancel := interruptible()
	defer cancel()
	if err := b.all(ctx, *only); err != nil {
		return err
	}
	b.results.Seconds = time.Since(b.began).Seconds()
	return b.results.Write(*out)
}

// all measures the parts in turn.
func (b *bench) all(ctx context.Context, only string) error {
	wanted := func(part string) bool { return only == "" || only == part }
	if wanted("rounds") {
		for b.round = 1; b.round <= b.plan.rounds; b.round++ {
			if err := b.doRound(ctx); err != nil {
				return err
			}
		}
	}
	b.round = 1
	if wanted("memory") {
		if err := b.memory(ctx); err != nil {
			return err
		}
	}
	if wanted("flood") && b.plan.flood {
		return b.flood(ctx)
	}
	return nil
}

// newBench makes keys, builds what has to be built, and describes the machine.
func newBench(p plan) (*bench, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "coaps-bench-")
	if err != nil {
		return nil, nil, err
	}
	done := func() { os.RemoveAll(dir) }
	b := &bench{plan: p, self: self, pion: filepath.Join(dir, "pion"), dir: dir, port: 27000, began: time.Now()}
	if err := writeMaterial(dir); err != nil {
		done()
		return nil, nil, err
	}
	if b.keys, err = readMaterial(dir, false); err != nil {
		done()
		return nil, nil, err
	}
	if !p.smoke {
		b.buildPion()
	}
	b.results = &perf.Results{V: perf.Version, Began: b.began.UTC().Truncate(time.Second), Commit: commit()}
	b.results.Machine = describeMachine()
	b.results.Programs = b.describePrograms()
	return b, done, nil
}
