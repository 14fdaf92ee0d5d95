// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/store"
)

func (a *app) reloadCommand() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "have a running server read its configuration again",
		Long: `Have a running server read its configuration and the files that it names again. All of
it is put in force or nothing: on an error the old configuration stays, the error
is shown, and the exit code is 3. No session is lost. Sessions whose credential
is not good any more end as acl.on-revoke says.

What cannot change without a restart is refused by name: limits, the MTU, the
admin socket, acl.on-revoke.`,
		Example: `  coaps reload
  coaps config check /etc/coaps/coaps.yaml && coaps reload --config /etc/coaps/coaps.yaml`,
		GroupID: groupServe,
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.reload(cmd, &flags, asJSON) },
	}
	flags.register(cmd.Flags())
	registerJSON(cmd.Flags(), &asJSON)
	return cmd
}

func (a *app) reload(cmd *cobra.Command, flags *serverFlags, asJSON bool) error {
	client, err := a.dial(cmd, flags, "reload")
	if err != nil {
		return err
	}
	defer client.Close()
	status, err := client.Reload(cmd.Context())
	if err != nil {
		return a.reloadFailure(err)
	}
	if asJSON {
		return outputFailure(writeJSON(a.out, status))
	}
	a.notef("the new configuration is in force")
	return nil
}

// reloadFailure shows what the server says is wrong.
func (a *app) reloadFailure(err error) error {
	const what = "the configuration was not reloaded; the old one is in force"
	remote, ok := errors.AsType[*gateway.RemoteError](err)
	if !ok || errors.Is(err, gateway.ErrStarting) {
		return adminFailure("cannot ask the server", err)
	}
	if remote.Text != "" {
		fmt.Fprintln(a.err, remote.Text)
	}
	for _, known := range []struct {
		err          error
		reason, hint string
	}{
		{gateway.ErrNeedsRestart, "invalid_config", "undo that change, or restart the server"},
		{syscall.EADDRINUSE, "address_in_use", "another process has the port: ss -ulpn shows it"},
		{syscall.EADDRNOTAVAIL, "address_unavailable", ""},
		{store.ErrLocked, "store_locked", ""},
		{store.ErrCorrupt, "store_corrupt", ""},
		{store.ErrUnavailable, "setup", "coaps status shows since when and why"},
	} {
		if !errors.Is(err, known.err) {
			continue
		}
		f := fail(known.reason, what, "%s", remote.Message).because(err)
		f.hint, f.code = known.hint, exitSetup
		return f
	}
	return fail("invalid_config", what, "%s", remote.Message).because(err).
		try("mend that; coaps config check FILE looks at everything but ports")
}
