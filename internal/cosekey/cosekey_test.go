// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package cosekey

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/security/keys"
)

func unhex(s string) []byte { return must(hex.DecodeString(strings.ReplaceAll(s, " ", ""))) }

// rfc8152 is the keys on P-256 of RFC 8152 appendix C.7.2, whose public halves
// are in appendix C.7.1.
var rfc8152 = map[string]struct{ x, y, d string }{
	"meriadoc.brandybuck@buckland.example": {
		"65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d",
		"1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c",
		"aff907c99f9ad3aae6c4cdf21122bce2bd68b5283e6907154ad911840fa208cf",
	},
	"11": {
		"bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff",
		"20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e",
		"57c92077664146e876760c9520d054aa93c3afb04e306705db6090308507b4d3",
	},
	"peregrin.took@tuckborough.example": {
		"98f50a4ff6c05861c8860d13a638ea56c3f5ad7590bbfbf054e1c7b4d91d6280",
		"f01400b089867804b8e9fc96c3932161f1934f4223069170d924b7e03bf822bb",
		"02d1f7e6f26c43d4868d87ceb2353161740aacf1f7163647984b522a848df1c3",
	},
}

// rfc9679 is the thumbprint of the first of them, and the octets it is taken
// of: RFC 9679 §6.
const (
	rfc9679Key = "a40102200121582065eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d" +
		"2258201e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"
	rfc9679Thumbprint = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
)

func TestPublishedKeys(t *testing.T) {
	for kid, key := range rfc8152 {
		private := map[int]any{1: 2, 2: []byte(kid), -1: 1, -2: unhex(key.x), -3: unhex(key.y), -4: unhex(key.d)}
		pair, err := ParsePrivate(must(encoding.Marshal(private)))
		if err != nil {
			t.Errorf("%s: %v", kid, err)
			continue
		}
		delete(private, -4)
		public, err := ParsePublic(must(encoding.Marshal(private)))
		if err != nil || !bytes.Equal(public, pair.SPKI) {
			t.Errorf("%s: the public key is not that of the private one: %v", kid, err)
		}
	}
	spki, err := ParsePublic(unhex(rfc9679Key))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(must(MarshalPublic(spki))); got != rfc9679Key {
		t.Errorf("%s, RFC 9679 has %s", got, rfc9679Key)
	}
	if got := hex.EncodeToString(must(Thumbprint(spki))); got != rfc9679Thumbprint {
		t.Errorf("thumbprint %s, RFC 9679 has %s", got, rfc9679Thumbprint)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, curve := range []keys.Curve{keys.CurveP256, keys.CurveP384, keys.CurveEd25519} {
		pair := must(keys.NewKeyOn(curve, rand.Reader))
		private := must(MarshalPrivate(pair))
		again, err := ParsePrivate(private)
		if err != nil || !bytes.Equal(must(keys.MarshalPrivate(again)), must(keys.MarshalPrivate(pair))) {
			t.Errorf("%v: another key: %v", curve, err)
		}
		if spki, err := ParsePublic(private); err != nil || !bytes.Equal(spki, pair.SPKI) {
			t.Errorf("%v, the public half of the private one: %v", curve, err)
		}
		public := must(MarshalPublic(pair.SPKI))
		if spki, err := ParsePublic(public); err != nil || !bytes.Equal(spki, pair.SPKI) {
			t.Errorf("%v, public: %v", curve, err)
		}
		if _, err := ParsePrivate(public); !errors.Is(err, keys.ErrNoPrivateKey) {
			t.Errorf("%v, a public key as a private one: %v", curve, err)
		}
		if !Looks(private) || !Looks(public) {
			t.Errorf("%v: does not look like one", curve)
		}
	}
}

// TestAllowedForms: RFC 9053 §7.1.1 lets a private key go without its public
// one, and y be a sign bit. What is not understood is passed over.
func TestAllowedForms(t *testing.T) {
	key := rfc8152["11"]
	want := must(ParsePrivate(must(encoding.Marshal(map[int]any{1: 2, -1: 1, -2: unhex(key.x), -3: unhex(key.y), -4: unhex(key.d)}))))
	for name, m := range map[string]map[any]any{
		"d alone":   {1: 2, -1: 1, -4: unhex(key.d)},
		"sign bit":  {1: 2, -1: 1, -2: unhex(key.x), -3: false, -4: unhex(key.d)},
		"public":    {1: 2, -1: 1, -2: unhex(key.x), -3: false},
		"strangers": {1: 2, 2: []byte("kid"), 3: -7, 4: []any{1, "mine"}, 5: []byte{0}, -1: 1, -2: unhex(key.x), -3: unhex(key.y), "note": "hello", -70000: 1},
		"esp256":    {1: 2, 3: -9, 4: []any{2}, -1: 1, -2: unhex(key.x), -3: unhex(key.y)},
	} {
		if spki, err := ParsePublic(must(encoding.Marshal(m))); err != nil || !bytes.Equal(spki, want.SPKI) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadKeys(t *testing.T) {
	key, other := rfc8152["11"], rfc8152["peregrin.took@tuckborough.example"]
	base := map[any]any{1: 2, -1: 1, -2: unhex(key.x), -3: unhex(key.y), -4: unhex(key.d)}
	with := func(changes map[any]any) []byte {
		m := map[any]any{}
		for label, value := range base {
			m[label] = value
		}
		for label, value := range changes {
			m[label] = value
			if value == nil {
				delete(m, label)
			}
		}
		return must(encoding.Marshal(m))
	}
	good := with(nil)
	tests := map[string][]byte{
		"nothing":              nil,
		"half":                 good[:len(good)/2],
		"a byte behind":        append(bytes.Clone(good), 0),
		"a set":                append([]byte{0x81}, good...),
		"tagged":               append([]byte{0xd9, 0xd9, 0xf7}, good...),
		"a label twice":        append(append([]byte{good[0] + 1}, 1, 2), good[1:]...),
		"no kty":               with(map[any]any{1: nil}),
		"kty in words":         with(map[any]any{1: "EC2"}),
		"symmetric":            must(encoding.Marshal(map[int]any{1: 4, -1: bytes.Repeat([]byte{1}, 16)})),
		"OKP on P-256":         with(map[any]any{1: 1}),
		"P-521":                with(map[any]any{-1: 3}),
		"X25519":               with(map[any]any{1: 1, -1: 4}),
		"the wrong curve":      with(map[any]any{-1: 2}),
		"no y":                 with(map[any]any{-3: nil}),
		"no x":                 with(map[any]any{-2: nil}),
		"x in words":           with(map[any]any{-2: "x"}),
		"x short":              with(map[any]any{-2: unhex(key.x)[1:]}),
		"x short and sign bit": with(map[any]any{-2: unhex(key.x)[1:], -3: true}),
		"y of another":         with(map[any]any{-3: unhex(other.y)}),
		"another public key":   with(map[any]any{-2: unhex(other.x), -3: unhex(other.y)}),
		"the other sign":       with(map[any]any{-3: true}),
		"d long":               with(map[any]any{-4: append(unhex(key.d), 0)}),
		"d zero":               with(map[any]any{-4: make([]byte, 32)}),
		"for ECDH":             with(map[any]any{3: -25}),
		"for ES384":            with(map[any]any{3: -35}),
		"for deriving":         with(map[any]any{4: []any{7}}),
		"operations no list":   with(map[any]any{4: 1}),
		"long":                 with(map[any]any{2: make([]byte, maxKey)}),
		"endless":              {0xbf, 1, 2},
	}
	for name, data := range tests {
		if _, err := ParsePrivate(data); err == nil {
			t.Errorf("%s: a private key", name)
		} else if !strings.HasPrefix(err.Error(), "COSE_Key: ") {
			t.Errorf("%s: the error does not say what it is about: %v", name, err)
		}
		if _, err := ParsePublic(data); err == nil {
			t.Errorf("%s: a public key", name)
		}
	}
	for name, want := range map[string]error{"a byte behind": keys.ErrTrailingData, "y of another": keys.ErrNotOnCurve, "another public key": keys.ErrKeyMismatch} {
		if _, err := ParsePrivate(tests[name]); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	key := rfc8152["11"]
	f.Add(must(encoding.Marshal(map[int]any{1: 2, -1: 1, -2: unhex(key.x), -3: true})))
	f.Add(must(encoding.Marshal(map[int]any{1: 2, -1: 1, -2: unhex(key.x), -3: unhex(key.y), -4: unhex(key.d)})))
	f.Add(must(encoding.Marshal(map[int]any{1: 1, -1: 6, -4: unhex(key.d)})))
	f.Add(unhex(rfc9679Key))
	f.Fuzz(func(t *testing.T, data []byte) {
		if spki, err := ParsePublic(data); err == nil && keys.CheckPublicKey(spki) != nil {
			t.Fatalf("%x is no key", spki)
		}
		pair, err := ParsePrivate(data)
		if err != nil {
			return
		}
		again, err := ParsePrivate(must(MarshalPrivate(pair)))
		if err != nil || !bytes.Equal(again.SPKI, pair.SPKI) {
			t.Fatalf("the key does not survive being written: %v", err)
		}
	})
}
