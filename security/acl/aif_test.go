// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/security/acl"
)

// The names are filled in, what is denied is left out, and rules for others
// stay where they are.
func TestPermissions(t *testing.T) {
	list := compile(
		"allow group:sensors POST,OBSERVE /telemetry/{device}",
		"allow authenticated GET,POST /telemetry/a%2Fb",
		"allow authenticated GET,PUT,DELETE /config",
		"deny group:sensors DELETE /**",
		"deny device:a/b PUT /*",
		"allow device:other * /**",
		"allow authenticated DELETE /gone",
		"allow authenticated,tenant:* GET /{tenant}",
	)
	s := named("a/b")
	s.Groups = []string{"sensors"}
	got, err := list.Permissions(s)
	want := []acl.Permission{
		{Path: "/telemetry/a%2Fb", Methods: acl.GET | acl.POST | acl.OBSERVE},
		{Path: "/config", Methods: acl.GET},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	text, err := json.Marshal(got)
	if want := `[["/telemetry/a%2Fb",3],["/config",1]]`; err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
}

// What RFC 9237 cannot say is an error that names the rule.
func TestPermissionsPattern(t *testing.T) {
	for _, rule := range []string{"allow anybody GET /*", "allow anybody GET /a/**"} {
		_, err := compile("allow anybody GET /x", rule).Permissions(named("a"))
		if wrong, ok := errors.AsType[*acl.RuleError](err); !ok || wrong.Index != 1 {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

func TestPermissionsAreRules(t *testing.T) {
	const text = `[["/s/temp",1],["/a/led",5],["/dtls",2],["/*/%2A",127]]`
	var permissions []acl.Permission
	if err := json.Unmarshal([]byte(text), &permissions); err != nil {
		t.Fatal(err)
	}
	got, err := acl.RulesOf(acl.Who{Device: "ace"}, permissions)
	if err != nil {
		t.Fatal(err)
	}
	want := rules(
		"allow device:ace GET /s/temp", "allow device:ace GET,PUT /a/led", "allow device:ace POST /dtls",
		"allow device:ace GET,POST,PUT,DELETE,FETCH,PATCH,iPATCH /%2A/%2A",
	)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := acl.RulesOf(acl.Who{}, permissions); err == nil {
		t.Error("rules for nobody")
	}
}

func TestPermissionErrors(t *testing.T) {
	for text, want := range map[string]string{
		`["/x",0]`:                          "no method is permitted",
		`["/x",128]`:                        "bits that RFC 9237 does not define",
		`["/x",549755813888]`:               "bits that RFC 9237 does not define",
		`["/a/make-coffee",38654705666]`:    "Dynamic",
		`["/x?y=1",1]`:                      "query",
		`["x",1]`:                           "begins with a slash",
		`["/a/../b",1]`:                     ". or ..",
		`["/x"]`:                            "a path and a number",
		`["/x",1,2]`:                        "a path and a number",
		`["/x",-1]`:                         "a path and a number",
		`["/x",1.5]`:                        "a path and a number",
		`["/x",null]`:                       "a path and a number",
		`[null,1]`:                          "a path and a number",
		`{"path":"/x"}`:                     "a path and a number",
		`["/x",99999999999999999999999999]`: "a path and a number",
	} {
		var p acl.Permission
		if err := json.Unmarshal([]byte(text), &p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want an error with %q", text, p, err, want)
		}
	}
}
