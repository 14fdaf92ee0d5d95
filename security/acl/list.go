// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

// A Subject is a peer, as far as rules ask.
type Subject struct {
	Device string   // its name; empty: it is no device that is known by name
	Tenant string   // the tenant that the device and the groups belong to; may be empty
	Groups []string // the groups it is a member of
	Mode   Mode     // how it came to be known
	Host   string   // the virtual host it came to, canonical

	// Authenticated: it has proved who it is. Of a subject that has not,
	// Device, Tenant and Groups mean nothing and are not looked at.
	Authenticated bool
}

// A Decision is the answer to a request.
type Decision struct {
	Allowed bool
	Rule    int // that decided, as its index in the List; NoRule: none did, so it is denied
}

// NoRule is the Rule of a Decision that no rule led to.
const NoRule = -1

// A List is a set of rules, compiled. It never changes, and may be used by many
// at once. A nil List denies everything.
type List struct {
	rules []Rule
}

// Compile makes a List of rules. The error is a *RuleError.
func Compile(rules []Rule) (*List, error) {
	panic("todo")
}

// Len returns the number of rules.
func (l *List) Len() int {
	if l == nil {
		return 0
	}
	return len(l.rules)
}

// Rule returns a rule by its index.
func (l *List) Rule(i int) Rule { return l.rules[i] }

// Label returns what a rule is called in messages, "rule 7": by its ID or,
// without one, by its number from 1; "no rule" for NoRule.
func (l *List) Label(i int) string {
	if i < 0 || i >= l.Len() {
		return "no rule"
	}
	return "rule " + label(l.rules[i].ID, i)
}

// Decide says whether s may do m, all of it, on path. The path is that of a
// request: percent-encoded in the canonical form (see CanonicalPath); one in
// another form is denied. It allocates nothing, and what it costs does not
// depend on rules for others.
func (l *List) Decide(s *Subject, m Methods, path string) Decision {
	panic("todo")
}

// An Explanation is a Decision for people.
type Explanation struct {
	Decision
	Matched []int  // the rules that speak of this request, those that deny first
	Near    []Near // if it is denied for want of a rule: those that come close, closest first
	Text    string // one line: "denied: rule 1 allows only /telemetry/sensor-7"
}

// Near is a rule that does not apply, and why.
type Near struct {
	Rule int
	Why  string // "allows only /telemetry/sensor-7"
}

// Explain decides as Decide does, and says why. It looks at all rules.
func (l *List) Explain(s *Subject, m Methods, path string) Explanation {
	panic("todo")
}

// A Permission is an entry of the Authorization Information Format (RFC 9237
// section 2.1): what may be done on one path.
type Permission struct {
	Path    string
	Methods Methods // without OBSERVE, which the format does not know
}

// Permissions returns what one subject may do, as RFC 9237 can say it.
func (l *List) Permissions(s *Subject) ([]Permission, error) { panic("todo") }
