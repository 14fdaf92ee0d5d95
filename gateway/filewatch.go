// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coaps-go/coaps/internal/resource"
)

// How the files that somebody observes are looked at. One that has changed is
// told of when it has been the same for settleTime, as it may be half-written, or
// when it has gone on changing for settleLooks times as long. Looking takes one
// part in lookShare of the time, however many files there are.
const (
	settleTime  = 500 * time.Millisecond
	settleLooks = 3
	lookShare   = 20
)

// fileWatch looks at files and directories as long as somebody observes them. It
// lives longer than the configuration in force.
type fileWatch struct {
	audience resource.Audience
	looks    resource.While
	closing  chan struct{}

	mu      sync.Mutex
	poll    time.Duration
	took    time.Duration // by the last look at everything
	trees   []*fileTree   // in force
	files   map[string]*watchedFile
	awaited int // of files: nobody is known to observe them
}

// watchedFile is what somebody observes, by its path in a URI.
type watchedFile struct {
	told fileState // of which all observers know, or will
	idle int       // looks that found no observer
}

// fileState tells one content of a file or directory from another.
type fileState [sha256.Size]byte

func newFileWatch(audience resource.Audience) *fileWatch {
	w := &fileWatch{audience: audience, closing: make(chan struct{}), files: map[string]*watchedFile{}}
	w.looks.Pause = w.pause
	w.looks.Beat = w.look
	return w
}

// use has it look at the directories of the configuration in force.
func (w *fileWatch) use(trees []*fileTree, poll time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trees, w.poll = trees, poll
}

// close ends it, and does not wait long for a disk.
func (w *fileWatch) close() {
	close(w.closing)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.looks.Close()
	}()
	select {
	case <-ended:
	case <-time.After(shutdownTime):
	}
}

// wake is told of each request that asks to observe, before it is answered: what
// changes after that will be told.
func (w *fileWatch) wake(path string, state func() fileState) {
	if w.room(path) {
		w.remember(path, state())
	}
	w.looks.Wake()
}

// filesAwaited is how many files are remembered that nobody may ever observe, since
// a client may ask for what is not there, and awaitedPath how long their paths may be,
// in bytes. Of another one what changes before the first look is not told.
const filesAwaited, awaitedPath = 1024, 1024

// room reports whether a file is to be remembered.
func (w *fileWatch) room(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.files[path] == nil && w.awaited < filesAwaited && len(path) <= awaitedPath
}

func (w *fileWatch) remember(path string, state fileState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.files[path] == nil {
		w.files[path] = &watchedFile{told: state}
		w.awaited++
	}
}

func (w *fileWatch) pause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.poll, lookShare*w.took)
}

// look looks at everything that is observed, and a moment later again at what is
// not as it was.
func (w *fileWatch) look() (some bool) {
	began := time.Now()
	observed := w.observed()
	changed := map[string]fileState{}
	for _, path := range observed {
		if state, is := w.state(path); is && !w.knows(path, state) {
			changed[path] = state
		}
	}
	w.mu.Lock()
	w.took = time.Since(began)
	w.mu.Unlock()
	if len(changed) > 0 {
		w.settle(changed)
	}
	return len(observed) > 0
}

// observed are the paths to look at; those that nobody observes any more are
// forgotten, after some looks because a relation begins after wake.
func (w *fileWatch) observed() (paths []string) {
	w.mu.Lock()
	trees := w.trees
	w.mu.Unlock()
	for _, t := range trees {
		paths = append(paths, w.audience.ObservedPaths(t.path)...)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awaited = 0
	for path, f := range w.files {
		if _, is := slices.BinarySearch(paths, path); is {
			f.idle = 0
		} else if f.idle++; f.idle > forgetAfter {
			delete(w.files, path)
		} else {
			w.awaited++
		}
	}
	return paths
}

// forgetAfter is after how many looks that found no observer a file is forgotten.
const forgetAfter = 2

// state is how a file is now; false if there is no directory for it. A disk may
// keep it waiting, which holds up nobody else.
func (w *fileWatch) state(path string) (fileState, bool) {
	w.mu.Lock()
	t := treeOf(w.trees, path)
	w.mu.Unlock()
	if t == nil {
		return fileState{}, false
	}
	return t.state(path), true
}

// treeOf is the tree with the longest path, as in a Mux.
func treeOf(trees []*fileTree, path string) (found *fileTree) {
	for _, t := range trees {
		if strings.HasPrefix(path, t.path) && (found == nil || len(t.path) > len(found.path)) {
			found = t
		}
	}
	return found
}

// knows reports whether the observers know this state already. The first state of
// a file that is not known is the one that they have seen.
func (w *fileWatch) knows(path string, state fileState) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.files[path]
	if f == nil {
		w.files[path] = &watchedFile{told: state}
		return true
	}
	return f.told == state
}

// settle tells of files that are as they were a moment ago, and in the end of
// those that never are.
func (w *fileWatch) settle(changed map[string]fileState) {
	for look := 1; len(changed) > 0; look++ {
		select {
		case <-w.closing:
			return
		case <-time.After(min(settleTime, w.pause())):
		}
		for path, before := range changed {
			state, is := w.state(path)
			switch {
			case !is || w.knows(path, state):
				delete(changed, path)
			case state == before || look == settleLooks:
				delete(changed, path)
				w.know(path, state)
				w.tell(path)
			default:
				changed[path] = state
			}
		}
	}
}

// tell tells of a change. A list shows nobody more than he may read.
func (w *fileWatch) tell(path string) {
	if strings.HasSuffix(path, "/") {
		w.audience.Refresh(path)
		return
	}
	w.audience.Notify(path)
}

func (w *fileWatch) know(path string, state fileState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[path] = &watchedFile{told: state}
}

// state is how the file or directory at a path is now.
func (t *fileTree) state(path string) (state fileState) {
	name, ok := fileName(strings.TrimPrefix(path, t.path))
	if !ok {
		return state
	}
	h := sha256.New()
	if strings.HasSuffix(path, "/") {
		entries, err := t.entries(name)
		if err != nil {
			return state
		}
		for _, entry := range entries {
			if info, err := t.stat(name, entry); err == nil {
				fmt.Fprintf(h, "%q %d %v\n", entry.Name(), info.Size(), info.Mode().Type())
			}
		}
	} else {
		c, err := t.read(name)
		if err != nil {
			return state
		}
		fmt.Fprintf(h, "%d %x", c.size, c.etag)
	}
	return fileState(h.Sum(nil))
}
