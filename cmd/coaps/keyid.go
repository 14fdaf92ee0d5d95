// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) keyIDCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "id FILE",
		Short: "print every form of a key's name",
		Long: `Print the name of a public key in every form that is in use. FILE may hold a
private key, a public key or a certificate, PEM or DER; - reads stdin. All
forms name the same key, and --peer-key takes any of them.`,
		Example: `  coaps key id server.key
  coaps key id server.crt
  coaps key id --json me.pub | jq -r '.key.names[0].name'`,
		Args: exactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return a.keyID(args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// jsonKeyFile is the object of key id --json.
type jsonKeyFile struct {
	V    int      `json:"v"`
	File string   `json:"file"`
	Key  *jsonKey `json:"key"`
}

// keyID prints a form a line: its label, then the name.
func (a *app) keyID(path string, asJSON bool) error {
	spki, _, err := a.readPublicKey(path)
	if err != nil {
		return err
	}
	if asJSON {
		return outputFailure(writeJSON(a.out, jsonKeyFile{jsonSchemaVersion, path, jsonKeyOf(spki)}))
	}
	p := a.outPalette()
	for _, form := range keys.Forms(spki) {
		if _, err := fmt.Fprintf(a.out, "%s %s\n", p.dim(fmt.Sprintf("%-18s", form.Label)), form.Text); err != nil {
			return outputFailure(err)
		}
	}
	return nil
}
