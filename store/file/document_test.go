// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestToJSON(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"{}", "{}"},
		{` {"a": [1, 2.50, null]}`, ` {"a": [1, 2.50, null]}`},
		{"a: 1", `{"a":1}`},
		{"\ufeffa: 1\r\nb: x\r\n", `{"a":1,"b":"x"}`},
		{"{a: 1, b: [x, 'y']}", `{"a":1,"b":["x","y"]}`},
		{"a:\n  b:\n  - c: 1\n    d: ~\n  - true\n", `{"a":{"b":[{"c":1,"d":null},true]}}`},
		{"a: 0042\nb: 0x2a\nc: 1_000\nd: 1e3\ne: -7\nf: .inf\ng: 0o17\n", `{"a":"0042","b":"0x2a","c":"1_000","d":"1e3","e":-7,"f":".inf","g":"0o17"}`},
		{"a: yes\nb: \"1\"\nc: 'it''s'\nd: \"\\x00\\u00e9\"\n", `{"a":"yes","b":"1","c":"it's","d":"\u0000é"}`},
		{"1: a\ntrue: b\nnull: c\n", `{"1":"a","true":"b","null":"c"}`},
		{"a: |\n  one\n  two\nb: >\n  one\n  two\n", `{"a":"one\ntwo\n","b":"one two\n"}`},
		{"a: &x {k: v}\nb: *x\nc: [*x]\n", `{"a":{"k":"v"},"b":{"k":"v"},"c":[{"k":"v"}]}`},
		{"---\na: 1\n", `{"a":1}`},
		{"a:\nb: 1\n", `{"a":null,"b":1}`},
		{"a: \"" + strings.Repeat("-", 5000) + "\"", `{"a":"` + strings.Repeat("-", 5000) + `"}`},
	} {
		doc, _, err := toJSON([]byte(test.in))
		if err != nil || string(doc) != test.want {
			t.Errorf("%q: %s, %v\nwant %s", test.in, doc, err, test.want)
		}
	}
}

func TestToJSONRefuses(t *testing.T) {
	bomb := "a0: &a0 [x]\n"
	for i := range 40 {
		bomb += fmt.Sprintf("a%d: &a%d [*a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i)
	}
	for _, test := range []struct {
		in   string
		at   position
		want string
	}{
		{"", position{}, "empty"},
		{" \n\t", position{}, "empty"},
		{"---\n", position{}, "empty"},
		{"a: 1\n  b: 2\n", position{1, 0}, "not allowed"},
		{"a: 1\na: 2\n", position{2, 1}, "twice"},
		{"a:\n  b: 1\n  b: 2\n", position{3, 3}, "twice"},
		{"a: [1, 2\n", position{1, 0}, ""},
		{"a: 1\n---\nb: 2\n", position{3, 0}, "second document"},
		{"a: *nobody\n", position{1, 4}, "no anchor"},
		{"a: &x [*x]\n", position{1, 8}, "no anchor"},
		{"a: &x {b: 1}\nc:\n  <<: *x\n", position{3, 3}, "merge keys"},
		{"a: !!binary aGk=\n", position{1, 4}, "tags"},
		{"? [a]\n: 1\n", position{2, 0}, "invalid key"},
		{"a: \xff\n", position{1, 4}, "UTF-8"},
		{`{"a": 1,}`, position{1, 9}, ""},
		{"{\n \"a\": {\"b\": 1,\n \"b\": 2}}", position{3, 2}, "twice"},
		{`{"a": 1} {"b": 2}`, position{1, 10}, ""},
		{strings.Repeat("[", 500) + strings.Repeat("]", 500), position{1, 0}, "deep"},
		{strings.Repeat("{a: ", 100_000), position{1, 0}, "deep"},
		{strings.Repeat("- ", 100_000), position{1, 0}, "deep"},
		{"# many\na:\n" + strings.Repeat("  k: 1\n", maxSiblings+1), position{maxSiblings + 3, 1}, "JSON"},
		{bomb, position{}, "too large"},
	} {
		_, _, err := toJSON([]byte(test.in))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.60q: %v, want %q", test.in, err, test.want)
			continue
		}
		var at *placedError
		if !errors.As(err, &at) {
			at = &placedError{}
		}
		if test.at.line != 0 && (at.at.line != test.at.line || test.at.column != 0 && at.at.column != test.at.column) {
			t.Errorf("%.60q: at %v, want %v: %v", test.in, at.at, test.at, err)
		}
	}
}

// Messages have no piece of the file: there are keys in it.
func TestMessagesWithoutSecrets(t *testing.T) {
	const secret = "c0ffee00c0ffee00"
	for _, text := range []string{
		"a: " + secret + "\n b: 1\n", "a: \"" + secret + "\nb: 1\n", "psk:\n - " + secret + "\n  - x\n",
		"key: [" + secret + "\n", "key: " + secret + ": x\n", `{"key": "` + secret + `" x`, "\t" + secret, "key: '" + secret,
		"key: !t " + secret, "key: @" + secret, "key: `" + secret + "`", "key: %" + secret,
	} {
		if _, _, err := toJSON([]byte(text)); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	yaml := `# a comment
devices:
  sensor-7:
    psk:
      - {identity: x, key: y}
      - identity: z
        key: zz
  "urn:dev:7": &a
    rpk: 1
  other: *a
`
	js := `{
 "devices": {
  "sensor-7": {"psk": [
   {"identity": "x", "key": "y"},
   {"key": "zz"}]},
  "urn:dev:7": {"it's": [1,
    2]}
 }
}`
	for _, test := range []struct {
		text, path string
		want       position
	}{
		{yaml, "$.devices", position{2, 1}},
		{yaml, "$.devices.sensor-7", position{3, 3}},
		{yaml, "$.devices.sensor-7.psk[0].key", position{5, 23}},
		{yaml, "$.devices.sensor-7.psk[1].key", position{7, 9}},
		{yaml, "$.devices.sensor-7.psk[9].key", position{4, 5}},
		{yaml, "$.devices['urn:dev:7'].rpk", position{9, 5}},
		{yaml, "$.devices.other.rpk", position{9, 5}},
		{yaml, "$.nothing", position{2, 0}},
		{js, "$.devices.sensor-7", position{3, 3}},
		{js, "$.devices.sensor-7.psk[0].key", position{4, 22}},
		{js, "$.devices.sensor-7.psk[1].key", position{5, 5}},
		{js, `$.devices['urn:dev:7']['it\'s'][1]`, position{7, 5}},
		{js, "$.devices.sensor-7.psk[9]", position{3, 16}},
	} {
		_, place, err := toJSON([]byte(test.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := place(test.path); got.line != test.want.line || test.want.column != 0 && got != test.want {
			t.Errorf("%s: %v, want %v", test.path, got, test.want)
		}
	}
}

func FuzzToJSON(f *testing.F) {
	for _, s := range []string{"a: 1\nb: [x, {c: d}]\n", `{"a": {"b": [1, "x"]}}`, "a: &x [1]\nb: *x\n", "a: |\n  x\n", "? a\n: b\n", "- 1\n- 2\n", "\"\\x00\": 0x1\n"} {
		f.Add(s, "$.a.b[0]")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		doc, place, err := toJSON([]byte(text))
		if err != nil {
			var at *placedError
			if errors.As(err, &at) && at.at.line < 0 {
				t.Errorf("at %v", at.at)
			}
			return
		}
		if !json.Valid(doc) {
			t.Errorf("%q became %q", text, doc)
		}
		place(path)
	})
}
