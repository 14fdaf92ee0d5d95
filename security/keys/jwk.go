// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/coaps-go/coaps/dtls"
)

// maxJWK bounds the text of a JSON Web Key, in bytes: RSA of 16384 bits fits.
const maxJWK = 32 << 10

// jwkMembers are the members of a JSON Web Key by name (RFC 7517 §4). Names
// are case-sensitive, which encoding/json would not be with a struct.
type jwkMembers map[string]json.RawMessage

// looksLikeJWK tells JSON from PEM and DER: it begins with a brace, and a DER
// key with 0x30.
func looksLikeJWK(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
}

// parseJWKMembers reads one JSON object. RFC 7517 §4: a name that occurs twice
// makes the key invalid, and names that are not understood are passed over.
func parseJWKMembers(data []byte) (jwkMembers, error) {
	if len(data) > maxJWK {
		return nil, fmt.Errorf("a JWK of %d bytes, at most %d are taken", len(data), maxJWK)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("a JWK is a JSON object")
	}
	members := jwkMembers{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errors.New("damaged JSON")
		}
		text, _ := name.(string)
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errors.New("damaged JSON")
		}
		if _, twice := members[text]; twice {
			return nil, fmt.Errorf("the member %q occurs twice", text)
		}
		members[text] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errors.New("damaged JSON")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, ErrTrailingData
	}
	return members, nil
}

// text returns a member that is a string, "" if it is not there.
func (m jwkMembers) text(name string) (string, error) {
	raw, ok := m[name]
	if !ok {
		return "", nil
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", fmt.Errorf("the member %q is not a string", name)
	}
	return *s, nil
}

// octets returns a member in base64url without padding (RFC 7515 §2), nil if
// it is not there.
func (m jwkMembers) octets(name string) ([]byte, error) {
	s, err := m.text(name)
	if err != nil || s == "" {
		return nil, err
	}
	// The decoder would skip line ends.
	octets, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("the member %q is not base64url without padding", name)
	}
	return octets, nil
}

// jwkAlgorithms are the values of "alg" (RFC 7518 §3.1, RFC 8037 §3.1, RFC
// 9864 §2) under which a key may sign, by its type.
var jwkAlgorithms = map[string][]string{
	"P-256":   {"ES256"},
	"P-384":   {"ES384"},
	"Ed25519": {"EdDSA", "Ed25519"},
	"RSA":     {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
}

// checkUse refuses a key that says of itself that it is for something else
// than signatures: RFC 7517 §4.2 to §4.4.
func (m jwkMembers) checkUse(kind string) error {
	use, err := m.text("use")
	if err != nil {
		return err
	}
	if use != "" && use != "sig" {
		return fmt.Errorf(`the key is for "use":%q, not for signatures`, use)
	}
	alg, err := m.text("alg")
	if err != nil {
		return err
	}
	if alg != "" && !slices.Contains(jwkAlgorithms[kind], alg) {
		return fmt.Errorf(`the key is for "alg":%q, which is no signature of %s`, alg, kind)
	}
	raw, ok := m["key_ops"]
	if !ok {
		return nil
	}
	var operations []string
	if err := json.Unmarshal(raw, &operations); err != nil {
		return errors.New(`the member "key_ops" is not a list of strings`)
	}
	if !slices.Contains(operations, "sign") && !slices.Contains(operations, "verify") {
		return errors.New(`"key_ops" allows neither sign nor verify`)
	}
	return nil
}

// parts reads an EC or an OKP key (RFC 7518 §6.2, RFC 8037 §2).
func (m jwkMembers) parts() (Parts, error) {
	kty, err := m.text("kty")
	if err != nil {
		return Parts{}, err
	}
	crv, err := m.text("crv")
	if err != nil {
		return Parts{}, err
	}
	p := Parts{}
	switch {
	case kty == "EC" && crv == "P-256":
		p.Curve = CurveP256
	case kty == "EC" && crv == "P-384":
		p.Curve = CurveP384
	case kty == "OKP" && crv == "Ed25519":
		p.Curve = CurveEd25519
	case kty == "":
		if m["keys"] != nil {
			return Parts{}, errors.New("this is a JWK Set; take one key out of it: jq '.keys[0]' FILE")
		}
		return Parts{}, errors.New(`the member "kty" is missing`)
	default:
		return Parts{}, &UnsupportedKeyError{strings.TrimSpace("JWK " + kty + " " + crv)}
	}
	if err := m.checkUse(p.Curve.String()); err != nil {
		return Parts{}, err
	}
	return p, m.fill(&p)
}

// fill reads the numbers. RFC 7518 §6.2.1: "x" and "y" must be there, at their
// full length.
func (m jwkMembers) fill(p *Parts) (err error) {
	if p.X, err = m.octets("x"); err != nil {
		return err
	}
	if p.Y, err = m.octets("y"); err != nil {
		return err
	}
	d, err := m.octets("d")
	defer clear(d)
	if err != nil {
		return err
	}
	if p.X == nil {
		return errors.New(`the member "x" is missing`)
	}
	if _, ok := m["d"]; ok {
		p.D = NewSecret(d)
		if len(d) == 0 {
			return errors.New(`the member "d" is empty`)
		}
	}
	return nil
}

// ParsePrivateJWK reads a private JSON Web Key (RFC 7517): EC on P-256 or P-384
// (RFC 7518 §6.2) or Ed25519 (RFC 8037). It is strict: no name twice, all
// numbers at their full length, in base64url without padding, the public key
// that of the private one, and nothing that gives the key another purpose.
func ParsePrivateJWK(data []byte) (*dtls.KeyPair, error) {
	members, err := parseJWKMembers(data)
	if err != nil {
		return nil, fmt.Errorf("JWK: %w", err)
	}
	parts, err := members.parts()
	if err != nil {
		return nil, fmt.Errorf("JWK: %w", err)
	}
	defer parts.D.Wipe()
	pair, err := parts.KeyPair()
	if err != nil {
		return nil, fmt.Errorf("JWK: %w", err)
	}
	return pair, nil
}

// ParsePublicJWK reads the public key of a JSON Web Key, see ParsePrivateJWK,
// and of an RSA key besides. A private key in it must fit.
func ParsePublicJWK(data []byte) (spki []byte, err error) {
	members, err := parseJWKMembers(data)
	if err != nil {
		return nil, fmt.Errorf("JWK: %w", err)
	}
	if kty, err := members.text("kty"); err == nil && kty == "RSA" {
		spki, err = members.rsa()
		if err != nil {
			return nil, fmt.Errorf("JWK: %w", err)
		}
		return spki, nil
	}
	parts, err := members.parts()
	if err != nil {
		return nil, fmt.Errorf("JWK: %w", err)
	}
	defer parts.D.Wipe()
	if spki, err = parts.SPKI(); err != nil {
		return nil, fmt.Errorf("JWK: %w", err)
	}
	return spki, nil
}

// rsa reads an RSA public key (RFC 7518 §6.3.1), whose numbers have no leading
// zeros.
func (m jwkMembers) rsa() ([]byte, error) {
	if err := m.checkUse("RSA"); err != nil {
		return nil, err
	}
	n, err := m.octets("n")
	if err != nil {
		return nil, err
	}
	e, err := m.octets("e")
	if err != nil {
		return nil, err
	}
	if len(n) == 0 || len(e) == 0 || len(e) > 4 || n[0] == 0 || e[0] == 0 {
		return nil, errors.New(`"n" or "e" is not a number of RSA`)
	}
	exponent := new(big.Int).SetBytes(e).Int64()
	if exponent > 1<<31-1 || exponent < 3 || exponent%2 == 0 {
		return nil, errors.New(`"e" is not an exponent of RSA`)
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}
	if err := checkPublicKey(key); err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(key)
}

// jwk is the members of a key in the order of RFC 7638 §3.3, which is that of
// their names, and the private number behind them.
type jwk struct {
	Crv string `json:"crv,omitempty"`
	E   string `json:"e,omitempty"`
	Kty string `json:"kty"`
	N   string `json:"n,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	D   string `json:"d,omitempty"`
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (p Parts) jwk() jwk {
	kty := "EC"
	if p.Curve == CurveEd25519 {
		kty = "OKP"
	}
	return jwk{Crv: p.Curve.String(), Kty: kty, X: base64url(p.X), Y: base64url(p.Y), D: base64url(p.D.Bytes())}
}

// publicJWK returns what the thumbprint hashes: the members that are required
// of a public key and no others (RFC 7638 §3.2).
func publicJWK(spki []byte) ([]byte, error) {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	if k, ok := key.(*rsa.PublicKey); ok {
		return json.Marshal(jwk{Kty: "RSA", N: base64url(k.N.Bytes()), E: base64url(big.NewInt(int64(k.E)).Bytes())})
	}
	parts, err := PartsOf(spki)
	if err != nil {
		return nil, err
	}
	return json.Marshal(parts.jwk())
}

// MarshalPublicJWK returns a public key, a DER SubjectPublicKeyInfo, as a JSON
// Web Key on one line.
func MarshalPublicJWK(spki []byte) ([]byte, error) {
	text, err := publicJWK(spki)
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// MarshalPrivateJWK returns a key pair as a JSON Web Key on one line. The text
// is secret. RSA keys have no such form here: the error is then an
// *UnsupportedKeyError.
func MarshalPrivateJWK(pair *dtls.KeyPair) ([]byte, error) {
	parts, err := PrivatePartsOf(pair)
	if err != nil {
		return nil, err
	}
	defer parts.D.Wipe()
	text, err := json.Marshal(parts.jwk())
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// JWKThumbprint returns the SHA-256 thumbprint of a public key, a DER
// SubjectPublicKeyInfo, in base64url (RFC 7638). It is another hash than that
// of the key's Name, which covers the DER.
func JWKThumbprint(spki []byte) (string, error) {
	text, err := publicJWK(spki)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return base64url(sum[:]), nil
}
