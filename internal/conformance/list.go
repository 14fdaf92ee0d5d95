// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package conformance keeps account of what the RFCs demand and which test
// proves it. The sentences stand in docs/requirements, the tests cite them in
// comments, and the test of this package renders docs/conformance.md and
// docs/pitfalls.md from both and fails when a page is stale, a citation is not
// the RFC's words, or a demand of the core documents has no test and no
// reason.
package conformance

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Document is one list of docs/requirements: the sentences of an RFC that the
// project answers for.
type Document struct {
	ID        string // "rfc7252"
	Title     string
	Notes     []string // how the text was obtained and which sections are listed
	Sentences []*Sentence
}

// Sentence is one sentence of an RFC, its white space normalised.
type Sentence struct {
	Section string // "9.1.3.1"
	Text    string
}

// demand matches the words by which a sentence leaves no choice. RFC 7252
// also writes "mandatory to implement" for its cipher suites.
var demand = regexp.MustCompile(`\b(MUST|SHALL|REQUIRED|mandatory.to.implement|mandatory.to-implement)\b`)

// Demands reports whether the sentence leaves no choice.
func (s *Sentence) Demands() bool { return demand.MatchString(s.Text) }

// ParseList reads a list: `# title`, `# note` lines, then `§number` lines,
// each followed by items that begin with `- ` and go on with two blanks.
func ParseList(id string, r io.Reader) (*Document, error) {
	d := &Document{ID: id}
	section := ""
	scanner := bufio.NewScanner(r)
	for n := 1; scanner.Scan(); n++ {
		line := scanner.Text()
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "# ") && d.Title == "":
			d.Title = line[2:]
		case strings.HasPrefix(line, "# "):
			d.Notes = append(d.Notes, line[2:])
		case strings.HasPrefix(line, "§"):
			section = strings.TrimPrefix(line, "§")
		case strings.HasPrefix(line, "- ") && section != "":
			d.Sentences = append(d.Sentences, &Sentence{section, line[2:]})
		case strings.HasPrefix(line, "  ") && len(d.Sentences) > 0:
			last := d.Sentences[len(d.Sentences)-1]
			last.Text = join(last.Text, strings.TrimSpace(line))
		default:
			return nil, fmt.Errorf("%s, line %d: neither note, section nor sentence: %q", id, n, line)
		}
	}
	return d, scanner.Err()
}

// Format writes the list as ParseList reads it.
func (d *Document) Format() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", d.Title)
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "# %s\n", n)
	}
	section := ""
	for _, s := range d.Sentences {
		if s.Section != section {
			section = s.Section
			fmt.Fprintf(&b, "\n§%s\n", section)
		}
		b.WriteString(wrap("- ", "  ", s.Text))
	}
	return b.String()
}

// wrap breaks text into lines of at most 100 columns.
func wrap(first, rest, text string) string {
	var b strings.Builder
	line := first
	for i, word := range strings.Fields(text) {
		if i > 0 {
			if len(line)+1+len(word) > 100 {
				b.WriteString(line + "\n")
				line = rest
			} else {
				line += " "
			}
		}
		line += word
	}
	return b.String() + line + "\n"
}

// join adds the next line of a wrapped text. A compound word that was broken
// at its hyphen is made whole.
func join(text, line string) string {
	if text == "" {
		return line
	}
	if strings.HasSuffix(text, "-") && !strings.HasSuffix(text, " -") && !strings.HasSuffix(text, "--") {
		return text + line
	}
	return text + " " + line
}
