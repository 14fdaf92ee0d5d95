// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"slices"
	"strings"
)

func (f *Filter) wants(d *Device) bool {
	switch {
	case f.Tenant != "" && d.Tenant != f.Tenant, f.NoTenant && d.Tenant != "":
		return false
	case f.Group != "" && !slices.Contains(d.Groups, f.Group):
		return false
	}
	return strings.HasPrefix(d.Name, f.NamePrefix)
}
