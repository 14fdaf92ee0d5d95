// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/gateway"
)

func (a *app) sessionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "session",
		Short:   "who is connected to a running server",
		GroupID: groupServe,
		Args:    exactArgs("a command: list, show or drop"),
		RunE:    func(cmd *cobra.Command, args []string) error { return usage(cmd, "there is no command %q", args[0]) },
	}
	cmd.AddCommand(a.sessionListCommand(), a.sessionShowCommand(), a.sessionDropCommand())
	return cmd
}

// sessionFlags pick sessions.
type sessionFlags struct {
	serverFlags
	filter gateway.SessionFilter
}

func (f *sessionFlags) register(set *pflag.FlagSet) {
	f.serverFlags.register(set)
	set.StringVar(&f.filter.Device, "device", "", "sessions of the device `NAME`, or TENANT/NAME; group:NAME by the key of a group")
	set.StringVar(&f.filter.Tenant, "tenant", "", "sessions of this tenant, by `NAME`")
	set.StringVar(&f.filter.Mode, "mode", "", "sessions of this `MODE`: psk, rpk, certificate, token or anonymous")
}

var sessionModes = []string{"psk", "rpk", "certificate", gateway.ModeToken, gateway.ModeAnonymous}

func (f *sessionFlags) check(cmd *cobra.Command) error {
	if f.filter.Mode != "" {
		if err := oneOf("mode", f.filter.Mode, sessionModes...); err != nil {
			return usage(cmd, "%v", err)
		}
	}
	return nameOwner(cmd, &f.filter, f.filter.Device)
}

// nameOwner has the filter mean whom session list prints so: a device, NAME or
// TENANT/NAME, or the sessions by a key that a group shares, group:NAME. Without a
// tenant it is one of no tenant.
func nameOwner(cmd *cobra.Command, filter *gateway.SessionFilter, text string) error {
	name, group := strings.CutPrefix(text, groupPrefix)
	if tenant, rest, found := strings.Cut(name, "/"); found {
		if filter.Tenant != "" && filter.Tenant != tenant {
			return usage(cmd, "--tenant %s and %s name two tenants", filter.Tenant, text)
		}
		filter.Tenant, name = tenant, rest
	}
	if !group {
		filter.Device = name
		return nil
	}
	if name == "" {
		return usage(cmd, "%s names no group", text)
	}
	filter.Device, filter.Group = "", name
	return nil
}

func (a *app) sessionListCommand() *cobra.Command {
	var flags sessionFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "the sessions, with what each peer has proved",
		Long: `List the sessions of a running server: identity or device, mode, address, age, when it
was heard last, and how many resources it observes. A device that is silent is
still connected: its session sleeps.`,
		Example: `  coaps session list
  coaps session list --tenant acme --mode psk
  coaps session list --json | jq -r 'select(.device == "sensor-7").peer'`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sessionList(cmd, &flags, asJSON) },
	}
	flags.register(cmd.Flags())
	completeValues(cmd, "mode", sessionModes)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each session")
	return cmd
}

// sessionRow is a session in a list.
type sessionRow struct {
	gateway.Session
	now time.Time
}

// columns are those of session list.
func (r sessionRow) columns() []string {
	return []string{r.ID, sessionName(&r.Session), r.Mode, r.Peer, strings.TrimPrefix(r.Cipher, "TLS_"), ageText(r.now.Sub(r.Since)), ageText(r.now.Sub(r.LastSeen)), sessionState(&r.Session), strconv.Itoa(r.Observes)}
}

// sessionName is the device or, of what belongs to none, the identity.
func sessionName(s *gateway.Session) string {
	name := s.Identity
	switch {
	case s.Device != "":
		name = s.Device
	case s.Group != "":
		return ownerName{tenant: s.Tenant, name: s.Group, group: true}.String()
	case name == "":
		return "(anonymous)"
	}
	if s.Tenant != "" {
		name = s.Tenant + "/" + name
	}
	return name
}

func sessionState(s *gateway.Session) string {
	switch {
	case s.Forbidden:
		return "forbidden"
	case s.Asleep:
		return "asleep"
	}
	return "awake"
}

func (a *app) sessionList(cmd *cobra.Command, flags *sessionFlags, asJSON bool) error {
	if err := flags.check(cmd); err != nil {
		return err
	}
	client, err := a.dial(cmd, &flags.serverFlags, "session list")
	if err != nil {
		return err
	}
	defer client.Close()
	t := a.newTable(asJSON, "SESSION", "WHO", "MODE", "PEER", "CIPHER", "AGE", "SILENT", "STATE", "OBSERVES")
	for session, err := range client.Sessions(cmd.Context(), flags.filter) {
		if err != nil {
			return adminFailure("cannot ask the server", err)
		}
		if err := t.row(sessionRow{session, time.Now()}); err != nil {
			return err
		}
	}
	return t.end()
}

func (a *app) sessionShowCommand() *cobra.Command {
	var flags serverFlags
	cmd := &cobra.Command{
		Use:   "show SESSION|DEVICE|group:NAME",
		Short: "all that is known of one session, as JSON",
		Example: `  coaps session show 1-0.2a.17
  coaps session show sensor-7 | jq .peer`,
		Args: exactArgs("which session? its id or a device"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sessionShow(cmd, &flags, args[0]) },
	}
	flags.register(cmd.Flags())
	cmd.Flags().Bool("json", true, "it is JSON in any case")
	return cmd
}

// isSessionID tells the id of a session from the name of a device.
func isSessionID(s string) bool {
	number, rest, found := strings.Cut(s, "-")
	return found && strings.Trim(number, "0123456789") == "" && number != "" &&
		strings.Count(rest, ".") == 2 && strings.Trim(rest, "0123456789abcdef.") == ""
}

func (a *app) sessionShow(cmd *cobra.Command, flags *serverFlags, which string) error {
	client, err := a.dial(cmd, flags, "session show")
	if err != nil {
		return err
	}
	defer client.Close()
	filter := gateway.SessionFilter{ID: which}
	if !isSessionID(which) {
		filter = gateway.SessionFilter{}
		if err := nameOwner(cmd, &filter, which); err != nil {
			return err
		}
	}
	found := false
	for session, err := range client.Sessions(cmd.Context(), filter) {
		if err != nil {
			return adminFailure("cannot ask the server", err)
		}
		found = true
		if err := writeJSON(a.out, session); err != nil {
			return outputFailure(err)
		}
	}
	if !found {
		return noSession(which)
	}
	return nil
}

func noSession(which string) error {
	f := fail("not_found", "there is no such session", "%s is not connected", which)
	f.code = exitSetup
	return f.try("coaps session list shows who is")
}

func (a *app) sessionDropCommand() *cobra.Command {
	var flags sessionFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "drop [SESSION|DEVICE|group:NAME]",
		Short: "close sessions",
		Long: `Close the sessions of a device, a tenant or a mode, those by the key of a group, or
one by its id, with close_notify. A client whose credential is still good comes back: coaps device disable keeps it
out, and closes its sessions by itself.`,
		Example: `  coaps session drop sensor-7
  coaps session drop acme/sensor-7
  coaps session drop 1-0.2a.17
  coaps session drop --tenant acme`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sessionDrop(cmd, &flags, args, asJSON) },
	}
	flags.register(cmd.Flags())
	completeValues(cmd, "mode", sessionModes)
	registerJSON(cmd.Flags(), &asJSON)
	return cmd
}

func (a *app) sessionDrop(cmd *cobra.Command, flags *sessionFlags, args []string, asJSON bool) error {
	if err := flags.check(cmd); err != nil {
		return err
	}
	filter := flags.filter
	if len(args) > 0 {
		switch {
		case isSessionID(args[0]):
			filter.ID = args[0]
		case filter.Device+filter.Group != "":
			return usage(cmd, "the device is named twice")
		default:
			if err := nameOwner(cmd, &filter, args[0]); err != nil {
				return err
			}
		}
	}
	if filter.Empty() {
		return usage(cmd, "which sessions? name one, a device, --tenant or --mode")
	}
	client, err := a.dial(cmd, &flags.serverFlags, "session drop "+filter.String())
	if err != nil {
		return err
	}
	defer client.Close()
	dropped, err := client.Drop(cmd.Context(), filter)
	if err != nil {
		return adminFailure("cannot drop sessions", err)
	}
	if dropped == 0 {
		return noSession(filter.String())
	}
	if asJSON {
		return outputFailure(writeJSON(a.out, struct {
			V       int `json:"v"`
			Dropped int `json:"dropped"`
		}{jsonSchemaVersion, dropped}))
	}
	a.notef("closed %d", dropped)
	return nil
}
