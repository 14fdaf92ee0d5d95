// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) keyNewCommand() *cobra.Command {
	var output, kind string
	cmd := &cobra.Command{
		Use:   "new",
		Short: "make a key pair",
		Long: `Make a P-256 key pair, the kind that every node with raw public keys or
certificates can use (RFC 7252 section 9.1.3.2), and print its name on stderr.
The private key goes to FILE, which is created for its owner alone (0600) and
never overwritten, or to stdout. The form is PKCS#8 in PEM with the public key
behind it, as OpenSSL, GnuTLS and libcoap (-M) take it; coaps key convert makes
others of it. P-384 and Ed25519 are for peers that are known to have them.`,
		Example: `  coaps key new -o me.key
  coaps key id me.key`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keyNew(cmd, output, kind) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`, mode 0600, instead of stdout")
	registerKeyType(cmd, &kind)
	return cmd
}

// keyTypes are the values of --type.
var keyTypes = map[string]keys.Curve{"p256": keys.CurveP256, "p384": keys.CurveP384, "ed25519": keys.CurveEd25519}

var keyTypeNames = []string{"p256", "p384", "ed25519"}

func registerKeyType(cmd *cobra.Command, kind *string) {
	cmd.Flags().StringVar(kind, "type", "p256", "`KIND` of key: p256, p384 or ed25519")
	completeValues(cmd, "type", keyTypeNames)
}

// newPair draws a key pair of the kind that --type names.
func newPair(cmd *cobra.Command, kind string) (*dtls.KeyPair, error) {
	if err := oneOf("type", kind, keyTypeNames...); err != nil {
		return nil, usage(cmd, "%v", err)
	}
	pair, err := keys.NewKeyOn(keyTypes[kind], rand.Reader)
	if err != nil {
		return nil, asFailure("cannot make a key", err)
	}
	return pair, nil
}

func (a *app) keyNew(cmd *cobra.Command, output, kind string) error {
	pair, err := newPair(cmd, kind)
	if err != nil {
		return err
	}
	text, err := keys.MarshalKeyFile(pair)
	if err != nil {
		return asFailure("cannot make a key", err)
	}
	defer clear(text)
	if err := a.writeArtifact(cmd, output, artifact{data: text, secret: true}); err != nil {
		return err
	}
	if output == "" || output == "-" {
		output = "FILE"
	}
	a.noteNewKey(pair, output)
	return nil
}

// noteNewKey says what to do with a new key.
func (a *app) noteNewKey(pair *dtls.KeyPair, file string) {
	if a.quiet {
		return
	}
	fmt.Fprintf(a.err, "%s\n", keys.NameOf(pair.SPKI, keys.SHA256))
	fmt.Fprintf(a.err, "give this name to the other side (--peer-key); keep %s to yourself (--rpk)\n", file)
}
