// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"crypto/x509"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
)

// certCA is the command cert ca.
type certCA struct {
	*app
	issuer            issuerFlags
	output, key, name string
	kind              string
	days, pathLen     int
}

func (a *app) certCACommand() *cobra.Command {
	c := &certCA{app: a}
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "make a CA",
		Long: `Make a certification authority: a key and a certificate that it signs itself.
Give the certificate to every node (--ca), keep the key where nobody else gets
at it: whoever has it can be anybody. The key is made unless it is there.

With --ca and --ca-key the new one is below that CA, which must have been made
with --path-len 1 or more; its file then holds the whole chain but the root.`,
		Example: `  coaps cert ca -o ca.crt --key ca.key --name "Plant CA"
  coaps cert ca -o root.crt --key root.key --name "Root" --path-len 1
  coaps cert ca -o line4.crt --key line4.key --name "Line 4" --ca root.crt --ca-key root.key`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	set := cmd.Flags()
	set.StringVarP(&c.output, "output", "o", "", "write the certificate to a new `FILE`")
	set.StringVarP(&c.key, "key", "j", "", "`FILE` of the private key, made unless it is there (default: that of -o, ending .key)")
	set.StringVar(&c.name, "name", "", "`NAME` of the CA; each byte of it stands in every certificate")
	registerDays(set, &c.days, 3650)
	set.IntVar(&c.pathLen, "path-len", 0, "`N` CAs may stand between this one and a node")
	registerKeyType(cmd, &c.kind)
	c.issuer.register(set)
	return cmd
}

func (c *certCA) run(cmd *cobra.Command) error {
	switch {
	case c.output == "" || c.output == "-":
		return usage(cmd, "-o FILE is needed: the list of what the CA issues stands beside it")
	case c.name == "":
		return usage(cmd, "--name is needed: it is what people see in the certificates")
	case c.pathLen < 0 || c.pathLen > 8:
		return usage(cmd, "--path-len %d: from 0 to 8", c.pathLen)
	}
	from, until, err := period(cmd, c.days)
	if err != nil {
		return err
	}
	if c.key == "" {
		c.key = replaceExtension(c.output, ".key")
	}
	if err := absent(c.output); err != nil {
		return err
	}
	return c.make(cmd, keys.CASpec{Name: c.name, NotBefore: from, NotAfter: until, PathLen: c.pathLen})
}

func (c *certCA) make(cmd *cobra.Command, spec keys.CASpec) error {
	what := "cannot make the CA " + c.name
	if c.issuer.ca == "" && c.issuer.key == "" {
		pair, err := c.pairAt(cmd, c.key, c.kind)
		if err != nil {
			return err
		}
		ca, err := keys.NewRoot(rand.Reader, pair, spec)
		if err != nil {
			return certFailure(what, err)
		}
		return c.write([]*x509.Certificate{ca.Certificate})
	}
	above, index, err := c.issuer.open(c.app, cmd)
	if err != nil {
		return err
	}
	pair, err := c.pairAt(cmd, c.key, c.kind)
	if err != nil {
		return err
	}
	ca, err := above.IssueCA(rand.Reader, pair, spec)
	if err != nil {
		return certFailure(what, err).try("make the CA above with --path-len 1 or more")
	}
	if err := index.issued(ca.Certificate); err != nil {
		return err
	}
	return c.write(append([]*x509.Certificate{ca.Certificate}, ca.Above...))
}

func (c *certCA) write(chain []*x509.Certificate) error {
	if err := writeNew(c.output, artifact{data: keys.MarshalCertificates(chain...)}); err != nil {
		return err
	}
	c.notef("%s: the CA %s until %s", c.output, keys.CertificateName(chain[0]), day(chain[0].NotAfter))
	if c.issuer.ca != "" {
		c.notef("issue with --ca %s --ca-key %s; what nodes believe is the root alone", c.output, c.key)
		return nil
	}
	c.notef("give %s to every node (--ca); keep %s to yourself", c.output, c.key)
	return nil
}
