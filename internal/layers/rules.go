// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"fmt"
	"slices"
	"strings"
)

// none is the bottom of the order.
const none = "NONE"

// Rules is a parsed policy.
type Rules struct {
	below map[string]map[string]bool // package -> all that it may import
	bans  map[string]map[string]bool // package -> what it must not import
	sets  map[string][]string
}

// Parse reads a policy. A package must stand on the right of `<` before it
// may stand on the left, so that the text reads from the bottom up and cannot
// hold a cycle.
func Parse(text string) (*Rules, error) {
	r := &Rules{
		below: map[string]map[string]bool{none: {}},
		bans:  map[string]map[string]bool{},
		sets:  map[string][]string{},
	}
	for _, statement := range strings.Split(stripComments(text), ";") {
		statement = strings.Join(strings.Fields(statement), " ")
		if statement == "" {
			continue
		}
		if err := r.statement(statement); err != nil {
			return nil, fmt.Errorf("%q: %w", statement, err)
		}
	}
	return r, r.checkBans()
}

// Knows reports whether a rule names the package.
func (r *Rules) Knows(pkg string) bool { return pkg != none && r.below[pkg] != nil }

// Allows reports whether pkg may import our package imported.
func (r *Rules) Allows(pkg, imported string) bool { return r.below[pkg][imported] }

// Bans reports whether pkg must not import the package with that path.
func (r *Rules) Bans(pkg, imported string) bool { return r.bans[pkg][imported] }

// Set returns the packages of a named set.
func (r *Rules) Set(name string) []string { return r.sets[name] }

func (r *Rules) statement(s string) error {
	if name, members, ok := strings.Cut(s, "="); ok {
		r.sets[strings.TrimSpace(name)] = splitList(members)
		return nil
	}
	if left, right, ok := strings.Cut(s, "!<"); ok {
		r.ban(r.expand(splitList(left)), r.expand(splitList(right)))
		return nil
	}
	groups := strings.Split(s, "<")
	if len(groups) < 2 {
		return fmt.Errorf("no operator")
	}
	for i := range groups[1:] {
		if err := r.order(splitList(groups[i]), splitList(groups[i+1])); err != nil {
			return err
		}
	}
	return nil
}

// order records that every package of upper may import every one of lower.
func (r *Rules) order(lower, upper []string) error {
	for _, u := range upper {
		if r.below[u] == nil {
			r.below[u] = map[string]bool{}
		}
		for _, l := range lower {
			if r.below[l] == nil {
				return fmt.Errorf("%s is used before it is placed", l)
			}
			if u == l || r.below[l][u] {
				return fmt.Errorf("%s and %s below each other", l, u)
			}
			r.add(u, l)
		}
	}
	return nil
}

func (r *Rules) add(upper, lower string) {
	if lower != none {
		r.below[upper][lower] = true
	}
	for b := range r.below[lower] {
		r.below[upper][b] = true
	}
}

func (r *Rules) ban(lower, upper []string) {
	for _, u := range upper {
		if r.bans[u] == nil {
			r.bans[u] = map[string]bool{}
		}
		for _, l := range lower {
			r.bans[u][l] = true
		}
	}
}

// checkBans finds an order that contradicts a ban.
func (r *Rules) checkBans() error {
	for pkg, banned := range r.bans {
		for b := range banned {
			if r.below[pkg][b] {
				return fmt.Errorf("%s !< %s, but another rule orders them so", b, pkg)
			}
		}
	}
	return nil
}

func (r *Rules) expand(names []string) []string {
	var out []string
	for _, n := range names {
		if set, ok := r.sets[n]; ok {
			out = append(out, set...)
		} else {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func splitList(s string) []string {
	var out []string
	for _, n := range strings.Split(s, ",") {
		if n = strings.TrimSpace(n); n != "" {
			out = append(out, n)
		}
	}
	return out
}

func stripComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		b.WriteString(strings.TrimSuffix(line, "\n"))
		b.WriteByte('\n')
	}
	return b.String()
}
