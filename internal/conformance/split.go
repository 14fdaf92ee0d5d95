// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"regexp"
	"slices"
	"strings"
)

var (
	heading = regexp.MustCompile(`^(\d+(?:\.\d+)*)\.?\s+\S`)
	// figure matches what only diagrams, tables and ASN.1 have.
	figure = regexp.MustCompile(`\+-|-->|<--|::=|\|\s+\|| {5,}\S+ {3,}`)
	// ending matches where a sentence may end.
	ending = regexp.MustCompile(`[.?!]["')\]]*\s+["'(\[]?[A-Z0-9]`)
	short  = []string{"e.g.", "i.e.", "cf.", "vs.", "etc.", "al.", "Sec.", "No.", "Fig.", "resp."}
)

// SplitRFC cuts the text of an RFC into the sentences of its numbered
// sections. Diagrams are left out.
func SplitRFC(text string) []*Sentence {
	var out []*Sentence
	section := ""
	for _, paragraph := range paragraphs(text) {
		if m := heading.FindStringSubmatch(paragraph[0]); m != nil && !strings.Contains(paragraph[0], "....") {
			section = m[1]
			paragraph = paragraph[1:]
		} else if paragraph[0][0] != ' ' {
			section = "" // front matter, appendices, addresses
		}
		if section == "" || len(paragraph) == 0 || slices.ContainsFunc(paragraph, figure.MatchString) {
			continue
		}
		for _, s := range SplitSentences(strings.Join(paragraph, "\n")) {
			out = append(out, &Sentence{section, s})
		}
	}
	return out
}

// paragraphs returns the blocks of lines between empty lines.
func paragraphs(text string) [][]string {
	var out [][]string
	var block []string
	for line := range strings.Lines(text + "\n\n") {
		line = strings.TrimRight(line, " \r\n\f")
		if line != "" {
			block = append(block, line)
		} else if block != nil {
			out = append(out, block)
			block = nil
		}
	}
	return out
}

// SplitSentences cuts a paragraph at the ends of its sentences and
// normalises the white space.
func SplitSentences(paragraph string) []string {
	text := ""
	for line := range strings.Lines(paragraph) {
		text = join(text, strings.Join(strings.Fields(line), " "))
	}
	text = trimBullet(strings.TrimSpace(text))
	var out []string
	start := 0
	for i := 0; ; {
		m := ending.FindStringIndex(text[i:])
		if m == nil {
			break
		}
		blank := i + m[0] + strings.IndexByte(text[i+m[0]:], ' ')
		if !abbreviated(text[start:blank]) {
			out = append(out, text[start:blank])
			start = blank + 1
		}
		i = blank + 1
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}

func abbreviated(s string) bool {
	s = strings.TrimRight(s, "\"')]")
	return slices.ContainsFunc(short, func(a string) bool { return strings.HasSuffix(s, a) }) ||
		strings.Count(s, "(") > strings.Count(s, ")") && !strings.HasPrefix(s, "(")
}

var bullet = regexp.MustCompile(`^(o|\*|-|\d+\.|\([a-z]\))\s+`)

func trimBullet(s string) string { return bullet.ReplaceAllString(s, "") }
