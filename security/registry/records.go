// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/store"
)

// Records reads a whole file, as JSON, and returns the records of a store that
// has its content, by the order of their keys:
//
//	{"devices": {"sensor-7": {"groups": ["sensors"], "psk": [{"key": "hex:…"}]}},
//	 "groups": {"sensors": {"psk": [{"identity": "all", "key": "hex:…"}]}},
//	 "tenants": {"acme": {"devices": {…}, "groups": {…}}},
//	 "acl": ["allow group:sensors POST /telemetry/{device}"]}
//
// All of it is optional. A device has the fields that the package comment
// lists; its name is the name before it, and an identity that is not given is
// its name. Errors in the content are *PathError.
func Records(doc []byte) ([]store.Record, error) {
	t, err := parseTree(doc)
	if err != nil {
		return nil, err
	}
	if t.kind == 'n' {
		return nil, nil // an empty file
	}
	f := recordsFile{buf: make([]byte, 0, 4096), now: time.Unix(0, 0), whose: map[string]string{}}
	defer func() { clear(f.buf[:cap(f.buf)]) }()
	if err := t.each(f.section); err != nil {
		return nil, err
	}
	slices.SortFunc(f.records, func(a, b store.Record) int { return strings.Compare(a.Key, b.Key) })
	return f.records, nil
}

type recordsFile struct {
	now     time.Time
	records []store.Record
	whose   map[string]string // the owner's key by index key
	buf     []byte            // to be used again
}

func (f *recordsFile) section(name string, t *tree) error {
	switch {
	case t.kind == 'n':
		return nil // a heading with nothing under it
	case name == "acl":
		return f.rules(t)
	case name == "tenants":
		return t.each(f.tenant)
	}
	return f.owners("", name, t)
}

func (f *recordsFile) tenant(tenant string, t *tree) error {
	if t.kind == 'n' {
		return nil
	}
	return t.each(func(name string, section *tree) error {
		if section.kind == 'n' {
			return nil
		}
		return f.owners(tenant, name, section)
	})
}

// owners reads the devices or groups of a tenant.
func (f *recordsFile) owners(tenant, section string, t *tree) error {
	switch section {
	case "devices":
		return t.each(func(name string, t *tree) error {
			d := &Device{Name: name, Tenant: tenant}
			return f.owner(d, t, d.read, name, tenant, &d.Name, &d.Tenant)
		})
	case "groups":
		return t.each(func(name string, t *tree) error {
			g := &Group{Name: name, Tenant: tenant}
			return f.owner(g, t, g.read, name, tenant, &g.Name, &g.Tenant)
		})
	}
	return errField
}

// owner reads one device or group, whose name and tenant stand before it.
func (f *recordsFile) owner(o owner, t *tree, read func(string, *tree) error, name, tenant string, itsName, itsTenant *string) error {
	if t.kind != 'n' {
		if err := t.each(read); err != nil {
			return err
		}
	}
	if *itsName != name || *itsTenant != tenant {
		return errors.New("the name or tenant in it is another one than that before it")
	}
	if err := o.normalize(f.now); err != nil {
		return err
	}
	return f.add(o)
}

func (f *recordsFile) add(o owner) error {
	list, owner := o.credentials(), o.key()
	for i := range list {
		c := &list[i]
		key := string(c.appendIndexKey(f.buf[:0]))
		if whose, taken := f.whose[key]; taken {
			return inList(list, i, &ConflictError{c.what(), ownerOfKey(whose)})
		}
		f.whose[key] = owner
		f.records = append(f.records, store.Record{Key: key, Value: bytes.Clone(reference{owner, c.ID}.append(f.buf[:0]))})
	}
	f.records = append(f.records, store.Record{Key: owner, Value: bytes.Clone(o.AppendJSON(f.buf[:0]))})
	return nil
}

func (f *recordsFile) rules(t *tree) error {
	var rules []acl.Rule
	err := t.list(func(item *tree) error {
		var rule acl.Rule
		rules = append(rules, rule)
		return rules[len(rules)-1].UnmarshalJSON(item.appendJSON(nil))
	})
	if err != nil {
		return err
	}
	if rules, err = numbered(rules, 1); err != nil {
		return err
	}
	for i := range rules {
		op, err := ruleOp(&rules[i], store.Any)
		if err != nil {
			return under(i, fmt.Errorf("%w", err))
		}
		f.records = append(f.records, store.Record{Key: op.Key, Value: op.Value})
	}
	return nil
}

// appendJSON writes a value as it was read.
func (t *tree) appendJSON(dst []byte) []byte {
	switch t.kind {
	case '"':
		return appendText(dst, t.value)
	case '[':
		dst = append(dst, '[')
		for i := range t.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = t.items[i].appendJSON(dst)
		}
		return append(dst, ']')
	case '{':
		dst = append(dst, '{')
		for i := range t.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendText(dst, t.fields[i].name), ':')
			dst = t.fields[i].appendJSON(dst)
		}
		return append(dst, '}')
	case 't':
		return append(dst, "true"...)
	case 'f':
		return append(dst, "false"...)
	case 'n':
		return append(dst, "null"...)
	}
	return append(dst, t.value...)
}
