// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/security/acl"
)

func TestWithoutComment(t *testing.T) {
	for line, want := range map[string]string{
		"allow anybody GET /x":                 "allow anybody GET /x",
		"# all":                                "",
		"allow anybody GET /x # why":           "allow anybody GET /x ",
		"allow anybody GET /x\t# why":          "allow anybody GET /x\t",
		"allow anybody GET /x#y":               "allow anybody GET /x#y",
		`allow device:"a # b" GET /x # c`:      `allow device:"a # b" GET /x `,
		`allow device:"a \" # b" GET /x`:       `allow device:"a \" # b" GET /x`,
		`allow device:"open # to the end`:      `allow device:"open # to the end`,
		`allow device:"\\" GET /x # "c"`:       `allow device:"\\" GET /x `,
		"":                                     "",
		`allow device:a GET /x "# not a quote`: `allow device:a GET /x "# not a quote`,
	} {
		if got := withoutComment(line); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
}

func TestFormOf(t *testing.T) {
	for data, want := range map[string]string{
		"":                         "text",
		"allow anybody GET /x":     "text",
		"# [":                      "text",
		"[]":                       "json",
		"\n [ {":                   "json",
		`["allow anybody GET /x"]`: "json",
		`[["/x", 1]]`:              "aif",
		"[\n  [":                   "aif",
		"\x81\x82\x62/x\x01":       "aif-cbor",
		"\x9f":                     "aif-cbor",
	} {
		if got := formOf([]byte(data)); got != want {
			t.Errorf("%q looks like %s, want %s", data, got, want)
		}
	}
}

// The example of RFC 9237 section 3: 28 octets.
func TestAIFCBOR(t *testing.T) {
	want := []byte("\x83\x82\x67/s/temp\x01\x82\x66/a/led\x05\x82\x65/dtls\x02")
	permissions, bad := decodeAIFCBOR(want)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	got, err := encodeAIF("aif-cbor", permissions)
	if err != nil || !bytes.Equal(got, want) || len(got) != 28 {
		t.Errorf("% x, %v", got, err)
	}
}

// testBench is a bench of a command that has no store.
func testBench() *aclBench {
	none := func(string) (string, bool) { return "", false }
	a := &app{streams: streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard, env: none}}
	cmd := a.aclTestCommand()
	cmd.SetContext(context.Background())
	return &aclBench{app: a, cmd: cmd, close: func() {}}
}

// Whatever is read as rules are rules, and every way of writing them brings
// them back.
func FuzzRuleFile(f *testing.F) {
	for _, s := range []string{
		"# policy\nallow group:sensors POST /telemetry/{device} # own\n\ndeny device:\"a # b\" * /**\r\n",
		"\ufeffallow anybody GET /", `["allow anybody GET /x", {"effect":"deny","who":"anybody","methods":["*"],"path":"/x"}]`,
		`[["/s/temp",1],["/a/led",5]]`, "\x81\x82\x62/x\x01", "[", "\x9f",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a := testBench()
		a.in = bytes.NewReader(data)
		form := formOf(data)
		var who acl.Who
		if strings.HasPrefix(form, "aif") {
			who.Device = "me"
		}
		rules, err := a.readRules("-", form, who)
		if err != nil {
			return
		}
		all, err := newHeldRules(heldIn(rules, "-"))
		if err != nil {
			t.Fatal(err)
		}
		for _, as := range []string{"text", "json"} {
			written, err := encodeRules(as, all)
			if err != nil {
				t.Fatal(err)
			}
			a.in = bytes.NewReader(written)
			again, err := a.readRules("-", as, acl.Who{})
			if err != nil || !slices.EqualFunc(again, rules, func(r, other acl.Rule) bool { return same(&r, &other) }) {
				t.Fatalf("%q as %s is %q and %v, %v", data, as, written, again, err)
			}
		}
	})
}

// A file of tests is read, or refused with a place in it.
func FuzzPolicyTests(f *testing.F) {
	for _, s := range []string{
		"subjects:\n  s: {groups: [a], mode: psk}\ntests:\n  - allow s GET /x\n  - deny anonymous * /y\n",
		"tests: [allow a GET /x]", "tests:\n- 7", "tests: &a [*a]", "a: b: c", "tests:\n  - &x allow a GET /\n  - *x", "\x00", "- -", "tests: !00000 000",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := testBench()
		b.in = bytes.NewReader(data)
		tests, err := b.readPolicyTests("-")
		if err != nil {
			if asFailure("", err).reason == "unexpected" {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		for _, test := range tests {
			if test.line < 1 || test.methods == 0 || !strings.HasPrefix(test.path, "/") {
				t.Fatalf("%q: %+v", data, test)
			}
		}
	})
}
