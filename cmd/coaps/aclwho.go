// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"

	"github.com/coaps-go/coaps/security/acl"
)

// whoKeys are the words that a WHO or a SUBJECT may begin with. Another one is
// the name of a device or a group, even if it has a colon, as urn:imei:1 has.
var whoKeys = []string{"device", "group", "tenant", "host", "mode", "authenticated", "anonymous", "anybody"}

// whoForms is the advice for a WHO that is not understood.
const whoForms = "device:NAME, group:NAME, tenant:NAME, mode:MODE, authenticated, anonymous or anybody"

// isBareName says whether text is a name that has to be looked up.
func isBareName(text string) bool {
	key, _, _ := strings.Cut(text, ",")
	key, _, _ = strings.Cut(key, ":")
	return !slices.Contains(whoKeys, key)
}

// parseWho reads WHO; a bare name is looked up in the store.
func (b *aclBench) parseWho(what, text string) (acl.Who, error) {
	if isBareName(text) {
		return b.lookUpWho(what, text)
	}
	w, err := acl.ParseWho(text)
	if err != nil {
		return w, fail("usage", what, "WHO %q: %v", text, err).try("%s", whoForms)
	}
	w, err = splitTenant(what, w)
	if err != nil || w.Device == "" && w.Group == "" || !b.hasStore() {
		return w, err
	}
	return w, b.warnUnknown(w)
}

// splitTenant takes TENANT/NAME apart, as the commands write the names of
// devices and groups.
func splitTenant(what string, w acl.Who) (acl.Who, error) {
	for _, name := range [...]*string{&w.Device, &w.Group} {
		if *name == "" {
			continue
		}
		tenant := w.Tenant
		if tenant == acl.AnyTenant {
			tenant = ""
		}
		owner, err := parseDeviceName(what, *name, tenant)
		if err != nil {
			return w, err
		}
		if *name != owner.name {
			w.Tenant = owner.tenant
		}
		*name = owner.name
	}
	return w, nil
}

// lookUpWho says whether a bare name is a device or a group.
func (b *aclBench) lookUpWho(what, text string) (acl.Who, error) {
	if !b.hasStore() {
		return acl.Who{}, fail("usage", what, "%q: the configuration has no store to look the name up in", text).
			try("say device:%s or group:%s", text, text)
	}
	owner, err := parseDeviceName(what, text, "")
	if err != nil {
		return acl.Who{}, err
	}
	reg, err := b.registry()
	if err != nil {
		return acl.Who{}, err
	}
	isDevice, err := hasDevice(b.cmd.Context(), reg, owner.tenant, owner.name)
	if err != nil {
		return acl.Who{}, storeFailure(what, err)
	}
	isGroup, err := hasGroup(b.cmd.Context(), reg, owner.tenant, owner.name)
	switch {
	case err != nil:
		return acl.Who{}, storeFailure(what, err)
	case isDevice && isGroup:
		return acl.Who{}, fail("ambiguous_name", what, "%s is a device and a group", owner).
			try("say device:%s or group:%s", owner, owner)
	case isDevice:
		return acl.Who{Device: owner.name, Tenant: owner.tenant}, nil
	case isGroup:
		return acl.Who{Group: owner.name, Tenant: owner.tenant}, nil
	}
	return acl.Who{}, fail("not_found", what, "there is no device and no group %s", owner).
		try("coaps device list shows the names; group:%s if it is yet to come", owner)
}

// warnUnknown warns of a name that the store does not have: often a typo.
func (b *aclBench) warnUnknown(w acl.Who) error {
	if w.Tenant == acl.AnyTenant {
		return nil
	}
	reg, err := b.registry()
	if err != nil {
		return err
	}
	kind, name, has := "device", w.Device, hasDevice
	if w.Group != "" {
		kind, name, has = "group", w.Group, hasGroup
	}
	found, err := has(b.cmd.Context(), reg, w.Tenant, name)
	if err != nil {
		return storeFailure("cannot look up "+kind+" "+name, err)
	}
	if !found {
		b.warnf("there is no %s %s in the store yet", kind, ownerName{tenant: w.Tenant, name: name})
	}
	return nil
}
