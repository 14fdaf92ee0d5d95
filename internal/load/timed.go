// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"time"

	"github.com/coaps-go/coaps/tick"
)

// succeed counts an operation that has been due since then.
func (l *loop) succeed(now, due tick.Time) {
	took := now.Sub(due)
	if l.phase == Draining {
		l.drained++
	} else {
		l.step.operation(took)
	}
	if l.counts(due) {
		l.tally.operations++
	}
	if l.timed(due) {
		record(l.tally.latency, took)
	}
}

// counts reports whether an operation that ends now belongs to the measured
// part: one that ends in it, or, where the operations are counted, one that has
// begun in it.
func (l *loop) counts(due tick.Time) bool {
	return l.measured && (l.run.cfg.Count == 0 || due >= l.since)
}

// timed reports whether the latency of an operation that ends now counts. In a
// closed loop it does if the operation does. In an open loop it does for all
// that were due in the measured part, whenever they end: to leave out those that
// outlast it would be to leave out the slow ones.
func (l *loop) timed(due tick.Time) bool {
	if l.run.cfg.Rate == 0 {
		return l.counts(due)
	}
	return (l.measured || l.phase == Draining) && due >= l.since
}

// boundsMost is how many steps the waiting of those who were never begun is
// drawn in.
const boundsMost = 1000

// stillWaiting counts the latency of n operations that are due and will not be
// begun any more, as the measured part is over. Each would have taken as long as
// it has waited and, after that, at least as long as the fastest.
func (l *loop) stillWaiting(now tick.Time, n uint64) {
	if l.run.cfg.Rate == 0 {
		return
	}
	fastest := time.Duration(l.tally.latency.Min())
	pace, some := l.doing.pace, n/boundsMost+1
	for end := pace.begun + n; pace.begun < end; {
		some = min(some, end-pace.begun)
		pace.begun += some - 1
		// The last of some has waited for the shortest time.
		if due := pace.next(now); due >= l.since {
			l.atLeast(max(now.Sub(due), 0)+fastest, some)
		}
		pace.begun++
	}
}

// stillFlying counts the latency of what is in progress when the run is over.
func (l *loop) stillFlying(now tick.Time) {
	kind := l.run.cfg.Kind
	if l.run.cfg.Rate == 0 {
		return
	}
	for at, f := range l.flights {
		asks := kind != Sessions && f.id != 0
		shakes := kind != Requests && l.clients[at/l.window].state == connecting && at%l.window == 0
		if (asks || shakes) && l.timed(f.due) {
			l.atLeast(now.Sub(f.due), 1)
		}
	}
}

// atLeast counts a lower bound of n latencies.
func (l *loop) atLeast(d time.Duration, n uint64) {
	_ = l.tally.latency.RecordValues(min(int64(d), histogramMost), int64(n))
	l.tally.atLeast += n
}
