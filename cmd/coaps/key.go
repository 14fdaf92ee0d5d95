// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "raw public keys: make one, name it, show it",
		Long: `A raw public key (RFC 7250) is trusted by its name, a hash of the key (RFC
6920): whoever has the name can check the key, and the name is no secret. Make
a key on each side, exchange the names, and give the other side's name with
--peer-key.`,
		Example: `  coaps key new -o me.key
  coaps key id me.key
  coaps key show me.key > me.pub`,
		GroupID: groupKeys,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usage(cmd, "there is no command %q; new, id and show are", args[0])
		},
	}
	cmd.AddCommand(a.keyNewCommand(), a.keyIDCommand(), a.keyShowCommand())
	return cmd
}

// readPublicKey takes the public half of whatever a file holds: a private key, a
// public key or a certificate. A private key that others can read is refused.
func (a *app) readPublicKey(path string) (spki []byte, private bool, err error) {
	what := "cannot read a key from"
	data, err := a.readKeyFile(path)
	open, tooOpen := errors.AsType[*keys.PermissionError](err)
	if tooOpen {
		data, err = keys.ReadFile(path)
	}
	if err != nil {
		return nil, false, fileFailure(what, path, err)
	}
	defer clear(data)
	_, notPrivate := keys.ParsePrivateKey(data)
	if tooOpen && notPrivate == nil {
		return nil, true, fileFailure(what, path, open)
	}
	spki, err = keys.ParsePublicKey(data)
	if err != nil {
		return nil, false, fail("bad_credential_file", what+" "+path, "%v", err).because(err).
			try("a private key, a public key or a certificate is needed, PEM or DER")
	}
	return spki, notPrivate == nil, nil
}

// maxKeyInput bounds what is read from stdin in place of a key file.
const maxKeyInput = 1 << 20

func (a *app) readKeyFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(a.in, maxKeyInput))
	}
	return keys.ReadSecretFile(path)
}

// keyKind says what a public key is: "ECDSA P-256".
func keyKind(spki []byte) string {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return "unknown"
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	}
	return fmt.Sprintf("%T", key)
}

// jsonKey is a public key in JSON: every form of its name under a stable label.
type jsonKey struct {
	Kind  string     `json:"kind"`
	SPKI  string     `json:"spki"` // base64 DER
	Names []jsonName `json:"names"`
}

type jsonName struct {
	Form string `json:"form"`
	Name string `json:"name"`
}

func jsonKeyOf(spki []byte) *jsonKey {
	if len(spki) == 0 {
		return nil
	}
	key := &jsonKey{Kind: keyKind(spki), SPKI: base64DER(spki)}
	for _, form := range keys.Forms(spki) {
		key.Names = append(key.Names, jsonName{form.Label, form.Text})
	}
	return key
}
