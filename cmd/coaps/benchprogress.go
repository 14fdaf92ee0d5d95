// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/coaps-go/coaps/internal/load"
)

// benchProgress shows on stderr how far a run has come: one line that is
// written again and again on a terminal, or a line every few seconds.
type benchProgress struct {
	w       io.Writer
	clients int        // how many there will be
	width   func() int // of the terminal; nil writes lines
	off     bool
	palette palette

	mu    sync.Mutex
	shown bool
	last  load.Snapshot // the last that was written as a line
	began bool
}

// plainStep is how far apart lines are.
const plainStep = 2 * time.Second

func (b *bench) newProgress() *benchProgress {
	p := &benchProgress{w: b.err, clients: b.config.Clients, palette: b.errPalette()}
	file, _ := b.err.(*os.File)
	switch mode := b.output.progress; {
	case b.quiet, mode == "off", mode == "auto" && !isTerminal(b.err):
		p.off = true
	case mode == "auto":
		p.width = func() int {
			width, _, err := term.GetSize(int(file.Fd()))
			if err != nil {
				return 80
			}
			return width
		}
	}
	return p
}

// update is called about twice a second.
func (p *benchProgress) update(s load.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.off, s.Phase == load.Done:
	case p.width == nil:
		if p.began && s.Phase == p.last.Phase && s.Elapsed-p.last.Elapsed < plainStep {
			return
		}
		p.began, p.last = true, s
		fmt.Fprintln(p.w, snapshotText(&s, p.clients))
	case s.Elapsed >= progressDelay:
		p.shown = true
		fmt.Fprint(p.w, "\r\x1b[K"+p.palette.dim(cut(snapshotText(&s, p.clients), p.width()-1)))
	}
}

// end leaves the terminal as it was.
func (p *benchProgress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// snapshotText is one line: the phase and its time, and what matters in it.
func snapshotText(s *load.Snapshot, clients int) string {
	parts := []string{fmt.Sprintf("%-10s %5.1f s", s.Phase, s.Elapsed.Seconds())}
	if s.Left > 0 {
		parts[0] += fmt.Sprintf(", %.0f s left", s.Left.Seconds())
	}
	switch connected := grouped(uint64(s.Connected)); {
	case s.Phase == load.Connecting && s.Connected < clients:
		parts = append(parts, connected+" of "+grouped(uint64(clients))+" connected")
	case s.Connected > 0:
		parts = append(parts, connected+" connected")
	}
	if s.Operations > 0 && s.Operations != uint64(s.Connected) {
		parts = append(parts, grouped(s.Operations)+" done")
	}
	if s.Rate > 0 {
		parts = append(parts, rateText(s.Rate))
	}
	if s.P50 > 0 {
		parts = append(parts, "p50 "+microseconds(float64(s.P50.Nanoseconds())/1e3), "p99 "+microseconds(float64(s.P99.Nanoseconds())/1e3))
	}
	if s.Failures > 0 {
		parts = append(parts, grouped(s.Failures)+" failed")
	}
	return strings.Join(parts, "  ")
}

// cut shortens a line to the width of the terminal: one that wraps could not be
// written over.
func cut(line string, width int) string {
	if width < 1 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width])
}
