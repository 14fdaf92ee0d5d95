// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// How long the end of a run may take.
const (
	drainTime = 5 * time.Second // for what is in flight
	closeTime = time.Minute     // for the close_notify of all sessions
	hurryTime = 2 * time.Second // for the same, if the context has ended
)

// Run does what cfg says and reports. It returns an error only if it could not
// be begun as configured; a server that is not there, or refuses, is in
// Report.Failures. When ctx ends, the report is about what was done until then.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	for _, l := range r.loops {
		go l.serve()
	}
	stopProgress := r.reportProgress()
	for _, s := range r.stages() {
		r.enter(s.phase)
		if !r.pass(ctx, s) {
			break
		}
	}
	r.finish(ctx)
	stopProgress()
	if err := r.setup.Load(); err != nil {
		return nil, *err
	}
	return r.report(), nil
}

// A run is the loops and what they have in common.
type run struct {
	cfg   Config
	clock clock
	loops []*loop

	phase   atomic.Int32          // a Phase, or notBegun
	abandon atomic.Bool           // sessions are left as they are
	suite   atomic.Uint32         // that the first session agreed on
	setup   atomic.Pointer[error] // what was wrong with the configuration
	nudges  chan struct{}
	overran uint64 // datagrams that the sockets had no room for, before closing

	stageEnds atomic.Int64 // tick.Time; 0 if that is not known

	interrupted  bool
	began, ended time.Time // of the measured part
	heldFor      time.Duration
	touchedFor   time.Duration
	server       meter
	client       meter

	mu    sync.Mutex
	steps stepLog
}

// notBegun is the phase before the first.
const notBegun = -1

func newRun(cfg Config) (*run, error) {
	cfg, err := cfg.resolved()
	if err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, clock: clock{time.Now()}, nudges: make(chan struct{}, 1)}
	r.server, r.client = meter{pid: cfg.ServerPID}, meter{self: true}
	if err := r.server.check(); err != nil {
		return nil, err
	}
	r.abandon.Store(cfg.Abandon)
	r.phase.Store(notBegun)
	all, err := shares(&r.cfg)
	if err != nil {
		return nil, err
	}
	r.steps.init(len(all))
	for i, s := range all {
		l, err := newLoop(r, s, i)
		if err != nil {
			closeAll(all)
			return nil, err
		}
		r.loops = append(r.loops, l)
	}
	return r, nil
}

// A stage is a phase and how long it may last. One that is complete ends
// earlier, but for those that last as long as they are meant to.
type stage struct {
	phase Phase
	most  time.Duration // 0 for as long as it takes
}

// stages is what a run consists of, up to its end.
func (r *run) stages() []stage {
	c := &r.cfg
	measure := stage{Measuring, c.Duration}
	var all []stage
	if c.Kind != Handshakes && c.Kind != Echo {
		all = append(all, stage{Connecting, 0})
	}
	if c.Kind == Sessions {
		all = append(all, stage{Holding, max(c.Hold, time.Nanosecond)})
		if c.Touch {
			all = append(all, stage{Touching, 0})
		}
		return all
	}
	if c.Warmup > 0 {
		all = append(all, stage{WarmingUp, c.Warmup})
	}
	return append(all, measure)
}

// measures reports whether the operations of a phase count.
func (r *run) measures(p Phase) bool {
	if r.cfg.Kind == Sessions {
		return p == Connecting
	}
	return p == Measuring
}

// enter begins a phase, and with it ends the one before.
func (r *run) enter(p Phase) {
	at := r.phase.Load()
	before := Phase(at)
	if at != notBegun && r.measures(before) && r.ended.IsZero() {
		r.ended = time.Now()
		r.server.stop()
		r.client.stop()
	}
	if r.measures(p) {
		r.server.start()
		r.client.start()
		r.began = time.Now()
	}
	if before == Holding {
		r.server.rest()
		r.client.rest()
	}
	r.phase.Store(int32(p))
	for _, l := range r.loops {
		l.wake()
	}
}

// pass waits for a stage to be over. It reports false if the run is to end.
func (r *run) pass(ctx context.Context, s stage) bool {
	begin := time.Now()
	defer func() { r.lasted(s.phase, time.Since(begin)) }()
	var most <-chan time.Time
	r.stageEnds.Store(0)
	if s.most > 0 {
		r.stageEnds.Store(int64(r.clock.now().Add(s.most)))
		timer := time.NewTimer(s.most)
		defer timer.Stop()
		most = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			r.interrupted = true
			return false
		case <-most:
			return true
		case <-r.nudges:
			if r.setup.Load() != nil {
				return false
			}
			if r.allComplete(s.phase) {
				return true
			}
		}
	}
}

func (r *run) lasted(p Phase, d time.Duration) {
	switch p {
	case Holding:
		r.heldFor = d
	case Touching:
		r.touchedFor = d
	}
}

func (r *run) allComplete(p Phase) bool {
	for _, l := range r.loops {
		if l.complete.Load() != int32(p)+1 {
			return false
		}
	}
	return true
}

// nudge makes the run look at what its loops have completed. It may be called
// on any goroutine.
func (r *run) nudge() {
	select {
	case r.nudges <- struct{}{}:
	default:
	}
}

// broken ends a run that cannot be done as configured. It may be called on any
// goroutine.
func (r *run) broken(err error) {
	r.setup.CompareAndSwap(nil, &err)
	r.nudge()
}

// finish lets what is in flight end, closes the sessions, and waits for the
// loops.
func (r *run) finish(ctx context.Context) {
	closing := closeTime
	if ctx.Err() != nil || r.setup.Load() != nil {
		closing = hurryTime
	} else {
		r.enter(Draining)
		r.pass(ctx, stage{Draining, drainTime})
	}
	r.overran = r.overflows()
	r.enter(Closing)
	r.pass(context.WithoutCancel(ctx), stage{Closing, closing})
	for _, l := range r.loops {
		l.stop.Store(true)
		l.wake()
		<-l.done
		_ = l.conn.Close()
	}
	r.phase.Store(int32(Done))
}

// budget is how many operations a loop may begin in the measured part.
func (r *run) budget(l *loop) uint64 {
	before, n := uint64(l.share.first), uint64(l.share.n)
	all := uint64(r.cfg.Clients)
	return (before+n)*r.cfg.Count/all - before*r.cfg.Count/all
}
