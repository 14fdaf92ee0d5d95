// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import "sync"

// A task is work for a pool.
type task interface{ run() }

// A pool is a bounded number of goroutines with a bounded queue before them.
// The goroutines are started as work comes and end with the pool.
type pool struct {
	queue chan task
	max   int

	mu      sync.Mutex
	workers int
	closed  bool
	wg      sync.WaitGroup
}

func newPool(workers, waiting int) *pool {
	return &pool{queue: make(chan task, waiting), max: workers}
}

// submit queues t. It reports false if the queue is full or the pool closed.
func (p *pool) submit(t task) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	select {
	case p.queue <- t:
	default:
		return false
	}
	if p.workers < p.max && len(p.queue) > 0 {
		p.workers++
		p.wg.Go(p.work)
	}
	return true
}

func (p *pool) work() {
	for t := range p.queue {
		t.run()
	}
}

// close lets the workers finish what is queued and end. It does not wait.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.queue)
	}
}

// wait returns when all workers have ended.
func (p *pool) wait() { p.wg.Wait() }
