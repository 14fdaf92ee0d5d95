// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// exampleSPKI is the SubjectPublicKeyInfo of RFC 6920 §8.2.
var exampleSPKI = unhex("" +
	"30820122300d06092a864886f70d01010105000382010f003082010a02820101" +
	"00a25f83da9bd9f17a3a3667bafd5a940ecf16d55a553a5ed403b1658e6dcfa3" +
	"b7dba4e7cc0f52c67d351dc468c2bd7b9ddbe40ad710cdf95320ee0dd7566e5b" +
	"7aae2c5f830a193c725896d686e80ee694eb5cf2903ef3a88a8856b6cd363876" +
	"2297b16b3c9c07f34f9708a1bc29389b81062b7460387a932f39be1234096e0b" +
	"5710b7a37bf2c6eed6c1e5ecaec59c8314f46b58e2def2ffc97707e3f34c97cf" +
	"1a289e38a1b3934175a1a4763f4d78d744d61ae3cee25dc5784cb531222ec74b" +
	"8c6f56785ca1c4c01dcae5b944d7e9909cbceeb0a2b1dcda6da00ff6ad1e2c12" +
	"a2a766603e36d49141c2f2e769392c9dd2dfb5a34495487c876489ddbf0501ee" +
	"dd0203010001")

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// The values are the examples of RFC 6920 §8.1 to §8.3.
//
// Proves rfc7252 §9.1.3.2.1: "An identifier is calculated by the endpoint from
// the public key as described in Section 2 of [RFC6920]."
// Proves rfc7252 §9.1.3.2.1: "All implementations that support checking
// RawPublicKey identities MUST support at least the sha-256-120 mode (SHA-256
// truncated to 120 bits)."
// Proves rfc7252 §9.1.3.2.1: "Implementations SHOULD also support longer length
// identifiers and MAY support shorter lengths."
// Proves rfc7252 §9.1.3.2.1: "All implementations SHOULD support the binary
// mode, and implementations that have a user interface SHOULD also support the
// human-speakable format."
func TestNamesOfRFC6920(t *testing.T) {
	hello := []byte("Hello World!")
	for _, test := range []struct{ what, got, want string }{
		{"URI", NameOf(hello, SHA256).String(), "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"},
		{"URI with authority", NameOf(hello, SHA256).URI("example.com"), "ni://example.com/sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"},
		{"URL", NameOf(hello, SHA256).WellKnown("example.com"), "https://example.com/.well-known/ni/sha-256/f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"},
		{"32 bits", NameOf(hello, SHA256_32).String(), "ni:///sha-256-32;f4OxZQ"},
		{"key", NameOf(exampleSPKI, SHA256).String(), "ni:///sha-256;UyaQV-Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X_-Q"},
		{"key, 120 bits", NameOf(exampleSPKI, SHA256_120).String(), "ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi"},
		{"binary", hex.EncodeToString(NameOf(exampleSPKI, SHA256_120).Binary()), "0353269057e12fe2b74ba07c892560a2"},
		{"speakable", NameOf(exampleSPKI, SHA256_120).NIH(), "nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;f"},
		{"speakable, 32 bits", NameOf(exampleSPKI, SHA256_32).NIH(), "nih:sha-256-32;5326-9057;b"},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", test.what, test.got, test.want)
		}
	}
}

// The texts are those of RFC 6920 §8, and what curl and ssh-keygen would print
// of the same hash.
func TestParseNameForms(t *testing.T) {
	key := func(a Algorithm) Name { return NameOf(exampleSPKI, a) }
	for _, test := range []struct {
		text string
		want Name
	}{
		{"ni:///sha-256;UyaQV-Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X_-Q", key(SHA256)},
		{"NI:///sha-256;UyaQV-Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X_-Q", key(SHA256)},
		{"ni://example.com:8080/sha-256;UyaQV-Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X_-Q?ct=text/plain", key(SHA256)},
		{"ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi", key(SHA256_120)},
		{"ni:///sha-256-128;UyaQV-Ev4rdLoHyJJWCi1w", key(SHA256_128)},
		{"ni:///sha-256-96;UyaQV-Ev4rdLoHyJ", key(SHA256_96)},
		{"ni:///sha-256-64;UyaQV-Ev4rc", key(SHA256_64)},
		{"ni:///sha-256-32;UyaQVw?foo=bar", key(SHA256_32)},
		{"http://example.com/.well-known/ni/sha-256/UyaQV-Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X_-Q", key(SHA256)},
		{"https://[::1]:8443/.well-known/ni/sha-256-120/UyaQV-Ev4rdLoHyJJWCi", key(SHA256_120)},
		{"nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;f", key(SHA256_120)},
		{"nih:sha-256-32;53269057;b", key(SHA256_32)},
		{"nih:3;532690-57e12f-e2b74b-a07c89-2560a2;f", key(SHA256_120)},
		{"nih:3;532690-57E12F-E2B74B-A07C89-2560A2;F", key(SHA256_120)},
		{"nih:3;532690-57e12f-e2b74b-a07c89-2560a2", key(SHA256_120)},
		{"0x0353269057e12fe2b74ba07c892560a2", key(SHA256_120)},
		{"sha256//UyaQV+Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X/+Q=", key(SHA256)},
		{"SHA256:UyaQV+Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X/+Q", key(SHA256)},
	} {
		got, err := ParseName(test.text)
		if err != nil || got != test.want {
			t.Errorf("%s: got %v, %v", test.text, got, err)
		}
		if !got.Matches(exampleSPKI) || got.Matches([]byte("another key")) {
			t.Errorf("%s: does not match its key and no other", test.text)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	for _, text := range []string{
		"", "ni", "ni:", "ni:/sha-256;x", "ni://", "ni:///", "ni:///;", "ni:///sha-256", "ni:///sha-256;",
		" ni:///sha-256-32;UyaQVw", "ni:///sha-256-32;UyaQVw ", "ni:///sha-256-32;UyaQVw\n", "ni:///sha-256-32;Uya\nQVw",
		"ni:///sha-256-32;UyaQVw==",                         // padding is not allowed
		"ni:///sha-256-32;UyaQVx",                           // bits that mean nothing
		"ni:///sha-256-32;UyaQ",                             // too short
		"ni:///sha-256-32;UyaQVyaQVw",                       // too long
		"ni:///sha-256-120;UyaQV+Ev4rdLoHyJJWCi",            // the other base64
		"ni:///sha-256-120;UyaQV%2DEv4rdLoHyJJWCi",          // percent-encoding
		"ni:///SHA-256-32;UyaQVw",                           // names of algorithms are case-sensitive
		"ni:///sha-512;UyaQVw",                              // unknown
		"ni:///6;UyaQVw",                                    // a number is for nih only
		"ni:///sha-256-32;UyaQVw#fragment",                  // no part of the syntax
		"ni://a b/sha-256-32;UyaQVw",                        // space in the authority
		"ni://example.com/x/sha-256-32;UyaQVw",              // longer path
		"https:///.well-known/ni/sha-256-32/UyaQVw",         // no authority
		"https://example.com/ni/sha-256-32/UyaQVw",          // elsewhere
		"https://example.com/.well-known/ni/sha-256-32",     // no value
		"coap://example.com/.well-known/ni/sha-256-32/UyaQ", // not HTTP
		"nih:", "nih:3", "nih:3;", "nih:3;;f", "nih:3;532690-57e12f-e2b74b-a07c89-2560a2;",
		"nih:3;532690-57e12f-e2b74b-a07c89-2560a2;e",  // wrong check digit
		"nih:3;532690-57e12f-e2b74b-a07c89-2560a2;ff", // two check digits
		"nih:3;532690-57e12f-e2b74b-a07c89-2560a2;g",
		"nih:3;532690-57e12f-e2b74b-a07c89-2560a2;f;f",
		"nih:03;532690-57e12f-e2b74b-a07c89-2560a2;f", // leading zero
		"nih:+3;532690-57e12f-e2b74b-a07c89-2560a2;f",
		"nih:0;53269057;b", "nih:7;53269057;b", "nih:32;53269057;b", "nih:256;53269057;b",
		"nih:6;5326 9057;b", "nih:6;5326905;b", "nih:6;532690zz;b",
		"0x", "0x00", "0x0653269057ff", "0x065326905", "0x4653269057", "0x8653269057", "0x0753269057", "0653269057",
		"sha256//", "sha256//UyaQVw==", "sha256//UyaQV-Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X_-Q=",
		"SHA256:", "SHA256:UyaQVw", "sha256:UyaQV+Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X/+Q",
		"MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
		"ni://" + strings.Repeat("a", maxNameText) + "/sha-256-32;UyaQVw",
	} {
		if n, err := ParseName(text); err == nil {
			t.Errorf("%q: accepted as %s", text, n)
		} else if _, ok := err.(*NameError); !ok || !n.IsZero() {
			t.Errorf("%q: error of type %T, name %v", text, err, n)
		}
	}
}

func TestParseBinaryName(t *testing.T) {
	want := NameOf(exampleSPKI, SHA256_120)
	if got, err := ParseBinaryName(unhex("0353269057e12fe2b74ba07c892560a2")); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "03", "00", "0353269057e12fe2b74ba07c892560", "0353269057e12fe2b74ba07c892560a2d7", "4353269057e12fe2b74ba07c892560a2"} {
		if n, err := ParseBinaryName(unhex(bad)); err == nil {
			t.Errorf("%s: accepted as %s", bad, n)
		}
	}
}

// Luhn's algorithm finds every wrong digit, which is what it is there for. The
// last three digits were computed by other implementations.
func TestCheckDigit(t *testing.T) {
	for digits, want := range map[string]byte{
		"53269057": 'b', "53269057e12fe2b74ba07c892560a2": 'f',
		"a8b56f": 'b', "acefeed": 'd', "123456789abcdef": '4',
	} {
		if got := checkDigit(digits); got != want {
			t.Errorf("%s: got %c, want %c", digits, got, want)
		}
	}
	right := "53269057e12fe2b74ba07c892560a2"
	for i := range right {
		for _, digit := range "0123456789abcdef" {
			wrong := right[:i] + string(digit) + right[i+1:]
			if wrong != right && checkDigit(wrong) == 'f' {
				t.Errorf("%s: the wrong digit at %d is not found", wrong, i)
			}
		}
	}
}

func TestNameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spki := rapid.SliceOf(rapid.Byte()).Draw(t, "spki")
		for alg := SHA256; alg.known(); alg++ {
			n := NameOf(spki, alg)
			for _, text := range []string{n.String(), n.URI("example.com:1"), n.NIH(), n.WellKnown("h"), "0x" + hex.EncodeToString(n.Binary())} {
				if got, err := ParseName(text); err != nil || got != n {
					t.Fatalf("%s: got %v, %v", text, got, err)
				}
			}
		}
		for _, form := range Forms(spki) {
			if got, err := ParseName(form.Text); err != nil || !got.Matches(spki) {
				t.Fatalf("%s %s: got %v, %v", form.Label, form.Text, got, err)
			}
		}
	})
}

func TestForms(t *testing.T) {
	want := []Form{
		{"ni sha-256-120", "ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi"},
		{"ni sha-256", "ni:///sha-256;UyaQV-Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X_-Q"},
		{"nih sha-256-120", "nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;f"},
		{"nih suite 3", "nih:3;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;f"},
		{"nih sha-256", "nih:sha-256;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2d7-5387-7eb6-2ff4-4d5a-1900-2530-ed97-ffe4;0"},
		{"binary sha-256-120", "0x0353269057e12fe2b74ba07c892560a2"},
		{"binary sha-256", "0x0153269057e12fe2b74ba07c892560a2d753877eb62ff44d5a19002530ed97ffe4"},
		{"curl pin", "sha256//UyaQV+Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X/+Q="},
		{"ssh look", "SHA256:UyaQV+Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X/+Q"},
	}
	if diff := cmp.Diff(want, Forms(exampleSPKI)); diff != "" {
		t.Error(diff)
	}
	for _, f := range want {
		if n, err := ParseName(f.Text); err != nil || !n.Matches(exampleSPKI) {
			t.Errorf("%s is read as %v, %v", f.Text, n, err)
		}
	}
}

func TestZeroName(t *testing.T) {
	var n Name
	if n.String() != "" || n.NIH() != "" || n.WellKnown("h") != "" || n.Binary() != nil || n.Bits() != 0 {
		t.Error("the zero Name has a form")
	}
	if n.Matches(nil) || n.Matches(exampleSPKI) {
		t.Error("the zero Name matches a key")
	}
}

func TestNameText(t *testing.T) {
	n := NameOf(exampleSPKI, SHA256_120)
	text, err := n.MarshalText()
	var back Name
	if err != nil || back.UnmarshalText(text) != nil || back != n {
		t.Errorf("got %v by way of %s, %v", back, text, err)
	}
	if back.UnmarshalText([]byte("nothing")) == nil || back != n {
		t.Error("a bad text was taken or changed the name")
	}
}

// Proves rfc7252 §9.1.3.2.1: "Note that the shorter lengths provide less
// security against attacks, and their use is NOT RECOMMENDED."
// Proves rfc7252 §9.1.3.2.1: "During (initial and ongoing) provisioning, an
// access control list of identifiers with which the device may start DTLS
// sessions SHOULD also be installed and maintained."
func TestPins(t *testing.T) {
	var pins Pins
	other := []byte("another key")
	for alg := SHA256; alg.known(); alg++ {
		err := pins.Add(NameOf(exampleSPKI, alg))
		if short := alg.Size() < 15; (err != nil) != short {
			t.Errorf("%s: %v", alg, err)
		}
	}
	if pins.Len() != 3 || !pins.Contains(exampleSPKI) || pins.Contains(other) || pins.Contains(nil) {
		t.Errorf("%d pins; contains the key: %t, another: %t", pins.Len(), pins.Contains(exampleSPKI), pins.Contains(other))
	}
	pins.AddKey(other)
	if !pins.Contains(other) {
		t.Error("an added key is not contained")
	}
	if err := pins.Add(Name{}); err == nil {
		t.Error("a name of nothing is a pin")
	}
	for alg := SHA256; alg <= SHA256_120; alg++ {
		one, err := NewPins(NameOf(exampleSPKI, alg))
		if err != nil || !one.Contains(exampleSPKI) || one.Contains(other) {
			t.Errorf("%s alone does not pin its key", alg)
		}
	}
	if (*Pins)(nil).Contains(exampleSPKI) || new(Pins).Contains(exampleSPKI) {
		t.Error("an empty set contains a key")
	}
	if _, err := NewPins(NameOf(other, SHA256_96)); err == nil {
		t.Error("96 bits are a pin")
	}
}

// Pitfall L6: every prefix and every mutation of a name is read or refused,
// never more than that.
func FuzzParseName(f *testing.F) {
	for _, form := range Forms(exampleSPKI) {
		f.Add(form.Text)
	}
	f.Add("ni://example.com/sha-256-32;UyaQVw?foo=bar")
	f.Add("https://example.com/.well-known/ni/sha-256/UyaQV-Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X_-Q")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseName(text)
		if err != nil {
			return
		}
		if again, err := ParseName(n.String()); err != nil || again != n {
			t.Fatalf("%q: %s is read as %v, %v", text, n, again, err)
		}
		if again, err := ParseBinaryName(n.Binary()); err != nil || !bytes.Equal(again.Binary(), n.Binary()) {
			t.Fatalf("%q: binary form is read as %v, %v", text, again, err)
		}
	})
}

func BenchmarkPinsContains(b *testing.B) {
	var pins Pins
	pins.AddKey(exampleSPKI)
	b.ReportAllocs()
	for b.Loop() {
		pins.Contains(exampleSPKI)
	}
}
