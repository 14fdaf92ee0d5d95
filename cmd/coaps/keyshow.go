// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) keyShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "print the public half of a key",
		Long: `Print what kind of key FILE holds, its name, and the public key as PEM: the
part to give to others. What stands before the PEM block is ignored by every
program that reads PEM, so the output is a file for --peer-key as it is. The
private half is never printed. - reads stdin.`,
		Example: `  coaps key show me.key > me.pub
  coaps get --rpk me.key --peer-key server.pub coaps://gw.example.net/hello`,
		Args: exactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return a.keyShow(args[0]) },
	}
}

func (a *app) keyShow(path string) error {
	spki, private, err := a.readPublicKey(path)
	if err != nil {
		return err
	}
	half := "public key"
	if private {
		half = "public half of a private key"
	}
	_, err = fmt.Fprintf(a.out, "# %s, %s\n# %s\n%s", keyKind(spki), half, keys.NameOf(spki, keys.SHA256), keys.MarshalPublic(spki))
	return outputFailure(err)
}
