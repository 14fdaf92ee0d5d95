// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/registry"
)

// ownerName is how the command line names a device or a group: NAME, or
// TENANT/NAME. There is no "/" in names, so the two are never mixed up; but
// there may be "@", as in identities.
type ownerName struct {
	tenant, name string
	group        bool // group:NAME
}

// groupPrefix marks a group where a device or a group may stand.
const groupPrefix = "group:"

func (o ownerName) String() string {
	text := o.name
	if o.tenant != "" {
		text = o.tenant + "/" + o.name
	}
	if o.group {
		return groupPrefix + text
	}
	return text
}

// identity is what a client sends where nobody asks for anything else. With the
// tenant in it, two tenants may have devices of the same name.
func (o ownerName) identity() []byte {
	if o.tenant == "" {
		return []byte(o.name)
	}
	return []byte(o.name + "@" + o.tenant)
}

// nameOfDevice is how a device is named in output.
func nameOfDevice(d *registry.Device) string {
	return ownerName{tenant: d.Tenant, name: d.Name}.String()
}

// parseDeviceName reads the name of a device.
func parseDeviceName(what, text, tenant string) (ownerName, error) {
	var o ownerName
	rest := text
	if before, after, found := strings.Cut(rest, "/"); found {
		if tenant != "" && tenant != before {
			return o, fail("usage", what, "--tenant %s and %s name two tenants", tenant, text).try("one of them is enough")
		}
		tenant, rest = before, after
	}
	o.name, o.tenant = rest, tenant
	err := registry.CheckName(rest)
	if strings.HasPrefix(rest, groupPrefix) {
		err = errors.New("group:NAME is a group, and a device is needed")
	}
	if err == nil && tenant != "" {
		err = registry.CheckName(tenant)
	}
	if err != nil {
		return o, fail("bad_name", what, "%v", err).because(err).
			try("NAME or TENANT/NAME; letters, digits and - . _ : @ are good in names")
	}
	return o, nil
}

// openOwner opens the registry for a command about the keys of one device or
// group. The caller calls done.
func (a *app) openOwner(cmd *cobra.Command, what, name string, target *ownerTarget) (reg *registry.Registry, owner ownerName, done func(), err error) {
	if owner, err = parseOwner(what, name, target.tenant); err == nil {
		reg, done, err = a.openRegistry(cmd)
	}
	return reg, owner, done, err
}

// parseOwner reads the name of a device, or group:NAME.
func parseOwner(what, text, tenant string) (ownerName, error) {
	rest, isGroup := strings.CutPrefix(text, groupPrefix)
	o, err := parseDeviceName(what, rest, tenant)
	o.group = isGroup
	return o, err
}

// checkGroups checks the values of --group. One value is one group: what looks like
// a list is taken for a slip.
func checkGroups(what string, groups []string) error {
	for _, group := range groups {
		err := registry.CheckName(group)
		if err == nil && strings.ContainsAny(group, ",;|") {
			err = errors.New("one --group is one group; it may be repeated")
		}
		if err != nil {
			return fail("bad_name", what, "--group: %v", err).because(err)
		}
	}
	return nil
}

// checkLabel refuses what would do something to a terminal.
func checkLabel(cmd *cobra.Command, label string) error {
	if strings.ContainsFunc(label, isControl) {
		return usage(cmd, "--label has control characters in it")
	}
	return nil
}
