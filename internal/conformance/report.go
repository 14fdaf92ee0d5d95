// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"strings"
)

const generated = "<!-- Written by `go generate ./internal/conformance`; do not edit. -->\n\n"

// Report renders docs/conformance.md.
func (a *Account) Report() string {
	var b strings.Builder
	b.WriteString("# What the RFCs demand and which test proves it\n\n" + generated)
	b.WriteString(`Each row is a sentence of an RFC, in the RFC's words. **Proven** names the tests that cite the
sentence in a comment and fail when it does not hold. **Excepted** gives the reason why there is
nothing to test here. **Open** is a demand that has no test of its own yet. The lists behind this
page, and how they were taken from the RFCs, are in [requirements](requirements/README.md).

`)
	b.WriteString("| document | demands | proven | excepted | open | other sentences with a test |\n")
	b.WriteString("| --- | --: | --: | --: | --: | --: |\n")
	for _, d := range a.Documents {
		b.WriteString(a.totals(d))
	}
	for _, d := range a.Documents {
		fmt.Fprintf(&b, "\n## %s\n\n", d.Title)
		for _, n := range d.Notes {
			fmt.Fprintf(&b, "%s\n", n)
		}
		b.WriteString("\n| § | sentence | status |\n| --- | --- | --- |\n")
		for _, s := range d.Sentences {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", s.Section, cell(s.Text), a.status(s))
		}
	}
	return b.String()
}

func (a *Account) totals(d *Document) string {
	var demands, proven, excepted, others int
	for _, s := range d.Sentences {
		switch {
		case !s.Demands():
			others++
		case a.proofs[s] != nil:
			proven++
		case a.reasons[s] != "":
			excepted++
		}
		if s.Demands() {
			demands++
		}
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d |\n", d.Title, demands, proven, excepted, demands-proven-excepted, others)
}

func (a *Account) status(s *Sentence) string {
	switch {
	case a.proofs[s] != nil:
		return "proven: " + testNames(a.proofs[s])
	case a.reasons[s] != "":
		return "excepted: " + cell(a.reasons[s])
	case !s.Demands():
		return "listed"
	}
	return "**open**"
}

// PitfallReport renders docs/pitfalls.md.
func (a *Account) PitfallReport() string {
	var b strings.Builder
	b.WriteString("# How engines like this one broke, and the test for each\n\n" + generated)
	b.WriteString(`Advisories, bug reports and papers about other DTLS and CoAP implementations, each in a phrase.
Where the last column is not a test, it says what has to be built before there is something to test.

`)
	owed := a.Owed()
	fmt.Fprintf(&b, "%d rows: %d with a test, %d for later, %d open.\n",
		len(a.Pitfalls), len(a.Pitfalls)-a.later()-len(owed), a.later(), len(owed))
	group := ""
	for _, p := range a.Pitfalls {
		if p.Group != group {
			group = p.Group
			fmt.Fprintf(&b, "\n## %s\n\n| id | what went wrong | test |\n| --- | --- | --- |\n", group)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.ID, cell(p.What), a.pitfallStatus(p))
	}
	return b.String()
}

func (a *Account) later() int {
	n := 0
	for _, p := range a.Pitfalls {
		if a.tests[p.ID] == nil && p.Later != "" {
			n++
		}
	}
	return n
}

func (a *Account) pitfallStatus(p *Pitfall) string {
	switch {
	case a.tests[p.ID] != nil:
		return testNames(a.tests[p.ID])
	case p.Later != "":
		return "later: " + cell(p.Later)
	}
	return "**open**"
}

func testNames(names []string) string {
	return "`" + strings.Join(names, "`, `") + "`"
}

// cell makes text fit for a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(s)
}
