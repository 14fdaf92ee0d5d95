// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/registry"
)

// subjectForms is the help text for what a SUBJECT may be.
const subjectForms = `SUBJECT is a device in the store (NAME, TENANT/NAME, device:NAME), group:NAME
for a peer that has the key its members share, or anonymous. With --group the
store is not asked: the device is as the flags say.`

// subjectFlags describe a subject further.
type subjectFlags struct {
	tenant, host, mode string
	groups             []string
}

func (f *subjectFlags) register(cmd *cobra.Command) {
	set, done := beginGroup(cmd.Flags(), groupDevice)
	set.StringVar(&f.mode, "mode", "", "`MODE` in which the peer is known: nosec, psk, rpk, certificate or token (default: by each kind of credential that it has)")
	set.StringSliceVar(&f.groups, "group", nil, "the `GROUP` of a device that is not in the store yet; repeatable")
	set.StringVar(&f.tenant, "tenant", "", "its `TENANT`")
	set.StringVar(&f.host, "host", "", "the virtual `HOST` that it asks for (default: those of its credentials)")
	done()
	completeValues(cmd, "mode", modeWords)
}

// given says whether any of the flags is.
func (f *subjectFlags) given() bool {
	return f.mode != "" || f.groups != nil || f.tenant != "" || f.host != ""
}

// modeWords are the modes as rules name them.
var modeWords = []string{"nosec", "psk", "rpk", "certificate", "token"}

// provenModes are those in which a device can prove who it is.
var provenModes = []acl.Mode{acl.PSK, acl.RPK, acl.Certificate, acl.Token}

// A variant is a subject that has come in one of the ways it can.
type variant struct {
	acl.Subject
	way string // "by psk", or "" if there is no choice
}

// subjects returns the ways in which the one that text names can come.
func (b *aclBench) subjects(what, text string, f *subjectFlags) ([]variant, error) {
	mode := acl.AnyMode
	if f.mode != "" {
		var err error
		if mode, err = acl.ParseMode(f.mode); err != nil {
			return nil, fail("usage", what, "--mode: %v", err)
		}
	}
	switch key, name, _ := strings.Cut(text, ":"); {
	case text == "anonymous":
		s := acl.Subject{Mode: cmp.Or(mode, acl.NoSec), Host: acl.CanonicalHost(f.host)}
		return []variant{{Subject: s}}, nil
	case key == "group":
		return memberOf(what, name, mode, f)
	case key == "device":
		return b.device(what, name, mode, f)
	case !isBareName(text):
		return nil, fail("usage", what, "%q is not one peer", text).try("a device's name, group:NAME or anonymous")
	}
	return b.device(what, text, mode, f)
}

// memberOf is a peer with a key that a group shares.
func memberOf(what, name string, mode acl.Mode, f *subjectFlags) ([]variant, error) {
	owner, err := parseDeviceName(what, name, f.tenant)
	if err != nil {
		return nil, err
	}
	if mode == acl.NoSec {
		return nil, errNoSecSubject(what)
	}
	s := acl.Subject{
		Tenant: owner.tenant, Groups: append(slices.Clone(f.groups), owner.name), Mode: cmp.Or(mode, acl.PSK),
		Host: acl.CanonicalHost(f.host), Authenticated: true,
	}
	return []variant{{Subject: s}}, nil
}

func errNoSecSubject(what string) error {
	return fail("usage", what, "in mode nosec nobody shows who he is").try("SUBJECT anonymous, or another --mode")
}

// device is a device of the store, or one that the flags describe.
func (b *aclBench) device(what, name string, mode acl.Mode, f *subjectFlags) ([]variant, error) {
	owner, err := parseDeviceName(what, name, f.tenant)
	if err != nil {
		return nil, err
	}
	if mode == acl.NoSec {
		return nil, errNoSecSubject(what)
	}
	d := registry.Device{Name: owner.name, Tenant: owner.tenant, Groups: f.groups}
	if f.groups == nil {
		if d, err = b.storedDevice(what, owner); err != nil {
			return nil, err
		}
		if d.Disabled {
			b.warnf("device %s is disabled: it cannot connect", owner)
		}
	}
	var variants []variant
	for _, way := range waysOf(&d) {
		s := acl.Subject{
			Device: d.Name, Tenant: d.Tenant, Groups: d.Groups, Mode: cmp.Or(mode, way.mode),
			Host: cmp.Or(acl.CanonicalHost(f.host), way.host), Authenticated: true,
		}
		v := variant{Subject: s, way: "by " + s.Mode.String()}
		if s.Host != "" {
			v.way += " at " + s.Host
		}
		if !slices.ContainsFunc(variants, func(other variant) bool { return other.way == v.way }) {
			variants = append(variants, v)
		}
	}
	return variants, nil
}

// storedDevice finds a device in the store.
func (b *aclBench) storedDevice(what string, owner ownerName) (registry.Device, error) {
	if !b.hasStore() {
		return registry.Device{}, fail("not_found", what, "the configuration has no store to find device %s in", owner).
			try("--group GROUP describes a device that is in no store")
	}
	reg, err := b.registry()
	if err != nil {
		return registry.Device{}, err
	}
	ctx := b.cmd.Context()
	d, err := reg.Device(ctx, owner.tenant, owner.name)
	switch {
	case err == nil:
		return d, nil
	case !errors.Is(err, registry.ErrNoDevice):
		return d, storeFailure(what, err)
	}
	f := fail("not_found", what, "there is no device %s", owner).because(err)
	switch found, tenants := similar(ctx, reg, owner); {
	case found:
		return d, f.try("group:%s is a group: write it so", owner)
	case len(tenants) > 0:
		return d, f.try("%s is there", strings.Join(tenants, ", "))
	}
	return d, f.try("coaps device list shows the names; --group GROUP describes a device that is not in the store")
}

// maxSimilar bounds how many devices are looked at for a hint.
const maxSimilar = 10_000

// similar looks for what may have been meant: a group, or a device of the same
// name in a tenant.
func similar(ctx context.Context, reg *registry.Registry, owner ownerName) (isGroup bool, tenants []string) {
	looked := 0
	for d, err := range reg.Devices(ctx, registry.Filter{NamePrefix: owner.name}) {
		if looked++; err != nil || looked > maxSimilar || len(tenants) == 3 {
			break
		}
		if d.Name == owner.name {
			tenants = append(tenants, nameOfDevice(&d))
		}
	}
	isGroup, err := hasGroup(ctx, reg, owner.tenant, owner.name)
	return isGroup && err == nil, tenants
}

// A way is how a credential lets its device in.
type way struct {
	mode acl.Mode
	host string
}

// waysOf are the ways that a device's credentials open; all there are if it has
// none yet.
func waysOf(d *registry.Device) (ways []way) {
	for i := range d.Credentials {
		c := &d.Credentials[i]
		switch {
		case c.Disabled:
		case c.PSK != nil:
			ways = append(ways, way{acl.PSK, c.Host})
		case c.RPK != nil:
			ways = append(ways, way{acl.RPK, c.Host})
		case c.Certificate != nil:
			ways = append(ways, way{acl.Certificate, c.Host})
		case c.Token != nil:
			ways = append(ways, way{acl.Token, c.Host})
		}
	}
	if len(ways) == 0 {
		for _, mode := range provenModes {
			ways = append(ways, way{mode: mode})
		}
	}
	return ways
}
