// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"slices"
	"strings"
)

// Filter says which devices are wanted: those for which all holds that is set.
type Filter struct {
	Tenant     string // this tenant's; "" those of all, and of none
	NoTenant   bool   // those of no tenant
	Group      string // members of this group
	NamePrefix string
}

// prefix is what the keys begin with of all records that may be wanted.
func (f *Filter) prefix() string {
	if f.Tenant != "" || f.NoTenant {
		return deviceKey(f.Tenant, "")
	}
	return devicePrefix
}

func (f *Filter) wants(d *Device) bool {
	switch {
	case f.Tenant != "" && d.Tenant != f.Tenant, f.NoTenant && d.Tenant != "":
		return false
	case f.Group != "" && !slices.Contains(d.Groups, f.Group):
		return false
	}
	return strings.HasPrefix(d.Name, f.NamePrefix)
}
