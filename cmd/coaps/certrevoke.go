// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/pem"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ocsp"

	"github.com/coaps-go/coaps/security/keys"
)

// revocationWords are the values of --reason; the others of RFC 5280 section
// 5.3.1 are no reasons to revoke the certificate of a node for good.
var revocationWords = map[string]keys.RevocationReason{
	"unspecified": 0, "key-compromise": 1, "affiliation-changed": 3, "superseded": 4, "cessation": 5, "privilege-withdrawn": 9,
}

// revocationNames are the words in the order of their numbers.
var revocationNames = slices.SortedFunc(maps.Keys(revocationWords), func(a, b string) int {
	return cmp.Compare(revocationWords[a], revocationWords[b])
})

func (a *app) certRevokeCommand() *cobra.Command {
	var issuer issuerFlags
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke FILE|SERIAL",
		Short: "take a certificate back",
		Long: `Note in the CA's list that a certificate is no longer good: that of FILE, or
the one with a serial number in hexadecimal. It takes effect when servers and
clients have the new revocation list: coaps cert crl makes it.`,
		Example: `  coaps cert revoke dev7.crt --ca ca.crt --ca-key ca.key --reason key-compromise
  coaps cert crl --ca ca.crt --ca-key ca.key -o plant.crl`,
		Args: exactArgs("FILE or SERIAL"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.certRevoke(cmd, &issuer, args[0], reason) },
	}
	issuer.register(cmd.Flags())
	cmd.Flags().StringVar(&reason, "reason", "unspecified", "`REASON`: "+strings.Join(revocationNames, ", "))
	completeValues(cmd, "reason", revocationNames)
	return cmd
}

func (a *app) certRevoke(cmd *cobra.Command, issuer *issuerFlags, what, reason string) error {
	if err := oneOf("reason", reason, revocationNames...); err != nil {
		return usage(cmd, "%v", err)
	}
	c, err := issuer.find(a, cmd, "cannot revoke "+what, what)
	if err != nil {
		return err
	}
	if c.revoked != nil {
		a.notef("%s was revoked on %s already", serialText(c.serial), day(c.revoked.At))
		return nil
	}
	if c.issued == nil && !isFile(what) {
		return fail("not_issued", "cannot revoke "+what, "the CA's list %s has no certificate with this serial number", c.index.path).
			try("coaps cert show FILE prints the serial number; or name the file of the certificate itself")
	}
	if err := c.index.add(indexEntry{Event: eventRevoked, Serial: serialText(c.serial), Reason: revocationWords[reason]}); err != nil {
		return err
	}
	name := what
	if c.issued != nil {
		name = c.issued.Name
	}
	a.notef("revoked: %s, serial %s; now make the list for the servers: coaps cert crl", name, serialText(c.serial))
	return nil
}

// A caCertificate is a certificate and what its CA's list says of it.
type caCertificate struct {
	ca              *keys.CA
	index           *caIndex
	serial          *big.Int
	issued, revoked *indexEntry // nil: the list does not say
}

// find looks up the certificate that a person means. cannot is what is told if
// it is not one of the CA's.
func (f *issuerFlags) find(a *app, cmd *cobra.Command, cannot, what string) (*caCertificate, error) {
	ca, index, err := f.open(a, cmd)
	if err != nil {
		return nil, err
	}
	serial, err := serialOf(ca, cannot, what)
	if err != nil {
		return nil, err
	}
	entries, err := index.read()
	if err != nil {
		return nil, err
	}
	return &caCertificate{
		ca: ca, index: index, serial: serial,
		issued: find(entries, eventIssued, serial), revoked: find(entries, eventRevoked, serial),
	}, nil
}

func isFile(what string) bool {
	_, err := keys.ReadFile(what)
	return err == nil
}

// serialOf reads a serial number, or the file of a certificate that has one.
func serialOf(ca *keys.CA, cannot, what string) (*big.Int, error) {
	if !isFile(what) {
		if serial, ok := parseSerial(what); ok {
			return serial, nil
		}
	}
	certificates, err := keys.LoadCertificates(what)
	if err != nil {
		return nil, fileFailure("cannot read the certificate", what, err)
	}
	if !ca.Owns(certificates[0]) {
		return nil, fail("not_issued", cannot, "another CA has issued it: %s", certificates[0].Issuer).
			try("name the CA that issued it by --ca and --ca-key")
	}
	return certificates[0].SerialNumber, nil
}

func (a *app) certCRLCommand() *cobra.Command {
	var issuer issuerFlags
	var output string
	var days int
	cmd := &cobra.Command{
		Use:   "crl",
		Short: "make the list of revoked certificates",
		Long: `Make the CA's revocation list (RFC 5280 section 5) of what coaps cert revoke
has noted. The file is replaced if it is there: servers that watch it have the
new one within seconds. A list must be renewed before its days are over, or
the CA's certificates are refused; so make one from time to time even if
nothing was revoked.`,
		Example: `  coaps cert crl --ca ca.crt --ca-key ca.key -o plant.crl --days 30`,
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.certCRL(cmd, &issuer, output, days) },
	}
	issuer.register(cmd.Flags())
	cmd.Flags().StringVarP(&output, "output", "o", "", "write the list to `FILE` instead of stdout")
	cmd.Flags().IntVar(&days, "days", 30, "good for `N` days")
	return cmd
}

func (a *app) certCRL(cmd *cobra.Command, issuer *issuerFlags, output string, days int) error {
	_, until, err := period(cmd, days)
	if err != nil {
		return err
	}
	ca, index, err := issuer.open(a, cmd)
	if err != nil {
		return err
	}
	entries, err := index.read()
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	number := nextNumber(entries, now)
	revoked := revokedIn(entries)
	list, err := ca.RevocationList(big.NewInt(number), revoked, now, until)
	if err != nil {
		return certFailure("cannot make the revocation list", err)
	}
	if err := index.add(indexEntry{Event: eventCRL, Number: number}); err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list.Raw})
	if output == "" || output == "-" {
		return a.writeArtifact(cmd, output, artifact{data: text})
	}
	if err := replaceFile(output, text); err != nil {
		return err
	}
	a.notef("%s: %s, good until %s", output, plural(len(list.RevokedCertificateEntries), "revoked certificate"), day(until))
	return nil
}

// certOCSP is the command cert ocsp.
type certOCSP struct {
	*app
	issuer issuerFlags
	output string
	days   int
}

func (a *app) certOCSPCommand() *cobra.Command {
	c := &certOCSP{app: a}
	cmd := &cobra.Command{
		Use:   "ocsp CERTIFICATE",
		Short: "sign a statement that a certificate is good, or revoked",
		Long: `Make an OCSP response (RFC 6960) about a certificate of the CA, from the CA's
list. A server shows it in the handshake (stapling, RFC 6066 section 8), so that
clients need no revocation list. It holds for some days only: make it anew, from
a timer, before they are over. The file is replaced if it is there.`,
		Example: `  coaps cert ocsp gw.crt --ca ca.crt --ca-key ca.key -o gw.ocsp --days 7`,
		Args:    exactArgs("CERTIFICATE"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.run(cmd, args[0]) },
	}
	c.issuer.register(cmd.Flags())
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "write the response, DER, to `FILE`")
	cmd.Flags().IntVar(&c.days, "days", 7, "good for `N` days")
	return cmd
}

func (c *certOCSP) run(cmd *cobra.Command, path string) error {
	_, until, err := period(cmd, c.days)
	if err != nil {
		return err
	}
	found, err := c.issuer.find(c.app, cmd, "cannot make an OCSP response about "+path, path)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	template := ocsp.Response{Status: ocsp.Good, SerialNumber: found.serial, ThisUpdate: now, NextUpdate: until}
	said := "good"
	if gone := found.revoked; gone != nil {
		template.Status, template.RevokedAt, template.RevocationReason = ocsp.Revoked, gone.At, int(gone.Reason)
		said = "revoked"
	}
	response, err := ocsp.CreateResponse(found.ca.Certificate, found.ca.Certificate, template, found.ca.Key.Signer)
	if err != nil {
		return certFailure("cannot make the OCSP response", err)
	}
	if c.output == "" || c.output == "-" {
		return c.writeArtifact(cmd, c.output, artifact{data: response, binary: true})
	}
	if err := replaceFile(c.output, response); err != nil {
		return err
	}
	c.notef("%s: serial %s is %s, until %s", c.output, serialText(found.serial), said, day(until))
	return nil
}
