// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// finding is something that should not stay so.
type finding struct {
	V      int      `json:"v"`
	Kind   string   `json:"finding"` // shared_key, weak_psk, ends_soon
	Of     []string `json:"of"`
	Detail string   `json:"detail"`
}

func (f *finding) columns() []string { return []string{f.Kind, strings.Join(f.Of, ", "), f.Detail} }

// endsSoon is how early an end is told.
const endsSoon = 30 * 24 * time.Hour

// deviceCheck lists findings, and ends in an error if there are any.
func (a *app) deviceCheck(cmd *cobra.Command, filter registry.Filter, json bool) error {
	const what = "cannot check the devices"
	reg, done, err := a.openRegistry(cmd)
	if err != nil {
		return err
	}
	defer done()
	t := a.newTable(json, "FINDING", "OF", "DETAIL")
	if err := checkDevices(cmd.Context(), reg, filter, t); err != nil {
		return t.fail(what, err)
	}
	if err := checkShared(cmd.Context(), reg, t); err != nil {
		return t.fail(what, err)
	}
	if t.rows == 0 {
		a.notef("nothing to complain of")
		return nil
	}
	if err := t.end(); err != nil {
		return err
	}
	return fail("findings", "the devices were checked", "%s", plural(t.rows, "finding"))
}

func checkDevices(ctx context.Context, reg *registry.Registry, filter registry.Filter, t *table) error {
	for d, err := range reg.Devices(ctx, filter) {
		if err != nil {
			return err
		}
		for i := range d.Credentials {
			f := checkCredential(&d, &d.Credentials[i])
			if f == nil {
				continue
			}
			if err := t.row(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkCredential is about what is good today: what is disabled or has ended long
// ago does no harm.
func checkCredential(d *registry.Device, c *registry.Credential) *finding {
	end := credentialEnd(d, c)
	f := &finding{V: jsonSchemaVersion, Of: []string{nameOfDevice(d)}}
	switch {
	case d.Disabled || c.Disabled:
		return nil
	case !end.IsZero() && now().After(end):
		return nil
	case c.PSK != nil && c.PSK.Key.Len() < keys.MinPSKLen:
		f.Kind, f.Detail = "weak_psk", fmt.Sprintf("the key of %s has %d bytes", keys.PrintableIdentity(c.PSK.Identity), c.PSK.Key.Len())
	case ends(end) && !succeeded(d, c):
		f.Kind, f.Detail = "ends_soon", fmt.Sprintf("%s %s ends on %s", c.Kind(), credentialText(c), timeText(end))
	default:
		return nil
	}
	return f
}

// credentialEnd is when a credential ends, the zero time if it does not.
func credentialEnd(d *registry.Device, c *registry.Credential) time.Time {
	end := c.NotAfter
	if !d.NotAfter.IsZero() && (end.IsZero() || d.NotAfter.Before(end)) {
		end = d.NotAfter
	}
	return end
}

// ends reports whether an end is near, or over.
func ends(end time.Time) bool { return !end.IsZero() && now().Add(endsSoon).After(end) }

// succeeded reports whether a device has another credential of the kind that goes on
// when c ends, as after psk rotate.
func succeeded(d *registry.Device, c *registry.Credential) bool {
	return slices.ContainsFunc(d.Credentials, func(other registry.Credential) bool {
		return other.ID != c.ID && other.Kind() == c.Kind() && other.Host == c.Host && !other.Disabled &&
			!other.NotBefore.After(c.NotAfter) && !ends(credentialEnd(d, &other))
	})
}

// checkShared is about keys that several have: "this key only enables the
// entities to authenticate as a member of that group and not as a specific peer"
// (RFC 7252 section 9).
func checkShared(ctx context.Context, reg *registry.Registry, t *table) error {
	shared, err := reg.SharedKeys(ctx)
	if err != nil {
		return err
	}
	for _, s := range shared {
		f := &finding{V: jsonSchemaVersion, Kind: "shared_key", Of: s.Owners, Detail: "they have the same pre-shared key: each can pass for the others"}
		if err := t.row(f); err != nil {
			return err
		}
	}
	return nil
}
