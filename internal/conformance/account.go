// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// Account joins demands, tests and reasons.
type Account struct {
	Documents []*Document
	Pitfalls  []*Pitfall
	Errors    []string // citations and reasons that do not fit

	proofs  map[*Sentence][]string // names of tests
	reasons map[*Sentence]string
	tests   map[string][]string // by pitfall id
}

// NewAccount matches what the tests say with what the lists hold.
func NewAccount(docs []*Document, pitfalls []*Pitfall, exceptions []Exception, c *Citations) *Account {
	a := &Account{
		Documents: docs,
		Pitfalls:  pitfalls,
		Errors:    slices.Clone(c.Bad),
		proofs:    map[*Sentence][]string{},
		reasons:   map[*Sentence]string{},
		tests:     map[string][]string{},
	}
	for _, p := range c.Proofs {
		a.addProof(p)
	}
	for _, e := range exceptions {
		a.addException(e)
	}
	for _, p := range c.Pitfalls {
		a.addPitfallTest(p)
	}
	return a
}

func (a *Account) document(id string) *Document {
	for _, d := range a.Documents {
		if d.ID == id {
			return d
		}
	}
	return nil
}

func (a *Account) addProof(p Proof) {
	d := a.document(p.RFC)
	if d == nil {
		a.errorf("%s %s: there is no list of %s", p.Test.File, p.Test.Name, p.RFC)
		return
	}
	found, missing := d.find(p.Section, p.Quote)
	if missing != "" {
		hint := "run the extractor if it is the RFC's own sentence"
		if s := d.elsewhere(missing); s != "" {
			hint = "it stands in §" + s
		}
		a.errorf("%s %s: %s §%s does not hold %q: %s", p.Test.File, p.Test.Name, p.RFC, p.Section, missing, hint)
	}
	for _, s := range found {
		a.proofs[s] = addOnce(a.proofs[s], p.Test.String())
	}
}

func (a *Account) addException(e Exception) {
	d := a.document(e.RFC)
	if d == nil || e.Reason == "" {
		a.errorf("exception for %s §%s: no list of that document, or no reason", e.RFC, e.Section)
		return
	}
	found, missing := d.find(e.Section, e.Quote)
	if missing != "" {
		a.errorf("exception for %s §%s: no such sentence: %q", e.RFC, e.Section, e.Quote)
	}
	for _, s := range found {
		if a.proofs[s] != nil {
			a.errorf("exception for %s §%s: a test proves it: %q", e.RFC, e.Section, e.Quote)
		}
		a.reasons[s] = e.Reason
	}
}

func (a *Account) addPitfallTest(p PitfallTest) {
	for _, id := range p.IDs {
		if !slices.ContainsFunc(a.Pitfalls, func(q *Pitfall) bool { return q.ID == id }) {
			a.errorf("%s %s: there is no pitfall %s", p.Test.File, p.Test.Name, id)
			continue
		}
		a.tests[id] = addOnce(a.tests[id], p.Test.String())
	}
}

// Open returns the demands of a document that have neither test nor reason.
func (a *Account) Open(d *Document) []*Sentence {
	var open []*Sentence
	for _, s := range d.Sentences {
		if s.Demands() && a.proofs[s] == nil && a.reasons[s] == "" {
			open = append(open, s)
		}
	}
	return open
}

// Owed returns the pitfalls that have neither test nor reason.
func (a *Account) Owed() []*Pitfall {
	var owed []*Pitfall
	for _, p := range a.Pitfalls {
		if a.tests[p.ID] == nil && p.Later == "" {
			owed = append(owed, p)
		}
	}
	return owed
}

func (a *Account) errorf(format string, args ...any) {
	a.Errors = append(a.Errors, fmt.Sprintf(format, args...))
}

// addOnce keeps the names sorted and single.
func addOnce(names []string, name string) []string {
	i, found := slices.BinarySearch(names, name)
	if found {
		return names
	}
	return slices.Insert(names, i, name)
}

// core is what must have no open demand: the product's own specification and
// the three documents that it stands on. RFC 7252 is meant with its section 9.
var core = []string{"rfc7252", "rfc7250", "rfc7251", "rfc6655"}

// Core returns the open demands of the core documents.
func (a *Account) Core() []string {
	var out []string
	for _, d := range a.Documents {
		if !slices.Contains(core, d.ID) {
			continue
		}
		for _, s := range a.Open(d) {
			if d.ID != "rfc7252" || s.Section == "9" || strings.HasPrefix(s.Section, "9.") {
				out = append(out, fmt.Sprintf("%s §%s: %q", d.ID, s.Section, s.Text))
			}
		}
	}
	return out
}
