// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"github.com/coaps-go/coaps/tick"
)

// doing is what a loop begins in a phase.
type doing struct {
	connect bool
	ask     bool
	once    bool // each client asks once
	greet   bool // and does so when it has connected
	pace    pacer
	limit   int // operations in progress; 0 for as many as can be
}

// enterPhase follows the run into its next phase.
func (l *loop) enterPhase(now tick.Time) {
	at := l.run.phase.Load()
	p := Phase(at)
	if at == notBegun || p == l.phase && l.entered {
		return
	}
	l.leavePhase(now)
	if p == Closing {
		l.unfinished = l.flying + l.shaking
		l.stillFlying(now)
	}
	l.phase, l.entered = p, true
	l.doing = l.plan(now)
	l.measured = l.run.measures(p)
	if l.measured {
		l.since = now
		l.budget = l.run.budget(l)
		l.base = l.wireNow()
	}
	l.step.number = 0
	l.rollAt = now.Add(SeriesStep)
}

// leavePhase ends what belongs to the phase that is over.
func (l *loop) leavePhase(now tick.Time) {
	if !l.entered {
		return
	}
	if l.measured {
		l.overdue = l.late(now)
		l.stillWaiting(now, l.overdue)
		l.counted = l.wireNow().sub(l.base)
	}
	switch l.phase {
	case Connecting:
		l.risen, l.shook = l.connected, l.wireNow()
	case Measuring:
		if l.run.cfg.Kind == Handshakes {
			l.shook = l.counted
		}
	}
	l.roll(now)
}

// late is how many operations are due and not begun.
func (l *loop) late(now tick.Time) uint64 {
	if !l.doing.connect && !l.doing.ask || l.gone == len(l.clients) {
		return 0
	}
	n := l.doing.pace.overdue(now)
	switch {
	case l.run.cfg.Kind == Sessions:
		return min(n, uint64(l.waiting.Len()))
	case l.run.cfg.Count > 0:
		return min(n, l.budget)
	}
	return n
}

// plan says what is to be begun in the phase that begins now.
func (l *loop) plan(now tick.Time) doing {
	cfg := &l.run.cfg
	part := float64(len(l.clients)) / float64(cfg.Clients)
	rate := cfg.Rate * part
	switch l.phase {
	case Connecting:
		return l.planConnecting(now, rate)
	case WarmingUp, Measuring:
		if cfg.Kind == Handshakes {
			return l.planHandshakes(now, rate)
		}
		if l.doing.ask {
			return l.doing // from the warm-up on
		}
		for i := range l.clients {
			if l.ep == nil || l.clients[i].state == up {
				l.freeAll(uint32(i))
			}
		}
		return doing{connect: l.ep != nil, ask: true, pace: newPacer(now, rate)}
	case Touching:
		for i := range l.clients {
			if l.clients[i].state == up {
				l.release(uint32(i * l.window))
			}
		}
		return doing{ask: true, once: true, pace: newPacer(now, rate), limit: l.inProgress(rate)}
	}
	return doing{}
}

func (l *loop) planConnecting(now tick.Time, rate float64) doing {
	cfg := &l.run.cfg
	for i := range l.clients {
		l.waiting.Push(uint32(i))
	}
	if cfg.Kind == Requests {
		rate = 0
		if cfg.Ramp > 0 {
			rate = float64(len(l.clients)) / cfg.Ramp.Seconds()
		}
		return doing{connect: true, pace: newPacer(now, rate), limit: max(defaultHandshakes/cfg.Loops, 1)}
	}
	return doing{
		connect: true, ask: cfg.Greet, once: true, greet: cfg.Greet,
		pace: newPacer(now, rate), limit: l.inProgress(rate),
	}
}

func (l *loop) planHandshakes(now tick.Time, rate float64) doing {
	if l.doing.connect {
		return l.doing
	}
	for i := range l.clients {
		l.waiting.Push(uint32(i))
	}
	return doing{connect: true, pace: newPacer(now, rate), limit: l.inProgress(rate)}
}

// inProgress is how many operations of all clients may be in progress where
// Window says so. An open loop does not wait for answers.
func (l *loop) inProgress(rate float64) int {
	if rate > 0 {
		return 0
	}
	return max(l.run.cfg.Window/l.run.cfg.Loops, 1)
}

// begin begins what is due, as long as somebody is free.
func (l *loop) begin(now tick.Time) {
	if l.phase == Closing {
		if l.ep != nil && !l.run.abandon.Load() {
			l.closeSome(now)
		}
		return
	}
	l.rested(now)
	if l.doing.connect {
		l.beginHandshakes(now)
	}
	if l.doing.ask {
		l.beginRequests(now)
	}
}

// due is when the next operation had to begin: now, but for those of a pace,
// which is told that it begins. It reports false if that is later.
func (l *loop) due(now tick.Time, paced bool) (due tick.Time, ok bool) {
	if !paced {
		return now, true
	}
	if due = l.doing.pace.next(now); due > now {
		return due, false
	}
	l.doing.pace.begun++
	l.spend()
	return due, true
}

func (l *loop) beginHandshakes(now tick.Time) {
	// The handshakes of clients that have lost their session do not keep to the
	// pace of the requests.
	paced := !l.doing.ask || l.doing.greet
	for n := 0; n < turnSize && l.waiting.Len() > 0 && l.mayBegin(l.shaking); n++ {
		due, ok := l.due(now, paced)
		if !ok {
			return
		}
		l.connect(now, l.waiting.Pop(), due)
	}
}

func (l *loop) beginRequests(now tick.Time) {
	paced := !l.doing.greet
	for n := 0; n < turnSize && l.free.Len() > 0 && (!paced || l.mayBegin(l.flying)); n++ {
		due, ok := l.due(now, paced)
		if !ok {
			return
		}
		at := l.free.Pop()
		if l.ep == nil {
			l.ping(at, due)
			continue
		}
		l.ask(now, at, due)
	}
}

// mayBegin reports whether another operation may be begun beside those in
// progress.
func (l *loop) mayBegin(inProgress int) bool {
	if l.bounded() && l.budget == 0 || l.ep == nil && l.gone > 0 {
		return false
	}
	return l.doing.limit == 0 || inProgress < l.doing.limit
}

// bounded reports whether the number of operations is given.
func (l *loop) bounded() bool {
	return l.measured && l.run.cfg.Count > 0 && l.run.cfg.Kind != Sessions
}

func (l *loop) spend() {
	if l.bounded() {
		l.budget--
	}
}

// nextBegin is when the next operation can begin if nothing arrives.
func (l *loop) nextBegin(now tick.Time) tick.Time {
	at := tick.Never
	if len(l.resting) > 0 {
		at = l.resting[0].until
	}
	switch {
	case l.phase == Closing && l.ep != nil && l.closed < len(l.clients) && !l.run.abandon.Load():
		return now
	case l.doing.connect && l.waiting.Len() > 0 && l.mayBegin(l.shaking) && (!l.doing.ask || l.doing.greet),
		l.doing.ask && !l.doing.greet && l.free.Len() > 0 && l.mayBegin(l.flying):
		at = min(at, l.doing.pace.next(now))
	}
	return at
}

// settle tells the run when nothing is left to do in this phase, and delivers
// what was counted when it is time.
func (l *loop) settle(now tick.Time) {
	if now >= l.rollAt {
		l.roll(now)
		l.step.number++
		l.rollAt = l.rollAt.Add(SeriesStep)
	}
	if l.entered && l.over() && l.complete.Swap(int32(l.phase)+1) != int32(l.phase)+1 {
		l.run.nudge()
	}
}

// over reports whether nothing is left to do in this phase.
func (l *loop) over() bool {
	busy := l.shaking + l.flying
	switch l.phase {
	case Connecting:
		return l.waiting.Len() == 0 && busy == 0 && l.free.Len() == 0
	case WarmingUp, Measuring:
		return l.gone == len(l.clients) || l.bounded() && l.budget == 0 && busy == 0 || l.hopeless()
	case Touching:
		return l.free.Len() == 0 && busy == 0
	case Draining:
		return busy == 0 || l.ep == nil && l.gone == len(l.clients)
	case Closing:
		return l.ep == nil || l.closed == len(l.clients) || l.run.abandon.Load()
	}
	return false
}

// hopeless reports whether every client has tried in vain.
func (l *loop) hopeless() bool {
	return l.run.cfg.Kind == Handshakes && l.everUp == 0 && l.hsFailed >= uint64(min(len(l.clients), max(l.doing.limit, 1)))
}
