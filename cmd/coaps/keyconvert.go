// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) keyConvertCommand() *cobra.Command {
	var to, output string
	var public bool
	cmd := &cobra.Command{
		Use:   "convert FILE",
		Short: "write a key in another form",
		Long: `Read a key in any form (PEM with PKCS#8, SEC 1 or PKCS#1, DER, JWK, COSE_Key, C
arrays, a certificate) and write it in the form that --to names. The form that
is read is found out; - reads stdin. A private key stays one, unless --public
asks for the public half; it goes into a file of mode 0600.

` + keyFormHelp(),
		Example: `  coaps key convert me.key --to jwk -o me.jwk
  coaps key convert me.key --to c-array -o key.h
  coaps key convert peer.jwk --to pem -o peer.pub`,
		Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.keyConvert(cmd, args[0], to, output, public)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`FORM`: "+strings.Join(keyFormNames(), ", "))
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to a new `FILE`; - is stdout")
	cmd.Flags().BoolVar(&public, "public", false, "the public half only")
	completeValues(cmd, "to", keyFormNames())
	return cmd
}

func keyFormHelp() string {
	var b strings.Builder
	for _, form := range keyOutputs {
		fmt.Fprintf(&b, "  %-12s %s\n", form.name, form.about)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (a *app) keyPubCommand() *cobra.Command {
	var to, output string
	cmd := &cobra.Command{
		Use:   "pub FILE",
		Short: "write the public half of a key",
		Long: `Write the public key of FILE, which may hold a private key, a public key or a
certificate in any form that key convert reads. - reads stdin.`,
		Example: `  coaps key pub me.key -o me.pub
  coaps key pub me.key --to jwk`,
		Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.keyConvert(cmd, args[0], to, output, true)
		},
	}
	cmd.Flags().StringVar(&to, "to", "pem", "`FORM`: pem, der, jwk, cose, c-array or c-array-der")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to a new `FILE`; - is stdout")
	completeValues(cmd, "to", keyFormNames())
	return cmd
}

// keyConvert reads any form and writes one.
func (a *app) keyConvert(cmd *cobra.Command, path, to, output string, public bool) error {
	if err := oneOf("to", to, keyFormNames()...); err != nil {
		return usage(cmd, "%v", err)
	}
	f, err := a.readKey(path)
	if err != nil {
		return err
	}
	made, err := f.as(to, public)
	if err != nil {
		detail := err.Error()
		if other, ok := errors.AsType[*keys.UnsupportedKeyError](err); ok {
			detail = other.Kind + " keys have no such form"
		}
		return fail("bad_credential", fmt.Sprintf("cannot write %s as %s", path, to), "%s", detail).because(err).
			try("another form: coaps key convert --help lists them")
	}
	defer clear(made.data)
	if made.binary && output == "" {
		a.tracef(1, "%d bytes", len(made.data))
	}
	return a.writeArtifact(cmd, output, made)
}

// as returns the key in a form, private if there is a private half and the
// public one is not asked for.
func (f *keyFile) as(to string, public bool) (artifact, error) {
	for _, form := range keyOutputs {
		if form.name != to {
			continue
		}
		write, secret := form.private, true
		if public || f.pair == nil {
			write, secret = form.public, false
		}
		if write == nil {
			return artifact{}, fmt.Errorf("this form has no public keys")
		}
		data, err := write(f)
		return artifact{data, secret, form.binary}, err
	}
	return artifact{}, fmt.Errorf("there is no form %q", to)
}
