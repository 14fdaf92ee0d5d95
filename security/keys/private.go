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
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/coaps-go/coaps/dtls"
)

// minRSABits is the shortest RSA modulus that is taken, in our keys and in the
// certificates of peers.
const minRSABits = 2048

// PEM block types of files that hold keys and certificates.
const (
	pemPKCS8       = "PRIVATE KEY"     // RFC 5958
	pemSEC1        = "EC PRIVATE KEY"  // RFC 5915
	pemPKCS1       = "RSA PRIVATE KEY" // RFC 8017
	pemSPKI        = "PUBLIC KEY"      // RFC 5280 §4.1
	pemCertificate = "CERTIFICATE"     // RFC 7468 §5
)

// encryptedAdvice is how to get at an encrypted key, in the forms of PKCS#8 and
// of OpenSSL before it.
const encryptedAdvice = "decrypt it with: openssl pkey -in FILE -out NEWFILE"

// unusableBlocks are the PEM blocks that look like what is asked for and are
// not, with what to do about them.
var unusableBlocks = map[string]string{
	"OPENSSH PRIVATE KEY": "this is an SSH key; convert it with: ssh-keygen -p -m PKCS8 -f FILE",
	"DSA PRIVATE KEY":     "DSA keys are not supported; use P-256",
	"CERTIFICATE REQUEST": "this is a certificate request, not a certificate",
	"TRUSTED CERTIFICATE": "this is OpenSSL's own certificate form; convert it with: openssl x509 -in FILE -out NEWFILE",
	"PKCS7":               "this is a PKCS#7 bundle; convert it with: openssl pkcs7 -print_certs -in FILE -out NEWFILE",
	"RSA PUBLIC KEY":      "this is a PKCS#1 public key; convert it with: openssl rsa -RSAPublicKey_in -in FILE -pubout",
	"X509 CRL":            "this is a revocation list, not a certificate",
}

// LoadKeyPair reads a private key from a file that its owner alone can read,
// see ParsePrivateKey and ReadSecretFile.
func LoadKeyPair(path string) (*dtls.KeyPair, error) {
	return loadSecret(path, ParsePrivateKey)
}

// ParsePrivateKey reads a private key: PKCS#8, SEC 1 or PKCS#1, as PEM or DER,
// or a JSON Web Key (ParsePrivateJWK). PEM data may hold other things besides,
// such as the certificate, curve parameters or, as in the files that libcoap
// takes by -M, the public key; a public key must belong to the private one.
// Keys are P-256, P-384, Ed25519 or RSA of at least 2048 bits. Of an encrypted
// key the error is ErrEncrypted.
func ParsePrivateKey(data []byte) (*dtls.KeyPair, error) {
	if looksLikeJWK(data) {
		return ParsePrivateJWK(data)
	}
	blocks, err := pemBlocks(data)
	if err != nil {
		return nil, err
	}
	if blocks == nil {
		return keyPairFromDER(data)
	}
	var pair *dtls.KeyPair
	var public []byte
	for _, block := range blocks {
		switch block.Type {
		case pemPKCS8, pemSEC1, pemPKCS1:
			if pair != nil {
				return nil, errors.New("more than one private key")
			}
			pair, err = keyPairFromDER(block.Bytes)
		case pemSPKI:
			public, err = spkiFromDER(block.Bytes)
		}
		clear(block.Bytes)
		if err != nil {
			return nil, err
		}
	}
	if pair == nil {
		return nil, noPrivateKey(blocks)
	}
	if public != nil && !bytes.Equal(public, pair.SPKI) {
		return nil, ErrKeyMismatch
	}
	return pair, nil
}

// noPrivateKey says what PEM data holds in place of a private key.
func noPrivateKey(blocks []*pem.Block) error {
	var found []string
	for _, block := range blocks {
		found = append(found, block.Type)
	}
	return fmt.Errorf("%w, but %q", ErrNoPrivateKey, found)
}

// pemBlocks returns the PEM blocks in data that are copies of their own, nil
// if data is not PEM at all. It refuses blocks that cannot be used.
func pemBlocks(data []byte) ([]*pem.Block, error) {
	var blocks []*pem.Block
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if strings.HasPrefix(block.Type, "ENCRYPTED ") || block.Headers["DEK-Info"] != "" {
			return nil, fmt.Errorf("%w; %s", ErrEncrypted, encryptedAdvice)
		}
		if advice := unusableBlocks[block.Type]; advice != "" {
			return nil, errors.New(advice)
		}
		blocks = append(blocks, block)
		data = rest
	}
	if blocks == nil && bytes.Contains(data, []byte("-----BEGIN ")) {
		return nil, errors.New("damaged PEM data")
	}
	return blocks, nil
}

func keyPairFromDER(der []byte) (*dtls.KeyPair, error) {
	signer, err := signerFromDER(der)
	if err != nil {
		return nil, err
	}
	return NewKeyPair(signer)
}

// signerFromDER reads the three encodings of a private key, in the order in
// which they are common.
func signerFromDER(der []byte) (crypto.Signer, error) {
	if err := checkWholeDER(der); err != nil {
		return nil, err
	}
	key, errPKCS8 := x509.ParsePKCS8PrivateKey(der)
	if errPKCS8 == nil {
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, unsupportedKey(key)
		}
		return signer, checkEnclosedPublic(der, signer)
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, checkSEC1Public(der, key)
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if encryptedPKCS8(der) {
		return nil, fmt.Errorf("%w; %s", ErrEncrypted, encryptedAdvice)
	}
	return nil, fmt.Errorf("not a private key of a supported kind (P-256, P-384, Ed25519, RSA): %w", errPKCS8)
}

// checkWholeDER refuses what crypto/x509 would leave unread: a private key with
// something behind it is not the file that somebody meant to use.
func checkWholeDER(der []byte) error {
	var whole asn1.RawValue
	rest, err := asn1.Unmarshal(der, &whole)
	if err == nil && len(rest) > 0 {
		return ErrTrailingData
	}
	return nil // what is no DER at all is for the parsers to say
}

// pkcs8 is PrivateKeyInfo of RFC 5208 §5, in as far as it is looked at here.
type pkcs8 struct {
	Version   int
	Algorithm pkix.AlgorithmIdentifier
	Key       []byte
}

// checkEnclosedPublic looks into PKCS#8 for a key in the form of SEC 1.
func checkEnclosedPublic(der []byte, signer crypto.Signer) error {
	key, ok := signer.(*ecdsa.PrivateKey)
	if !ok {
		return nil
	}
	var outer pkcs8
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return fmt.Errorf("not a private key: %w", err)
	}
	return checkSEC1Public(outer.Key, key)
}

// checkSEC1Public compares the public key that may stand beside the private one
// (RFC 5915 §3), which crypto/x509 leaves unread.
func checkSEC1Public(der []byte, key *ecdsa.PrivateKey) error {
	var sec1 struct {
		Version    int
		PrivateKey []byte
		Parameters asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		PublicKey  asn1.BitString        `asn1:"optional,explicit,tag:1"`
	}
	rest, err := asn1.Unmarshal(der, &sec1)
	if err != nil {
		return fmt.Errorf("not a private key: %w", err)
	}
	clear(sec1.PrivateKey)
	if len(rest) > 0 {
		return ErrTrailingData
	}
	given := sec1.PublicKey.Bytes
	if len(given) == 0 {
		return nil
	}
	point, err := key.PublicKey.Bytes()
	switch {
	case err != nil:
		return err
	case given[0] == 2 || given[0] == 3: // compressed: the sign of y, and x
		point = append([]byte{2 | point[len(point)-1]&1}, point[1:1+len(point)/2]...)
	}
	if !bytes.Equal(given, point) {
		return ErrKeyMismatch
	}
	return nil
}

// encryptedPKCS8 reports whether der looks like EncryptedPrivateKeyInfo (RFC
// 5208 §6): an algorithm and an octet string.
func encryptedPKCS8(der []byte) bool {
	var outer struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	rest, err := asn1.Unmarshal(der, &outer)
	return err == nil && len(rest) == 0
}

// NewKeyPair makes a key pair of any signer, such as a key in a hardware
// module, whose public key is P-256, P-384, Ed25519 or RSA of at least 2048
// bits.
func NewKeyPair(signer crypto.Signer) (*dtls.KeyPair, error) {
	if signer == nil {
		return nil, errors.New("no private key")
	}
	public := signer.Public()
	if err := checkPublicKey(public); err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	return &dtls.KeyPair{Signer: signer, SPKI: spki}, nil
}

// UnsupportedKeyError reports a key of a kind that is not used here.
type UnsupportedKeyError struct{ Kind string }

func (e *UnsupportedKeyError) Error() string {
	return e.Kind + " keys are not supported; use P-256 (or P-384, Ed25519, RSA of 2048 bits or more)"
}

// checkPublicKey returns a *UnsupportedKeyError unless key is of a kind that
// the cipher suites can use.
func checkPublicKey(key any) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			return nil
		}
	}
	return unsupportedKey(key)
}

func unsupportedKey(key any) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return &UnsupportedKeyError{k.Curve.Params().Name}
	case *rsa.PublicKey:
		return &UnsupportedKeyError{fmt.Sprintf("RSA %d-bit", k.N.BitLen())}
	case *ecdh.PrivateKey, *ecdh.PublicKey:
		return &UnsupportedKeyError{"X25519 (which cannot sign)"}
	}
	return &UnsupportedKeyError{fmt.Sprintf("%T", key)}
}

// NewKeyOn draws a key pair on a curve. For P-256 it is NewKey, for the others
// the randomness is crypto/rand's.
func NewKeyOn(curve Curve, rand io.Reader) (*dtls.KeyPair, error) {
	switch curve {
	case CurveP256:
		return NewKey(rand)
	case CurveP384:
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand)
		if err != nil {
			return nil, err
		}
		return NewKeyPair(key)
	case CurveEd25519:
		_, key, err := ed25519.GenerateKey(rand)
		if err != nil {
			return nil, err
		}
		return NewKeyPair(key)
	}
	return nil, &UnsupportedKeyError{curve.String()}
}

// NewKey draws a P-256 key pair, the kind that RFC 7252 §9.1.3.2 makes
// mandatory, from rand: crypto/rand.Reader, except in tests, where the same
// bytes give the same key.
func NewKey(rand io.Reader) (*dtls.KeyPair, error) {
	var scalar [32]byte
	defer clear(scalar[:])
	// A uniform 256-bit number is below the order of P-256 but for one case
	// in 2^32; the few tries are there for a source that is no source.
	for range 8 {
		if _, err := io.ReadFull(rand, scalar[:]); err != nil {
			return nil, fmt.Errorf("keys: drawing a key: %w", err)
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:]); err == nil {
			return NewKeyPair(key)
		}
	}
	return nil, errors.New("keys: the source of randomness is broken")
}

// MarshalPrivate returns the private key of a pair as PKCS#8 in PEM, which is
// what OpenSSL, GnuTLS and ParsePrivateKey read. The text is secret. It fails
// if the signer is not a key in memory.
func MarshalPrivate(pair *dtls.KeyPair) ([]byte, error) {
	der, err := MarshalPrivateDER(pair)
	defer clear(der)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPKCS8, Bytes: der}), nil
}

// MarshalPrivateDER is MarshalPrivate without the PEM.
func MarshalPrivateDER(pair *dtls.KeyPair) ([]byte, error) {
	return x509.MarshalPKCS8PrivateKey(pair.Signer)
}

// MarshalSEC1 returns the private key of a pair in the older PEM form of
// elliptic curves (RFC 5915), which some firmware tools ask for. The text is
// secret. It is for P-256 and P-384 alone.
func MarshalSEC1(pair *dtls.KeyPair) ([]byte, error) {
	key, ok := pair.Signer.(*ecdsa.PrivateKey)
	if !ok {
		return nil, &UnsupportedKeyError{"SEC 1 is of elliptic curves; other"}
	}
	der, err := x509.MarshalECPrivateKey(key)
	defer clear(der)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemSEC1, Bytes: der}), nil
}
