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

// Each text form is what String returns, unless another one is given.
func TestParseRule(t *testing.T) {
	for _, test := range []struct{ text, canonical string }{
		{"allow device:sensor-7 GET /time", ""},
		{"deny group:sensors,tenant:acme POST,PUT,DELETE /a/{device}/*/**", ""},
		{"allow tenant:*,mode:certificate,host:gw.example.net * /{tenant}/**", ""},
		{"allow anonymous,mode:nosec GET,OBSERVE /", ""},
		{"allow anybody,host:gw FETCH,PATCH,iPATCH /**", ""},
		{"allow authenticated,mode:token GET /a//b/", ""},
		{"allow device:urn:imei:490154203237518 POST /lwm2m", ""},
		{"allow device:\"a b\",tenant:\"x,y\" GET /x", ""},
		{"allow device:\"say \\\"hi\\\" \\\\\" GET /x", ""},
		{"allow device:\"\\x00\\xff\" GET /x", ""},
		{"allow device:Sénsor GET /s%C3%A9nsor", ""},
		{"allow device:a,tenant:* GET /{tenant}/x", ""},
		{" \tdeny   anybody\tget,observe   /x ", "deny anybody GET,OBSERVE /x"},
		{"allow anybody GET,POST,PUT,DELETE,FETCH,PATCH,IPATCH,OBSERVE /x", "allow anybody * /x"},
		{"allow mode:PSK,device:a GET /x", "allow device:a,mode:psk GET /x"},
		{"allow anybody GET /%7e%2f%2A%c3", "allow anybody GET /~%2F%2A%C3"},
		{"allow device:\"plain\" GET /x", "allow device:plain GET /x"},
		{"allow anybody,host:GW.Example GET /x", "allow anybody,host:gw.example GET /x"},
		{"deny anybody,host:gw.Example. GET /x", "deny anybody,host:gw.example GET /x"},
	} {
		r, err := acl.ParseRule(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		want := test.canonical
		if want == "" {
			want = test.text
		}
		if r.String() != want {
			t.Errorf("%q becomes %q, want %q", test.text, r, want)
		}
		if again, err := acl.ParseRule(r.String()); err != nil || again != r {
			t.Errorf("%q does not survive its text form: %+v, %v", test.text, again, err)
		}
		checkJSON(t, r)
	}
}

func checkJSON(t *testing.T, r acl.Rule) {
	t.Helper()
	r.ID = "7"
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again acl.Rule
	if err := json.Unmarshal(text, &again); err != nil || again != r {
		t.Errorf("%+v does not survive %s: %+v, %v", r, text, again, err)
	}
}

// Whoever writes a rule that cannot mean what it says is told why.
func TestParseRuleErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "a rule is: allow|deny WHO METHODS PATH"},
		{"allow anybody GET", "a rule is: allow|deny WHO METHODS PATH"},
		{"allow anybody GET /x /y", "a rule is: allow|deny WHO METHODS PATH"},
		{"permit anybody GET /x", "begins with allow or deny"},
		{"Allow anybody GET /x", "begins with allow or deny"},

		{"allow sensors GET /x", "say device:NAME"},
		{"allow everyone:x GET /x", "say device:NAME"},
		{"allow host:gw GET /x", "nobody is named"},
		{"allow anybody,host:. GET /x", "no virtual host"},
		{"allow device: GET /x", `a name must follow "device:"`},
		{"allow device GET /x", `a name must follow "device:"`},
		{"allow device:a,device:b GET /x", `"device:" may stand once`},
		{"allow anybody:x GET /x", "takes no name"},
		{"allow anybody,anybody GET /x", "stands once"},
		{"allow device:a,group:b GET /x", "one of them"},
		{"allow device:a, GET /x", "say device:NAME"},
		{"allow ,device:a GET /x", "say device:NAME"},
		{"allow device:\"a GET /x", "a rule is:"},
		{"allow device:\"a\"b GET /x", "a comma must follow"},
		{"allow device:a\"b GET /x", "a rule is:"},
		{"allow device:a\"b\" GET /x", "must be written in quotation marks"},
		{"allow device:a\u202eb GET /x", "must be written in quotation marks"},
		{"allow mode: GET /x", `a name must follow "mode:"`},
		{"allow mode GET /x", `a name must follow "mode:"`},
		{"allow mode:tls GET /x", "no mode"},
		{"allow mode:psk,mode:rpk GET /x", `"mode:" may stand once`},
		{"allow anybody,tenant:acme GET /x", "anybody stands with mode or host alone"},
		{"allow anonymous,tenant:acme GET /x", "an anonymous peer has no name"},
		{"allow anonymous,authenticated GET /x", "an anonymous peer has no name"},
		{"allow device:a,mode:nosec GET /x", "mode:nosec proves nothing"},
		{"allow anonymous,mode:token GET /x", "mode:token is for peers"},

		{"allow anybody GET, /x", "is no method"},
		{"allow anybody HEAD /x", "is no method"},
		{"allow anybody GET,* /x", "is no method"},

		{"allow anybody GET x", "begins with a slash"},
		{"allow anybody GET /**/x", "at the end"},
		{"allow anybody GET /a*", "%2A"},
		{"allow anybody GET /***", "%2A"},
		{"allow anybody GET /{user}", "{device} and {tenant}"},
		{"allow anybody GET /x{device}", "{device} and {tenant}"},
		{"allow anybody GET /{Device}", "{device} and {tenant}"},
		{"allow anybody GET /%2", "two hexadecimal digits"},
		{"allow anybody GET /%zz", "two hexadecimal digits"},
		{"allow anybody GET /a/../b", "no request has . or .."},
		{"allow anybody GET /%2e%2E", "no request has . or .."},
		{"allow anybody GET /a?b", "must be written %3F"},
		{"allow anybody GET /é", "must be written %C3"},
		{"allow anybody GET /" + strings.Repeat("x", 256), "more than 255 octets"},
		{"allow anybody GET " + strings.Repeat("/x", 65), "at most 64 segments"},
		{"allow anonymous GET /{device}", "an anonymous peer has no device name"},
		{"allow mode:nosec GET /{tenant}", "an anonymous peer has no device name"},
		{"allow device:a GET /{tenant}", "{tenant} is never filled"},
		{"allow group:a,tenant:* GET /{device}", "devices of several tenants"},
	} {
		r, err := acl.ParseRule(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, %v; want an error with %q", test.text, r, err, test.want)
		}
	}
}

// The JSON form is read strictly.
func TestRuleJSON(t *testing.T) {
	const good = `{"id":"1","effect":"allow","who":"group:sensors","methods":["POST","OBSERVE"],"path":"/telemetry/{device}"}`
	var r acl.Rule
	if err := json.Unmarshal([]byte(good), &r); err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(r); err != nil || string(text) != good {
		t.Errorf("%s becomes %s, %v", good, text, err)
	}
	if err := json.Unmarshal([]byte(`"allow group:sensors POST,OBSERVE /telemetry/{device}"`), &r); err != nil || r.Who.Group != "sensors" {
		t.Errorf("the text form in a string: %+v, %v", r, err)
	}
	for _, test := range []struct{ text, want string }{
		{strings.Replace(good, "path", "Path", 1), "no field \"Path\""},
		{strings.Replace(good, `"id":"1"`, `"who":"anybody"`, 1), "comes twice"},
		{strings.Replace(good, `"id":"1"`, `"ttl":1`, 1), "no field \"ttl\""},
		{strings.Replace(good, `"effect":"allow",`, "", 1), "\"effect\" is missing"},
		{strings.Replace(good, `["POST","OBSERVE"]`, `"POST"`, 1), "the field \"methods\""},
		{strings.Replace(good, `["POST","OBSERVE"]`, `[]`, 1), "is no method"},
		{strings.Replace(good, `["POST","OBSERVE"]`, `null`, 1), "is no method"},
		{strings.Replace(good, "allow", "maybe", 1), "allow or deny"},
		{strings.Replace(good, `"/telemetry/{device}"`, "null", 1), "begins with a slash"},
		{"7", "a string or an object"},
		{"[]", "a string or an object"},
		{"null", "a string or an object"},
		{`"allow"`, "a rule is:"},
	} {
		var r acl.Rule
		if err := r.UnmarshalJSON([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %+v, %v; want an error with %q", test.text, r, err, test.want)
		}
	}
}

// An error names the rule, by its ID or its number.
func TestCompileNamesTheRule(t *testing.T) {
	bad := acl.Rule{Who: acl.Who{Anybody: true}, Methods: acl.GET, Path: "x"}
	good := rules("allow anybody GET /x")[0]
	_, err := acl.Compile([]acl.Rule{good, bad})
	wrong, ok := errors.AsType[*acl.RuleError](err)
	if !ok || wrong.Index != 1 || !strings.HasPrefix(err.Error(), "rule 2: ") {
		t.Errorf("%v", err)
	}
	bad.ID = "k3"
	if _, err = acl.Compile([]acl.Rule{bad}); err == nil || !strings.HasPrefix(err.Error(), "rule k3: ") {
		t.Errorf("%v", err)
	}
	for _, r := range []acl.Rule{
		{Methods: acl.GET, Path: "/x"},
		{Who: acl.Who{Anybody: true}, Path: "/x"},
		{Who: acl.Who{Anybody: true}, Methods: 1 << 9, Path: "/x"},
		{Who: acl.Who{Device: "a", Mode: 77}, Methods: acl.GET, Path: "/x"},
		{},
	} {
		if _, err := acl.Compile([]acl.Rule{r}); err == nil {
			t.Errorf("%+v was compiled", r)
		}
	}
}

func TestMethods(t *testing.T) {
	for text, want := range map[string]acl.Methods{
		"GET": 1, "post": 2, "PUT": 4, "DELETE": 8, "FETCH": 16, "PATCH": 32, "iPATCH": 64, "OBSERVE": 128, "*": 255,
	} {
		got, err := acl.ParseMethods(text)
		if err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	if got := acl.Methods(0).String(); got != "none" {
		t.Errorf("the empty set is called %q", got)
	}
	if names := (acl.GET | acl.OBSERVE).Names(); !slices.Equal(names, []string{"GET", "OBSERVE"}) {
		t.Errorf("names are %q", names)
	}
}
