// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import "github.com/coaps-go/coaps/security"

// member names a device or a group of a tenant.
type member struct{ tenant, name string }

// Concerned says which sessions should be looked at again after changes that Run
// has told, in the form that Server.Recheck takes, which is nil for all; some is
// false if it is none, as after a change of the rules. Besides those of the
// devices, the groups and their members it is all whose raw public key or
// certificate was nobody's until now: it may have got an owner.
func Concerned(changes []Change) (match func(*security.Principal, security.Mode) bool, some bool) {
	devices, groups := map[member]bool{}, map[member]bool{}
	for _, c := range changes {
		switch {
		case c.All:
			return nil, true
		case c.Device != "":
			devices[member{c.Tenant, c.Device}] = true
		case c.Group != "":
			groups[member{c.Tenant, c.Group}] = true
		}
	}
	if len(devices)+len(groups) == 0 {
		return nil, false
	}
	return func(p *security.Principal, mode security.Mode) bool {
		if p.IsZero() {
			return mode != security.PreSharedKey
		}
		if devices[member{p.Tenant, p.Device}] || groups[member{p.Tenant, p.Group}] {
			return true
		}
		for _, group := range p.Groups {
			if groups[member{p.Tenant, group}] {
				return true
			}
		}
		return false
	}, true
}
