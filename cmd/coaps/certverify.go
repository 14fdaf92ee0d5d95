// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
)

// certVerify is the command cert verify.
type certVerify struct {
	*app
	ca, crl  []string
	forWhom  string
	client   bool
	ocsp, at string
	asJSON   bool
}

func (a *app) certVerifyCommand() *cobra.Command {
	c := &certVerify{app: a}
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "would a peer believe this certificate?",
		Long: `Judge the certificates of FILE, leaf first, exactly as a handshake does: the path
to a CA, the times, the purpose, the name, and revocation. --for says whom a
client wants to reach; --client judges the certificate of a client. The exit
code is 0 if the answer is yes and 9 if it is no, with the reason that the
handshake would end with.`,
		Example: `  coaps cert verify gw.crt --ca ca.crt --for coaps://gw.plant.example
  coaps cert verify dev7.crt --ca ca.crt --client --crl plant.crl
  coaps cert verify gw.crt --ca ca.crt --for gw.plant.example --at 2030-01-01`,
		Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args[0]) },
	}
	set := cmd.Flags()
	set.StringArrayVarP(&c.ca, "ca", "C", nil, "believe the CAs in `FILE`; repeatable")
	set.StringVar(&c.forWhom, "for", "", "the server that a client wants to reach: a coaps `URI`, a host or an address")
	set.BoolVar(&c.client, "client", false, "it is the certificate of a client")
	set.StringArrayVar(&c.crl, "crl", nil, "look into the revocation lists in `FILE`; repeatable")
	set.StringVar(&c.ocsp, "ocsp", "", "`FILE` with the OCSP response (DER) that the server shows")
	set.StringVar(&c.at, "at", "", "judge as of `TIME`: 2030-01-01 or 2030-01-01T12:00:00Z")
	set.BoolVar(&c.asJSON, "json", false, "one JSON object")
	return cmd
}

// jsonVerdict is the object of cert verify --json.
type jsonVerdict struct {
	V     int        `json:"v"`
	File  string     `json:"file"`
	OK    bool       `json:"ok"`
	Name  string     `json:"name"` // as which the peer would go
	For   string     `json:"for,omitempty"`
	At    string     `json:"at"`
	Error *jsonError `json:"error,omitempty"`
}

func (c *certVerify) run(cmd *cobra.Command, path string) error {
	switch {
	case len(c.ca) == 0:
		return usage(cmd, "--ca FILE is needed: whom does the peer believe?")
	case c.client == (c.forWhom != ""):
		return usage(cmd, "either --for URI, the server that a client wants to reach, or --client")
	case c.client && c.ocsp != "":
		return usage(cmd, "--ocsp is for servers: a client shows no OCSP response in DTLS 1.2")
	}
	at, err := parseTime(c.at, time.Now())
	if err != nil {
		return usage(cmd, "%v", err)
	}
	trust, err := c.trust()
	if err != nil {
		return err
	}
	data, err := c.readPublicFile(path)
	if err != nil {
		return fileFailure("cannot read the certificate", path, err)
	}
	chain, err := keys.ParseCertificates(data)
	if err != nil {
		return fileFailure("cannot read the certificate", path, err)
	}
	verdict := jsonVerdict{V: jsonSchemaVersion, File: path, Name: keys.CertificateName(chain[0]), For: c.forWhom, At: utc(at)}
	judged, err := c.judge(cmd, trust, chain, at)
	if err != nil {
		return err
	}
	return c.report(verdict, chain, judged)
}

// parseTime reads a day, which begins at midnight UTC, or a time.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return now, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--at %q: 2030-01-01 or 2030-01-01T12:00:00Z", s)
}

func (c *certVerify) trust() (*keys.Trust, error) {
	var roots []*x509.Certificate
	for _, path := range c.ca {
		certificates, err := keys.LoadCertificates(path)
		if err != nil {
			return nil, fileFailure("cannot use the CA", path, err)
		}
		roots = append(roots, certificates...)
	}
	trust := keys.NewTrust(roots)
	var lists []*x509.RevocationList
	for _, path := range c.crl {
		more, err := keys.LoadCRLs(path)
		if err != nil {
			return nil, fileFailure("cannot use the revocation list", path, err)
		}
		lists = append(lists, more...)
	}
	if len(lists) == 0 {
		return trust, nil
	}
	with, err := trust.WithCRLs(lists, keys.RevocationFresh)
	if err != nil {
		return nil, fail("bad_credential", "cannot use the revocation list", "%v", err).because(err).
			try("coaps cert show FILE says whose list it is")
	}
	return with, nil
}

// judge asks the same function that a handshake asks. The first result is its
// verdict, the second what kept it from being asked.
func (c *certVerify) judge(cmd *cobra.Command, trust *keys.Trust, chain []*x509.Certificate, at time.Time) (verdict, err error) {
	if c.client {
		return trust.VerifyClient(chain, at), nil
	}
	authority, err := parseAuthority(c.forWhom)
	if err != nil {
		return nil, usage(cmd, "--for %s: %v", c.forWhom, err)
	}
	if c.ocsp == "" {
		return trust.VerifyServer(chain, authority, at), nil
	}
	response, err := keys.ReadFile(c.ocsp)
	if err != nil {
		return nil, fileFailure("cannot read the OCSP response", c.ocsp, err)
	}
	return trust.VerifyServerOCSP(chain, response, authority, at), nil
}

// report prints the answer; a no is exit code 9.
func (c *certVerify) report(v jsonVerdict, chain []*x509.Certificate, judged error) error {
	if judged == nil {
		v.OK = true
		if c.asJSON {
			return outputFailure(writeJSON(c.out, v))
		}
		_, err := fmt.Fprintf(c.out, "yes: %s, until %s\n", describeLeaf(chain[0]), day(chain[0].NotAfter))
		return outputFailure(err)
	}
	detail := judged
	if verify, ok := errors.AsType[*keys.VerifyError](judged); ok {
		detail = verify.Err
	}
	f := fail(keys.ReasonOf(judged).String(), "no, "+v.File+" would not be believed", "%v", detail).because(judged)
	f.code = exitCheck
	if hint := clientAdvice[f.reason]; c.client && hint != "" {
		f.hint = hint
	}
	if c.asJSON {
		v.Error = f.json()
		if err := writeJSON(c.out, v); err != nil {
			return outputFailure(err)
		}
	}
	return f
}

// clientAdvice is what to try where the words for a server's certificate do not
// fit a client's.
var clientAdvice = map[string]string{
	"cert_bad_usage":   "a client's certificate needs clientAuth and digitalSignature: coaps cert new --client NAME",
	"cert_revoked":     "the client needs a new certificate",
	"cert_expired":     "coaps cert sign with a new request; coaps cert show FILE has the dates",
	"cert_unknown_ca":  "--ca CA.pem with the CA that signed it",
	"cert_unsupported": "coaps cert show FILE has its kind and use",
}
