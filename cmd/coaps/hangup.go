// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// hangup is what SIGHUP means to this run: to end, as when a terminal goes away,
// unless a command has taken it for something else.
type hangup struct {
	mu      sync.Mutex
	signals chan os.Signal
	taken   chan struct{}
}

// listen has end called for a SIGHUP that nobody has taken.
func (h *hangup) listen(end func()) {
	h.signals = make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGHUP) { // nohup has it ignored
		signal.Notify(h.signals, syscall.SIGHUP)
	}
	go func() {
		for range h.signals {
			if !h.pass() {
				end()
			}
		}
	}()
}

// pass tells who has taken the signal; several that come at once are one.
func (h *hangup) pass() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken == nil {
		return false
	}
	select {
	case h.taken <- struct{}{}:
	default:
	}
	return true
}

// take returns a channel that each SIGHUP is sent to from now on, under nohup
// too. It is safe on nil.
func (h *hangup) take() <-chan struct{} {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken == nil {
		h.taken = make(chan struct{}, 1)
		signal.Notify(h.signals, syscall.SIGHUP)
	}
	return h.taken
}
