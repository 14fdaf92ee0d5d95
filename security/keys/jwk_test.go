// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/dtls"
)

// The keys of RFC 7517 appendices A.1 and A.2 and of RFC 8037 appendix A.1.
const (
	rfc7517Public = `{"kty":"EC",
          "crv":"P-256",
          "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
          "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
          "use":"enc",
          "kid":"1"}`
	rfc7517Private = `{"kty":"EC",
          "crv":"P-256",
          "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
          "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
          "d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
          "use":"enc",
          "kid":"1"}`
	rfc8037Private = `{"kty":"OKP","crv":"Ed25519",
   "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
   "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	rfc8037Thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
	rfc7638Public     = `{
      "kty": "RSA",
      "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
      "e": "AQAB",
      "alg": "RS256",
      "kid": "2011-04-29"
     }`
	rfc7638Thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
)

// forSigning takes the "use":"enc" of the RFC's example away: what is checked
// here are its numbers.
func forSigning(jwk string) string { return strings.Replace(jwk, `"use":"enc",`, "", 1) }

// TestPublishedJWK reads the keys of the RFCs, and finds the public key of the
// private one.
func TestPublishedJWK(t *testing.T) {
	pair, err := ParsePrivateJWK([]byte(forSigning(rfc7517Private)))
	if err != nil {
		t.Fatal(err)
	}
	spki, err := ParsePublicJWK([]byte(forSigning(rfc7517Public)))
	if err != nil || !bytes.Equal(spki, pair.SPKI) {
		t.Errorf("RFC 7517's public key is not that of its private one: %v", err)
	}
	pair, err = ParsePrivateJWK([]byte(rfc8037Private))
	if err != nil {
		t.Fatal(err)
	}
	if thumbprint, err := JWKThumbprint(pair.SPKI); err != nil || thumbprint != rfc8037Thumbprint {
		t.Errorf("thumbprint %s, RFC 8037 has %s: %v", thumbprint, rfc8037Thumbprint, err)
	}
	spki, err = ParsePublicJWK([]byte(rfc7638Public))
	if err != nil {
		t.Fatal(err)
	}
	if thumbprint, err := JWKThumbprint(spki); err != nil || thumbprint != rfc7638Thumbprint {
		t.Errorf("thumbprint %s, RFC 7638 has %s: %v", thumbprint, rfc7638Thumbprint, err)
	}
	// RFC 7517 §4.2: "use" says what the key is for, and this one's is not to sign.
	if _, err := ParsePrivateJWK([]byte(rfc7517Private)); err == nil {
		t.Error(`"use":"enc" was taken`)
	}
}

// TestJWKRoundTrip writes keys of each kind and reads them, also through the
// parsers that take any form.
func TestJWKRoundTrip(t *testing.T) {
	for kind, signer := range signers(t) {
		pair := must(NewKeyPair(signer))
		public := must(MarshalPublicJWK(pair.SPKI))
		if bytes.Contains(public, []byte(`"d"`)) || bytes.Count(public, []byte("\n")) != 1 {
			t.Errorf("%s: %s", kind, public)
		}
		for name, parse := range map[string]func([]byte) ([]byte, error){"JWK": ParsePublicJWK, "any": ParsePublicKey} {
			if spki, err := parse(public); err != nil || !bytes.Equal(spki, pair.SPKI) {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
		}
		private, err := MarshalPrivateJWK(pair)
		if kind == "RSA" {
			var unsupported *UnsupportedKeyError
			if !errors.As(err, &unsupported) {
				t.Errorf("a private RSA key: %v", err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		for name, parse := range map[string]func([]byte) (*dtls.KeyPair, error){"JWK": ParsePrivateJWK, "any": ParsePrivateKey} {
			if again, err := parse(private); err != nil || !bytes.Equal(must(MarshalPrivate(again)), must(MarshalPrivate(pair))) {
				t.Errorf("%s, %s: another key: %v", kind, name, err)
			}
		}
		if spki, err := ParsePublicKey(private); err != nil || !bytes.Equal(spki, pair.SPKI) {
			t.Errorf("%s: the public half: %v", kind, err)
		}
	}
}

// edited returns the members of a JWK with changes; nil takes a member away.
func edited(t *testing.T, text []byte, changes map[string]any) []byte {
	t.Helper()
	members := map[string]any{}
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range changes {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
	return must(json.Marshal(members))
}

// TestBadJWK is keys that must not be taken, each for a reason of its own.
func TestBadJWK(t *testing.T) {
	pair, other := mustNewKey(t, 1), must(PartsOf(mustNewKey(t, 2).SPKI))
	good := must(MarshalPrivateJWK(pair))
	d, own := base64url(bytes.Repeat([]byte{7}, 31)), base64url(must(PartsOf(pair.SPKI)).X)
	tests := map[string][]byte{
		"no object":              []byte(`["EC"]`),
		"half":                   good[:len(good)/2],
		"another object behind":  append(bytes.Clone(good), good...),
		"a name twice":           bytes.Replace(good, []byte(`{`), []byte(`{"kty":"EC",`), 1),
		"names in capitals":      bytes.ToUpper(good),
		"no kty":                 edited(t, good, map[string]any{"kty": nil}),
		"a set":                  []byte(`{"keys":[` + string(good) + `]}`),
		"kty a number":           edited(t, good, map[string]any{"kty": 2}),
		"kty null":               []byte(`{"kty":null}`),
		"symmetric":              []byte(`{"kty":"oct","k":"AAAA"}`),
		"another curve":          edited(t, good, map[string]any{"crv": "secp256k1"}),
		"the curve of another":   edited(t, good, map[string]any{"crv": "P-384"}),
		"kty of another":         edited(t, good, map[string]any{"kty": "OKP"}),
		"no x":                   edited(t, good, map[string]any{"x": nil}),
		"no y":                   edited(t, good, map[string]any{"y": nil}),
		"y that is not on it":    edited(t, good, map[string]any{"y": base64url(other.X)}),
		"another public key":     edited(t, good, map[string]any{"x": base64url(other.X), "y": base64url(other.Y)}),
		"d too short":            edited(t, good, map[string]any{"d": d}),
		"d empty":                edited(t, good, map[string]any{"d": ""}),
		"d zero":                 edited(t, good, map[string]any{"d": base64url(make([]byte, 32))}),
		"d above the order":      edited(t, good, map[string]any{"d": base64url(bytes.Repeat([]byte{0xff}, 32))}),
		"padded":                 edited(t, good, map[string]any{"x": base64url(other.X) + "="}),
		"base64 of another kind": edited(t, good, map[string]any{"x": strings.Repeat("+/", 22)[:43]}),
		"a line end inside":      edited(t, good, map[string]any{"x": own[:20] + "\n" + own[20:]}),
		"for another use":        edited(t, good, map[string]any{"use": "enc"}),
		"for another algorithm":  edited(t, good, map[string]any{"alg": "ECDH-ES"}),
		"alg of another curve":   edited(t, good, map[string]any{"alg": "ES384"}),
		"for other operations":   edited(t, good, map[string]any{"key_ops": []string{"deriveKey"}}),
		"operations no list":     edited(t, good, map[string]any{"key_ops": "sign"}),
		"too long":               edited(t, good, map[string]any{"kid": strings.Repeat("x", maxJWK)}),
	}
	for name, data := range tests {
		pair, err := ParsePrivateKey(data)
		if err == nil {
			t.Errorf("%s: taken: %v", name, pair.Signer.Public())
			continue
		}
		if !strings.HasPrefix(err.Error(), "JWK: ") && name != "no object" {
			t.Errorf("%s: the error does not say that it is about a JWK: %v", name, err)
		}
		if strings.Contains(err.Error(), string(good[len(good)-30:])) {
			t.Errorf("%s: the error holds the key", name)
		}
	}
	for name, want := range map[string]error{"y that is not on it": ErrNotOnCurve, "another public key": ErrKeyMismatch, "another object behind": ErrTrailingData} {
		if _, err := ParsePrivateJWK(tests[name]); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if _, err := ParsePrivateJWK(must(MarshalPublicJWK(pair.SPKI))); !errors.Is(err, ErrNoPrivateKey) {
		t.Errorf("a public key as a private one: %v", err)
	}
}

// TestJWKPassesOverStrangers: RFC 7517 §4 has members that are not understood
// ignored, and whitespace is JSON's own.
func TestJWKPassesOverStrangers(t *testing.T) {
	pair := mustNewKey(t, 1)
	data := edited(t, must(MarshalPrivateJWK(pair)), map[string]any{"x5c": []string{"AA"}, "kid": "me", "future": map[string]any{"a": 1},
		"use": "sig", "alg": "ES256", "key_ops": []string{"sign"}})
	data = append([]byte(" \r\n\t"), append(data, " \n"...)...)
	if again, err := ParsePrivateKey(data); err != nil || !bytes.Equal(again.SPKI, pair.SPKI) {
		t.Errorf("%s: %v", data, err)
	}
}

func FuzzParseJWK(f *testing.F) {
	for _, text := range []string{rfc7517Public, rfc7517Private, rfc8037Private, rfc7638Public, `{"kty":"EC","kty":"EC"}`, `{`} {
		f.Add([]byte(text))
		f.Add([]byte(forSigning(text)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if spki, err := ParsePublicJWK(data); err == nil && CheckPublicKey(spki) != nil {
			t.Fatalf("%x is no key", spki)
		}
		pair, err := ParsePrivateJWK(data)
		if err != nil {
			return
		}
		if spki, err := ParsePublicJWK(data); err != nil || !bytes.Equal(spki, pair.SPKI) {
			t.Fatalf("private and public differ: %v", err)
		}
		again, err := ParsePrivateJWK(must(MarshalPrivateJWK(pair)))
		if err != nil || !bytes.Equal(again.SPKI, pair.SPKI) {
			t.Fatalf("the key does not survive being written: %v", err)
		}
	})
}

// TestParts takes keys of each kind apart and puts them together.
func TestParts(t *testing.T) {
	for _, curve := range []Curve{CurveP256, CurveP384, CurveEd25519} {
		pair := must(NewKeyOn(curve, seeded(1)))
		parts := must(PrivatePartsOf(pair))
		if parts.Curve != curve || len(parts.X) != curve.Size() || parts.D.Len() != curve.Size() {
			t.Errorf("%v: %d bytes of x, %d of d", parts.Curve, len(parts.X), parts.D.Len())
		}
		if spki, err := parts.SPKI(); err != nil || !bytes.Equal(spki, pair.SPKI) {
			t.Errorf("%v: %v", curve, err)
		}
		alone := Parts{Curve: curve, D: parts.D}
		if again, err := alone.KeyPair(); err != nil || !bytes.Equal(again.SPKI, pair.SPKI) {
			t.Errorf("%v, from the private key alone: %v", curve, err)
		}
		if curve == CurveEd25519 {
			continue
		}
		point, _ := pair.Signer.Public().(*ecdsa.PublicKey).Bytes()
		if !bytes.Equal(parts.Point(), point) {
			t.Errorf("%v: point %x", curve, parts.Point())
		}
		if again, err := PartsOfPoint(point); err != nil || !bytes.Equal(must(again.SPKI()), pair.SPKI) {
			t.Errorf("%v, from the point: %v", curve, err)
		}
		odd := parts.Y[len(parts.Y)-1]&1 == 1
		compressed := Parts{Curve: curve, X: parts.X}
		if err := compressed.Decompress(odd); err != nil || !bytes.Equal(compressed.Y, parts.Y) {
			t.Errorf("%v, from the compressed point: %v", curve, err)
		}
		if err := compressed.Decompress(!odd); err != nil || bytes.Equal(compressed.Y, parts.Y) {
			t.Errorf("%v: the sign bit does not count: %v", curve, err)
		}
	}
	if _, err := PartsOf(must(NewKeyPair(rsaKey())).SPKI); err == nil {
		t.Error("an RSA key has parts")
	}
	for name, p := range map[string]Parts{
		"no curve":         {X: make([]byte, 32), Y: make([]byte, 32)},
		"unknown curve":    {Curve: 9, D: NewSecret(make([]byte, 32))},
		"zero point":       {Curve: CurveP256, X: make([]byte, 32), Y: make([]byte, 32)},
		"y of Ed25519":     {Curve: CurveEd25519, X: make([]byte, 32), Y: make([]byte, 32)},
		"private too long": {Curve: CurveP256, D: NewSecret(bytes.Repeat([]byte{1}, 33))},
		"nothing":          {Curve: CurveP256},
	} {
		if _, err := p.SPKI(); err == nil {
			t.Errorf("%s: a public key", name)
		}
		if _, err := p.KeyPair(); err == nil {
			t.Errorf("%s: a private key", name)
		}
	}
}
