// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"regexp"
	"strings"
)

// Exception says why a demand has no test.
type Exception struct {
	RFC, Section, Quote string
	Reason              string
}

var exceptionLine = regexp.MustCompile(`^(rfc\d+) §([\d.]+): "(.*)"$`)

// ParseExceptions reads docs/requirements/exceptions.txt: a quotation on one
// line, the reason on the indented lines that follow, `#` for comments.
func ParseExceptions(text string) ([]Exception, error) {
	var out []Exception
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, " \n")
		switch m := exceptionLine.FindStringSubmatch(line); {
		case line == "" || line[0] == '#':
		case m != nil:
			out = append(out, Exception{RFC: m[1], Section: m[2], Quote: m[3]})
		case line[0] == ' ' && len(out) > 0:
			last := &out[len(out)-1]
			last.Reason = join(last.Reason, strings.TrimSpace(line))
		default:
			return nil, fmt.Errorf("exceptions, line %d: neither quotation nor reason: %q", n, line)
		}
	}
	return out, nil
}

// Pitfall is a way in which an engine like ours broke.
type Pitfall struct {
	ID    string
	Group string // heading under which it stands
	What  string // in one phrase
	Later string // why there is no test yet, "" if one is owed
}

var (
	pitfallEntry = regexp.MustCompile(`^([A-Z]+\d+): (.+)$`)
	laterEntry   = regexp.MustCompile(`^\s+later: (.+)$`)
)

// ParsePitfalls reads docs/requirements/pitfalls.txt: `# heading` lines, then
// `ID: phrase` lines, each with an indented `later: reason` where a test is
// not owed yet.
func ParsePitfalls(text string) ([]*Pitfall, error) {
	var out []*Pitfall
	group := ""
	seen := map[string]bool{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, " \n")
		switch entry, later := pitfallEntry.FindStringSubmatch(line), laterEntry.FindStringSubmatch(line); {
		case line == "":
		case strings.HasPrefix(line, "# "):
			group = line[2:]
		case entry != nil && !seen[entry[1]]:
			seen[entry[1]] = true
			out = append(out, &Pitfall{ID: entry[1], Group: group, What: entry[2]})
		case later != nil && len(out) > 0:
			out[len(out)-1].Later = later[1]
		default:
			return nil, fmt.Errorf("pitfalls, line %d: not an entry, or a second one: %q", n, line)
		}
	}
	return out, nil
}
