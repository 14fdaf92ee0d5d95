// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// seeded is a source of random bytes that is the same in each run.
func seeded(n byte) io.Reader { return rand.NewChaCha8([32]byte{n}) }

func mustNewKey(t testing.TB, seed byte) *dtls.KeyPair {
	t.Helper()
	pair, err := NewKey(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(crand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// signers returns a private key of each supported kind.
func signers(t testing.TB) map[string]crypto.Signer {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{
		"P-256":   mustNewKey(t, 1).Signer,
		"P-384":   p384,
		"Ed25519": ed25519.NewKeyFromSeed(make([]byte, 32)),
		"RSA":     rsaKey(),
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func block(typ string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
}

// Proves rfc7252 §9.1.3.2: "The key used MUST be ECDSA capable."
// Proves rfc7252 §9.1.3.2: "The curve secp256r1 MUST be supported [RFC4492];
// this curve is equivalent to the NIST P-256 curve."
func TestNewKeyIsP256(t *testing.T) {
	pair := mustNewKey(t, 1)
	key, ok := pair.Signer.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		t.Fatalf("got %T", pair.Signer)
	}
	if !bytes.Equal(pair.SPKI, must(x509.MarshalPKIXPublicKey(&key.PublicKey))) || len(pair.SPKI) != 91 {
		t.Errorf("SPKI %x", pair.SPKI)
	}
	if again := mustNewKey(t, 1); !bytes.Equal(again.SPKI, pair.SPKI) {
		t.Error("the same bytes gave another key")
	}
	if other := mustNewKey(t, 2); bytes.Equal(other.SPKI, pair.SPKI) {
		t.Error("other bytes gave the same key")
	}
	if fresh := must(NewKey(crand.Reader)); bytes.Equal(fresh.SPKI, pair.SPKI) {
		t.Error("crypto/rand gave the same key")
	}
	for _, broken := range []io.Reader{bytes.NewReader(nil), bytes.NewReader(make([]byte, 1000)), bytes.NewReader(bytes.Repeat([]byte{0xff}, 1000))} {
		if _, err := NewKey(broken); err == nil {
			t.Error("a broken source gave a key")
		}
	}
}

func TestPrivateKeyFormats(t *testing.T) {
	for kind, signer := range signers(t) {
		pkcs8 := must(x509.MarshalPKCS8PrivateKey(signer))
		spki := must(x509.MarshalPKIXPublicKey(signer.Public()))
		files := map[string][]byte{
			"PKCS#8 DER":                pkcs8,
			"PKCS#8 PEM":                block(pemPKCS8, pkcs8),
			"PEM after text":            append([]byte("Bag Attributes\n  friendlyName: x\n"), block(pemPKCS8, pkcs8)...),
			"private and public":        append(block(pemPKCS8, pkcs8), block(pemSPKI, spki)...),
			"public and private":        append(block(pemSPKI, spki), block(pemPKCS8, pkcs8)...),
			"with CR LF":                bytes.ReplaceAll(block(pemPKCS8, pkcs8), []byte("\n"), []byte("\r\n")),
			"as MarshalPrivate has it":  must(MarshalPrivate(&dtls.KeyPair{Signer: signer})),
			"as MarshalKeyFile has it":  must(MarshalKeyFile(&dtls.KeyPair{Signer: signer, SPKI: spki})),
			"with a block of its curve": append(block("EC PARAMETERS", []byte{6, 0}), block(pemPKCS8, pkcs8)...),
		}
		switch key := signer.(type) {
		case *ecdsa.PrivateKey:
			sec1 := must(x509.MarshalECPrivateKey(key))
			files["SEC 1 DER"], files["SEC 1 PEM"] = sec1, block(pemSEC1, sec1)
		case *rsa.PrivateKey:
			pkcs1 := x509.MarshalPKCS1PrivateKey(key)
			files["PKCS#1 DER"], files["PKCS#1 PEM"] = pkcs1, block(pemPKCS1, pkcs1)
		}
		for form, data := range files {
			pair, err := ParsePrivateKey(data)
			if err != nil {
				t.Errorf("%s, %s: %v", kind, form, err)
				continue
			}
			if !bytes.Equal(pair.SPKI, spki) || !pair.Signer.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(signer.Public()) {
				t.Errorf("%s, %s: another key", kind, form)
			}
			if public, err := ParsePublicKey(data); err != nil || !bytes.Equal(public, spki) {
				t.Errorf("%s, %s: public key: %v", kind, form, err)
			}
		}
		for form, data := range map[string][]byte{"SPKI DER": spki, "SPKI PEM": block(pemSPKI, spki), "as MarshalPublic has it": MarshalPublic(spki)} {
			if public, err := ParsePublicKey(data); err != nil || !bytes.Equal(public, spki) {
				t.Errorf("%s, %s: %v", kind, form, err)
			}
			if _, err := ParsePrivateKey(data); err == nil {
				t.Errorf("%s, %s: a private key", kind, form)
			}
		}
	}
}

// ecSPKI makes a SubjectPublicKeyInfo by hand, so that its parts can be at odds.
func ecSPKI(algorithm, parameters string, point []byte) []byte {
	contents := append(unhex(algorithm), unhex(parameters)...)
	identifier := append([]byte{0x30, byte(len(contents))}, contents...)
	bits := append([]byte{0x03, byte(len(point) + 1), 0}, point...)
	return append([]byte{0x30, byte(len(identifier) + len(bits))}, append(identifier, bits...)...)
}

// Object identifiers in DER, in hexadecimal.
const (
	oidECPublicKey = "06072a8648ce3d0201"
	oidECDSA256    = "06082a8648ce3d040302" // a signature algorithm, no kind of key
	oidP256        = "06082a8648ce3d030107"
	oidP384        = "06052b81040022"
	oidSecp256k1   = "06052b8104000a"
	oidEd25519     = "06032b6570"
)

// Pitfall W22: a key whose object identifiers and contents are at odds is
// refused, as are kinds of keys that we do not have.
//
// Proves rfc7252 §9.1.3.3: "Namely, the certificate includes a
// SubjectPublicKeyInfo that indicates an algorithm of id-ecPublicKey with
// namedCurves secp256r1 [RFC5480]; the public key format is uncompressed
// [RFC5480]; the hash algorithm is SHA-256; if included, the key usage extension
// indicates digitalSignature."
func TestPublicKeyRefuses(t *testing.T) {
	good := mustNewKey(t, 1).SPKI
	point := good[len(good)-65:]
	if !bytes.Equal(ecSPKI(oidECPublicKey, oidP256, point), good) {
		t.Fatalf("the test's own encoding is wrong: %x, want %x", ecSPKI(oidECPublicKey, oidP256, point), good)
	}
	compressed := append([]byte{2 + point[64]&1}, point[1:33]...)
	hybrid := append([]byte{6 + point[64]&1}, point[1:]...)
	offCurve := slices.Clone(point)
	offCurve[64] ^= 1
	for what, spki := range map[string][]byte{
		"P-256 point under Ed25519":   ecSPKI(oidEd25519, "", point),
		"P-256 point under P-384":     ecSPKI(oidECPublicKey, oidP384, point),
		"P-256 point under secp256k1": ecSPKI(oidECPublicKey, oidSecp256k1, point),
		"no curve":                    ecSPKI(oidECPublicKey, "", point),
		"NULL for a curve":            ecSPKI(oidECPublicKey, "0500", point),
		"signature algorithm":         ecSPKI(oidECDSA256, oidP256, point),
		"Ed25519 key under P-256":     ecSPKI(oidECPublicKey, oidP256, make([]byte, 32)),
		"Ed25519 with parameters":     ecSPKI(oidEd25519, "0500", make([]byte, 32)),
		"Ed25519 key of 31 bytes":     ecSPKI(oidEd25519, "", make([]byte, 31)),
		"compressed point":            ecSPKI(oidECPublicKey, oidP256, compressed),
		"hybrid point":                ecSPKI(oidECPublicKey, oidP256, hybrid),
		"point off the curve":         ecSPKI(oidECPublicKey, oidP256, offCurve),
		"point at infinity":           ecSPKI(oidECPublicKey, oidP256, []byte{0}),
		"empty":                       {},
		"trailing byte":               append(slices.Clone(good), 0),
		"P-521":                       must(x509.MarshalPKIXPublicKey(&must(ecdsa.GenerateKey(elliptic.P521(), crand.Reader)).PublicKey)),
		"P-224":                       must(x509.MarshalPKIXPublicKey(&must(ecdsa.GenerateKey(elliptic.P224(), crand.Reader)).PublicKey)),
		"X25519":                      must(x509.MarshalPKIXPublicKey(must(ecdh.X25519().GenerateKey(crand.Reader)).PublicKey())),
		"RSA of 1024 bits":            must(x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537})),
	} {
		if err := CheckPublicKey(spki); err == nil {
			t.Errorf("%s: accepted", what)
		}
		if _, err := ParsePublicKey(spki); err == nil {
			t.Errorf("%s: accepted as DER", what)
		}
		if _, err := ParsePublicKey(block(pemSPKI, spki)); err == nil {
			t.Errorf("%s: accepted as PEM", what)
		}
	}
	for i := range good {
		if CheckPublicKey(good[:i]) == nil {
			t.Errorf("the first %d bytes are accepted", i)
		}
	}
}

func TestPrivateKeyRefuses(t *testing.T) {
	one, other := mustNewKey(t, 1), mustNewKey(t, 2)
	private := must(MarshalPrivate(one))
	p521 := must(x509.MarshalPKCS8PrivateKey(must(ecdsa.GenerateKey(elliptic.P521(), crand.Reader))))
	x25519 := must(x509.MarshalPKCS8PrivateKey(must(ecdh.X25519().GenerateKey(crand.Reader))))
	encrypted := pem.EncodeToMemory(&pem.Block{Type: pemSEC1, Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1}})
	for want, data := range map[string][]byte{
		"encrypted; decrypt it":         block("ENCRYPTED PRIVATE KEY", []byte{1}),
		"decrypt it with: openssl":      encrypted,
		"ssh-keygen -p":                 block("OPENSSH PRIVATE KEY", []byte{1}),
		"P-521 keys are not":            block(pemPKCS8, p521),
		"X25519 (which cannot":          block(pemPKCS8, x25519),
		"more than one":                 append(slices.Clone(private), must(MarshalPrivate(other))...),
		"not that of the private":       append(slices.Clone(private), MarshalPublic(other.SPKI)...),
		"no private key":                block("EC PARAMETERS", []byte{6, 0}),
		"damaged PEM":                   private[:len(private)/2],
		"not a private key":             []byte("hello"),
		"not a private key of a suppor": nil,
	} {
		if _, err := ParsePrivateKey(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, ok := errors.AsType[*UnsupportedKeyError](must2(ParsePrivateKey(p521))); !ok {
		t.Error("P-521: no *UnsupportedKeyError")
	}
	if _, err := ParsePublicKey(block("EC PARAMETERS", []byte{6, 0})); err == nil {
		t.Error("curve parameters are a public key")
	}
}

// must2 returns the error of two results.
func must2[T any](_ T, err error) error { return err }

// opaque is a signer whose private key cannot be taken out.
type opaque struct{ crypto.Signer }

func TestOpaqueSigner(t *testing.T) {
	inner := mustNewKey(t, 1)
	pair, err := NewKeyPair(opaque{inner.Signer})
	if err != nil || !bytes.Equal(pair.SPKI, inner.SPKI) {
		t.Fatal(err)
	}
	if _, err := MarshalPrivate(pair); err == nil {
		t.Error("a key that cannot be taken out was marshalled")
	}
}

func TestSecretFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mode bits mean nothing here")
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := WriteSecretFile(path, must(MarshalKeyFile(mustNewKey(t, 1)))); err != nil {
		t.Fatal(err)
	}
	if mode := must(os.Stat(path)).Mode(); mode != 0o600 {
		t.Errorf("written with mode %o", mode)
	}
	if err := WriteSecretFile(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("writing over a key: %v", err)
	}
	for mode := fs.FileMode(0o400); mode <= 0o777; mode++ {
		if mode&0o400 == 0 {
			continue
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKeyPair(path)
		permission, refused := errors.AsType[*PermissionError](err)
		if want := mode&0o066 != 0; refused != want || err != nil && !refused {
			t.Fatalf("mode %o: %v", mode, err)
		}
		if refused && (permission.Path != path || permission.Mode.Perm() != mode) {
			t.Fatalf("mode %o: %v", mode, err)
		}
	}
	if _, err := LoadKeyPair(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	// Nobody is told to change the mode of a directory, or of /dev/null.
	for _, path := range []string{t.TempDir(), os.DevNull} {
		_, err := LoadKeyPair(path)
		if _, refused := errors.AsType[*PermissionError](err); err == nil || refused {
			t.Errorf("%s: %v", path, err)
		}
	}
	public := filepath.Join(t.TempDir(), "pub.pem")
	if err := WriteFile(public, MarshalPublic(mustNewKey(t, 1).SPKI)); err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePublicKey(must(ReadFile(public))); err != nil {
		t.Error(err)
	}
}

func TestLargeFilesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	f := must(os.Create(path))
	if err := errors.Join(f.Truncate(maxKeyFile+1), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("got %v", err)
	}
}

// foreign is the path of a tool. A machine without it skips the test, but where
// foreign peers are required it is an error.
func foreign(t *testing.T, tool, debian string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil && os.Getenv("COAPS_INTEROP") == "required" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("no %s here (Debian: %s)", tool, debian)
	}
	return path
}

// What OpenSSL makes we read, and what we make OpenSSL reads.
func TestKeysOfOpenSSL(t *testing.T) {
	openssl := foreign(t, "openssl", "openssl")
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	run("ecparam", "-name", "prime256v1", "-genkey", "-out", "sec1.pem") // with EC PARAMETERS
	run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "p384.pem")
	run("genpkey", "-algorithm", "ED25519", "-out", "ed25519.pem")
	run("pkcs8", "-topk8", "-in", "sec1.pem", "-passout", "pass:x", "-out", "encrypted.pem")
	for _, name := range []string{"sec1.pem", "p384.pem", "ed25519.pem"} {
		pair, err := ParsePrivateKey(must(os.ReadFile(filepath.Join(dir, name))))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		run("pkey", "-in", name, "-pubout", "-out", "pub.pem")
		if public, err := ParsePublicKey(must(os.ReadFile(filepath.Join(dir, "pub.pem")))); err != nil || !bytes.Equal(public, pair.SPKI) {
			t.Errorf("%s: public key: %v", name, err)
		}
	}
	if _, err := ParsePrivateKey(must(os.ReadFile(filepath.Join(dir, "encrypted.pem")))); err == nil || !strings.Contains(err.Error(), "encrypted") {
		t.Errorf("encrypted key: %v", err)
	}
	ours := mustNewKey(t, 1)
	if err := os.WriteFile(filepath.Join(dir, "ours.pem"), must(MarshalPrivate(ours)), 0o600); err != nil {
		t.Fatal(err)
	}
	run("pkey", "-in", "ours.pem", "-pubout", "-outform", "DER", "-out", "ours.der")
	if der := must(os.ReadFile(filepath.Join(dir, "ours.der"))); !bytes.Equal(der, ours.SPKI) {
		t.Error("OpenSSL sees another public key in our file")
	}
}

// Pitfall L6: a key file can hold anything.
func FuzzParsePrivateKey(f *testing.F) {
	pair := mustNewKey(f, 1)
	f.Add(must(MarshalKeyFile(pair)))
	f.Add(must(x509.MarshalPKCS8PrivateKey(pair.Signer)))
	f.Add(block(pemSEC1, must(x509.MarshalECPrivateKey(pair.Signer.(*ecdsa.PrivateKey)))))
	f.Add(block("ENCRYPTED PRIVATE KEY", []byte{1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		pair, err := ParsePrivateKey(data)
		if err != nil {
			return
		}
		if spki, err := ParsePublicKey(must(MarshalKeyFile(pair))); err != nil || !bytes.Equal(spki, pair.SPKI) {
			t.Fatalf("the key does not survive being written: %v", err)
		}
	})
}

// Pitfall L6: so can the file of a peer's key.
func FuzzParsePublicKey(f *testing.F) {
	pair := mustNewKey(f, 1)
	f.Add(pair.SPKI)
	f.Add(MarshalPublic(pair.SPKI))
	f.Add(must(MarshalKeyFile(pair)))
	ca := must(NewCA(seeded(3), "ca", time.Unix(1e9, 0), time.Hour))
	f.Add(ca.Certificate.Raw)
	f.Fuzz(func(t *testing.T, data []byte) {
		if spki, err := ParsePublicKey(data); err == nil && CheckPublicKey(spki) != nil {
			t.Fatalf("%x is no key", spki)
		}
	})
}
