// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/security/keys"
)

// TestIndexOfTwoAdministrators: what two processes add at the same time is all
// there afterwards.
func TestIndexOfTwoAdministrators(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.index")
	const each = 50
	var wg sync.WaitGroup
	for who := range 2 {
		wg.Go(func() {
			index := &caIndex{path: path}
			for n := range each {
				entry := indexEntry{Event: eventRevoked, Serial: fmt.Sprintf("%x%04x", who+1, n), Reason: 4, Name: strings.Repeat("x", 500)}
				// A reader may meet the line that the other is writing.
				for i := 0; ; i++ {
					err := index.add(entry)
					if err == nil {
						break
					}
					if i == 10_000 {
						t.Error(err)
						return
					}
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	entries, err := (&caIndex{path: path}).read()
	if err != nil || len(entries) != 2*each {
		t.Fatalf("%d entries: %v", len(entries), err)
	}
	if revoked := revokedIn(entries); len(revoked) != 2*each || revoked[0].Reason != keys.RevocationReason(4) || revoked[0].At.IsZero() {
		t.Errorf("%d revocations", len(revoked))
	}
}

// TestIndexIsStrict: a line that is not understood might be a revocation.
func TestIndexIsStrict(t *testing.T) {
	const good = `{"v":1,"event":"revoked","at":"2026-01-01T00:00:00Z","serial":"4f"}` + "\n"
	if entries, err := parseIndex([]byte(good + good)); err != nil || len(entries) != 2 {
		t.Fatalf("%d entries: %v", len(entries), err)
	}
	if entries, err := parseIndex(nil); err != nil || entries != nil {
		t.Errorf("an empty list: %v", err)
	}
	for name, line := range map[string]string{
		"junk":            "junk\n",
		"an empty line":   "\n",
		"half a line":     good[:20],
		"no end":          strings.TrimSpace(good),
		"another version": strings.Replace(good, `"v":1`, `"v":2`, 1),
		"another event":   strings.Replace(good, "revoked", "renewed", 1),
		"another member":  strings.Replace(good, `"serial"`, `"hold":true,"serial"`, 1),
		"no serial":       strings.Replace(good, `"4f"`, `""`, 1),
		"a serial of 21":  strings.Replace(good, `4f`, strings.Repeat("4f", 21), 1),
		"a serial of 0":   strings.Replace(good, `4f`, "00", 1),
		"a negative one":  strings.Replace(good, `4f`, "-4f", 1),
		"two in a line":   strings.TrimSpace(good) + good,
		"a long line":     strings.Replace(good, `4f`, strings.Repeat(" ", maxIndexLine), 1),
	} {
		if _, err := parseIndex([]byte(good + line)); err == nil {
			t.Errorf("%s: taken", name)
		} else if name != "a long line" && !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: the error does not name the line: %v", name, err)
		}
	}
}

// TestRevocationListNumberGrows (RFC 5280 section 5.2.3), even when the clock
// goes back or the list of the CA was lost.
func TestRevocationListNumberGrows(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	first := nextNumber(nil, now)
	entries := []indexEntry{{Event: eventCRL, Number: first}}
	if second := nextNumber(entries, now.Add(-time.Hour)); second != first+1 {
		t.Errorf("after %d comes %d", first, second)
	}
	if lost := nextNumber(nil, now.Add(time.Second)); lost <= first {
		t.Errorf("after %d comes %d", first, lost)
	}
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(`{"v":1,"event":"issued","at":"2026-01-01T00:00:00Z","serial":"4f","name":"x","key":"ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi"}` + "\n"))
	f.Add([]byte(`{"v":1,"event":"crl","at":"2026-01-01T00:00:00Z","number":3}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseIndex(data)
		if err != nil {
			return
		}
		if n := bytes.Count(data, []byte("\n")); n != len(entries) {
			t.Fatalf("%d entries of %d lines", len(entries), n)
		}
		for _, r := range revokedIn(entries) {
			if r.Serial == nil || r.Serial.Sign() <= 0 {
				t.Fatal("a revocation of nothing")
			}
		}
	})
}

// FuzzParseKey is the front door of the key commands: every form at once.
func FuzzParseKey(f *testing.F) {
	f.Add([]byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	f.Add([]byte("static const unsigned char k[2] = { 0x04, 0x05 };"))
	f.Add([]byte{0xa4, 1, 2, 0x20, 1, 0x21, 0x41, 1, 0x22, 0xf5})
	f.Add([]byte{0x30, 0x59})
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := parseKey(data)
		if err != nil {
			return
		}
		if err := keys.CheckPublicKey(key.spki); err != nil {
			t.Fatal(err)
		}
		for _, form := range keyFormNames() {
			if made, err := key.as(form, true); err == nil && len(made.data) == 0 {
				t.Fatalf("nothing as %s", form)
			}
		}
	})
}

// TestKeyFormsAreOneKey writes a key in every form and reads each of them: no form
// changes the key, and none but the private ones tells a secret.
func TestKeyFormsAreOneKey(t *testing.T) {
	for _, curve := range []keys.Curve{keys.CurveP256, keys.CurveP384, keys.CurveEd25519} {
		pair, err := keys.NewKeyOn(curve, zeroes{})
		if err != nil {
			t.Fatal(err)
		}
		key := &keyFile{path: "dir/7 me.key", pair: pair, spki: pair.SPKI}
		parts, err := keys.PrivatePartsOf(pair)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range keyFormNames() {
			for _, public := range []bool{false, true} {
				made, err := key.as(form, public)
				if err != nil {
					if form != "sec1" {
						t.Errorf("%v as %s, public %v: %v", curve, form, public, err)
					}
					continue
				}
				if made.secret == public || public && bytes.Contains(made.data, parts.D.Bytes()) {
					t.Errorf("%v as %s, public %v: the secret is not told apart", curve, form, public)
				}
				again, err := parseKey(made.data)
				if form == "c-array" && curve == keys.CurveEd25519 {
					continue // 32 bytes do not say of which curve they are
				}
				if err != nil || !bytes.Equal(again.spki, pair.SPKI) || (again.pair == nil) != public {
					t.Errorf("%v as %s, public %v: %v", curve, form, public, err)
				}
			}
		}
	}
}

// zeroes is a source of randomness for tests; crypto/ecdsa does not ask it.
type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) {
	clear(b)
	b[len(b)-1] = 7
	return len(b), nil
}
