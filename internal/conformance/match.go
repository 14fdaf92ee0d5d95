// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import "strings"

// fold makes quotations comparable: white space, the kind of quotation mark,
// a blank after a broken hyphen and the final stop do not count.
var fold = strings.NewReplacer(`"`, "'", "“", "'", "”", "'", "’", "'", "- ", "-")

func normal(s string) string {
	s = fold.Replace(strings.Join(strings.Fields(s), " "))
	return strings.TrimRight(s, ".")
}

// pieces cuts a quotation into the parts that must each stand in one
// sentence: at the ends of sentences and where words were left out.
func pieces(quote string) []string {
	for _, dots := range []string{"[...]", "(...)", "…", "..."} {
		quote = strings.ReplaceAll(quote, dots, "\x00")
	}
	var out []string
	for _, part := range strings.Split(quote, "\x00") {
		for _, s := range SplitSentences(part) {
			if s = normal(s); len(s) > 8 {
				out = append(out, s)
			}
		}
	}
	return out
}

// holds reports whether the sentence holds the normalised piece.
func (s *Sentence) holds(piece string) bool { return strings.Contains(normal(s.Text), piece) }

// Quoted reports whether a proof quotes the sentence, in whole or in part.
func Quoted(id string, s *Sentence, c *Citations) bool {
	for _, p := range c.Proofs {
		if p.RFC != id || p.Section != s.Section {
			continue
		}
		for _, piece := range pieces(p.Quote) {
			if s.holds(piece) {
				return true
			}
		}
	}
	return false
}

// find returns the sentences that a quotation is made of, and the first piece
// that none of them holds.
func (d *Document) find(section, quote string) (found []*Sentence, missing string) {
	for _, piece := range pieces(quote) {
		hit := false
		for _, s := range d.Sentences {
			if s.Section == section && s.holds(piece) {
				found = append(found, s)
				hit = true
			}
		}
		if !hit && missing == "" {
			missing = piece
		}
	}
	if len(found) == 0 && missing == "" {
		missing = quote
	}
	return found, missing
}

// elsewhere names the section of the document that holds the piece, "" if
// none does.
func (d *Document) elsewhere(piece string) string {
	for _, s := range d.Sentences {
		if s.holds(piece) {
			return s.Section
		}
	}
	return ""
}
