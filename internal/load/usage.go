// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"os"
	"time"
)

// A meter tells what a process uses in the measured part.
type meter struct {
	pid  int  // 0: nobody's
	self bool // this process

	before, after         sample
	restingRSS            uint64 // at the end of a hold
	started, stopped, had bool
}

// A sample is what a process has used so far.
type sample struct {
	cpu time.Duration
	rss uint64 // bytes
}

// check reports whether the process can be measured.
func (m *meter) check() error {
	if m.pid == 0 {
		return nil
	}
	if _, err := sampleOf(m.pid); err != nil {
		return fmt.Errorf("load: process %d: %w", m.pid, err)
	}
	return nil
}

func (m *meter) sample() (s sample, ok bool) {
	switch {
	case m.self:
		s, err := sampleOf(os.Getpid())
		s.cpu = ownCPU()
		return s, err == nil || s.cpu > 0
	case m.pid != 0:
		s, err := sampleOf(m.pid)
		return s, err == nil
	}
	return s, false
}

func (m *meter) start() { m.before, m.started = m.sample() }

func (m *meter) stop() { m.after, m.stopped = m.sample() }

// rest notes the memory that is held.
func (m *meter) rest() {
	s, ok := m.sample()
	m.restingRSS, m.had = s.rss, ok
}

// usage is what was used between start and stop, by n operations.
func (m *meter) usage(n uint64) *Usage {
	if !m.started || !m.stopped {
		return nil
	}
	u := &Usage{CPUSeconds: (m.after.cpu - m.before.cpu).Seconds(), RSSBefore: m.before.rss, RSSAfter: m.after.rss}
	if m.had {
		u.RSSAfter = m.restingRSS
	}
	if n > 0 {
		u.CPUPerOp = u.CPUSeconds * 1e6 / float64(n)
	}
	return u
}
