// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/gateway"
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

// moment is a flag for a point in time: RFC 3339, a date, or how long from now.
type moment struct {
	text string
	at   time.Time
}

// momentForms is the help text for flags that take a point in time.
const momentForms = "2027-01-31T12:00:00Z, 2027-01-31 or 90d from now"

// parse resolves the flag at this moment; nothing given is the zero time.
func (m *moment) parse(cmd *cobra.Command, flag string, now time.Time) error {
	if m.text == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, m.text, time.Local); err == nil {
			m.at = at.UTC().Truncate(time.Second)
			return nil
		}
	}
	span, err := gateway.ParseDuration(strings.TrimPrefix(m.text, "+"))
	if err != nil {
		return usage(cmd, "--%s %q: %s is needed", flag, m.text, momentForms)
	}
	m.at = now.Add(span).UTC().Truncate(time.Second)
	return nil
}

// bounds is a pair of such flags.
type bounds struct{ notBefore, notAfter moment }

func (p *bounds) parse(cmd *cobra.Command, now time.Time) error {
	if err := p.notBefore.parse(cmd, "not-before", now); err != nil {
		return err
	}
	if err := p.notAfter.parse(cmd, "not-after", now); err != nil {
		return err
	}
	if !p.notBefore.at.IsZero() && !p.notAfter.at.IsZero() && p.notAfter.at.Before(p.notBefore.at) {
		return usage(cmd, "--not-after lies before --not-before")
	}
	return nil
}

// state says in a word whether something with these bounds is good now.
func state(disabled bool, notBefore, notAfter, now time.Time) string {
	switch {
	case disabled:
		return "disabled"
	case !notAfter.IsZero() && now.After(notAfter):
		return "expired"
	case !notBefore.IsZero() && now.Before(notBefore):
		return "not yet valid"
	}
	return "ok"
}

// periodText is "until 2027-01-31 12:00:00Z" and the like; "" without bounds.
func periodText(notBefore, notAfter time.Time) string {
	var parts []string
	if !notBefore.IsZero() {
		parts = append(parts, "from "+timeText(notBefore))
	}
	if !notAfter.IsZero() {
		parts = append(parts, "until "+timeText(notAfter))
	}
	return strings.Join(parts, " ")
}

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// timeJSON is nothing for the zero time.
func timeJSON(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// subcommandsOnly is for a command that only holds others.
func subcommandsOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	f := usage(cmd, "there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return f.try("did you mean %s %s?", cmd.CommandPath(), near[0])
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return f.try("%s %s", cmd.CommandPath(), strings.Join(names, "|"))
}

// atLeast is exactArgs for a last argument that may be repeated.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usage(cmd, "%s is missing", names[len(args)])
		}
		return nil
	}
}
