// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/internal/cosekey"
	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "key pairs: make, name, show and convert them",
		Long: `A raw public key (RFC 7250) is trusted by its name, a hash of the key (RFC
6920): whoever has the name can check the key, and the name is no secret. Make
a key on each side, exchange the names, and give the other side's name with
--peer-key.`,
		Example: `  coaps key new -o me.key
  coaps key id me.key
  coaps key pub me.key -o me.pub
  coaps key convert me.key --to c-array -o key.h`,
		GroupID: groupKeys,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usage(cmd, "there is no command %q; new, pub, id, show and convert are", args[0])
		},
	}
	cmd.AddCommand(a.keyNewCommand(), a.keyPubCommand(), a.keyIDCommand(), a.keyShowCommand(), a.keyConvertCommand())
	return cmd
}

// maxKeyInput bounds what is read from stdin in place of a key file.
const maxKeyInput = 1 << 20

func (a *app) readKeyFile(path string) ([]byte, error) {
	if path == "-" {
		return a.readingInput(maxKeyInput)
	}
	return a.reading(func() ([]byte, error) { return keys.ReadSecretFile(path) })
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

	Thumbprints []jsonName `json:"thumbprints,omitempty"`
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
	key.Thumbprints = thumbprints(spki)
	return key
}

// thumbprints are the hashes that JOSE and COSE know a key by. They cover other
// octets than the names do, and so they are no names: --peer-key cannot take
// them.
func thumbprints(spki []byte) []jsonName {
	var list []jsonName
	if text, err := keys.JWKThumbprint(spki); err == nil {
		list = append(list, jsonName{"jwk thumbprint", text})
	}
	if sum, err := cosekey.Thumbprint(spki); err == nil {
		list = append(list, jsonName{"cose thumbprint", "0x" + hex.EncodeToString(sum)})
	}
	return list
}
