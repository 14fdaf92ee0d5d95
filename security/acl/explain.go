// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import (
	"cmp"
	"slices"
)

// An Explanation is a Decision for people.
type Explanation struct {
	Decision
	Matched []int  // the rules that speak of this request, those that deny first
	Near    []Near // if it is denied for want of a rule: those that come close, closest first
	Text    string // one line: "denied: rule 1 allows only /telemetry/sensor-7"
}

// Near is a rule that does not allow a request, and why not.
type Near struct {
	Rule int
	Why  string // "allows only /telemetry/sensor-7"
}

// maxNear is how many rules an Explanation lists that come close.
const maxNear = 5

// Explain decides as Decide does, and says why. It looks at every rule.
func (l *List) Explain(s *Subject, m Methods, path string) Explanation {
	e := Explanation{Decision: l.Decide(s, m, path)}
	switch {
	case m == 0:
		e.Text = "denied: rules know no such method"
		return e
	case !canonical(path):
		e.Text = "denied: no request has a path that is written so"
		return e
	}
	var near []distant
	for i := range l.Len() {
		near = l.judge(&e, near, i, s, m, path)
	}
	slices.SortStableFunc(e.Matched, func(a, b int) int {
		return cmp.Compare(l.order(a), l.order(b))
	})
	if e.Rule == NoRule {
		slices.SortStableFunc(near, func(a, b distant) int { return cmp.Compare(a.distance, b.distance) })
		for _, n := range near[:min(len(near), maxNear)] {
			e.Near = append(e.Near, n.Near)
		}
	}
	e.Text = l.text(&e)
	return e
}

// order puts rules that deny before those that allow.
func (l *List) order(i int) int {
	if l.rules[i].Deny {
		return 0
	}
	return 1
}

// distant is a Near with a measure.
type distant struct {
	Near
	distance int
}

// The measures: another method is closer than another path, and that is closer
// than a rule for somebody else. Among paths, those that begin alike are closer.
const (
	otherMethod  = 0
	otherPath    = 1 << 12
	otherSubject = 1 << 24
)

// judge adds rule i to those that matched or to those that come close.
func (l *List) judge(e *Explanation, near []distant, i int, s *Subject, m Methods, path string) []distant {
	r := &l.rules[i]
	p, err := parsePattern(r.Path)
	if err != nil {
		return near // it has been compiled, so this does not happen
	}
	forSubject, onPath := r.covers(s, p), p.matches(s, path)
	if forSubject && onPath && r.Methods&m != 0 {
		e.Matched = append(e.Matched, i)
	}
	if r.Deny {
		return near
	}
	switch {
	case forSubject && onPath && m&^r.Methods != 0:
		return append(near, distant{Near{i, "allows only " + r.Methods.String()}, otherMethod})
	case forSubject && !onPath && r.Methods&m != 0:
		return append(near, distant{Near{i, whyPath(p, s)}, otherPath - alike(p.fill(s).String(), path)})
	case !forSubject && onPath && r.Methods&m != 0:
		return append(near, distant{Near{i, whySubject(r, p, s)}, otherSubject})
	}
	return near
}

// alike returns how many octets two paths have in common at the beginning.
func alike(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// whyPath says which paths the rule allows this subject.
func whyPath(p pattern, s *Subject) string {
	filled := p.fill(s)
	switch {
	case filled.has(device):
		return "allows only " + filled.String() + ", and this peer has no device name"
	case filled.has(tenant):
		return "allows only " + filled.String() + ", and this peer has no tenant"
	}
	return "allows only " + filled.String()
}

// whySubject says whom the rule is for.
func whySubject(r *Rule, p pattern, s *Subject) string {
	why := "is for " + r.Who.String() + " only"
	if r.Who.needsProof() && !s.Authenticated {
		return why + ", and this peer has not shown who it is"
	}
	if !s.Authenticated || s.Tenant == "" || !p.tenantless(&r.Who) {
		return why
	}
	with := *r
	if with.Who.Tenant = s.Tenant; !with.covers(s, p) {
		return why
	}
	why += ", without a tenant: say tenant:" + quoteName(s.Tenant)
	if r.Who.Device == "" && r.Who.Group == "" {
		why += " or write {tenant} into its path"
	}
	return why
}

// text is the line of an Explanation.
func (l *List) text(e *Explanation) string {
	switch {
	case e.Allowed:
		return "allowed: " + l.Label(e.Rule) + ": " + l.rules[e.Rule].String()
	case e.Rule != NoRule:
		return "denied: " + l.Label(e.Rule) + ": " + l.rules[e.Rule].String()
	case l.Len() == 0:
		return "denied: there are no rules, and what no rule allows is denied"
	case len(e.Near) == 0:
		return "denied: no rule allows it"
	}
	return "denied: " + l.Label(e.Near[0].Rule) + " " + e.Near[0].Why
}
