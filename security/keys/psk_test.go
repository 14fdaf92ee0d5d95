// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var testKey = []byte("sixteen byte key")

func mustPSK(t testing.TB, identity, key string) PSK {
	t.Helper()
	p, err := NewPSK([]byte(identity), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSecretIsNotShown(t *testing.T) {
	secret := NewSecret([]byte("hunter2hunter2hunter2"))
	type exported struct{ Key Secret }
	type unexported struct{ key Secret }
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%o", "%U", "%t", "%p"} {
		for _, value := range []any{secret, &secret, []Secret{secret}, exported{secret}, unexported{secret}, &unexported{secret}, PSK{[]byte("dev1"), secret}} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", secret, "psk", PSK{[]byte("dev1"), secret})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", secret, "psk", PSK{[]byte("dev1"), secret})
	if text, err := json.Marshal(exported{secret}); err == nil {
		t.Errorf("marshalled as %s", text)
	}
	fmt.Fprintln(&out, secret.String(), secret.GoString())
	plain := "hunter2"
	for _, form := range []string{plain, hex.EncodeToString([]byte(plain)), fmt.Sprintf("%X", plain), fmt.Sprint([]byte(plain))[1:10]} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret shows as %s in:\n%s", form, out.String())
		}
	}
}

func TestSecret(t *testing.T) {
	source := []byte("secret")
	secret := NewSecret(source)
	source[0] = 'x'
	if string(secret.Bytes()) != "secret" || secret.Len() != 6 {
		t.Error("the secret is not a copy of what was given")
	}
	if !secret.Equal(NewSecret([]byte("secret"))) || secret.Equal(NewSecret([]byte("secreT"))) || secret.Equal(Secret{}) {
		t.Error("Equal is wrong")
	}
	bytes, copied := secret.Bytes(), secret
	secret.Wipe()
	if string(bytes) != "\x00\x00\x00\x00\x00\x00" || copied.Len() != 0 {
		t.Error("the secret outlives Wipe")
	}
	Secret{}.Wipe()
}

// Pitfall G6: identities are byte strings: NUL does not end one, none is
// longer or shorter than it is, and no encoding is assumed.
//
// Proves rfc4279 §5.3: "TLS implementations supporting these ciphersuites MUST
// support arbitrary PSK identities up to 128 octets in length, and arbitrary
// PSKs up to 64 octets in length."
// Proves rfc4279 §5.3: "Supporting longer identities and keys is RECOMMENDED."
func TestIdentitiesAreByteStrings(t *testing.T) {
	identities := []string{
		"", "\x00", "\x00\x00", "a", "a\x00", "a\x00b", "a\x00c", "A", " a", "a ", "a\n",
		"\xff\xfe", "\xc3\x28", "ü", "u\u0308", strings.Repeat("i", 128), strings.Repeat("i", 129), strings.Repeat("\x00", MaxPSKIdentityLen),
	}
	m := new(PSKMap)
	for i, identity := range identities {
		if err := m.Add(mustPSK(t, identity, fmt.Sprintf("key number %06d", i))); err != nil {
			t.Fatalf("%q: %v", identity, err)
		}
	}
	for i, identity := range identities {
		key, ok := m.LookupPSK("", []byte(identity))
		if want := fmt.Sprintf("key number %06d", i); !ok || string(key) != want {
			t.Errorf("%.20q: got %q, %t, want %q", identity, key, ok, want)
		}
	}
	for _, unknown := range []string{"b", "a\x00d", "\x00\x00\x00", "aa", "a\x00b\x00"} {
		if key, ok := m.LookupPSK("", []byte(unknown)); ok || key != nil {
			t.Errorf("%q: found %q", unknown, key)
		}
	}
	long := mustPSK(t, "long", strings.Repeat("k", 64))
	if long.Key.Len() != 64 {
		t.Error("a key of 64 octets is cut")
	}
}

func TestNewPSKRefuses(t *testing.T) {
	for _, test := range []struct{ identity, key []byte }{
		{[]byte("a"), nil},
		{[]byte("a"), make([]byte, MaxPSKLen+1)},
		{make([]byte, MaxPSKIdentityLen+1), testKey},
	} {
		if _, err := NewPSK(test.identity, test.key); err == nil {
			t.Errorf("identity of %d bytes, key of %d: accepted", len(test.identity), len(test.key))
		}
	}
}

// Pitfall A5: a key that could be guessed is told from one that could not.
//
// Proves rfc7252 §9.1.3.1: "The entropy of the PSK must be sufficient to
// mitigate against brute-force and (where the PSK is not chosen randomly but by
// a human) dictionary attacks (Section 7.2 of [RFC4279])."
// Proves rfc4279 §7.2: "It is RECOMMENDED that implementations that allow the
// administrator to manually configure the PSK also provide a functionality for
// generating a new random PSK, taking [RANDOMNESS] into account."
func TestStrength(t *testing.T) {
	weak, strong := mustPSK(t, "dev1", "secretPSK"), mustPSK(t, "dev2", string(testKey))
	if err := strong.CheckStrength(); err != nil {
		t.Error(err)
	}
	err := weak.CheckStrength()
	if w, ok := errors.AsType[*WeakPSKError](err); !ok || w.Len != 9 || string(w.Identity) != "dev1" {
		t.Errorf("got %v", err)
	}
	m, err := NewPSKMap(strong, weak, mustPSK(t, "dev3", "12345678901"))
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := errors.AsType[*WeakPSKError](m.Weakest()); !ok || string(w.Identity) != "dev1" {
		t.Errorf("weakest: got %v", m.Weakest())
	}
	if m, _ := NewPSKMap(strong); m.Weakest() != nil || (*PSKMap)(nil).Weakest() != nil {
		t.Error("a strong key is called weak")
	}
	random, err := RandomPSK(bytes.NewReader(testKey), []byte("dev4"))
	if err != nil || random.CheckStrength() != nil || !bytes.Equal(random.Key.Bytes(), testKey) {
		t.Errorf("random key: %v", err)
	}
	if _, err := RandomPSK(bytes.NewReader(testKey[:15]), nil); err == nil {
		t.Error("a key was drawn from too few bytes")
	}
}

// Proves rfc7252 §9.1.3: "This is needed so that when a host that acts as a
// virtual server for multiple Authorities receives a new DTLS connection, it
// knows which keys to use for the DTLS session."
func TestPSKMapByServerName(t *testing.T) {
	m := new(PSKMap)
	add := func(name string, p PSK) {
		if err := m.AddFor(name, p); err != nil {
			t.Fatal(err)
		}
	}
	add("", mustPSK(t, "dev1", "for everybody...."))
	add("A.example", mustPSK(t, "dev1", "for a............"))
	add("b.example.", mustPSK(t, "dev2", "for b............"))
	for _, test := range []struct{ name, identity, want string }{
		{"", "dev1", "for everybody...."},
		{"a.example", "dev1", "for a............"},
		{"A.EXAMPLE.", "dev1", "for a............"},
		{"b.example", "dev1", "for everybody...."},
		{"b.example", "dev2", "for b............"},
		{"", "dev2", ""},
		{"a.example", "dev2", ""},
	} {
		key, ok := m.LookupPSK(test.name, []byte(test.identity))
		if string(key) != test.want || ok != (test.want != "") {
			t.Errorf("%s at %q: got %q, %t", test.identity, test.name, key, ok)
		}
	}
	if err := m.AddFor("a.example", mustPSK(t, "dev1", "again............")); err == nil {
		t.Error("an identity was taken twice")
	}
	if m.Len() != 3 || (*PSKMap)(nil).Len() != 0 {
		t.Errorf("%d keys", m.Len())
	}
	if _, ok := (*PSKMap)(nil).LookupPSK("", nil); ok {
		t.Error("nil map finds a key")
	}
}

func TestPrintableIdentity(t *testing.T) {
	for identity, want := range map[string]string{
		"dev1": "dev1", "urn:imei:35": "urn:imei:35", "zwölf": "zwölf", "two words": "two words", "名": "名",
		"": "0x", "0x41": "0x30783431", "a\x00b": "0x610062", "\xff": "0xff", "a\n": "0x610a", " a": "0x2061",
		"\u202etxt": "0xe280ae747874", "a\u00a0b": "0x61c2a062", "\x1b[31m": "0x1b5b33316d",
	} {
		if got := PrintableIdentity([]byte(identity)); got != want {
			t.Errorf("%q: got %s, want %s", identity, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(rapid.Byte()).Draw(t, "a"), rapid.SliceOf(rapid.Byte()).Draw(t, "b")
		if same := PrintableIdentity(a) == PrintableIdentity(b); same != bytes.Equal(a, b) {
			t.Fatalf("%x and %x look the same: %t", a, b, same)
		}
	})
}

// shown is a PSK as a test can compare it.
type shown struct{ Identity, Key string }

func show(psks []PSK) []shown {
	var out []shown
	for _, p := range psks {
		out = append(out, shown{string(p.Identity), string(p.Key.Bytes())})
	}
	return out
}

// Proves rfc4279 §5.4: "In the absence of an application profile specification
// specifying otherwise, a management interface for entering the PSK and/or PSK
// identity MUST support the following:"
// Proves rfc4279 §5.4: "Entering PSK identities consisting of up to 128 printable
// Unicode characters."
// Proves rfc4279 §5.4: "Entering PSKs up to 64 octets in length as ASCII strings
// and in hexadecimal encoding."
func TestParsePSKFile(t *testing.T) {
	text := "\xef\xbb\xbf# a comment\n#\n\ndev1:00ff\r\n#646576:0102  \t\nurn:imei:35:ABab\n:01\n#:02\n" +
		" lead:03\n#61003a:04\nü:05\nlong:" + strings.Repeat("6b", 64) + "\n" + strings.Repeat("名", 128) + ":06"
	_, err := ParsePSKFile(strings.NewReader(text))
	if line, ok := errors.AsType[*LineError](err); !ok || line.Line != 8 || !strings.Contains(err.Error(), "line 7") {
		t.Errorf("the empty identity was taken twice: %v", err)
	}
	got, err := ParsePSKFile(strings.NewReader(strings.Replace(text, "#:02\n", "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	want := []shown{
		{"dev1", "\x00\xff"}, {"dev", "\x01\x02"}, {"urn:imei:35", "\xab\xab"}, {"", "\x01"},
		{" lead", "\x03"}, {"a\x00:", "\x04"}, {"ü", "\x05"}, {"long", strings.Repeat("k", 64)}, {strings.Repeat("名", 128), "\x06"},
	}
	if diff := cmp.Diff(want, show(got)); diff != "" {
		t.Error(diff)
	}
	assertASCII(t, got[7])
}

// assertASCII checks that a key entered as characters is the one entered in
// hexadecimal.
func assertASCII(t *testing.T, fromFile PSK) {
	t.Helper()
	if ascii := mustPSK(t, "long", strings.Repeat("k", 64)); !ascii.Key.Equal(fromFile.Key) {
		t.Error("the key in hexadecimal is not the one in ASCII")
	}
}

func TestParsePSKFileRefuses(t *testing.T) {
	const secret = "5ec3e75ec3e7"
	for text, line := range map[string]int{
		"dev1":                               1,
		"dev1:":                              1,
		"dev1:" + secret + "x":               1,
		"dev1:" + secret + "5":               1,
		"dev1: " + secret:                    1,
		"ok:00\n\n#dev1:" + secret:           3,
		"#a:" + secret:                       1,
		"ok:00\nok:" + secret:                2,
		"6f6b:01\nok:00\n#6f6b:" + secret:    3,
		strings.Repeat("a", maxPSKLine+1):    1,
		"x:" + strings.Repeat("00", 1+65535): 1,
	} {
		_, err := ParsePSKFile(strings.NewReader(text))
		got, ok := errors.AsType[*LineError](err)
		if !ok || got.Line != line {
			t.Errorf("%.30q: got %v, want an error in line %d", text, err, line)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%.30q: the error shows the key: %v", text, err)
		}
	}
}

func TestPSKFileRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		identities := rapid.SliceOfDistinct(rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })),
			func(s string) string { return s }).Draw(t, "identities")
		var file []byte
		var want []shown
		for _, identity := range identities {
			p, err := NewPSK([]byte(identity), rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "key"))
			if err != nil {
				t.Fatal(err)
			}
			file = AppendPSKLine(file, p)
			want = append(want, shown{identity, string(p.Key.Bytes())})
		}
		got, err := ParsePSKFile(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		if diff := cmp.Diff(want, show(got)); diff != "" {
			t.Fatalf("%q: %s", file, diff)
		}
	})
}

// What GnuTLS's tool writes is read, and identities come out as they went in.
func TestPSKFileOfPsktool(t *testing.T) {
	psktool := foreign(t, "psktool", "gnutls-bin")
	path := filepath.Join(t.TempDir(), "psk.txt")
	identities := []string{"dev1", "urn:imei:35", "zwölf", "two words"}
	for _, identity := range identities {
		if out, err := exec.Command(psktool, "-u", identity, "-p", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	psks, err := LoadPSKFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range psks {
		got = append(got, string(p.Identity))
		if p.Key.Len() != 32 {
			t.Errorf("%s: key of %d bytes", p, p.Key.Len())
		}
	}
	if diff := cmp.Diff(identities, got); diff != "" {
		t.Error(diff)
	}
}

// Pitfall L6: a key file can hold anything.
func FuzzParsePSKFile(f *testing.F) {
	f.Add([]byte("dev1:00ff\n#6465:0102\r\n# comment\nurn:imei:35:abab\n:01"))
	f.Add([]byte("\xef\xbb\xbfdev1:00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		psks, err := ParsePSKFile(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again []byte
		for _, p := range psks {
			again = AppendPSKLine(again, p)
		}
		back, err := ParsePSKFile(bytes.NewReader(again))
		if err != nil || !cmp.Equal(show(psks), show(back)) {
			t.Fatalf("%q is written as %q, which is read as %v, %v", data, again, show(back), err)
		}
	})
}

// Looking for a key costs no memory.
func TestLookupsDoNotAllocate(t *testing.T) {
	m := must(NewPSKMap(mustPSK(t, "dev1", string(testKey))))
	var pins Pins
	pins.AddKey(exampleSPKI)
	known, unknown := []byte("dev1"), []byte("dev2")
	for what, look := range map[string]func(){
		"known identity":   func() { m.LookupPSK("", known) },
		"unknown identity": func() { m.LookupPSK("", unknown) },
		"pin":              func() { pins.Contains(exampleSPKI) },
	} {
		if n := testing.AllocsPerRun(100, look); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}

func BenchmarkLookupPSK(b *testing.B) {
	m := new(PSKMap)
	for i := range 10000 {
		if err := m.Add(mustPSK(b, fmt.Sprintf("device-%d", i), string(testKey))); err != nil {
			b.Fatal(err)
		}
	}
	identity := []byte("device-5000")
	b.ReportAllocs()
	for b.Loop() {
		m.LookupPSK("", identity)
	}
}
