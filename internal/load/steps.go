// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/coaps-go/coaps/tick"
)

// A stepLog is what the loops have delivered, step by step.
type stepLog struct {
	series  []Interval
	open    []openStep // of series, the last few, that not all loops have delivered
	states  []loopState
	latency *hdr.Histogram // since the last Snapshot
	since   uint64         // operations since then
	asked   time.Time      // of the last Snapshot
	total   uint64         // operations in the measured part
}

// An openStep is an interval in the making.
type openStep struct {
	latency *hdr.Histogram
	parts   int
}

// loopState is what a loop has said of itself last.
type loopState struct {
	connected, inFlight int
	touched, failed     uint64
}

func (s *stepLog) init(loops int) {
	s.states = make([]loopState, loops)
	s.latency = newHistogram(stepDigits)
	s.asked = time.Now()
}

// wireNow is what has been sent and received so far.
func (l *loop) wireNow() wire {
	w := l.wire
	if l.ep != nil {
		w.retransmissions = l.ep.Traffic().Retransmissions
	}
	return w
}

// roll delivers a step.
func (l *loop) roll(now tick.Time) {
	r := l.run
	r.mu.Lock()
	s := &r.steps
	s.states[l.number] = loopState{l.connected, l.shaking + l.flying, l.touched, l.tally.failed}
	s.since += l.step.operations
	s.latency.Merge(l.step.latency)
	if l.measured {
		s.total += l.step.operations
		s.take(l, min(now.Sub(l.rollAt)+SeriesStep, SeriesStep), len(r.loops))
	}
	r.mu.Unlock()
	l.step.latency.Reset()
	l.step.operations, l.step.failed = 0, l.tally.failed
}

// stub is the part of a step below which the last one is counted with the one
// before it.
const stub = SeriesStep / 5

// take adds a loop's step, which was so long, to the series.
func (s *stepLog) take(l *loop, length time.Duration, loops int) {
	n := l.step.number
	at := (time.Duration(n)*SeriesStep + length).Seconds()
	if length < stub && n > 0 {
		n--
	}
	for n >= len(s.series) {
		s.series = append(s.series, Interval{})
		s.open = append(s.open, openStep{latency: newHistogram(stepDigits)})
	}
	in, part := &s.series[n], &s.open[n]
	in.At = max(in.At, at)
	in.Operations += l.step.operations
	in.Failures += l.tally.failed - l.step.failed
	if part.latency == nil {
		return // a stub: it does not matter to the quantiles
	}
	part.latency.Merge(l.step.latency)
	if part.latency.TotalCount() > 0 {
		in.P50, in.P99, in.Max = quantile(part.latency, 50), quantile(part.latency, 99), Duration(part.latency.Max())
	}
	if part.parts++; part.parts == loops {
		part.latency = nil
	}
}

// reportProgress calls Progress twice a second until the function that it
// returns is called.
func (r *run) reportProgress() (stop func()) {
	if r.cfg.Progress == nil {
		return func() {}
	}
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		every := time.NewTicker(SeriesStep)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				r.cfg.Progress(r.snapshot())
			case <-end:
				r.cfg.Progress(r.snapshot())
				return
			}
		}
	}()
	return func() { close(end); <-done }
}

// snapshot is how far the run has come, by what the loops have delivered.
func (r *run) snapshot() Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.steps
	now := time.Now()
	snap := Snapshot{
		Phase: Phase(max(r.phase.Load(), 0)), Elapsed: time.Duration(r.clock.now()), Operations: s.total,
		Rate: float64(s.since) / max(now.Sub(s.asked).Seconds(), 1e-3),
		P50:  time.Duration(quantile(s.latency, 50)), P99: time.Duration(quantile(s.latency, 99)),
	}
	if ends := r.stageEnds.Load(); ends > 0 {
		snap.Left = max(time.Duration(ends)-snap.Elapsed, 0)
	}
	for _, l := range s.states {
		snap.Connected += l.connected
		snap.InFlight += l.inFlight
		snap.Touched += l.touched
		snap.Failures += l.failed
	}
	s.latency.Reset()
	s.since, s.asked = 0, now
	return snap
}
