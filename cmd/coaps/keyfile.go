// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/cosekey"
	"github.com/coaps-go/coaps/security/keys"
)

// keyFile is the key in a file, of whatever form: a private key, a public key or
// a certificate.
type keyFile struct {
	path string
	pair *dtls.KeyPair // nil: there is no private key
	spki []byte
}

// half says which part of a key pair a file has.
func (f *keyFile) half() string {
	if f.pair != nil {
		return "public half of a private key"
	}
	return "public key"
}

// readKey reads a file of any form. A private key that others can read is
// refused; a public one may be read by anybody.
func (a *app) readKey(path string) (*keyFile, error) {
	what := "cannot read a key from"
	data, err := a.readKeyFile(path)
	open, tooOpen := errors.AsType[*keys.PermissionError](err)
	if tooOpen && open.Mode.IsRegular() { // a pipe is read but once
		data, err = a.reading(func() ([]byte, error) { return keys.ReadFile(path) })
	}
	if err != nil {
		return nil, fileFailure(what, path, err)
	}
	defer clear(data)
	f, err := parseKey(data)
	if err != nil {
		return nil, badKey(what, path, err)
	}
	if tooOpen && f.pair != nil {
		return nil, fileFailure(what, path, open)
	}
	f.path = path
	return f, nil
}

// readPair is readKey where the private key is needed.
func (a *app) readPair(what, path string) (*dtls.KeyPair, error) {
	f, err := a.readKey(path)
	switch {
	case err != nil:
		return nil, err
	case f.pair == nil:
		return nil, fail("bad_credential_file", what+" "+path, "it holds a public key or a certificate, and the private key is needed").
			try("the file that coaps key new or openssl wrote as PRIVATE KEY").because(keys.ErrNoPrivateKey)
	}
	return f.pair, nil
}

// loadPair is keys.LoadKeyPair for the forms that are read here besides.
func loadPair(path string) (*dtls.KeyPair, error) {
	data, err := keys.ReadSecretFile(path)
	defer clear(data)
	if err != nil {
		return nil, err
	}
	f, err := parseKey(data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case f.pair == nil:
		return nil, fmt.Errorf("%s: %w", path, keys.ErrNoPrivateKey)
	}
	return f.pair, nil
}

// badKey is a file that is no key, with what to do where that is known.
func badKey(what, path string, err error) *failure {
	f := fail("bad_credential_file", what+" "+path, "%v", err).because(err).
		try("a private key, a public key or a certificate is needed: PEM, DER, JWK, COSE_Key or a C array")
	switch {
	case errors.Is(err, keys.ErrEncrypted):
		f.detail = keys.ErrEncrypted.Error()
		f.try("decrypt it into a new file: (umask 077; openssl pkey -in %s -out NEWFILE)", shellQuote(path))
	case errors.Is(err, keys.ErrKeyMismatch):
		f.try("the two halves are of two key pairs: find the file of the right one by its name, coaps key id FILE")
	}
	return f
}

// parseKey finds out the form by its first bytes.
func parseKey(data []byte) (*keyFile, error) {
	switch {
	case cosekey.Looks(data):
		return parseHalves(data, cosekey.ParsePrivate, cosekey.ParsePublic)
	case looksLikeC(data):
		return parseCKey(data)
	}
	return parseHalves(data, keys.ParsePrivateKey, keys.ParsePublicKey)
}

// parseHalves tries the private key first. What is wrong with one that is there
// is the error, even if the file has a public key besides.
func parseHalves(data []byte, private func([]byte) (*dtls.KeyPair, error), public func([]byte) ([]byte, error)) (*keyFile, error) {
	pair, privateErr := private(data)
	if privateErr == nil {
		return &keyFile{pair: pair, spki: pair.SPKI}, nil
	}
	for _, damage := range []error{keys.ErrKeyMismatch, keys.ErrEncrypted, keys.ErrTrailingData} {
		if errors.Is(privateErr, damage) {
			return nil, privateErr
		}
	}
	spki, err := public(data)
	if err != nil {
		return nil, err
	}
	return &keyFile{spki: spki}, nil
}

// looksLikeC tells C source from JSON and PEM: a list in braces that begins with
// a number.
func looksLikeC(data []byte) bool {
	if bytes.Contains(data, []byte("-----BEGIN ")) || len(data) > 0 && data[0] == 0x30 {
		return false
	}
	_, list, found := bytes.Cut(data, []byte("{"))
	list = bytes.TrimSpace(list)
	return found && len(list) > 0 && '0' <= list[0] && list[0] <= '9'
}

// parseCKey makes a key of the arrays in C source: one with DER, or a point, or a
// point and the private number of its curve.
func parseCKey(source []byte) (*keyFile, error) {
	arrays, err := keys.ParseCArrays(source)
	if err != nil {
		return nil, err
	}
	var point keys.Parts
	var private []byte
	for _, array := range arrays {
		switch n := len(array.Data); {
		case isDER(array.Data):
			return parseHalves(array.Data, keys.ParsePrivateKey, keys.ParsePublicKey)
		case n == keys.CurveP256.Size() || n == keys.CurveP384.Size():
			private = array.Data
		default:
			if point, err = keys.PartsOfPoint(array.Data); err != nil {
				return nil, err
			}
		}
	}
	if point.X == nil {
		return nil, errors.New("there is no point in the arrays that would tell the curve")
	}
	if private == nil {
		spki, err := point.SPKI()
		return &keyFile{spki: spki}, err
	}
	point.D = keys.NewSecret(private)
	defer point.D.Wipe()
	pair, err := point.KeyPair()
	if err != nil {
		return nil, err
	}
	return &keyFile{pair: pair, spki: pair.SPKI}, nil
}

// isDER tells a key in DER, a SEQUENCE that begins with an INTEGER or another
// SEQUENCE and has nothing behind it, from a private number that begins alike.
func isDER(data []byte) bool {
	whole, body, first, tag := cryptobyte.String(data), cryptobyte.String(nil), cryptobyte.String(nil), asn1.Tag(0)
	return whole.ReadASN1(&body, asn1.SEQUENCE) && whole.Empty() &&
		body.ReadAnyASN1(&first, &tag) && (tag == asn1.INTEGER || tag == asn1.SEQUENCE)
}

// keyForm is a form in which keys are written.
type keyForm struct {
	name    string
	about   string
	binary  bool
	public  func(f *keyFile) ([]byte, error)
	private func(f *keyFile) ([]byte, error)
}

// keyOutputs are the forms of --to.
var keyOutputs = []keyForm{
	{"pem", "PKCS#8 and the public key, or the public key, in PEM", false,
		func(f *keyFile) ([]byte, error) { return keys.MarshalPublic(f.spki), nil },
		func(f *keyFile) ([]byte, error) { return keys.MarshalKeyFile(f.pair) }},
	{"der", "PKCS#8, or SubjectPublicKeyInfo, in DER", true,
		func(f *keyFile) ([]byte, error) { return f.spki, nil },
		func(f *keyFile) ([]byte, error) { return keys.MarshalPrivateDER(f.pair) }},
	{"sec1", "EC PRIVATE KEY in PEM", false, nil,
		func(f *keyFile) ([]byte, error) { return keys.MarshalSEC1(f.pair) }},
	{"jwk", "JSON Web Key", false,
		func(f *keyFile) ([]byte, error) { return keys.MarshalPublicJWK(f.spki) },
		func(f *keyFile) ([]byte, error) { return keys.MarshalPrivateJWK(f.pair) }},
	{"cose", "COSE_Key", true,
		func(f *keyFile) ([]byte, error) { return cosekey.MarshalPublic(f.spki) },
		func(f *keyFile) ([]byte, error) { return cosekey.MarshalPrivate(f.pair) }},
	{"c-array", "C source: the point, and the private number", false, publicCArray, privateCArrays},
	{"c-array-der", "C source: the DER form", false,
		func(f *keyFile) ([]byte, error) { return derCArray(f, "public key, DER", f.spki) }, privateDERCArray},
}

func keyFormNames() []string {
	var names []string
	for _, form := range keyOutputs {
		names = append(names, form.name)
	}
	return names
}

// cName is what the arrays of a file are called.
func (f *keyFile) cName(suffix string) string {
	base := f.path
	if i := strings.LastIndexAny(base, `/\`); i >= 0 {
		base = base[i+1:]
	}
	base, _, _ = strings.Cut(base, ".")
	if base == "" || base == "-" {
		base = "coaps"
	}
	return base + suffix
}

func publicCArray(f *keyFile) ([]byte, error) {
	parts, err := keys.PartsOf(f.spki)
	if err != nil {
		return nil, err
	}
	about := "uncompressed point of " + parts.Curve.String()
	if parts.Curve == keys.CurveEd25519 {
		about = "Ed25519 public key"
	}
	return keys.CArray{Name: f.cName("_public"), Comment: about + ", " + keys.NameOf(f.spki, keys.SHA256_120).String(), Data: parts.Point()}.AppendTo(nil), nil
}

func privateCArrays(f *keyFile) ([]byte, error) {
	parts, err := keys.PrivatePartsOf(f.pair)
	if err != nil {
		return nil, err
	}
	defer parts.D.Wipe()
	text := keys.CArray{Name: f.cName("_private"), Comment: "SECRET: private key of " + parts.Curve.String(), Data: parts.D.Bytes()}.AppendTo(nil)
	public, err := publicCArray(f)
	return append(text, public...), err
}

func privateDERCArray(f *keyFile) ([]byte, error) {
	der, err := keys.MarshalPrivateDER(f.pair)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return derCArray(f, "SECRET: private key, PKCS#8 in DER", der)
}

func derCArray(f *keyFile, about string, der []byte) ([]byte, error) {
	suffix := "_private_der"
	if bytes.Equal(der, f.spki) {
		suffix = "_public_der"
	}
	return keys.CArray{Name: f.cName(suffix), Comment: about, Data: der}.AppendTo(nil), nil
}

// artifact is something that a command made.
type artifact struct {
	data   []byte
	secret bool // for its owner alone
	binary bool // nothing for a terminal
}

// writeArtifact writes to a new file, or to stdout if output is "" or "-". A
// secret or octets go to a terminal only if "-" asks for it.
func (a *app) writeArtifact(cmd *cobra.Command, output string, made artifact) error {
	switch {
	case output != "" && output != "-":
		return writeNew(output, made)
	case output == "" && made.secret && isTerminal(a.out):
		return fail("secret_to_terminal", "cannot write a private key to this terminal", "").
			try("-o FILE makes a file of mode 0600; -o - shows it all the same")
	case output == "" && made.binary && isTerminal(a.out):
		return usage(cmd, "this form is not text").try("-o FILE; or -o - to see it all the same")
	}
	_, err := io.Copy(a.out, bytes.NewReader(made.data))
	return outputFailure(err)
}

// writeNew creates a file and overwrites nothing.
func writeNew(path string, made artifact) error {
	write, kept := keys.WriteFile, "nothing is overwritten"
	if made.secret {
		write, kept = keys.WriteSecretFile, "a key is never overwritten"
	}
	err := write(path, made.data)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrExist):
		return fail("file_exists", "cannot write "+path, "it is there already, and %s", kept).because(err)
	}
	return fail("file_unwritable", "cannot write "+path, "%v", rootCause(err)).because(err)
}

// writeSecret is writeNew for its owner alone.
func writeSecret(path string, data []byte) error {
	return writeNew(path, artifact{data: data, secret: true})
}
