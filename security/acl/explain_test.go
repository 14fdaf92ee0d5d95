// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/security/acl"
)

func TestExplain(t *testing.T) {
	list := compile(
		"allow group:sensors POST /telemetry/{device}",
		"allow group:sensors GET,OBSERVE /config/{device}",
		"deny group:sensors PUT /config/**",
		"allow tenant:acme GET /acme/{device}",
		"allow device:sensor-9 GET /nine",
		"allow anonymous GET /hello",
		"allow authenticated GET /own/{device}",
		"allow group:sensors PUT /config/{device}",
	)
	sensor := acl.Subject{Device: "sensor-7", Groups: []string{"sensors"}, Mode: acl.PSK, Authenticated: true}
	member := acl.Subject{Groups: []string{"sensors"}, Mode: acl.PSK, Authenticated: true}
	acme := acl.Subject{Device: "sensor-7", Tenant: "acme", Mode: acl.RPK, Authenticated: true}
	nobody := acl.Subject{Mode: acl.NoSec}
	for _, test := range []struct {
		s    acl.Subject
		m    acl.Methods
		path string
		want string
	}{
		{sensor, acl.POST, "/telemetry/sensor-7", "allowed: rule 1: allow group:sensors POST /telemetry/{device}"},
		{sensor, acl.POST, "/telemetry/sensor-8", "denied: rule 1 allows only /telemetry/sensor-7"},
		{sensor, acl.PUT, "/config/sensor-7", "denied: rule 3: deny group:sensors PUT /config/**"},
		{sensor, acl.DELETE, "/config/sensor-7", "denied: rule 2 allows only GET,OBSERVE"},
		{sensor, acl.GET, "/config/sensor-8", "denied: rule 2 allows only /config/sensor-7"},
		{sensor, acl.GET, "/nine", "denied: rule 2 allows only /config/sensor-7"},
		{sensor, acl.FETCH, "/nowhere", "denied: no rule allows it"},
		{sensor, 0, "/x", "denied: rules know no such method"},
		{sensor, acl.GET, "/%7e", "denied: no request has a path that is written so"},
		{member, acl.POST, "/telemetry/sensor-7", "denied: rule 1 allows only /telemetry/{device}, and this peer has no device name"},
		{acme, acl.GET, "/own/sensor-7", "denied: rule 4 allows only /acme/sensor-7"},
		{acme, acl.POST, "/telemetry/sensor-7", "denied: rule 1 is for group:sensors only"},
		{nobody, acl.GET, "/nine", "denied: rule 6 allows only /hello"},
		{nobody, acl.PUT, "/hello", "denied: rule 6 allows only GET"},
	} {
		if got := list.Explain(&test.s, test.m, test.path); got.Text != test.want {
			t.Errorf("%+v %v %s:\n got %s\nwant %s", test.s, test.m, test.path, got.Text, test.want)
		}
	}
	e := list.Explain(&sensor, acl.PUT, "/config/sensor-7")
	if !slices.Equal(e.Matched, []int{2, 7}) || len(e.Near) != 0 {
		t.Errorf("%+v", e)
	}
}

// Who is not meant is told what is missing.
func TestExplainSubject(t *testing.T) {
	acme := acl.Subject{Device: "d", Tenant: "acme", Groups: []string{"g"}, Mode: acl.PSK, Authenticated: true}
	for _, test := range []struct {
		rule string
		s    acl.Subject
		want string
	}{
		{"allow group:g GET /x", acme, "denied: rule 1 is for group:g only, without a tenant: say tenant:acme"},
		{"allow device:d GET /x", acme, "denied: rule 1 is for device:d only, without a tenant: say tenant:acme"},
		{"allow group:g GET /x", acl.Subject{Mode: acl.NoSec}, "denied: rule 1 is for group:g only, and this peer has not shown who it is"},
		{"allow mode:rpk GET /x", acme, "denied: rule 1 is for mode:rpk only"},
	} {
		if got := compile(test.rule).Explain(&test.s, acl.GET, "/x").Text; got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.rule, got, test.want)
		}
	}
	text := compile("allow authenticated GET /{device}").Explain(&acme, acl.GET, "/d").Text
	if want := "without a tenant: say tenant:acme or write {tenant} into its path"; !strings.Contains(text, want) {
		t.Errorf("%s; want %s", text, want)
	}
	empty, err := acl.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []*acl.List{empty, nil} {
		if got := list.Explain(&acme, acl.GET, "/x").Text; got != "denied: there are no rules, and what no rule allows is denied" {
			t.Errorf("%s", got)
		}
	}
}

// However many rules come close, a few are named.
func TestExplainNamesFew(t *testing.T) {
	var lines []string
	for _, c := range "abcdefghijklm" {
		lines = append(lines, "allow anybody GET /common/"+string(c))
	}
	lines = append(lines, "allow anybody GET /common/z/y/w")
	e := compile(lines...).Explain(named("d"), acl.GET, "/common/z/y/x")
	if len(e.Near) > 5 || e.Near[0].Rule != len(lines)-1 {
		t.Errorf("%+v", e.Near)
	}
}
