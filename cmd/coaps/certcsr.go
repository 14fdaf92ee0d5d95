// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) certCSRCommand() *cobra.Command {
	c := &certNew{app: a}
	cmd := &cobra.Command{
		Use:   "csr",
		Short: "ask a CA for a certificate",
		Long: `Write a certification request (PKCS#10) for a key, so that the key need not
leave the place where it is. The key is made unless it is there. The request
says what the node wants to be called; the CA decides.`,
		Example: `  coaps cert csr --key dev7.key --client 02-00-5E-FF-FE-10-00-07 -o dev7.csr
  coaps cert sign dev7.csr --ca ca.crt --ca-key ca.key --accept-names -o dev7.crt`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runCSR(cmd) },
	}
	set := cmd.Flags()
	c.node.register(cmd)
	set.StringVarP(&c.output, "output", "o", "", "write the request to a new `FILE` instead of stdout")
	set.StringVarP(&c.key, "key", "j", "", "`FILE` of the private key, made unless it is there")
	registerKeyType(cmd, &c.kind)
	return cmd
}

func (c *certNew) runCSR(cmd *cobra.Command) error {
	if c.key == "" {
		return usage(cmd, "--key FILE is needed")
	}
	leaf, err := c.node.namedLeaf(cmd)
	if err != nil {
		return err
	}
	from, until, err := period(cmd, nodeDays)
	if err != nil {
		return err
	}
	leaf.NotBefore, leaf.NotAfter = from, until // for Check; a request has no times
	if err := leaf.Check(); err != nil {
		return certFailure("cannot make the request", err)
	}
	if err := absent(c.output); err != nil {
		return err
	}
	pair, err := c.pairAt(cmd, c.key, c.kind)
	if err != nil {
		return err
	}
	request, err := keys.NewRequest(pair, leaf)
	if err != nil {
		return certFailure("cannot make the request", err)
	}
	if err := c.writeArtifact(cmd, c.output, artifact{data: keys.MarshalRequest(request)}); err != nil {
		return err
	}
	c.notef("the CA's owner makes a certificate of it: coaps cert sign %s --accept-names", orFile(c.output, "FILE"))
	return nil
}

func orFile(path, other string) string {
	if path == "" || path == "-" {
		return other
	}
	return shellQuote(path)
}

// certSign is the command cert sign.
type certSign struct {
	certNew
	as     string
	accept bool
}

var signPurposes = []string{"server", "client", "both"}

func (a *app) certSignCommand() *cobra.Command {
	c := &certSign{certNew: certNew{app: a}}
	cmd := &cobra.Command{
		Use:   "sign REQUEST",
		Short: "make a certificate of a request",
		Long: `Have the CA certify the key of a certification request (PKCS#10, PEM or DER; -
reads stdin), which must be signed by that key. Nothing of what the request
asks for is taken over by itself: either say with --server and --client what
the node is called, or look at what the request says, which is shown, and
agree with --accept-names. Purposes are those of the request if they are among
server and client, or what --as says. Other extensions are never copied.`,
		Example: `  coaps cert show dev7.csr
  coaps cert sign dev7.csr --ca ca.crt --ca-key ca.key --accept-names -o dev7.crt
  coaps cert sign gw.csr --ca ca.crt --ca-key ca.key --server gw.plant.example -o gw.crt`,
		Args: exactArgs("REQUEST"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args[0]) },
	}
	set := cmd.Flags()
	set.BoolVar(&c.accept, "accept-names", false, "certify the names that the request asks for")
	set.StringVar(&c.as, "as", "", "certify it as a `PURPOSE`: server, client or both (default: as the request asks)")
	completeValues(cmd, "as", signPurposes)
	c.node.register(cmd)
	set.StringVarP(&c.output, "output", "o", "", "write the certificate to a new `FILE`")
	registerDays(set, &c.days, nodeDays)
	c.issuer.register(set)
	set.BoolVar(&c.asJSON, "json", false, "describe the new certificate as one JSON object on stdout")
	return cmd
}

func (c *certSign) run(cmd *cobra.Command, path string) error {
	if c.output == "" || c.output == "-" {
		return usage(cmd, "-o FILE is needed")
	}
	if c.as != "" {
		if err := oneOf("as", c.as, signPurposes...); err != nil {
			return usage(cmd, "%v", err)
		}
	}
	request, err := c.readRequest(path)
	if err != nil {
		return err
	}
	leaf, err := c.agreed(cmd, path, request)
	if err != nil {
		return err
	}
	if leaf.NotBefore, leaf.NotAfter, err = period(cmd, c.days); err != nil {
		return err
	}
	if err := leaf.Check(); err != nil {
		return certFailure("cannot certify "+path, err).try("--server or --client give it a name, --as a purpose")
	}
	if err := absent(c.output); err != nil {
		return err
	}
	ca, index, err := c.issuer.open(c.app, cmd)
	if err != nil {
		return err
	}
	asked := keys.Requested(request)
	c.notef("%s asks for %s", path, describeRequest(&asked))
	return c.issue(ca, index, request.RawSubjectPublicKeyInfo, leaf)
}

// readRequest reads a request and checks that its key signed it.
func (a *app) readRequest(path string) (*x509.CertificateRequest, error) {
	what := "cannot read a request from"
	data, err := a.readPublicFile(path)
	if err != nil {
		return nil, fileFailure(what, path, err)
	}
	request, err := keys.ParseRequest(data)
	switch {
	case errors.Is(err, keys.ErrBadProof):
		f := fail("bad_signature", what+" "+path, "%v", keys.ErrBadProof).because(err).
			try("it was changed on the way, or made of another's public key; ask for a new one")
		f.code = exitSetup
		return nil, f
	case err != nil:
		return nil, fail("bad_credential_file", what+" "+path, "%v", err).because(err).
			try("coaps cert csr makes a request; coaps cert show FILE says what a file is")
	}
	return request, nil
}

// agreed is what the CA's owner has agreed to certify.
func (c *certSign) agreed(cmd *cobra.Command, path string, request *x509.CertificateRequest) (keys.Leaf, error) {
	asked := keys.Requested(request)
	leaf, err := c.node.leaf(cmd)
	if err != nil {
		return leaf, err
	}
	named := len(c.node.servers) > 0 || c.node.client != "" || c.node.name != ""
	switch {
	case named && c.accept:
		return leaf, usage(cmd, "--accept-names excludes --server, --client and --name: either the request's names or yours")
	case !named && !c.accept:
		return leaf, fail("names_not_confirmed", "cannot certify "+path, "it asks for %s", describeRequest(&asked)).
			try("--accept-names if that is right, else --server NAME or --client NAME")
	case c.accept:
		leaf.URIs, leaf.DNSNames, leaf.IPs, leaf.CommonName = asked.URIs, asked.DNSNames, asked.IPs, asked.CommonName
		leaf.Server, leaf.Client = asked.Server, asked.Client
	}
	c.setPurpose(&leaf)
	return leaf, nil
}

// setPurpose lets --as have the last word.
func (c *certSign) setPurpose(leaf *keys.Leaf) {
	switch c.as {
	case "server":
		leaf.Server, leaf.Client = true, false
	case "client":
		leaf.Server, leaf.Client = false, true
	case "both":
		leaf.Server, leaf.Client = true, true
	}
}

// describeRequest says what a request asks for.
func describeRequest(leaf *keys.Leaf) string {
	var parts []string
	if leaf.CommonName != "" {
		parts = append(parts, "CN="+keys.PrintableIdentity([]byte(leaf.CommonName)))
	}
	parts = append(parts, leafNames(leaf)...)
	if len(parts) == 0 {
		parts = append(parts, "no name")
	}
	var purposes []string
	if leaf.Server {
		purposes = append(purposes, "server")
	}
	if leaf.Client {
		purposes = append(purposes, "client")
	}
	if purposes == nil {
		purposes = append(purposes, "no purpose")
	}
	return fmt.Sprintf("%s as %s", strings.Join(parts, ", "), strings.Join(purposes, " and "))
}
