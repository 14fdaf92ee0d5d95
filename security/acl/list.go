// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import "slices"

// A Subject is a peer, as far as rules ask.
type Subject struct {
	Device string   // its name; empty: it is no device that is known by name
	Tenant string   // the tenant that the device and the groups belong to; may be empty
	Groups []string // the groups it is a member of
	Mode   Mode     // how it came to be known
	Host   string   // the virtual host it came to, in lower case

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
//
// The rules for one device, group, tenant or class of peers are a tree by the
// segments of their paths, and the trees are in a table by whom they are for.
// So a decision walks the trees of the subject alone, and in them where its
// path goes.
type List struct {
	rules  []Rule
	trees  map[treeKey]nodeID
	kinds  uint8 // bit set of the treeKinds that have a tree
	hosts  bool  // there are trees for one virtual host
	nodes  []node
	edges  map[edge]nodeID
	grants []grant
}

// A treeKey says whose rules a tree holds.
type treeKey struct {
	kind               treeKind
	name, tenant, host string
}

type treeKind uint8

const (
	treeOfClass          treeKind = iota // whoever meets the conditions of each rule
	treeOfDevice                         // of the name, in the tenant
	treeOfDeviceAnywhere                 // of the name, in whichever tenant
	treeOfGroup
	treeOfGroupAnywhere
	treeOfTenant
)

// A nodeID is an index of nodes. No edge leads to 0, which is no node.
type nodeID uint32

// A node is a prefix of patterns.
type node struct {
	one, device, tenant nodeID // the next segment is *, {device}, {tenant}
	literals            bool   // edges has more
	here, rest          span   // the rules that end here, and those that go on with **
}

// An edge is a literal segment after a node.
type edge struct {
	from    nodeID
	segment string
}

// A span is a part of grants.
type span struct{ from, to uint32 }

// A grant is what a rule gives or takes, under conditions.
type grant struct {
	rule    uint32
	peers   peerSet
	methods Methods
	deny    bool
}

// A peerSet has a bit for each combination of mode, whether the peer is
// authenticated, and whether it has a tenant.
type peerSet uint32

func peerBit(m Mode, authenticated, hasTenant bool) peerSet {
	at := 4 * uint(m)
	if authenticated {
		at++
	}
	if hasTenant {
		at += 2
	}
	return 1 << at
}

// peersOf returns the peers that meet the conditions of a rule other than names.
func peersOf(w *Who, p pattern) (set peerSet) {
	for m := range Mode(modeCount) {
		for _, authenticated := range [...]bool{false, true} {
			for _, hasTenant := range [...]bool{false, true} {
				if meets(w, p, m, authenticated, hasTenant) {
					set |= peerBit(m, authenticated, hasTenant)
				}
			}
		}
	}
	return set
}

// meets reports whether a peer meets the conditions of a rule other than names.
func meets(w *Who, p pattern, m Mode, authenticated, hasTenant bool) bool {
	switch {
	case w.Mode != AnyMode && w.Mode != m:
		return false
	case w.Anonymous && authenticated:
		return false
	case w.needsProof() && !authenticated:
		return false
	case w.Tenant == AnyTenant && !hasTenant:
		return false
	}
	return !(hasTenant && p.tenantless(w))
}

// Compile makes a List of rules; one of no rules denies everything. The error is a
// *RuleError, and the List is then nil.
func Compile(rules []Rule) (*List, error) {
	b := builder{
		list: &List{
			rules: slices.Clone(rules),
			trees: make(map[treeKey]nodeID),
			nodes: make([]node, 1),
			edges: make(map[edge]nodeID),
		},
		ends: make(map[end][]grant),
	}
	for i := range rules {
		if err := b.add(i); err != nil {
			return nil, &RuleError{Index: i, ID: rules[i].ID, Err: err}
		}
	}
	b.finish()
	return b.list, nil
}

// A builder makes a List.
type builder struct {
	list *List
	ends map[end][]grant
	last []end // the keys of ends, in order
}

// An end is where rules end: at a node, or at a ** after it.
type end struct {
	node nodeID
	rest bool
}

func (b *builder) add(i int) error {
	r := &b.list.rules[i]
	p, err := r.pattern()
	if err != nil {
		return err
	}
	at := end{node: b.tree(&r.Who)}
	for _, part := range p {
		if part.kind == anyRest {
			at.rest = true
			break
		}
		at.node = b.next(at.node, part)
	}
	b.grant(at, grant{rule: uint32(i), peers: peersOf(&r.Who, p), methods: r.Methods, deny: r.Deny})
	return nil
}

// tree returns the root of the tree that holds the rules for w.
func (b *builder) tree(w *Who) nodeID {
	l, key := b.list, w.tree()
	root, ok := l.trees[key]
	if !ok {
		root = b.node()
		l.trees[key] = root
		l.kinds |= 1 << key.kind
		l.hosts = l.hosts || key.host != ""
	}
	return root
}

// tree returns the key of the tree that holds the rules for w.
func (w *Who) tree() treeKey {
	key := treeKey{host: w.Host, tenant: w.Tenant}
	switch {
	case w.Device != "":
		key.kind, key.name = treeOfDevice, w.Device
	case w.Group != "":
		key.kind, key.name = treeOfGroup, w.Group
	case w.Tenant != "" && w.Tenant != AnyTenant:
		key.kind = treeOfTenant
	}
	if w.Tenant == AnyTenant {
		key.tenant = ""
		if key.kind != treeOfClass {
			key.kind++ // ...Anywhere
		}
	}
	return key
}

func (b *builder) node() nodeID {
	b.list.nodes = append(b.list.nodes, node{})
	return nodeID(len(b.list.nodes) - 1)
}

// next returns the node that part leads to.
func (b *builder) next(from nodeID, part part) nodeID {
	l := b.list
	if part.kind == literal {
		key := edge{from, part.text}
		to, ok := l.edges[key]
		if !ok {
			to = b.node()
			l.edges[key] = to
			l.nodes[from].literals = true
		}
		return to
	}
	to := *l.nodes[from].child(part.kind)
	if to == 0 {
		to = b.node()
		*l.nodes[from].child(part.kind) = to
	}
	return to
}

func (n *node) child(kind partKind) *nodeID {
	switch kind {
	case device:
		return &n.device
	case tenant:
		return &n.tenant
	}
	return &n.one
}

// grant adds g to those that end at the same place, without the methods that
// an earlier one gives or takes from the same peers or more: of rules that say
// the same, the first is named.
func (b *builder) grant(at end, g grant) {
	others, ok := b.ends[at]
	if !ok {
		b.last = append(b.last, at)
	}
	for _, other := range others {
		if other.deny == g.deny && g.peers&^other.peers == 0 {
			g.methods &^= other.methods
		}
	}
	if g.methods != 0 {
		b.ends[at] = append(others, g)
	}
}

// finish puts all grants into one slice.
func (b *builder) finish() {
	l := b.list
	for _, at := range b.last {
		s := span{from: uint32(len(l.grants))}
		l.grants = append(l.grants, b.ends[at]...)
		s.to = uint32(len(l.grants))
		if at.rest {
			l.nodes[at.node].rest = s
		} else {
			l.nodes[at.node].here = s
		}
	}
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
