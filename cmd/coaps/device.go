// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/registry"
)

func (a *app) deviceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "device",
		Short: "devices: what they are called, what they show, to whom they belong",
		Long: `A device has a name, perhaps a tenant and groups, and any number of credentials:
pre-shared keys, raw public keys, certificates, tokens. Who shows one of them is
that device; what it may do, access rules say (coaps acl).

A device is named NAME, or TENANT/NAME. Names are printable text of up to 128
octets without "/" in it, and two tenants may use the same. A server that runs
sees each change within a second.`,
		Example: `  coaps device add sensor-7 --group sensors --new-psk --qr
  coaps device list --group sensors
  coaps device disable sensor-7
  coaps device import fleet.csv --dry-run`,
		GroupID: groupProvision,
		Args:    cobra.ArbitraryArgs,
		RunE:    subcommandsOnly,
	}
	cmd.AddCommand(a.deviceAddCommand(), a.deviceListCommand(), a.deviceShowCommand(), a.deviceMoveCommand(),
		a.deviceEnableCommand(true), a.deviceEnableCommand(false), a.deviceRemoveCommand(),
		a.deviceImportCommand(), a.deviceExportCommand())
	return cmd
}

// ownerTarget is the store, and the tenant whose devices or groups are meant.
type ownerTarget struct {
	store  storeFlags
	tenant string
}

func (t *ownerTarget) register(cmd *cobra.Command) {
	t.store.register(cmd.Flags())
	set, done := beginGroup(cmd.Flags(), groupDevice)
	defer done()
	set.StringVar(&t.tenant, "tenant", "", "of this `TENANT`; TENANT/NAME says the same")
}

func (a *app) deviceEnableCommand(enable bool) *cobra.Command {
	var target ownerTarget
	verb, past, long := "disable", "disabled", `Refuse whatever these devices show, and keep all that is known of them. Sessions
that are open now end within a second, as the server's on-revoke says.`
	if enable {
		verb, past, long = "enable", "enabled", `Take back coaps device disable.`
	}
	cmd := &cobra.Command{
		Use:     verb + " NAME...",
		Short:   map[bool]string{true: "let devices in again", false: "keep devices out, connected ones too"}[enable],
		Long:    long,
		Example: "  coaps device " + verb + " sensor-7\n  coaps device " + verb + " acme/sensor-7 acme/sensor-8",
		Args:    atLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eachDevice(cmd, args, &target, verb, past, func(ctx context.Context, reg *registry.Registry, o ownerName) error {
				_, err := reg.UpdateDevice(ctx, o.tenant, o.name, func(d *registry.Device) error {
					d.Disabled = !enable
					return nil
				})
				return err
			})
		},
	}
	target.register(cmd)
	return cmd
}

// eachDevice does the same to several devices. All names are looked at before
// the first is changed, so that a slip of the pen in the last changes nothing.
func (a *app) eachDevice(cmd *cobra.Command, args []string, target *ownerTarget, verb, past string,
	change func(context.Context, *registry.Registry, ownerName) error) error {
	names := make([]ownerName, len(args))
	for i, arg := range args {
		var err error
		if names[i], err = parseDeviceName("cannot "+verb+" "+arg, arg, target.tenant); err != nil {
			return err
		}
	}
	reg, done, err := a.openRegistry(cmd)
	if err != nil {
		return err
	}
	defer done()
	for _, name := range names {
		if _, err := reg.Device(cmd.Context(), name.tenant, name.name); err != nil {
			return storeFailure("cannot "+verb+" "+name.String(), err)
		}
	}
	for _, name := range names {
		if err := change(cmd.Context(), reg, name); err != nil {
			return storeFailure("cannot "+verb+" "+name.String(), err)
		}
		a.notef("%s: %s", name, past)
	}
	return nil
}

func (a *app) deviceRemoveCommand() *cobra.Command {
	var target ownerTarget
	var credential string
	cmd := &cobra.Command{
		Use:   "remove NAME...",
		Short: "forget devices, or one credential of a device",
		Long: `Forget devices with all their credentials, for good. Sessions that are open now
end within a second, as the server's on-revoke says; the names and identities
are free again. coaps device disable keeps what is known.

--credential ID forgets that credential alone; coaps device show has the IDs.`,
		Example: `  coaps device remove sensor-7
  coaps device remove sensor-7 --credential 2`,
		Args: atLeast("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if credential != "" && len(args) > 1 {
				return usage(cmd, "--credential is for one device")
			}
			return a.eachDevice(cmd, args, &target, "remove", "removed", func(ctx context.Context, reg *registry.Registry, o ownerName) error {
				if credential != "" {
					return removeCredential(ctx, reg, o, credential)
				}
				return reg.RemoveDevice(ctx, o.tenant, o.name)
			})
		},
	}
	target.register(cmd)
	cmd.Flags().StringVar(&credential, "credential", "", "forget the credential of this `ID` alone")
	return cmd
}

func removeCredential(ctx context.Context, reg *registry.Registry, o ownerName, id string) error {
	_, err := editOwner(ctx, reg, o, func(list *[]registry.Credential) error {
		at := slices.IndexFunc(*list, func(c registry.Credential) bool { return c.ID == id })
		if at < 0 {
			return fail("not_found", "cannot remove a credential of "+o.String(), "it has none of the ID %s", id).
				try("coaps device show %s has the IDs", shellQuote(o.String()))
		}
		*list = slices.Delete(*list, at, at+1)
		return nil
	})
	return err
}

func (a *app) deviceMoveCommand() *cobra.Command {
	var target ownerTarget
	var groups, ungroup []string
	var label string
	cmd := &cobra.Command{
		Use:   "move NAME [NEWNAME]",
		Short: "give a device another name, tenant, groups or label",
		Long: `Give a device another name (NEWNAME), another tenant (TENANT/NEWNAME, or
/NEWNAME for none), or groups: --group puts it into one more, --ungroup takes it
out of one. Its credentials stay, and so do the identities it shows. Rules that
name it by its old name are not changed.`,
		Example: `  coaps device move sensor-7 sensor-07
  coaps device move sensor-7 acme/sensor-7
  coaps device move sensor-7 --group outdoor --ungroup sensors`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				return usage(cmd, "%q is one argument too many", args[2])
			}
			return atLeast("NAME")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			m := deviceMove{groups: groups, ungroup: ungroup, label: label, setLabel: cmd.Flags().Changed("label")}
			return a.deviceMove(cmd, args, &target, &m)
		},
	}
	target.register(cmd)
	set, done := beginGroup(cmd.Flags(), groupDevice)
	defer done()
	set.StringArrayVar(&groups, "group", nil, "put it into this `GROUP` too; repeatable")
	set.StringArrayVar(&ungroup, "ungroup", nil, "take it out of this `GROUP`; repeatable")
	set.StringVar(&label, "label", "", "give it this label, a `TEXT` for people")
	return cmd
}

// deviceMove is what becomes of a device.
type deviceMove struct {
	from, to        ownerName
	groups, ungroup []string
	label           string
	setLabel        bool
}

func (a *app) deviceMove(cmd *cobra.Command, args []string, target *ownerTarget, m *deviceMove) error {
	what := "cannot move " + args[0]
	var err error
	if m.from, err = parseDeviceName(what, args[0], target.tenant); err != nil {
		return err
	}
	if m.to, err = m.destination(what, args[1:]); err != nil {
		return err
	}
	if m.to == m.from && len(m.groups)+len(m.ungroup) == 0 && !m.setLabel {
		return usage(cmd, "nothing to change: NEWNAME, --group, --ungroup or --label")
	}
	if err := firstError(checkGroups(what, m.groups), checkLabel(cmd, m.label)); err != nil {
		return err
	}
	reg, done, err := a.openRegistry(cmd)
	if err != nil {
		return err
	}
	defer done()
	if err := m.apply(cmd.Context(), reg); err != nil {
		return storeFailure(what, err)
	}
	if m.to == m.from {
		a.notef("%s: changed", m.from)
		return nil
	}
	a.notef("%s: moved to %s", m.from, m.to)
	return nil
}

// destination is the new name; "/NAME" has no tenant.
func (m *deviceMove) destination(what string, args []string) (ownerName, error) {
	if len(args) == 0 {
		return m.from, nil
	}
	if bare, none := strings.CutPrefix(args[0], "/"); none {
		return parseDeviceName(what, bare, "")
	}
	if strings.Contains(args[0], "/") {
		return parseDeviceName(what, args[0], "")
	}
	return parseDeviceName(what, args[0], m.from.tenant)
}

// apply changes groups and label first, as they keep the name under which a
// second try would look.
func (m *deviceMove) apply(ctx context.Context, reg *registry.Registry) error {
	if len(m.groups)+len(m.ungroup) > 0 || m.setLabel {
		if _, err := reg.UpdateDevice(ctx, m.from.tenant, m.from.name, m.edit); err != nil {
			return err
		}
	}
	if m.to == m.from {
		return nil
	}
	_, err := reg.MoveDevice(ctx, m.from.tenant, m.from.name, m.to.tenant, m.to.name)
	return err
}

var errNotAMember = errors.New("it is not a member")

func (m *deviceMove) edit(d *registry.Device) error {
	for _, group := range m.ungroup {
		at := slices.Index(d.Groups, group)
		if at < 0 {
			return fail("not_found", "cannot move "+m.from.String(), "it is not in the group %s", group).because(errNotAMember).
				try("coaps device show %s", shellQuote(m.from.String()))
		}
		d.Groups = slices.Delete(d.Groups, at, at+1)
	}
	for _, group := range m.groups {
		if !slices.Contains(d.Groups, group) {
			d.Groups = append(d.Groups, group)
		}
	}
	if m.setLabel {
		d.Label = m.label
	}
	return nil
}
