// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// tolerance is how many per cent a count may grow. Layout of code and data and
// the seeds of hash tables make for less than one.
const tolerance = 5

// A record is the counts that were accepted, and where they come from.
type record struct {
	platform string
	counts   map[string]uint64
}

const preamble = `# Instructions of one operation on the server, counted by callgrind, and what
# they depend on. valgrind knows AES-NI but not SHA-NI, so hashing counts for more
# than it takes. Compared by 'make instructions', which fails when one has grown
# by more than the tolerance. A change that is worth its cost, or one that
# saves some, is accepted by 'make instructions-accept', in the same commit.
`

func newRecord(platform string, counts map[string]uint64) string {
	var b strings.Builder
	b.WriteString(preamble)
	fmt.Fprintf(&b, "platform %s\n", platform)
	for _, p := range paths {
		fmt.Fprintf(&b, "%-14s %7d  %s\n", p.name, counts[p.name], p.what)
	}
	return b.String()
}

func readRecord(file string) (record, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return record{}, err
	}
	return parseRecord(string(text))
}

func parseRecord(text string) (record, error) {
	r := record{counts: map[string]uint64{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		if name == "platform" {
			r.platform = rest
			continue
		}
		number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil || n == 0 {
			return record{}, fmt.Errorf("the record has no count in %q", line)
		}
		r.counts[name] = n
	}
	return r, nil
}

// growth is how many per cent more the new count is.
func growth(old, count uint64) float64 { return 100 * (float64(count)/float64(old) - 1) }

// compare returns a line for each path.
func compare(old, counts map[string]uint64) []string {
	var lines []string
	for _, p := range paths {
		line := fmt.Sprintf("%-14s %8d", p.name, counts[p.name])
		if was := old[p.name]; was != 0 {
			line += fmt.Sprintf("  %+5.1f %% of %d", growth(was, counts[p.name]), was)
		}
		lines = append(lines, line)
	}
	return lines
}

// judge returns an error if a count has grown too much or is not on record.
func judge(old, counts map[string]uint64) error {
	var bad []string
	for _, p := range paths {
		switch was := old[p.name]; {
		case was == 0:
			bad = append(bad, p.name+" is not on record")
		case growth(was, counts[p.name]) > tolerance:
			bad = append(bad, fmt.Sprintf("%s takes %.1f %% more instructions", p.name, growth(was, counts[p.name])))
		}
	}
	if bad == nil {
		return nil
	}
	return fmt.Errorf("%s.\nIf that is worth it: make instructions-accept, and say why in the commit", strings.Join(bad, "; "))
}
