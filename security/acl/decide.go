// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import "strings"

// Decide says whether s may do m, all of it, on path. The path is that of a
// request: percent-encoded in the canonical form (see CanonicalPath); one in
// another form is denied. It allocates nothing, and what it costs does not
// depend on rules for others, nor on how many there are for other paths: where a
// *, {device} or {tenant} stands beside a name, both ways are followed, and only rules
// that mix them at many depths of one path make many ways.
//
// The Rule of a Decision is the first that takes a right away or, if none does
// and all is given, the first that gives some of it.
func (l *List) Decide(s *Subject, m Methods, path string) Decision {
	if l == nil || m == 0 || !canonical(path) {
		return Decision{Rule: NoRule}
	}
	if path == "/" {
		path = ""
	}
	w := walk{
		list: l, subject: s, wanted: m, path: path,
		peer:    peerBit(s.Mode, s.Authenticated, s.Authenticated && s.Tenant != ""),
		allowed: noRule, denied: noRule,
	}
	w.trees("")
	if l.hosts && s.Host != "" {
		w.trees(s.Host)
	}
	switch {
	case w.denied != noRule:
		return Decision{Rule: int(w.denied)}
	case w.missing() == 0:
		return Decision{Allowed: true, Rule: int(w.allowed)}
	}
	return Decision{Rule: NoRule}
}

const noRule = ^uint32(0)

// A walk is one decision on its way.
type walk struct {
	list    *List
	subject *Subject
	wanted  Methods
	path    string
	peer    peerSet

	given           Methods
	allowed, denied uint32 // the first rule of each effect, or noRule
}

// missing is what no rule has given yet.
func (w *walk) missing() Methods { return w.wanted &^ w.given }

// trees walks each tree of the subject, of those for one virtual host or for
// all.
func (w *walk) trees(host string) {
	s := w.subject
	w.tree(treeOfClass, "", "", host)
	if !s.Authenticated {
		return
	}
	if s.Device != "" {
		w.tree(treeOfDevice, s.Device, s.Tenant, host)
		w.tree(treeOfDeviceAnywhere, s.Device, "", host)
	}
	for _, group := range s.Groups {
		w.tree(treeOfGroup, group, s.Tenant, host)
		w.tree(treeOfGroupAnywhere, group, "", host)
	}
	if s.Tenant != "" {
		w.tree(treeOfTenant, "", s.Tenant, host)
	}
}

func (w *walk) tree(kind treeKind, name, tenant, host string) {
	if w.list.kinds&(1<<kind) == 0 {
		return
	}
	if root, ok := w.list.trees[treeKey{kind, name, tenant, host}]; ok {
		w.descend(root, w.path)
	}
}

// descend takes what the rules give or take that begin with the way to a node
// and go on with rest, which is empty or begins with a slash. It calls itself
// once for each way on that rules of the subject have, so no more often than
// they have nodes, and no deeper than maxParts.
func (w *walk) descend(at nodeID, rest string) {
	n := &w.list.nodes[at]
	w.take(n.rest)
	if rest == "" {
		w.take(n.here)
		return
	}
	segment, rest := rest[1:], ""
	if i := strings.IndexByte(segment, '/'); i >= 0 {
		segment, rest = segment[:i], segment[i:]
	}
	if n.literals {
		if to, ok := w.list.edges[edge{at, segment}]; ok {
			w.descend(to, rest)
		}
	}
	if n.one != 0 && segment != "" {
		w.descend(n.one, rest)
	}
	if !w.subject.Authenticated {
		return
	}
	if n.device != 0 && encodes(segment, w.subject.Device) {
		w.descend(n.device, rest)
	}
	if n.tenant != 0 && encodes(segment, w.subject.Tenant) {
		w.descend(n.tenant, rest)
	}
}

func (w *walk) take(s span) {
	for i := range w.list.grants[s.from:s.to] {
		g := &w.list.grants[s.from+uint32(i)]
		switch {
		case g.peers&w.peer == 0 || g.methods&w.wanted == 0:
		case g.deny:
			w.denied = min(w.denied, g.rule)
		default:
			w.given |= g.methods
			w.allowed = min(w.allowed, g.rule)
		}
	}
}
