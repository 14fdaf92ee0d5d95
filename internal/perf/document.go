// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package perf

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files of the document, by name; pictures stand beside the text.
type Files map[string][]byte

// Write writes the files into a folder.
func (f Files) Write(dir string) error {
	for name, text := range f {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Document makes performance.md and its pictures of the results, and of nothing
// else: the same results give the same bytes.
func (r *Results) Document() (Files, error) {
	files := Files{}
	d := &document{Results: r}
	for _, p := range d.pictures() {
		svg, err := p.draw()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.file, err)
		}
		files[p.file] = svg
	}
	d.head()
	d.goals()
	d.requests()
	d.handshakes()
	d.records()
	d.memory()
	d.beside()
	d.flood()
	d.method()
	d.programs()
	files["performance.md"] = []byte(d.text.String())
	return files, nil
}

// A document is written from top to bottom.
type document struct {
	*Results
	text strings.Builder
}

func (d *document) p(format string, args ...any) { fmt.Fprintf(&d.text, format+"\n", args...) }

// table writes a table; the first column is aligned left, the others as align
// says for each ('l' or 'r').
func (d *document) table(align string, header []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	d.p("\n| %s |", strings.Join(header, " | "))
	for _, a := range align {
		d.text.WriteString(map[rune]string{'l': "| --- ", 'r': "| --: "}[a])
	}
	d.p("|")
	for _, row := range rows {
		d.p("| %s |", strings.Join(row, " | "))
	}
}

func (d *document) head() {
	m := d.Machine
	d.p("# Performance")
	d.p("\nMade of [performance.json](performance.json) by `make performance`; do not edit. `make bench-peers` measures anew")
	d.p("(%s here), `make bench-quick` a small part of it.", duration(d.Seconds))
	d.p("\n%s, %d cores, %d GiB, %s, Linux %s, %s. %s, commit %s, mode %s, %d rounds.",
		m.CPU, m.Cores, (m.MemoryMiB+512)/1024, m.OS, m.Kernel, m.Go, d.Began.UTC().Format("2 January 2006 15:04 UTC"), d.Commit, d.Mode, d.Rounds)
	if m.ServerCore == m.ClientCore {
		d.p("\n**Servers and clients shared the only core**, so figures of CPU hold and those a second do not.")
	} else {
		d.p("Servers ran on core %d, clients on core %d.", m.ServerCore, m.ClientCore)
	}
	if m.Load > busy {
		d.p("\n**The machine had other work** (load average %.1f before the run), so latencies, figures a second and the flood say little here, and ratios are rough.", m.Load)
	}
	d.p("\nAll is over loopback, so a figure holds the kernel's share of both directions. Server CPU an operation (user and system time of the")
	d.p("server's process) is the figure to trust: it does not depend on how fast the client is. Absolute values move from day to day; what was measured in")
	d.p("the same round can be compared. Figures are medians over the rounds, ratios medians of the rounds' ratios.")
}

// busy is the load average from which on figures are not to be trusted.
const busy = 0.7

// duration writes seconds as a person would.
func duration(seconds float64) string {
	if seconds < 100 {
		return fmt.Sprintf("%.0f s", seconds)
	}
	return fmt.Sprintf("%.0f min", seconds/60)
}

func (d *document) goals() {
	var rows [][]string
	met, missed, open := 0, 0, 0
	for _, g := range goals() {
		reached, verdict := g.verdict(d.Results)
		switch verdict {
		case "**met**":
			met++
		case "**missed**":
			missed++
		default:
			open++
		}
		rows = append(rows, []string{g.what, g.text, reached, verdict})
	}
	d.p("\n## Goals\n\n%d met, %d missed, %d not measured.", met, missed, open)
	d.table("llrl", []string{"what", "goal", "reached", ""}, rows)
}

// us is the median of a time with the range over the rounds.
func (d *document) us(what, subject, name string) string {
	m, ok := d.Median(what, subject, name)
	if !ok {
		return "–"
	}
	all := d.Find(what, subject).sorted(name)
	if len(all) == 1 {
		return fmt.Sprintf("%.1f", m)
	}
	return fmt.Sprintf("**%.1f** (%.1f–%.1f)", m, all[0], all[len(all)-1])
}

// value is a median in a format.
func (d *document) value(format, what, subject, name string) string {
	m, ok := d.Median(what, subject, name)
	if !ok {
		return "–"
	}
	return fmt.Sprintf(format, m)
}

// over is a ratio.
func (d *document) over(what, subject, overWhat, overSubject, overName string) string {
	x, ok := d.Ratio(what, subject, ServerUs, overWhat, overSubject, overName)
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%.2f", x)
}

// names are what the reader sees instead of the names of series.
var names = map[string]string{
	"echo": "raw UDP echo, 60 bytes", "get-nosec": "coap GET, NoSec", "get-psk": "coaps GET, PSK CCM_8",
	"handshake-psk": "PSK", "handshake-rpk": "RPK, mutual", "handshake-cert": "certificates, mutual",
	"idle-psk": "PSK", "idle-rpk": "RPK", "idle-cert": "certificate",
}

// of returns the series of some kinds, in their order, ours first; those that
// were skipped are named below the table.
func (d *document) of(what ...string) []Series {
	var all []Series
	for _, w := range what {
		for _, s := range d.Series {
			if s.What == w && len(s.Rounds) > 0 {
				all = append(all, s)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Series) int {
		return cmp.Or(cmp.Compare(slices.Index(what, a.What), slices.Index(what, b.What)), cmp.Compare(a.rank(), b.rank()))
	})
	return all
}

// rank puts our server first and the others after it by name, and leaves the
// stages of the flood as they came.
func (s Series) rank() string {
	if s.What == "flood" || strings.HasPrefix(s.Subject, "coaps") {
		return ""
	}
	return s.Subject
}

// skipped says what is missing and why.
func (d *document) skipped(what ...string) {
	for _, w := range what {
		for _, s := range d.Series {
			if s.What == w && s.Skipped != "" {
				d.p("\n%s, %s: skipped, %s.", names[w], s.Subject, strings.TrimSuffix(strings.ReplaceAll(s.Skipped, "\n", "; "), "."))
			}
		}
	}
}
