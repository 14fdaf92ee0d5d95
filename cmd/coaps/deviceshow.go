// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

func (a *app) deviceListCommand() *cobra.Command {
	var target ownerTarget
	var filter registry.Filter
	var json, check bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list devices, never their keys",
		Long: `List the devices, ordered by tenant and name. On a terminal a table, else a line
for each with tabs between (name, groups, credentials, state, label), with --json
an object for each. Keys and tokens are not shown.

--check lists what should not stay so instead, and ends with exit code 9 if there
is anything: keys that several devices have (each of them can pass for the
others), keys shorter than 16 bytes, and what ends within 30 days.`,
		Example: `  coaps device list
  coaps device list --check
  coaps device list --group sensors --prefix plant-2-
  coaps device list --json | jq -r 'select(.state != "ok").name'`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter.Tenant = target.tenant
			filter.NoTenant = cmd.Flags().Changed("tenant") && target.tenant == ""
			if check {
				return a.deviceCheck(cmd, filter, json)
			}
			return a.deviceList(cmd, filter, json)
		},
	}
	target.register(cmd)
	set, done := beginGroup(cmd.Flags(), groupDevice)
	set.StringVar(&filter.Group, "group", "", "members of this `GROUP` alone")
	set.StringVar(&filter.NamePrefix, "prefix", "", "those whose name begins with `TEXT` alone")
	set.BoolVar(&check, "check", false, "what should not stay so; exit code 9 if there is anything")
	done()
	registerJSON(cmd.Flags(), &json)
	return cmd
}

func (a *app) deviceList(cmd *cobra.Command, filter registry.Filter, json bool) error {
	reg, done, err := a.openRegistry(cmd)
	if err != nil {
		return err
	}
	defer done()
	t := a.newTable(json, "NAME", "GROUPS", "CREDENTIALS", "STATE", "LABEL")
	for d, err := range reg.Devices(cmd.Context(), filter) {
		if err != nil {
			return t.fail("cannot list the devices", err)
		}
		if err := t.row(newDeviceJSON(&d)); err != nil {
			return err
		}
	}
	return t.end()
}

// deviceJSON is a device as it is shown: all but the secrets.
type deviceJSON struct {
	V           int              `json:"v"`
	Name        string           `json:"name"`
	Tenant      string           `json:"tenant,omitempty"`
	Label       string           `json:"label,omitempty"`
	Groups      []string         `json:"groups,omitempty"`
	State       string           `json:"state"`
	Disabled    bool             `json:"disabled,omitempty"`
	NotBefore   string           `json:"not_before,omitempty"`
	NotAfter    string           `json:"not_after,omitempty"`
	Credentials []credentialJSON `json:"credentials,omitempty"`
	Created     string           `json:"created,omitempty"`
	Changed     string           `json:"changed,omitempty"`
}

// credentialJSON is a credential as it is shown.
type credentialJSON struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	What      string   `json:"what"`
	State     string   `json:"state"`
	NotBefore string   `json:"not_before,omitempty"`
	NotAfter  string   `json:"not_after,omitempty"`
	Host      string   `json:"host,omitempty"`
	Nodes     []string `json:"nodes,omitempty"`
	Created   string   `json:"created,omitempty"`

	valid string
}

func newDeviceJSON(d *registry.Device) *deviceJSON {
	out := &deviceJSON{V: jsonSchemaVersion, Name: d.Name, Tenant: d.Tenant, Label: d.Label, Groups: d.Groups,
		State: state(d.Disabled, d.NotBefore, d.NotAfter, now()), Disabled: d.Disabled,
		NotBefore: timeJSON(d.NotBefore), NotAfter: timeJSON(d.NotAfter), Created: timeJSON(d.Created), Changed: timeJSON(d.Changed)}
	for i := range d.Credentials {
		out.Credentials = append(out.Credentials, newCredentialJSON(&d.Credentials[i]))
	}
	return out
}

func newCredentialJSON(c *registry.Credential) credentialJSON {
	out := credentialJSON{ID: c.ID, Kind: c.Kind(), What: credentialText(c), State: state(c.Disabled, c.NotBefore, c.NotAfter, now()),
		NotBefore: timeJSON(c.NotBefore), NotAfter: timeJSON(c.NotAfter), Host: c.Host, Created: timeJSON(c.Created),
		valid: periodText(c.NotBefore, c.NotAfter)}
	if c.PSK != nil {
		out.Nodes = c.PSK.Nodes
	}
	return out
}

// credentialText is that by which a credential is known, and nothing secret.
func credentialText(c *registry.Credential) string {
	switch {
	case c.PSK != nil:
		return keys.PrintableIdentity(c.PSK.Identity)
	case c.RPK != nil:
		return c.RPK.Name.String()
	case c.Certificate != nil:
		return certificateText(c.Certificate)
	case c.Token != nil:
		return fmt.Sprintf("sha256 %x…", c.Token.SHA256[:min(6, len(c.Token.SHA256))])
	}
	return ""
}

func certificateText(c *registry.Certificate) string {
	var text string
	switch {
	case c.URI != "":
		text = "URI " + c.URI
	case c.DNS != "":
		text = "DNS " + c.DNS
	case c.EUI64 != "":
		text = "EUI-64 " + c.EUI64
	case c.Subject != "":
		text = "subject " + c.Subject
	default:
		text = "key " + c.Pin.String()
	}
	if c.Issuer != "" {
		text += " of " + c.Issuer
	}
	return text
}

func (d *deviceJSON) owner() string { return ownerName{tenant: d.Tenant, name: d.Name}.String() }

func (d *deviceJSON) columns() []string {
	return []string{d.owner(), strings.Join(d.Groups, ","), d.kinds(), d.stateText(), d.Label}
}

// kinds counts the credentials by their kind: "psk:2 rpk".
func (d *deviceJSON) kinds() string {
	var text []string
	for _, kind := range []string{"psk", "rpk", "certificate", "token"} {
		n := 0
		for i := range d.Credentials {
			if d.Credentials[i].Kind == kind {
				n++
			}
		}
		switch n {
		case 0:
		case 1:
			text = append(text, kind)
		default:
			text = append(text, fmt.Sprintf("%s:%d", kind, n))
		}
	}
	return strings.Join(text, " ")
}

// stateText says also if a device that is good has nothing good to show.
func (d *deviceJSON) stateText() string {
	if d.State != "ok" {
		return d.State
	}
	for i := range d.Credentials {
		if d.Credentials[i].State == "ok" {
			return "ok"
		}
	}
	return "no credential"
}

func (a *app) deviceShowCommand() *cobra.Command {
	var target ownerTarget
	var json bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "print what is known of a device, but its keys",
		Long: `Print what is known of a device: groups, state, bounds, and its credentials by
their names. Keys and tokens are not shown; coaps psk show prints a key.`,
		Example: `  coaps device show sensor-7
  coaps device show acme/sensor-7 --json`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.deviceShow(cmd, args[0], &target, json) },
	}
	target.register(cmd)
	registerJSON(cmd.Flags(), &json)
	return cmd
}

func (a *app) deviceShow(cmd *cobra.Command, text string, target *ownerTarget, json bool) error {
	what := "cannot show " + text
	name, err := parseDeviceName(what, text, target.tenant)
	if err != nil {
		return err
	}
	reg, done, err := a.openRegistry(cmd)
	if err != nil {
		return err
	}
	defer done()
	d, err := reg.Device(cmd.Context(), name.tenant, name.name)
	if err != nil {
		return storeFailure(what, err)
	}
	shown := newDeviceJSON(&d)
	if json {
		return outputFailure(writeJSON(a.out, shown))
	}
	_, err = fmt.Fprint(a.out, a.deviceText(&d, shown))
	return outputFailure(err)
}

// deviceText is what a person reads.
func (a *app) deviceText(d *registry.Device, shown *deviceJSON) string {
	var b strings.Builder
	p := a.outPalette()
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s %s\n", p.dim(fmt.Sprintf("%-9s", name+":")), oneLine(value))
		}
	}
	row("name", d.Name)
	row("tenant", d.Tenant)
	row("label", d.Label)
	row("groups", strings.Join(d.Groups, ", "))
	row("state", shown.stateText())
	row("valid", periodText(d.NotBefore, d.NotAfter))
	row("created", timeText(d.Created))
	row("changed", timeText(d.Changed))
	for i := range shown.Credentials {
		row("shows", shown.Credentials[i].text())
	}
	return b.String()
}

// text is the line of a credential.
func (c *credentialJSON) text() string {
	parts := []string{fmt.Sprintf("%s %s (ID %s): %s", c.Kind, c.What, c.ID, c.State)}
	if c.valid != "" {
		parts = append(parts, c.valid)
	}
	if c.Host != "" {
		parts = append(parts, "for the host "+c.Host)
	}
	if len(c.Nodes) > 0 {
		parts = append(parts, "with the nodes "+strings.Join(c.Nodes, ", "))
	}
	return strings.Join(parts, ", ")
}
