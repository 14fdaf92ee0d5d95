// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) certShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "print what a certificate, a request or a revocation list says",
		Long: `Print the certificates of FILE, or a certification request, or a revocation
list: names, key, times, purposes. PEM or DER; - reads stdin. Nothing is
checked but the signature of a request; coaps cert verify checks certificates.`,
		Example: `  coaps cert show gw.crt
  coaps cert show --json gw.crt | jq -r '.certificates[0].not_after'`,
		Args: exactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return a.certShow(args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// readPublicFile reads what is no secret, from stdin for "-".
func (a *app) readPublicFile(path string) ([]byte, error) {
	if path == "-" {
		return a.readingInput(maxKeyInput)
	}
	return a.reading(func() ([]byte, error) { return keys.ReadFile(path) })
}

func (a *app) certShow(path string, asJSON bool) error {
	what := "cannot read a certificate from"
	data, err := a.readPublicFile(path)
	if err != nil {
		return fileFailure(what, path, err)
	}
	file := jsonCertFile{V: jsonSchemaVersion, File: path}
	now := time.Now()
	certificates, err := keys.ParseCertificates(data)
	switch {
	case err == nil:
		file.Certificates = jsonChain(certificates, now)
		a.warnTimes(certificates, now)
	case file.readRequest(data), file.readCRLs(data):
	default:
		return fail("bad_credential_file", what+" "+path, "%v", err).because(err).
			try("a certificate, a request or a revocation list is needed, PEM or DER; coaps key show shows keys")
	}
	if asJSON {
		return outputFailure(writeJSON(a.out, file))
	}
	return outputFailure(file.write(a.out, a.outPalette()))
}

// soonDays is how long before its end a certificate is worth a warning.
const soonDays = 30

func (a *app) warnTimes(certificates []*x509.Certificate, now time.Time) {
	for _, c := range certificates {
		name, left := keys.CertificateName(c), c.NotAfter.Sub(now)
		switch {
		case now.Before(c.NotBefore):
			a.warnf("%s is not valid before %s", name, c.NotBefore.UTC().Format(time.RFC3339))
		case left < 0:
			a.warnf("%s has expired on %s", name, c.NotAfter.UTC().Format(time.RFC3339))
		case left < soonDays*24*time.Hour:
			a.warnf("%s expires in %s, on %s", name, plural(int(left.Hours()/24), "day"), c.NotAfter.UTC().Format(time.RFC3339))
		}
	}
}

// jsonCertFile is the object of cert show --json, cert new --json and cert sign
// --json: one of its three parts.
type jsonCertFile struct {
	V            int               `json:"v"`
	File         string            `json:"file"`
	Certificates []jsonCertificate `json:"certificates,omitempty"`
	Request      *jsonRequest      `json:"request,omitempty"`
	CRLs         []jsonCRL         `json:"crls,omitempty"`
}

type jsonCertificate struct {
	Name      string   `json:"name"` // as which its owner goes here
	Subject   string   `json:"subject"`
	Issuer    string   `json:"issuer"`
	Serial    string   `json:"serial"`
	Names     []string `json:"names,omitempty"`
	For       []string `json:"for,omitempty"`
	CA        bool     `json:"ca,omitempty"`
	PathLen   *int     `json:"path_len,omitempty"`
	NotBefore string   `json:"not_before"`
	NotAfter  string   `json:"not_after"`
	DaysLeft  int      `json:"days_left"`
	Key       *jsonKey `json:"key"`
	Signature string   `json:"signature"`
	CRL       []string `json:"crl,omitempty"`
	OCSP      []string `json:"ocsp,omitempty"`
	Staple    bool     `json:"must_staple,omitempty"`
	Bytes     int      `json:"bytes"`
}

type jsonRequest struct {
	Subject string   `json:"subject"`
	Names   []string `json:"names,omitempty"`
	For     []string `json:"for,omitempty"`
	Key     *jsonKey `json:"key"`
	Signed  bool     `json:"signed"` // by its own key
	Bytes   int      `json:"bytes"`
}

type jsonCRL struct {
	Issuer     string        `json:"issuer"`
	Number     string        `json:"number,omitempty"`
	ThisUpdate string        `json:"this_update"`
	NextUpdate string        `json:"next_update"`
	Revoked    []jsonRevoked `json:"revoked,omitempty"`
	Bytes      int           `json:"bytes"`
}

type jsonRevoked struct {
	Serial string `json:"serial"`
	At     string `json:"at"`
	Reason string `json:"reason"`
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// subjectText makes a name out of a certificate safe to show.
func subjectText(s string) string {
	if s == "" {
		return "" // the name is in the SubjectAltName
	}
	return keys.PrintableIdentity([]byte(s))
}

func jsonChain(certificates []*x509.Certificate, now time.Time) []jsonCertificate {
	var list []jsonCertificate
	for _, c := range certificates {
		j := jsonCertificate{
			Name: keys.CertificateName(c), Subject: subjectText(c.Subject.String()), Issuer: subjectText(c.Issuer.String()),
			Serial: serialText(c.SerialNumber), Names: certificateNames(c), For: purposesOf(c), CA: c.IsCA,
			NotBefore: utc(c.NotBefore), NotAfter: utc(c.NotAfter), DaysLeft: int(c.NotAfter.Sub(now).Hours() / 24),
			Key: jsonKeyOf(c.RawSubjectPublicKeyInfo), Signature: c.SignatureAlgorithm.String(),
			CRL: c.CRLDistributionPoints, OCSP: c.OCSPServer, Staple: keys.MustStaple(c), Bytes: len(c.Raw),
		}
		if c.IsCA && (c.MaxPathLen > 0 || c.MaxPathLenZero) {
			j.PathLen = &c.MaxPathLen
		}
		list = append(list, j)
	}
	return list
}

// purposesOf says what a certificate may be used for, in words.
func purposesOf(c *x509.Certificate) []string {
	var purposes []string
	if c.IsCA {
		purposes = append(purposes, "ca")
	}
	for _, usage := range c.ExtKeyUsage {
		switch usage {
		case x509.ExtKeyUsageServerAuth:
			purposes = append(purposes, "server")
		case x509.ExtKeyUsageClientAuth:
			purposes = append(purposes, "client")
		case x509.ExtKeyUsageAny:
			purposes = append(purposes, "any")
		case x509.ExtKeyUsageOCSPSigning:
			purposes = append(purposes, "ocsp")
		default:
			purposes = append(purposes, fmt.Sprintf("usage %d", usage))
		}
	}
	return purposes
}

func (f *jsonCertFile) readRequest(data []byte) bool {
	request, err := keys.ParseRequest(data)
	if err != nil && !errors.Is(err, keys.ErrBadProof) {
		return false
	}
	if err != nil {
		f.Request = &jsonRequest{} // what a request says that nobody signed is not worth showing
		return true
	}
	asked := keys.Requested(request)
	f.Request = &jsonRequest{Subject: subjectText(request.Subject.String()), Names: leafNames(&asked),
		Key: jsonKeyOf(request.RawSubjectPublicKeyInfo), Signed: true, Bytes: len(request.Raw)}
	if asked.Server {
		f.Request.For = append(f.Request.For, "server")
	}
	if asked.Client {
		f.Request.For = append(f.Request.For, "client")
	}
	return true
}

func (f *jsonCertFile) readCRLs(data []byte) bool {
	lists, err := keys.ParseCRLs(data)
	if err != nil {
		return false
	}
	for _, list := range lists {
		j := jsonCRL{Issuer: subjectText(list.Issuer.String()), ThisUpdate: utc(list.ThisUpdate), NextUpdate: utc(list.NextUpdate), Bytes: len(list.Raw)}
		if list.Number != nil {
			j.Number = list.Number.String()
		}
		for _, entry := range list.RevokedCertificateEntries {
			j.Revoked = append(j.Revoked, jsonRevoked{serialText(entry.SerialNumber), utc(entry.RevocationTime), keys.RevocationReason(entry.ReasonCode).String()})
		}
		f.CRLs = append(f.CRLs, j)
	}
	return true
}

// rows prints a name and a value a line, leaving out what is empty.
type rows struct {
	w   io.Writer
	p   palette
	err error
}

func (r *rows) row(name, format string, args ...any) {
	if text := fmt.Sprintf(format, args...); text != "" && r.err == nil {
		_, r.err = fmt.Fprintf(r.w, "%s %s\n", r.p.dim(fmt.Sprintf("%-11s", name)), oneLine(text))
	}
}

func (f *jsonCertFile) write(w io.Writer, p palette) error {
	r := &rows{w: w, p: p}
	for i := range f.Certificates {
		if i > 0 && r.err == nil {
			_, r.err = fmt.Fprintln(w)
		}
		f.Certificates[i].write(r, i+1, len(f.Certificates))
	}
	if f.Request != nil {
		f.Request.write(r)
	}
	for i := range f.CRLs {
		f.CRLs[i].write(r)
	}
	return r.err
}

func (c *jsonCertificate) write(r *rows, n, of int) {
	r.row("certificate", "%d of %d, %s", n, of, plural(c.Bytes, "byte"))
	r.row("subject", "%s", c.Subject)
	r.row("names", "%s", strings.Join(c.Names, ", "))
	r.row("issuer", "%s", c.Issuer)
	r.row("serial", "%s", c.Serial)
	r.row("valid", "%s to %s (%s left)", c.NotBefore, c.NotAfter, plural(max(c.DaysLeft, 0), "day"))
	r.row("for", "%s", strings.Join(c.For, ", "))
	if c.PathLen != nil {
		r.row("below", "%s", plural(*c.PathLen, "more CA"))
	}
	r.row("key", "%s, signed with %s", c.Key.Kind, c.Signature)
	r.row("key name", "%s", c.Key.Names[0].Name)
	r.row("crl", "%s", strings.Join(c.CRL, ", "))
	r.row("ocsp", "%s", strings.Join(c.OCSP, ", "))
	if c.Staple {
		r.row("ocsp", "must be shown in the handshake")
	}
}

func (q *jsonRequest) write(r *rows) {
	if !q.Signed {
		r.row("request", "NOT signed by its own key: it proves nothing")
		return
	}
	r.row("request", "%s, signed by its own key", plural(q.Bytes, "byte"))
	r.row("subject", "%s", q.Subject)
	r.row("names", "%s", strings.Join(q.Names, ", "))
	r.row("for", "%s", strings.Join(q.For, ", "))
	r.row("key", "%s", q.Key.Kind)
	r.row("key name", "%s", q.Key.Names[0].Name)
}

func (c *jsonCRL) write(r *rows) {
	r.row("list", "number %s, %s", c.Number, plural(len(c.Revoked), "revoked certificate"))
	r.row("issuer", "%s", c.Issuer)
	r.row("valid", "%s to %s", c.ThisUpdate, c.NextUpdate)
	for _, entry := range c.Revoked {
		r.row("revoked", "%s on %s, %s", entry.Serial, entry.At, entry.Reason)
	}
}

// replaceFile writes a file that is no secret beside its place and moves it
// there, so that whoever reads it sees the old one or the new one.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".coaps-*")
	if err == nil {
		_, err = f.Write(data)
		err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}
	if err != nil {
		return fail("file_unwritable", "cannot write "+path, "%v", rootCause(err)).because(err)
	}
	return nil
}
