// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"sync"
	"time"

	"github.com/coaps-go/coaps/store"
)

// glances are looks at whether the file of a store is where it was. Each is taken on
// a goroutine of its own, one at a time: a disk that hangs answers nobody, and who
// asks for the status, or looks at the clock as well, does not wait for it.
type glances struct {
	mu  sync.Mutex
	now *glance // nil: none is under way
}

type glance struct {
	done chan struct{} // closed when err is set
	err  error
}

// glanceTime is how long a disk may take to say where a file is.
const glanceTime = time.Second

// errHangs is what a glance tells that takes too long.
var errHangs = fmt.Errorf("%w: the disk that its file is on does not answer", store.ErrUnavailable)

// take returns what look does, or errHangs.
func (s *glances) take(look func() error) error {
	g := s.join(look)
	timer := time.NewTimer(glanceTime)
	defer timer.Stop()
	select {
	case <-g.done:
		return g.err
	case <-timer.C:
		return errHangs
	}
}

// join begins a glance if none is under way.
func (s *glances) join(look func() error) *glance {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil {
		return s.now
	}
	g := &glance{done: make(chan struct{})}
	s.now = g
	go func() {
		g.err = look()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now = nil
		close(g.done)
	}()
	return g
}
