// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

func (a *app) pskShowCommand() *cobra.Command {
	var out outFlags
	var target ownerTarget
	var identity string
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "print a key, as the line that the other side needs",
		Long: `Print the pre-shared key of a device or group:NAME, as the line that the other
side needs. Of several keys that are good the newest is shown, or that of
--identity. --as takes

` + lineFormHelp() + `
The address in it is that of --server, else what the configuration says, else
SERVER, to be replaced.`,
		Example: `  coaps psk show sensor-7
  coaps psk show sensor-7 --as libcoap --server gw.example.net
  coaps psk show sensor-7 --as zephyr -o psk.h
  coaps psk show sensor-7 --as label --qr`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.pskShow(cmd, args[0], identity, &target, &out)
		},
	}
	target.register(cmd)
	set, done := beginGroup(cmd.Flags(), groupCredential)
	set.StringVarP(&identity, "identity", "u", "", "the key of this `ID`: text or 0xHEX")
	done()
	out.register(cmd)
	out.registerJSON(cmd)
	return cmd
}

func (a *app) pskShow(cmd *cobra.Command, name, identity string, target *ownerTarget, out *outFlags) error {
	what := "cannot show the key of " + name
	if err := out.check(cmd); err != nil {
		return err
	}
	reg, owner, done, err := a.openOwner(cmd, what, name, target)
	if err != nil {
		return err
	}
	defer done()
	list, err := ownerCredentials(cmd.Context(), reg, owner)
	if err != nil {
		return storeFailure(what, err)
	}
	c, err := pskToShow(what, list, identity)
	if err != nil {
		return err
	}
	if s := state(c.Disabled, c.NotBefore, c.NotAfter, now()); s != "ok" {
		a.warnf("the key of %s is %s: nobody gets in with it", keys.PrintableIdentity(c.PSK.Identity), s)
	}
	h, line, err := out.prepare(a, cmd, keys.PSK{Identity: c.PSK.Identity, Key: c.PSK.Key}, owner)
	if err != nil {
		return err
	}
	if h.server.Host == unknownServer && strings.Contains(line, unknownServer) {
		a.notef("put the server's address in place of %s; --server HOST does", unknownServer)
	}
	return out.print(a, h, line)
}

// pskToShow is the key that was asked for, else the newest that is good, else
// the newest.
func pskToShow(what string, list []registry.Credential, identity string) (*registry.Credential, error) {
	found, err := pskChoice{identity, true}.choose(what, list)
	if err != nil {
		return nil, err
	}
	best := &list[found[len(found)-1]]
	for _, i := range slices.Backward(found) {
		if state(list[i].Disabled, list[i].NotBefore, list[i].NotAfter, now()) == "ok" {
			return &list[i], nil
		}
	}
	return best, nil
}

func (a *app) pskListCommand() *cobra.Command {
	var target ownerTarget
	var json bool
	cmd := &cobra.Command{
		Use:   "list [NAME]",
		Short: "list keys by their identities, never the keys",
		Long: `List the pre-shared keys of a device, of group:NAME, or of all, by their
identities: whose, whether it is good, its bounds. The keys themselves are not
shown. On a terminal a table, else a line for each with tabs between, with
--json an object for each.`,
		Example: `  coaps psk list
  coaps psk list sensor-7
  coaps psk list --json | jq -r 'select(.state != "ok").identity'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(cmd, "%q is one argument too many", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.pskList(cmd, args, &target, json) },
	}
	target.register(cmd)
	registerJSON(cmd.Flags(), &json)
	return cmd
}

func (a *app) pskList(cmd *cobra.Command, args []string, target *ownerTarget, json bool) error {
	const what = "cannot list the keys"
	var only ownerName
	var err error
	if len(args) == 1 {
		if only, err = parseOwner(what, args[0], target.tenant); err != nil {
			return err
		}
	}
	reg, done, err := a.openRegistry(cmd)
	if err != nil {
		return err
	}
	defer done()
	t := a.newTable(json, "IDENTITY", "OF", "STATE", "VALID", "HOST", "NODES", "BITS")
	var owners iter.Seq2[credentialOwner, error]
	if len(args) == 1 {
		owners = oneOwner(cmd.Context(), reg, only)
	} else {
		owners = allOwners(cmd.Context(), reg, target.tenant)
	}
	for o, err := range owners {
		if err != nil {
			return t.fail(what, err)
		}
		for i := range o.credentials {
			if c := &o.credentials[i]; c.PSK != nil {
				if err := t.row(newPSKRow(o.name, c)); err != nil {
					return err
				}
			}
		}
	}
	return t.end()
}

// credentialOwner is a device or a group with what it has.
type credentialOwner struct {
	name        ownerName
	credentials []registry.Credential
}

func oneOwner(ctx context.Context, reg *registry.Registry, name ownerName) iter.Seq2[credentialOwner, error] {
	return func(yield func(credentialOwner, error) bool) {
		list, err := ownerCredentials(ctx, reg, name)
		yield(credentialOwner{name, list}, err)
	}
}

// allOwners are all devices, and then all groups with a record.
func allOwners(ctx context.Context, reg *registry.Registry, tenant string) iter.Seq2[credentialOwner, error] {
	return func(yield func(credentialOwner, error) bool) {
		for d, err := range reg.Devices(ctx, registry.Filter{Tenant: tenant}) {
			if !yield(credentialOwner{ownerName{tenant: d.Tenant, name: d.Name}, d.Credentials}, err) || err != nil {
				return
			}
		}
		for g, err := range reg.Groups(ctx) {
			if err == nil && tenant != "" && g.Tenant != tenant {
				continue
			}
			if !yield(credentialOwner{ownerName{tenant: g.Tenant, name: g.Name, group: true}, g.Credentials}, err) || err != nil {
				return
			}
		}
	}
}

// pskRow is a line of psk list.
type pskRow struct {
	V         int      `json:"v"`
	Identity  string   `json:"identity"`
	Device    string   `json:"device,omitempty"`
	Group     string   `json:"group,omitempty"`
	Tenant    string   `json:"tenant,omitempty"`
	ID        string   `json:"id"`
	State     string   `json:"state"`
	NotBefore string   `json:"not_before,omitempty"`
	NotAfter  string   `json:"not_after,omitempty"`
	Host      string   `json:"host,omitempty"`
	Nodes     []string `json:"nodes,omitempty"`
	Bits      int      `json:"bits"`
	Created   string   `json:"created,omitempty"`

	owner, valid string
}

func newPSKRow(owner ownerName, c *registry.Credential) *pskRow {
	r := &pskRow{V: jsonSchemaVersion, Identity: keys.PrintableIdentity(c.PSK.Identity), Tenant: owner.tenant, ID: c.ID,
		State: state(c.Disabled, c.NotBefore, c.NotAfter, now()), NotBefore: timeJSON(c.NotBefore), NotAfter: timeJSON(c.NotAfter),
		Host: c.Host, Nodes: c.PSK.Nodes, Bits: 8 * c.PSK.Key.Len(), Created: timeJSON(c.Created),
		owner: owner.String(), valid: periodText(c.NotBefore, c.NotAfter)}
	if owner.group {
		r.Group = owner.name
	} else {
		r.Device = owner.name
	}
	return r
}

func (r *pskRow) columns() []string {
	return []string{r.Identity, r.owner, r.State, r.valid, r.Host, strings.Join(r.Nodes, ","), fmt.Sprint(r.Bits)}
}

// tableRow is one line of a list.
type tableRow interface{ columns() []string }

// table prints a list: aligned on a terminal, with tabs between elsewhere, or
// an object a line. A terminal's lines wait for the end, at most as many as a
// person may want to look at; behind them the columns keep their width.
type table struct {
	a       *app
	out     *bufio.Writer // of lines and objects
	json    bool
	header  []string
	waiting [][]string
	widths  []int
	rows    int
	flushed bool
}

const tableLook = 1000

func (a *app) newTable(json bool, header ...string) *table {
	return &table{a: a, out: bufio.NewWriterSize(a.out, 32<<10), json: json, header: header, widths: make([]int, len(header))}
}

func (t *table) row(r tableRow) error {
	t.rows++
	switch {
	case t.json:
		return outputFailure(writeJSON(t.out, r))
	case !isTerminal(t.a.out):
		columns := r.columns()
		for i := range columns {
			columns[i] = oneLine(columns[i])
		}
		_, err := fmt.Fprintln(t.out, strings.Join(columns, "\t"))
		return outputFailure(err)
	}
	t.waiting = append(t.waiting, r.columns())
	if len(t.waiting) >= tableLook {
		return t.flush()
	}
	return nil
}

// flush writes what waits, under the header the first time.
func (t *table) flush() error {
	lines := t.waiting
	if !t.flushed {
		lines = append([][]string{t.header}, lines...)
	}
	for _, line := range lines {
		for i := range line {
			line[i] = oneLine(line[i])
			if !t.flushed {
				t.widths[i] = max(t.widths[i], len([]rune(line[i])))
			}
		}
	}
	var b strings.Builder
	p := t.a.outPalette()
	for n, line := range lines {
		var text strings.Builder
		for i, field := range line {
			fmt.Fprintf(&text, "%-*s  ", t.widths[i], field)
		}
		shown := strings.TrimRight(text.String(), " ")
		if n == 0 && !t.flushed {
			shown = p.bold(shown)
		}
		b.WriteString(shown + "\n")
	}
	t.waiting, t.flushed = t.waiting[:0], true
	_, err := fmt.Fprint(t.a.out, b.String())
	return outputFailure(err)
}

// fail writes the rest before an error is told.
func (t *table) fail(what string, err error) error {
	if t.rows > 0 {
		if broken := t.end(); broken != nil {
			return broken
		}
	}
	return storeFailure(what, err)
}

// end writes the rest. An empty table says so.
func (t *table) end() error {
	if t.json || !isTerminal(t.a.out) {
		return outputFailure(t.out.Flush())
	}
	if t.rows == 0 {
		t.a.notef("nothing there")
		return nil
	}
	if len(t.waiting) > 0 {
		return t.flush()
	}
	return nil
}
