// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNamedKeyErrors is files that are nearly keys: the error says which way
// they are not, so that a person need not guess.
func TestNamedKeyErrors(t *testing.T) {
	pair, other := mustNewKey(t, 1), mustNewKey(t, 2)
	key := pair.Signer.(*ecdsa.PrivateKey)
	pkcs8DER := must(x509.MarshalPKCS8PrivateKey(key))
	sec1DER := must(x509.MarshalECPrivateKey(key))
	parts := must(PartsOf(pair.SPKI))
	mixed := bytes.Replace(bytes.Clone(sec1DER), parts.Point(), must(PartsOf(other.SPKI)).Point(), 1)
	mixedPKCS8 := bytes.Replace(bytes.Clone(pkcs8DER), parts.Point(), must(PartsOf(other.SPKI)).Point(), 1)
	offCurve := bytes.Clone(pair.SPKI)
	offCurve[len(offCurve)-1] ^= 1
	tests := map[string]struct {
		data []byte
		want error
	}{
		"PKCS#8 DER and a byte":         {append(bytes.Clone(pkcs8DER), 0), ErrTrailingData},
		"SEC 1 DER and a byte":          {append(bytes.Clone(sec1DER), 0), ErrTrailingData},
		"PKCS#8 PEM and a byte inside":  {block(pemPKCS8, append(bytes.Clone(pkcs8DER), 0)), ErrTrailingData},
		"SEC 1 PEM with another public": {block(pemSEC1, mixed), ErrKeyMismatch},
		"PKCS#8 with another public":    {block(pemPKCS8, mixedPKCS8), ErrKeyMismatch},
		"two halves of two pairs":       {append(block(pemPKCS8, pkcs8DER), MarshalPublic(other.SPKI)...), ErrKeyMismatch},
		"a public key beside off curve": {append(block(pemPKCS8, pkcs8DER), block(pemSPKI, offCurve)...), ErrNotOnCurve},
		"a public key alone":            {MarshalPublic(pair.SPKI), ErrNoPrivateKey},
		"encrypted PKCS#8":              {block("ENCRYPTED PRIVATE KEY", []byte{0x30, 0}), ErrEncrypted},
		"encrypted in OpenSSL's old way": {[]byte("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n" +
			"DEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n"), ErrEncrypted},
	}
	for name, test := range tests {
		if _, err := ParsePrivateKey(test.data); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	for name, test := range map[string]struct {
		data []byte
		want error
	}{
		"a point off its curve": {offCurve, ErrNotOnCurve},
		"a byte behind":         {append(bytes.Clone(pair.SPKI), 0), ErrTrailingData},
		"no key in PEM":         {block("SOMETHING", nil), ErrNoPublicKey},
	} {
		if _, err := ParsePublicKey(test.data); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// TestSEC1CompressedPublic: the public key beside the private one may be
// compressed, and is compared all the same.
func TestSEC1CompressedPublic(t *testing.T) {
	pair := mustNewKey(t, 1)
	parts := must(PrivatePartsOf(pair))
	type sec1 struct {
		Version    int
		PrivateKey []byte
		Parameters asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		PublicKey  asn1.BitString        `asn1:"optional,explicit,tag:1"`
	}
	for first, want := range map[byte]error{2 | parts.Y[31]&1: nil, 3 &^ (parts.Y[31] & 1): ErrKeyMismatch} {
		point := append([]byte{first}, parts.X...)
		der := must(asn1.Marshal(sec1{1, parts.D.Bytes(), idP256, asn1.BitString{Bytes: point, BitLength: 8 * len(point)}}))
		if _, err := ParsePrivateKey(block(pemSEC1, der)); !errors.Is(err, want) {
			t.Errorf("%x: %v, want %v", point[0], err, want)
		}
	}
	der := must(asn1.Marshal(sec1{Version: 1, PrivateKey: parts.D.Bytes(), Parameters: idP256}))
	if again, err := ParsePrivateKey(der); err != nil || !bytes.Equal(again.SPKI, pair.SPKI) {
		t.Errorf("without the public key: %v", err)
	}
}

// TestOpenSSLForms reads what openssl writes in each form, and has openssl read
// what is written here.
func TestOpenSSLForms(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl here")
	}
	run := func(args ...string) []byte {
		t.Helper()
		out, err := exec.Command(openssl, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("openssl %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return out
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, data []byte) string {
		if err := os.WriteFile(path(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path(name)
	}
	for _, curve := range []Curve{CurveP256, CurveP384, CurveEd25519} {
		pair := must(NewKeyOn(curve, seeded(byte(curve))))
		file := write("ours.key", must(MarshalPrivate(pair)))
		forms := map[string][]string{"PKCS#8 DER": {"-outform", "DER"}, "PKCS#8 PEM": nil}
		if curve != CurveEd25519 {
			forms["SEC 1"] = []string{"-traditional"}
			forms["compressed"] = []string{"-ec_conv_form", "compressed"}
			sec1 := write("sec1.key", must(MarshalSEC1(pair)))
			if public := run("pkey", "-in", sec1, "-pubout", "-outform", "DER"); !bytes.Equal(public, pair.SPKI) {
				t.Errorf("%v, SEC 1: openssl finds another key", curve)
			}
		}
		for form, flags := range forms {
			run(append([]string{"pkey", "-in", file, "-out", path("theirs.key")}, flags...)...)
			data := must(os.ReadFile(path("theirs.key")))
			if again, err := ParsePrivateKey(data); err != nil || !bytes.Equal(again.SPKI, pair.SPKI) {
				t.Errorf("%v, %s: %v", curve, form, err)
			}
		}
		if public := run("pkey", "-in", file, "-pubout", "-outform", "DER"); !bytes.Equal(public, pair.SPKI) {
			t.Errorf("%v: openssl finds another public key", curve)
		}
		for _, form := range []string{"PEM", "DER"} {
			run("pkcs8", "-topk8", "-in", file, "-passout", "pass:secret", "-outform", form, "-out", path("locked.key"))
			if _, err := ParsePrivateKey(must(os.ReadFile(path("locked.key")))); !errors.Is(err, ErrEncrypted) {
				t.Errorf("%v, encrypted %s: %v", curve, form, err)
			}
		}
	}
}
