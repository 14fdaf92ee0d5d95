// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl_test

import (
	"encoding/json"
	"fmt"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security/acl"
)

func rules(lines ...string) []acl.Rule {
	var rules []acl.Rule
	for _, line := range lines {
		r, err := acl.ParseRule(line)
		if err != nil {
			panic(err)
		}
		rules = append(rules, r)
	}
	return rules
}

func compile(lines ...string) *acl.List {
	l, err := acl.Compile(rules(lines...))
	if err != nil {
		panic(err)
	}
	return l
}

func Example() {
	list := compile(
		"allow group:sensors POST /telemetry/{device}",
		"allow anybody GET /.well-known/core",
		"deny device:sensor-9 * /**",
	)
	sensor := acl.Subject{Device: "sensor-7", Groups: []string{"sensors"}, Mode: acl.PSK, Authenticated: true}
	for _, path := range []string{"/telemetry/sensor-7", "/telemetry/sensor-8", "/.well-known/core"} {
		fmt.Println(path, list.Decide(&sensor, acl.MethodOf(coap.POST), path).Allowed)
	}
	// Output:
	// /telemetry/sensor-7 true
	// /telemetry/sensor-8 false
	// /.well-known/core false
}

func ExampleList_Explain() {
	list := compile(
		"allow group:sensors POST /telemetry/{device}",
		"allow group:sensors GET,OBSERVE /config/{device}",
		"deny group:sensors PUT /config/**",
	)
	sensor := acl.Subject{Device: "sensor-7", Groups: []string{"sensors"}, Mode: acl.PSK, Authenticated: true}
	ask := func(m acl.Methods, path string) { fmt.Println(list.Explain(&sensor, m, path).Text) }
	ask(acl.POST, "/telemetry/sensor-7")
	ask(acl.POST, "/telemetry/sensor-8")
	ask(acl.PUT, "/config/sensor-7")
	ask(acl.DELETE, "/config/sensor-7")
	// Output:
	// allowed: rule 1: allow group:sensors POST /telemetry/{device}
	// denied: rule 1 allows only /telemetry/sensor-7
	// denied: rule 3: deny group:sensors PUT /config/**
	// denied: rule 2 allows only GET,OBSERVE
}

// OBSERVE is a right of its own: whoever asks for a representation and to be
// told of the next ones needs both.
func ExampleList_Decide_observe() {
	list := compile("allow authenticated GET /time", "allow group:watchers OBSERVE /time")
	watcher := acl.Subject{Groups: []string{"watchers"}, Mode: acl.PSK, Authenticated: true}
	other := acl.Subject{Device: "sensor-7", Mode: acl.PSK, Authenticated: true}
	fmt.Println(list.Decide(&watcher, acl.GET|acl.OBSERVE, "/time").Allowed)
	fmt.Println(list.Decide(&other, acl.GET|acl.OBSERVE, "/time").Allowed)
	fmt.Println(list.Decide(&other, acl.GET, "/time").Allowed)
	// Output:
	// true
	// false
	// true
}

// Names are unique within a tenant.
func ExampleWho() {
	list := compile(
		"allow device:sensor-7 POST /telemetry/7",
		"allow group:sensors,tenant:* POST /{tenant}/{device}",
	)
	mine := acl.Subject{Device: "sensor-7", Mode: acl.PSK, Authenticated: true}
	acmes := acl.Subject{Device: "sensor-7", Tenant: "acme", Groups: []string{"sensors"}, Mode: acl.PSK, Authenticated: true}
	fmt.Println(list.Decide(&mine, acl.POST, "/telemetry/7").Allowed)
	fmt.Println(list.Decide(&acmes, acl.POST, "/telemetry/7").Allowed)
	fmt.Println(list.Decide(&acmes, acl.POST, "/acme/sensor-7").Allowed)
	fmt.Println(list.Decide(&acmes, acl.POST, "/globex/sensor-7").Allowed)
	// Output:
	// true
	// false
	// true
	// false
}

// The example of RFC 9237, as one subject's permissions.
func ExampleList_Permissions() {
	list := compile(
		"allow device:ace GET,OBSERVE /s/temp",
		"allow device:ace GET,PUT /a/led",
		"allow device:ace POST /dtls",
	)
	p, err := list.Permissions(&acl.Subject{Device: "ace", Mode: acl.RPK, Authenticated: true})
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(p)
	fmt.Println(string(text), err)
	// Output: [["/s/temp",1],["/a/led",5],["/dtls",2]] <nil>
}
