// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// countedReader counts what was read.
type countedReader struct {
	r io.Reader
	n int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// transferProgress shows on stderr how far an import or export is: a bar that
// is written again and again on a terminal, or a line every two seconds.
type transferProgress struct {
	a       *app
	verb    string
	total   int64 // octets of the file; 0: not known
	begun   time.Time
	next    time.Time
	line    bool // lines in place of a bar
	off     bool
	shown   bool
	devices int
}

// progressStep is how often a bar is drawn.
const progressStep = 100 * time.Millisecond

func (a *app) newTransferProgress(mode, verb string, total int64) *transferProgress {
	p := &transferProgress{a: a, verb: verb, total: total, begun: time.Now(), line: mode == "plain"}
	p.off = a.quiet || mode == "off" || mode == "auto" && !isTerminal(a.err)
	p.next = p.begun.Add(progressDelay)
	if p.line {
		p.next = p.begun.Add(plainStep)
	}
	return p
}

// update is called for each device; it looks at the clock for some of them.
func (p *transferProgress) update(devices int, octets int64) {
	p.devices = devices
	if p.off || devices%64 != 0 {
		return
	}
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	text := p.text(octets, now)
	if p.line {
		p.next = now.Add(plainStep)
		fmt.Fprintln(p.a.err, text)
		return
	}
	p.next, p.shown = now.Add(progressStep), true
	fmt.Fprint(p.a.err, "\r\x1b[K"+p.a.errPalette().dim(cut(text, p.width()-1)))
}

func (p *transferProgress) width() int {
	if file, ok := p.a.err.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			return width
		}
	}
	return 80
}

// barWidth is the length of the bar in characters.
const barWidth = 30

func (p *transferProgress) text(octets int64, now time.Time) string {
	elapsed := now.Sub(p.begun)
	text := fmt.Sprintf("%s %s devices", p.verb, grouped(uint64(p.devices)))
	if p.total > 0 {
		part := min(float64(octets)/float64(p.total), 1)
		filled := int(part * barWidth)
		text += fmt.Sprintf(" [%s%s] %3.0f %%", strings.Repeat("=", filled), strings.Repeat(" ", barWidth-filled), 100*part)
		if octets >= p.total {
			return text + ", storing"
		}
		if part > 0.02 {
			left := time.Duration(float64(elapsed) * (1 - part) / part)
			text += fmt.Sprintf(", %.0f s left", left.Seconds())
		}
	}
	return text
}

// clear makes room for another line on the terminal.
func (p *transferProgress) clear() {
	if p.shown {
		p.shown = false
		fmt.Fprint(p.a.err, "\r\x1b[K")
	}
}

// end leaves the terminal as it was.
func (p *transferProgress) end() {
	p.clear()
	p.off = true
}
