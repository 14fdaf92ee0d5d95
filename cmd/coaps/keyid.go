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
private key, a public key or a certificate, in any form that key convert reads;
- reads stdin. All forms name the same key, and --peer-key takes any of them.
The two thumbprints, of JOSE (RFC 7638) and of COSE (RFC 9679), come last: other
systems know the key by them, --peer-key does not.`,
		Example: `  coaps key id server.key
  coaps key id server.crt
  coaps key id --json me.pub | jq -r '.key.names[0].name'`,
		Args: exactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return a.keyID(args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// jsonKeyFile is the object of key id --json and key show --json.
type jsonKeyFile struct {
	V       int      `json:"v"`
	File    string   `json:"file"`
	Private bool     `json:"private"` // the file holds the private key
	Key     *jsonKey `json:"key"`
}

// keyID prints a form a line: its label, then the name.
func (a *app) keyID(path string, asJSON bool) error {
	f, err := a.readKey(path)
	if err != nil {
		return err
	}
	if asJSON {
		return outputFailure(writeJSON(a.out, jsonKeyFile{jsonSchemaVersion, path, f.pair != nil, jsonKeyOf(f.spki)}))
	}
	var lines []jsonName
	for _, form := range keys.Forms(f.spki) {
		lines = append(lines, jsonName{form.Label, form.Text})
	}
	p := a.outPalette()
	for _, line := range append(lines, thumbprints(f.spki)...) {
		if _, err := fmt.Fprintf(a.out, "%s %s\n", p.dim(fmt.Sprintf("%-18s", line.Form)), line.Name); err != nil {
			return outputFailure(err)
		}
	}
	return nil
}
