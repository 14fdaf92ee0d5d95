// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A task is work for a pool.
type task interface{ run() }

// A pool is a bounded number of goroutines with a bounded queue before them.
// The goroutines are started as work comes and end with the pool.
//
// Event loops put a batch of tasks into the queue and then wake one worker. A
// worker that takes a task and leaves others behind wakes the next one first.
// So tasks that are quick are done by one or two workers, one after the other,
// and those behind one that waits are not held up by it.
type pool struct {
	queue *queue
	max   int32

	// rest rings the doorbells of those that the tasks were for. A worker does it
	// when nobody else may be about to: before it runs the task that leaves the
	// queue empty, or any while all are at work, and before it waits for more. May
	// be nil.
	rest func()

	workers atomic.Int32
	waiting atomic.Int32 // workers at rest
	waking  atomic.Bool  // one is on its way to the queue
	wakeups chan struct{}
	closed  atomic.Bool
	wg      sync.WaitGroup
}

func newPool(workers, waiting int) *pool {
	return &pool{queue: newQueue(waiting), max: int32(workers), wakeups: make(chan struct{}, workers)}
}

// submit queues t and wakes a worker. It reports false if the queue is full or
// the pool closed.
func (p *pool) submit(t task) bool {
	ok := p.put(t)
	p.wake()
	return ok
}

// put queues t. The caller has to wake a worker when it has put all. It is not
// called once close may have been.
func (p *pool) put(t task) bool { return !p.closed.Load() && p.queue.put(t) }

// wake gets one worker to look at the queue, unless there is one on its way. It
// reports false if there are tasks that all workers are too busy for.
func (p *pool) wake() bool {
	if p.queue.empty() || !p.waking.CompareAndSwap(false, true) {
		return true
	}
	switch {
	case p.claim():
		p.wakeups <- struct{}{} // there is room for all workers
	case p.hire():
		p.wg.Go(p.work)
	default:
		p.waking.Store(false) // they look at the queue before they rest
		return false
	}
	return true
}

// hire takes on one more worker, if there may be one.
func (p *pool) hire() bool {
	for {
		n := p.workers.Load()
		if n >= p.max {
			return false
		}
		if p.workers.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// claim takes a worker from those at rest.
func (p *pool) claim() bool {
	for {
		n := p.waiting.Load()
		if n == 0 {
			return false
		}
		if p.waiting.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

func (p *pool) work() {
	p.arrive()
	for vain := 0; ; vain++ {
		for t := p.queue.take(); t != nil; t = p.queue.take() {
			p.relieve()
			t.run()
			vain = 0
		}
		if p.rest != nil {
			p.rest()
		}
		if p.closed.Load() && p.queue.empty() {
			return
		}
		if vain > 1 {
			runtime.Gosched() // a task is on its way into the queue
		}
		p.sleep()
		p.arrive()
	}
}

// arrive follows when a worker has been woken.
func (p *pool) arrive() { p.waking.Store(false) }

// relieve makes sure that somebody looks after what this worker may be kept
// from: the tasks behind its own, and then the doorbells, as whoever takes the
// last task rings. If all are at work nobody else will for long.
func (p *pool) relieve() {
	if !p.queue.empty() && p.wake() {
		return
	}
	if p.rest != nil {
		p.rest()
	}
}

// sleep waits to be woken, unless there is something to do.
func (p *pool) sleep() {
	p.waiting.Add(1)
	if (p.closed.Load() || !p.queue.empty()) && p.claim() {
		return
	}
	<-p.wakeups
}

// busy reports whether all workers are at work.
func (p *pool) busy() bool { return p.workers.Load() == p.max && p.waiting.Load() == 0 }

// close lets the workers finish what is queued and end. It does not wait.
func (p *pool) close() {
	if p.closed.Swap(true) {
		return
	}
	for p.claim() {
		p.wakeups <- struct{}{}
	}
}

// wait returns when all workers have ended.
func (p *pool) wait() { p.wg.Wait() }
