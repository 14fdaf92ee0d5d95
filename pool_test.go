// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What is done is announced before a worker turns to a task that may take long,
// also when there are more tasks than workers.
func TestPoolRingsUnderLoad(t *testing.T) {
	p := newPool(2, 16)
	var done, rung atomic.Int32
	var ringing sync.Mutex
	p.rest = func() {
		ringing.Lock()
		defer ringing.Unlock()
		rung.Store(done.Load())
	}
	slow, release := make(chan struct{}), make(chan struct{})
	for range 3 {
		p.put(job(func() { done.Add(1) }))
	}
	for range 5 {
		p.put(job(func() {
			slow <- struct{}{}
			<-release
		}))
	}
	p.wake()
	for range 2 {
		select {
		case <-slow:
		case <-time.After(10 * time.Second):
			t.Fatal("the slow tasks are not begun")
		}
	}
	if done.Load() != 3 || rung.Load() != 3 {
		t.Errorf("%d are done, the bell was rung for %d", done.Load(), rung.Load())
	}
	go func() {
		for range 3 {
			<-slow
		}
	}()
	close(release)
	p.close()
	p.wait()
}
