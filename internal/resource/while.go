// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"sync"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
)

// An Audience is who observes resources: a coaps.Server, or several.
type Audience interface {
	// Notify says that the resource at a path has changed. It does not wait.
	Notify(path string)
	// Refresh says the same of what does not look the same to everybody.
	Refresh(path string)
	// ObservedPaths are the paths that somebody observes, of those that are prefix
	// or begin with it.
	ObservedPaths(prefix string) []string
}

// Nobody is the Audience of resources that no server has.
type Nobody struct{}

// Notify does nothing.
func (Nobody) Notify(string) {}

// Refresh does nothing.
func (Nobody) Refresh(string) {}

// ObservedPaths are none.
func (Nobody) ObservedPaths(string) []string { return nil }

// Registers reports whether a request asks to observe (RFC 7641 section 2), which
// the request for each notification does again.
func Registers(r *coaps.Request) bool {
	action, ok := r.Options.GetUint(coap.Observe)
	return ok && action == 0
}

// graceBeats is for how many beats nobody has to observe before a While ends. A
// relation begins only when its first response is on its way, after Wake.
const graceBeats = 3

// A While does something again and again while somebody observes. Otherwise it has
// neither a goroutine nor a timer. The zero While with its two functions is ready.
type While struct {
	Pause func() time.Duration // until the next beat
	Beat  func() (some bool)   // reports whether anybody observes

	mu      sync.Mutex
	running bool
	idle    int           // beats since somebody observed, or Wake
	ended   chan struct{} // closed by Close
	beats   sync.WaitGroup
}

// Wake begins the beats, unless they go on already: somebody may observe from now
// on. It does not wait.
func (w *While) Wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = 0
	if w.running || w.closed() {
		return
	}
	w.running = true
	w.beats.Go(w.run)
}

// Close ends the beats and waits for the one at work. Wake does nothing after it.
func (w *While) Close() {
	w.mu.Lock()
	if !w.closed() {
		close(w.ended)
	}
	w.mu.Unlock()
	w.beats.Wait()
}

// closed reports, under mu, whether Close has been called.
func (w *While) closed() bool {
	if w.ended == nil {
		w.ended = make(chan struct{})
	}
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

func (w *While) run() {
	for {
		pause := time.NewTimer(w.Pause())
		select {
		case <-w.ended:
			pause.Stop()
			return
		case <-pause.C:
		}
		if w.over(w.Beat()) {
			return
		}
	}
}

// over counts a beat and reports whether it was the last.
func (w *While) over(observed bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle++
	if observed {
		w.idle = 0
	}
	w.running = w.idle < graceBeats
	return !w.running
}
