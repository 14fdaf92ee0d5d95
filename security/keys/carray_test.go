// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCArrayRoundTrip(t *testing.T) {
	point := must(PartsOf(mustNewKey(t, 1).SPKI)).Point()
	text := CArray{Name: "server.pub", Comment: "P-256 */ evil", Data: point}.AppendTo(nil)
	text = CArray{Name: "7th key", Data: []byte{0, 255}}.AppendTo(text)
	got, err := ParseCArrays(text)
	want := []CArray{{Name: "server_pub", Data: point}, {Name: "_7th_key", Data: []byte{0, 255}}}
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for line := range strings.Lines(string(text)) {
		if len(line) > 80 {
			t.Errorf("a line of %d: %s", len(line), line)
		}
	}
}

// TestCArrayCompiles lets a compiler have the last word, where there is one.
func TestCArrayCompiles(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler here")
	}
	path := filepath.Join(t.TempDir(), "key.c")
	text := CArray{Name: "device-7.key", Comment: "a key", Data: bytes.Repeat([]byte{9}, 65)}.AppendTo(nil)
	text = append(text, "int main(void) { return device_7_key[64] - 9; }\n"...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-Wall", "-Werror", "-o", path+".out", path).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestParseCArrays(t *testing.T) {
	good := map[string][]CArray{
		"const uint8_t a[3]={1,2,0X1f};":                     {{Name: "a", Data: []byte{1, 2, 31}}},
		"/* { 9 } */ char b [] = { 0x01, // { 7 }\n 010, };": {{Name: "b", Data: []byte{1, 8}}},
		"{ 0x04, 0x05 }": {{Data: []byte{4, 5}}},
		"static const u8 x[1] = {0};\n\nstatic const u8 y_2[1] = {1};": {{Name: "x", Data: []byte{0}}, {Name: "y_2", Data: []byte{1}}},
	}
	for source, want := range good {
		got, err := ParseCArrays([]byte(source))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", source, err, diff)
		}
	}
	for _, source := range []string{"", "no braces", "{1,2", "{256}", "{-1}", "{1,,2}", "{}", "{ x }", "{ 1_0 }", "{ 0b1 }", "{ 0o7 }", "{ 'a' }",
		"/* {1}", "{{1}}", "a[] = {1}; b[] = {z};", strings.Repeat("{1}", maxCArrays+1), strings.Repeat(" ", maxCSource) + "{1}"} {
		if got, err := ParseCArrays([]byte(source)); err == nil {
			t.Errorf("%.40q: %v", source, got)
		}
	}
}

func FuzzParseCArrays(f *testing.F) {
	f.Add([]byte("static const unsigned char a[2] = { 0x01, 2, }; /* c */"))
	f.Add([]byte("//\n{1}"))
	f.Add([]byte("a/b{1}/"))
	f.Fuzz(func(t *testing.T, data []byte) {
		arrays, err := ParseCArrays(data)
		if err != nil {
			return
		}
		var text []byte
		for _, a := range arrays {
			text = a.AppendTo(text)
		}
		again, err := ParseCArrays(text)
		if err != nil || len(again) != len(arrays) {
			t.Fatalf("%d arrays became %d: %v", len(arrays), len(again), err)
		}
		for i := range again {
			if !bytes.Equal(again[i].Data, arrays[i].Data) {
				t.Fatalf("array %d changed", i)
			}
		}
	})
}
