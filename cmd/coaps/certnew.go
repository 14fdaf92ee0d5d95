// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
)

// certNew is the commands that make the certificate of a node: new and sign.
type certNew struct {
	*app
	issuer      issuerFlags
	node        nodeFlags
	output, key string
	kind        string
	days        int
	asJSON      bool
}

// nodeDays is how long the certificate of a node holds unless --days says more.
const nodeDays = 397

func (a *app) certNewCommand() *cobra.Command {
	c := &certNew{app: a}
	cmd := &cobra.Command{
		Use:   "new",
		Short: "make a key and its certificate in one step",
		Long: `Make a key pair and have the CA certify it. The name of a server stands in the
certificate as a coaps URI (RFC 7252 section 9.1.3.3) and as a DNS name or an
address besides; that of a client is its Common Name, or a URI. A node may be
both. Where the key must not leave the device, use coaps cert csr and sign.

--profile iot keeps to RFC 7925 section 4.4: one DNS name for a server, an
EUI-64 for a client, nothing that is not needed.

The certificate is written with the CAs between it and the root, if there are
any, and without the root: the other side has that.`,
		Example: `  coaps cert new --ca ca.crt --ca-key ca.key --server gw.plant.example --server 192.0.2.1 -o gw.crt
  coaps cert new --ca ca.crt --ca-key ca.key --client 02-00-5E-FF-FE-10-00-07 --profile iot -o dev7.crt`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	set := cmd.Flags()
	c.node.register(cmd)
	set.StringVarP(&c.output, "output", "o", "", "write the certificate to a new `FILE`")
	set.StringVarP(&c.key, "key", "j", "", "`FILE` of the private key, made unless it is there (default: that of -o, ending .key)")
	registerDays(set, &c.days, nodeDays)
	registerKeyType(cmd, &c.kind)
	c.issuer.register(set)
	set.BoolVar(&c.asJSON, "json", false, "describe the new certificate as one JSON object on stdout")
	return cmd
}

func (c *certNew) run(cmd *cobra.Command) error {
	if c.output == "" || c.output == "-" {
		return usage(cmd, "-o FILE is needed")
	}
	leaf, err := c.node.namedLeaf(cmd)
	if err != nil {
		return err
	}
	if leaf.NotBefore, leaf.NotAfter, err = period(cmd, c.days); err != nil {
		return err
	}
	if err := leaf.Check(); err != nil {
		return certFailure("cannot make the certificate", err)
	}
	if c.key == "" {
		c.key = replaceExtension(c.output, ".key")
	}
	if err := absent(c.output); err != nil {
		return err
	}
	ca, index, err := c.issuer.open(c.app, cmd)
	if err != nil {
		return err
	}
	pair, err := c.pairAt(cmd, c.key, c.kind)
	if err != nil {
		return err
	}
	return c.issue(ca, index, pair.SPKI, leaf)
}

// issue makes the certificate, notes it in the index and writes it.
func (c *certNew) issue(ca *keys.CA, index *caIndex, spki []byte, leaf keys.Leaf) error {
	certificate, err := ca.Issue(rand.Reader, spki, leaf)
	if err != nil {
		return certFailure("cannot make the certificate", err)
	}
	if err := index.issued(certificate); err != nil {
		return err
	}
	chain := ca.Certificates(certificate)
	made := artifact{data: keys.MarshalCertificates(chain...)}
	if err := writeNew(c.output, made); err != nil {
		return err
	}
	if certificate.NotAfter.Before(leaf.NotAfter.Truncate(time.Second)) {
		c.warnf("the certificate ends with the CA's own on %s, not after --days %d", day(certificate.NotAfter), c.days)
	}
	c.notef("%s: %s until %s, %s", c.output, describeLeaf(certificate), day(certificate.NotAfter), plural(totalBytes(chain), "byte"))
	if c.asJSON {
		return outputFailure(writeJSON(c.out, jsonCertFile{V: jsonSchemaVersion, File: c.output, Certificates: jsonChain(chain, time.Now())}))
	}
	return nil
}

// describeLeaf says in one phrase what a certificate is for.
func describeLeaf(c *x509.Certificate) string {
	return fmt.Sprintf("%s (%s)", keys.CertificateName(c), strings.Join(purposesOf(c), ", "))
}

func totalBytes(chain []*x509.Certificate) int {
	n := 0
	for _, c := range chain {
		n += len(c.Raw)
	}
	return n
}

// day is a date as people read it; certificates are in UTC.
func day(t time.Time) string { return t.UTC().Format("2006-01-02") }
