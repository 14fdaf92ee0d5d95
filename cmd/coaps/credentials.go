// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/insecure"
	"github.com/coaps-go/coaps/security/keys"
)

// given says whether any identity flag was used.
func (f *identityFlags) given() bool {
	return f.identity != "" || f.psk != "" || f.pskFile != "" || f.cert != "" || f.key != "" || f.rpk != ""
}

func (f *trustFlags) given() bool { return len(f.ca) > 0 || len(f.peerKey) > 0 || f.insecure }

// securityConfig is the client's side of the flags.
func (f *clientFlags) securityConfig(a *app, cmd *cobra.Command, uri coap.URI, keylog io.Writer) (*security.Config, error) {
	if !f.identity.given() && !f.trust.given() {
		return nil, fail("no_credential", cmd.Name()+" "+uri.String(), "")
	}
	config := &security.Config{AllowWeakPSK: true}
	psks, err := f.identity.psks(a, cmd)
	if err != nil {
		return nil, err
	}
	if config.ClientPSK, err = f.identity.choose(psks); err != nil {
		return nil, err
	}
	if err := f.identity.apply(cmd, config); err != nil {
		return nil, err
	}
	if err := f.trust.apply(config); err != nil {
		return nil, err
	}
	a.warnLists(config.Trust)
	if err := f.dtls.applySuites(cmd, config, f.trust.insecure); err != nil {
		return nil, err
	}
	if f.trust.insecure {
		a.warnInsecure()
		insecure.AcceptAnyServer(config)
	}
	if keylog != nil { // a nil *os.File in an io.Writer would not be nil
		config.KeyLog = keylog
	}
	return config, f.checkTrust(cmd, uri, config)
}

// checkTrust refuses what could only fail later, in words of the command line.
func (f *clientFlags) checkTrust(cmd *cobra.Command, uri coap.URI, config *security.Config) error {
	what := cmd.Name() + " " + uri.String()
	if _, err := config.Client(keys.Authority{Scheme: uri.Scheme, Host: uri.Host, Port: uri.Port}); err != nil {
		switch {
		case errors.Is(err, security.ErrBelievesNoOne):
			return fail("no_credential", what, "this says what to show, but not which server to believe").
				try("--peer-key NAME for a raw public key, -C CA for a certificate").because(err)
		case errors.Is(err, security.ErrNoNameNoPin):
			return fail("no_credential", what, "a certificate is checked against the host of the URI, and this one cannot be").
				try("a DNS name or an address in the URI, or --peer-key NAME").because(err)
		}
		return unusable(what, err)
	}
	return nil
}

// warnValidity tells of certificates that clients will refuse, now or soon.
func (a *app) warnValidity(chains []dtls.Chain) {
	const soon = 7 * 24 * time.Hour
	now := time.Now()
	for _, chain := range chains {
		from, until := chain.Leaf.NotBefore, chain.Leaf.NotAfter
		switch {
		case now.Before(from):
			a.warnf("the certificate is not valid before %s; this machine's clock says %s", from.Format(time.RFC3339), now.Format(time.RFC3339))
		case now.After(until):
			a.warnf("the certificate has expired on %s; clients will refuse it", until.Format(time.RFC3339))
		case now.Add(soon).After(until):
			a.warnf("the certificate expires on %s", until.Format(time.RFC3339))
		}
	}
}

// unusable is for a credential that security refuses.
func unusable(what string, err error) *failure {
	detail := strings.TrimPrefix(err.Error(), "security: ")
	return fail("bad_credential", what, "%s", detail).because(err).
		try("coaps key new -o FILE makes a P-256 key; coaps key id FILE shows what a file holds")
}

// warnInsecure is not to be overlooked, and -q does not silence it.
func (a *app) warnInsecure() {
	p := a.errPalette()
	fmt.Fprintf(a.err, "%s the server is NOT authenticated (--insecure): anyone on the path can read and change this exchange\n", p.bad("INSECURE:"))
}

// warnUnusedCredentials says that a plain URI uses none of them.
func (a *app) warnUnusedCredentials(f *identityFlags) {
	if f.given() {
		a.warnf("coap:// is not protected: the credentials given are not used; coaps:// uses them")
	}
}

// psks collects the pre-shared keys of -u, -k and --psk-file.
func (f *identityFlags) psks(a *app, cmd *cobra.Command) ([]keys.PSK, error) {
	if looksLikeMistakenInsecure(f.psk) {
		return nil, mistakenInsecure(cmd, f.psk)
	}
	switch {
	case f.psk != "" && f.pskFile != "":
		return nil, usage(cmd, "--psk and --psk-file exclude each other")
	case f.pskFile != "":
		psks, err := a.readPSKFile(f.pskFile)
		if err != nil {
			return nil, pskFileFailure(f.pskFile, err)
		}
		a.warnWeakest(psks)
		return psks, nil
	case f.psk != "":
		psk, err := f.onePSK(a, cmd)
		if err != nil {
			return nil, err
		}
		a.warnWeakest([]keys.PSK{psk})
		return []keys.PSK{psk}, nil
	case f.identity != "":
		return nil, usage(cmd, "--identity needs --psk or --psk-file").try("-u %s -k @FILE, or -k - to be asked", f.identity)
	}
	return nil, nil
}

// readPSKFile is keys.LoadPSKFile that a signal ends, as the file may be a pipe from
// a keeper of secrets that asks somebody.
func (a *app) readPSKFile(path string) ([]keys.PSK, error) {
	data, err := a.reading(func() ([]byte, error) { return keys.ReadSecretFile(path) })
	defer clear(data)
	if err != nil {
		return nil, err
	}
	return keys.ParsePSKFile(bytes.NewReader(data))
}

func mistakenInsecure(cmd *cobra.Command, literal string) *failure {
	shown := hideUserinfo(literal) // a URI or a flag is no secret
	return usage(cmd, "-k takes the shared key, and was given %q", shown).
		try("did you mean --insecure (-n)? A key that looks like this is written text:KEY")
}

// onePSK resolves -u and -k.
func (f *identityFlags) onePSK(a *app, cmd *cobra.Command) (keys.PSK, error) {
	if f.identity == "" {
		return keys.PSK{}, usage(cmd, "--psk needs --identity").try("-u ID beside -k")
	}
	sources := a.keySources()
	key, err := sources.resolve(f.psk)
	if err != nil {
		return keys.PSK{}, pskFailure(f.psk, err)
	}
	defer clear(key)
	psk, err := keys.NewPSK([]byte(f.identity), key)
	if err != nil {
		return keys.PSK{}, fail("bad_credential", "cannot use --psk", "%v", err).because(err)
	}
	return psk, nil
}

// keySources connects key literals with this process.
func (a *app) keySources() *keySources {
	return &keySources{
		readSecret: func(path string) ([]byte, error) {
			return a.reading(func() ([]byte, error) { return keys.ReadSecretFile(path) })
		},
		env:    a.env,
		prompt: func() ([]byte, error) { return promptSecret(a.streams, "shared key: ") },
		warn:   a.warnf,
	}
}

// pskFailure names the file, if the literal pointed to one, and never the key.
func pskFailure(literal string, err error) error {
	if path, ok := strings.CutPrefix(literal, "@"); ok {
		return fileFailure("cannot read the shared key", path, err)
	}
	return fail("bad_credential", "cannot use --psk", "%v", err).because(err).
		try("KEY is %s", keyForms)
}

// warnWeakest accepts short keys, and says so once.
func (a *app) warnWeakest(psks []keys.PSK) {
	var weakest *keys.WeakPSKError
	for _, psk := range psks {
		if weak, ok := errors.AsType[*keys.WeakPSKError](psk.CheckStrength()); ok && (weakest == nil || weak.Len < weakest.Len) {
			weakest = weak
		}
	}
	if weakest != nil {
		a.warnf("%v: one recorded handshake is enough to try guesses", weakest)
	}
}

// choose picks the client's one key: by -u, or the only one there is.
func (f *identityFlags) choose(psks []keys.PSK) (*keys.PSK, error) {
	if len(psks) == 0 {
		if f.pskFile != "" {
			return nil, fail("bad_credential_file", "cannot use "+f.pskFile, "there is no line IDENTITY:HEXKEY in it").
				try("IDENTITY:HEXKEY, one a line, as psktool writes it")
		}
		return nil, nil
	}
	if f.identity == "" {
		if len(psks) == 1 {
			return &psks[0], nil
		}
		return nil, fail("no_credential", "cannot choose a key from "+f.pskFile, "it has %d identities", len(psks)).
			try("-u %s", keys.PrintableIdentity(psks[0].Identity))
	}
	for i := range psks {
		if string(psks[i].Identity) == f.identity {
			return &psks[i], nil
		}
	}
	return nil, fail("no_credential", "cannot find "+f.identity+" in "+f.pskFile, "no line has this identity").
		try("leave out -u to use the only one, or look at the names: cut -d: -f1 %s", f.pskFile)
}

// apply loads the key pairs.
func (f *identityFlags) apply(cmd *cobra.Command, config *security.Config) error {
	if f.rpk != "" {
		pair, err := loadPair(f.rpk)
		if err != nil {
			return keyFileFailure("cannot use the raw public key", f.rpk, err)
		}
		config.RawKey = pair
	}
	if (f.cert == "") != (f.key == "") {
		return usage(cmd, "--cert and --key go together").try("-c CERT -j KEY; name the same file twice when it holds both")
	}
	if f.cert == "" {
		return nil
	}
	chain, err := keys.LoadChain(f.cert, f.key)
	if err != nil {
		return f.chainFailure(err)
	}
	config.Chains = []dtls.Chain{chain}
	return nil
}

// chainFailure tells which of the two files is wrong; they may be one.
func (f *identityFlags) chainFailure(err error) *failure {
	if f.culprit(err) == f.key && (f.key != f.cert || holdsPublicOnly(f.key)) {
		return keyFileFailure("cannot use the private key", f.key, err)
	}
	return fileFailure("cannot use the certificate", f.cert, err)
}

// culprit is the one of the two files that an error is about.
func (f *identityFlags) culprit(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path
	}
	if e, ok := errors.AsType[*keys.PermissionError](err); ok {
		return e.Path
	}
	if strings.HasPrefix(err.Error(), f.key+": ") {
		return f.key
	}
	return f.cert
}

// apply loads whom to believe.
func (f *trustFlags) apply(config *security.Config) error {
	var roots []*x509.Certificate
	for _, path := range f.ca {
		certificates, err := keys.LoadCertificates(path)
		if err != nil {
			return fileFailure("cannot use the CA", path, err)
		}
		roots = append(roots, certificates...)
	}
	if len(roots) > 0 {
		config.Trust = keys.NewTrust(roots)
	}
	if err := f.applyRevocation(config); err != nil {
		return err
	}
	for _, pin := range f.peerKey {
		if config.Pins == nil {
			config.Pins = new(keys.Pins)
		}
		if err := addPin(config.Pins, pin); err != nil {
			return err
		}
	}
	return nil
}

// applyRevocation narrows the trust in CAs to what they have not taken back.
func (f *trustFlags) applyRevocation(config *security.Config) error {
	var lists []*x509.RevocationList
	for _, path := range f.crl {
		some, err := keys.LoadCRLs(path)
		if err != nil {
			return crlFailure(path, err)
		}
		lists = append(lists, some...)
	}
	switch {
	case config.Trust == nil && (f.ocsp || lists != nil):
		return fail("usage", "--crl and --require-ocsp are about the certificates of a CA", "no CA is given").
			try("-C FILE names the CA; a key that --peer-key names cannot be revoked by anybody else")
	case lists != nil:
		trust, err := config.Trust.WithCRLs(lists, keys.RevocationFresh)
		if err != nil {
			return crlFailure(strings.Join(f.crl, " "), err)
		}
		config.Trust = trust
	}
	if f.ocsp {
		config.Trust = config.Trust.RequireOCSP()
	}
	return nil
}

// warnLists tells of revocation lists that do not do what they are for.
func (a *app) warnLists(trust *keys.Trust) {
	for _, list := range trust.CRLs() {
		if !list.Anchored {
			a.warnf("the revocation list of %s is by none of the CAs given; it counts only for an authority below them", list.Issuer)
		}
		if time.Now().After(list.NextUpdate) {
			a.warnf("the revocation list of %s has run out on %s: its certificates are refused", list.Issuer, list.NextUpdate.Format(time.RFC3339))
		}
	}
}

// crlFailure tells what is wrong with a revocation list.
func crlFailure(path string, err error) *failure {
	f := fileFailure("cannot use the revocation list", path, err)
	if f.reason == "bad_credential_file" {
		f = f.try("a list in PEM or DER, signed by a CA of -C: coaps cert crl makes one, openssl crl -text shows one")
	}
	return f
}

// addPin takes a name in any form, else a file with a key or certificate.
func addPin(pins *keys.Pins, pin string) error {
	name, nameErr := keys.ParseName(pin)
	if nameErr == nil {
		if err := pins.Add(name); err != nil {
			return fail("bad_credential", "cannot use --peer-key "+pin, "%v", err).
				try("a name of 120 bits or more: coaps key id FILE prints them").because(err)
		}
		return nil
	}
	data, err := keys.ReadFile(pin)
	if err != nil && looksLikeName(pin) {
		return fail("bad_credential", "cannot use --peer-key "+pin, "%v", nameErr).
			try("coaps key id FILE prints names that can be pasted; put them in quotes").because(nameErr)
	}
	if err != nil {
		return fileFailure("cannot read --peer-key", pin, err)
	}
	defer clear(data)
	key, err := parseKey(data)
	if err != nil {
		return fail("bad_credential_file", "cannot use --peer-key "+pin, "%v", err).because(err).
			try("the peer's public key or certificate: coaps key show FILE > peer.pub makes one")
	}
	pins.AddKey(key.spki)
	return nil
}

func looksLikeName(s string) bool {
	for _, prefix := range []string{"ni:", "nih:", "sha256//", "SHA256:", "0x"} {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// configured is the server's side of the flags.
func (s *server) configured(cmd *cobra.Command) (*security.Config, error) {
	config := &security.Config{AllowWeakPSK: true}
	psks, err := s.identity.psks(s.app, cmd)
	if err != nil {
		return nil, err
	}
	if len(psks) > 0 {
		if config.PSK, err = keys.NewPSKMap(psks...); err != nil {
			return nil, asFailure("cannot use the shared keys", err)
		}
	}
	if err := s.identity.apply(cmd, config); err != nil {
		return nil, err
	}
	if err := s.trust.apply(config); err != nil {
		return nil, err
	}
	if err := s.dtls.applySuites(cmd, config, false); err != nil {
		return nil, err
	}
	s.warnValidity(config.Chains)
	s.warnLists(config.Trust)
	config.AllowAnonymousClients = !s.trust.given()
	if _, err := config.Server(); err != nil {
		return nil, serverConfigFailure(err)
	}
	return config, nil
}

func serverConfigFailure(err error) *failure {
	const what = "cannot serve coaps"
	switch {
	case errors.Is(err, security.ErrNothingToShow), errors.Is(err, security.ErrBelievesNoOne):
		return fail("no_credential", what, "%v", err).because(err).
			try("-M KEY or -c CERT -j KEY to show, beside -C or --peer-key to believe; or --psk-file FILE")
	}
	return unusable(what, err)
}

// fileFailure names what went wrong with a file, by the cases that need
// different hands: too open, not there, not allowed, not understood.
func fileFailure(what, path string, err error) *failure {
	what += " " + path
	if errors.Is(err, context.Canceled) {
		return fail("interrupted", what, "stopped by a signal while it was read").because(err).try("is it a pipe? then somebody has to write to it")
	}
	if open, ok := errors.AsType[*keys.PermissionError](err); ok {
		return fail("file_permissions", what, "mode %04o lets others than the owner at this secret", open.Mode.Perm()).
			try("chmod 600 %s", shellQuote(path)).because(err)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok || errors.Is(err, os.ErrNotExist) {
		return fail("file_unreadable", what, "%v", rootCause(err)).because(err)
	}
	detail := strings.TrimPrefix(err.Error(), path+": ")
	return fail("bad_credential_file", what, "%s", detail).because(err).
		try("coaps key id %s shows what it holds", shellQuote(path))
}

// pskFileFailure is for a file of shared keys.
func pskFileFailure(path string, err error) *failure {
	f := fileFailure("cannot read the shared keys", path, err)
	if f.reason == "bad_credential_file" {
		f.try("each line is IDENTITY:HEXKEY, as psktool writes it; a file with a key alone is given as -u ID -k @%s", shellQuote(path))
	}
	return f
}

// keyFileFailure is for a private key. A public key in its place is told apart
// before its permissions are: nobody has to be kept from it.
func keyFileFailure(what, path string, err error) *failure {
	if holdsPublicOnly(path) {
		return fail("bad_credential_file", what+" "+path, "it holds a public key or a certificate, and the private key is needed").
			try("the file that coaps key new or openssl wrote as PRIVATE KEY")
	}
	return fileFailure(what, path, err)
}

// holdsPublicOnly says whether a file has a public key and no private one.
func holdsPublicOnly(path string) bool {
	data, err := keys.ReadFile(path)
	defer clear(data)
	if err != nil {
		return false
	}
	f, err := parseKey(data)
	return err == nil && f.pair == nil
}
