// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// logFile is a file that lines are appended to. It can be opened anew while it is
// written to, as after logrotate has moved it. A write that fails, on a full disk,
// is counted and told by status; the next one tries again.
type logFile struct {
	there atomic.Bool

	mu   sync.Mutex
	f    *os.File
	part bool  // the last write ended within a line
	lost int   // lines since the last one that was written
	err  error // of the last write
}

// openLog opens a file for appending, nil for no path.
func openLog(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}

// use has the lines go to f from now on, or nowhere with nil.
func (l *logFile) use(f *os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		l.f.Close()
	}
	l.f, l.part, l.lost, l.err = f, false, 0, nil
	l.there.Store(f != nil)
}

// open reports whether lines go anywhere.
func (l *logFile) open() bool { return l.there.Load() }

// Write appends one line.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return len(line), nil
	}
	out := line
	if l.part { // the rest of that line will not come
		out = append([]byte("\n"), line...)
	}
	n, err := l.f.Write(out)
	if err != nil {
		l.part = l.part && n == 0 || n > 0 && out[n-1] != '\n'
		l.lost++
		l.err = err
		return 0, err
	}
	l.part, l.lost, l.err = false, 0, nil
	return len(line), nil
}

// problem says what is wrong, "" if nothing is.
func (l *logFile) problem(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return ""
	}
	return fmt.Sprintf("%s cannot be written: %v; lines lost: %d", name, l.err, l.lost)
}
