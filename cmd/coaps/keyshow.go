// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) keyShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "print the public half of a key",
		Long: `Print what kind of key FILE holds, its name, and the public key as PEM: the
part to give to others. What stands before the PEM block is ignored by every
program that reads PEM, so the output is a file for --peer-key as it is. The
private half is never printed. - reads stdin.`,
		Example: `  coaps key show me.key > me.pub
  coaps get --rpk me.key --peer-key server.pub coaps://gw.example.net/hello`,
		Args: exactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return a.keyShow(args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func (a *app) keyShow(path string, asJSON bool) error {
	f, err := a.readKey(path)
	if err != nil {
		return err
	}
	if asJSON {
		return outputFailure(writeJSON(a.out, jsonKeyFile{jsonSchemaVersion, path, f.pair != nil, jsonKeyOf(f.spki)}))
	}
	_, err = fmt.Fprintf(a.out, "# %s, %s\n# %s\n%s", keyKind(f.spki), f.half(), keys.NameOf(f.spki, keys.SHA256), keys.MarshalPublic(f.spki))
	return outputFailure(err)
}
