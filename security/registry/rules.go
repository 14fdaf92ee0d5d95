// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/store"
)

// maxRuleID is the longest ID of an access rule in bytes.
const maxRuleID = 64

func ruleKey(id string) string { return string(appendPart([]byte(rulePrefix), id)) }

// ruleRecord is one access rule and the version of its record.
type ruleRecord struct {
	acl.Rule
	version uint64
}

func (r *Registry) ruleRecords(ctx context.Context) ([]ruleRecord, error) {
	var list []ruleRecord
	for record, err := range r.store.Scan(ctx, rulePrefix, "") {
		if err != nil {
			return nil, err
		}
		rule, err := ruleOf(record)
		if err != nil {
			return nil, err
		}
		list = append(list, ruleRecord{rule, record.Version})
	}
	slices.SortFunc(list, func(a, b ruleRecord) int { return compareIDs(a.ID, b.ID) })
	return list, nil
}

func ruleOf(record store.Record) (acl.Rule, error) {
	var rule acl.Rule
	err := json.Unmarshal(record.Value, &rule)
	if err == nil && ruleKey(rule.ID) != record.Key {
		err = errors.New("another rule's record")
	}
	if err != nil {
		return acl.Rule{}, fmt.Errorf("%w: %s: %w", store.ErrCorrupt, record.Key, err)
	}
	return rule, nil
}

// compareIDs orders numbers by value and before all else.
func compareIDs(a, b string) int {
	m, errM := strconv.ParseUint(a, 10, 64)
	n, errN := strconv.ParseUint(b, 10, 64)
	switch {
	case errM == nil && errN == nil:
		return cmp.Or(cmp.Compare(m, n), cmp.Compare(a, b))
	case errM == nil:
		return -1
	case errN == nil:
		return 1
	}
	return cmp.Compare(a, b)
}

// Rules returns the access rules, ordered by ID: numbers by their value, then
// the rest.
func (r *Registry) Rules(ctx context.Context) ([]acl.Rule, error) {
	records, err := r.ruleRecords(ctx)
	list := make([]acl.Rule, len(records))
	for i := range records {
		list[i] = records[i].Rule
	}
	return list, err
}

func checkRule(rule *acl.Rule) error {
	if len(rule.ID) > maxRuleID || !isID(rule.ID) {
		return at("id", fmt.Errorf("the ID of a rule is ASCII without spaces of up to %d bytes", maxRuleID))
	}
	return rule.Check()
}

func isID(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func ruleOp(rule *acl.Rule, ifVersion uint64) (store.Op, error) {
	value, err := json.Marshal(rule)
	return store.Op{Key: ruleKey(rule.ID), Value: value, IfVersion: ifVersion}, err
}

// AddRule adds an access rule. A rule without ID gets the number after the
// highest one. It returns the rule as it is stored; *ConflictError if the ID is
// taken.
func (r *Registry) AddRule(ctx context.Context, rule acl.Rule) (acl.Rule, error) {
	added, err := r.AddRules(ctx, []acl.Rule{rule})
	if err != nil {
		return acl.Rule{}, err
	}
	return added[0], nil
}

// AddRules is AddRule for many, all or none. Errors in a rule are *PathError
// with its index.
func (r *Registry) AddRules(ctx context.Context, rules []acl.Rule) ([]acl.Rule, error) {
	if _, err := numbered(rules, 1); err != nil {
		return nil, err
	}
	var added []acl.Rule
	err := retry(ctx, func() error {
		there, err := r.ruleRecords(ctx)
		if err != nil {
			return err
		}
		if added, err = numbered(rules, nextID(there)); err != nil {
			return err
		}
		ops := make([]store.Op, len(added))
		for i := range added {
			if ops[i], err = ruleOp(&added[i], store.Absent); err != nil {
				return err
			}
		}
		return taken(r.store.Apply(ctx, ops...), rules)
	})
	return added, err
}

// taken says whether a rule's ID that was asked for is in the way, or one that
// was found, which is worth another try.
func taken(err error, rules []acl.Rule) error {
	conflict, ok := errors.AsType[*store.ConflictError](err)
	if !ok {
		return err
	}
	for i := range rules {
		if rules[i].ID != "" && ruleKey(rules[i].ID) == conflict.Key {
			return &ConflictError{What: "access rule " + rules[i].ID}
		}
	}
	return errRaced
}

// nextID is the number after the highest one.
func nextID(list []ruleRecord) int {
	highest := 0
	for i := range list {
		if n, err := strconv.ParseUint(list[i].ID, 10, 31); err == nil {
			highest = max(highest, int(n))
		}
	}
	return highest + 1
}

// RemoveRule removes an access rule, or returns ErrNoRule.
func (r *Registry) RemoveRule(ctx context.Context, id string) error {
	return retry(ctx, func() error {
		record, err := r.store.Get(ctx, ruleKey(id))
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w: %s", ErrNoRule, id)
		}
		if err != nil {
			return err
		}
		err = r.store.Apply(ctx, store.Op{Key: record.Key, Delete: true, IfVersion: record.Version})
		if _, ok := errors.AsType[*store.ConflictError](err); ok {
			return errRaced
		}
		return err
	})
}

// ReplaceRules puts these rules in place of all that there are, at once. Rules
// without ID get numbers.
func (r *Registry) ReplaceRules(ctx context.Context, rules []acl.Rule) error {
	rules, err := numbered(rules, 1)
	if err != nil {
		return err
	}
	return retry(ctx, func() error {
		old, err := r.ruleRecords(ctx)
		if err != nil {
			return err
		}
		ops, err := replacing(old, rules)
		if err != nil || len(ops) == 0 {
			return err
		}
		err = r.store.Apply(ctx, ops...)
		if _, ok := errors.AsType[*store.ConflictError](err); ok {
			return errRaced
		}
		return err
	})
}

// numbered checks rules and gives numbers from next on to those without ID.
func numbered(rules []acl.Rule, next int) ([]acl.Rule, error) {
	rules = slices.Clone(rules)
	seen := map[string]bool{}
	for i := range rules {
		if err := checkRule(&rules[i]); err != nil {
			return nil, under(i, err)
		}
		if id := rules[i].ID; id != "" && seen[id] {
			return nil, under(i, at("id", fmt.Errorf("the ID %s comes twice", id)))
		}
		seen[rules[i].ID] = true
	}
	for i := range rules {
		for rules[i].ID == "" {
			if id := strconv.Itoa(next); !seen[id] {
				rules[i].ID = id
			}
			next++
		}
	}
	return rules, nil
}

// replacing are the ops that put rules in place of old. All that was read is a
// condition.
func replacing(old []ruleRecord, rules []acl.Rule) ([]store.Op, error) {
	versions := map[string]uint64{}
	for i := range old {
		versions[old[i].ID] = old[i].version
	}
	ops := make([]store.Op, 0, len(rules)+len(old))
	for i := range rules {
		version, there := versions[rules[i].ID]
		if !there {
			version = store.Absent
		}
		delete(versions, rules[i].ID)
		op, err := ruleOp(&rules[i], version)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	for id, version := range versions {
		ops = append(ops, store.Op{Key: ruleKey(id), Delete: true, IfVersion: version})
	}
	return ops, nil
}
