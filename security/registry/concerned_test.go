// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"testing"

	"github.com/coaps-go/coaps/security"
)

func TestConcerned(t *testing.T) {
	sensor := security.Principal{Device: "sensor-7", Groups: []string{"sensors"}}
	acme := security.Principal{Device: "sensor-7", Tenant: "acme", Groups: []string{"sensors"}}
	member := security.Principal{Group: "sensors"}
	nobody := security.Principal{}
	for _, tt := range []struct {
		name    string
		changes []Change
		who     security.Principal
		mode    security.Mode
		want    bool
	}{
		{"the device", []Change{{Device: "sensor-7"}}, sensor, security.PreSharedKey, true},
		{"another device", []Change{{Device: "sensor-8"}}, sensor, security.PreSharedKey, false},
		{"a device of that name, of another tenant", []Change{{Device: "sensor-7"}}, acme, security.PreSharedKey, false},
		{"the device of a tenant", []Change{{Device: "sensor-7", Tenant: "acme"}}, acme, security.RawPublicKey, true},
		{"a group and its member by name", []Change{{Group: "sensors"}}, sensor, security.Certificate, true},
		{"a group and its member without name", []Change{{Group: "sensors"}}, member, security.PreSharedKey, true},
		{"a group of another tenant", []Change{{Group: "sensors", Tenant: "acme"}}, sensor, security.PreSharedKey, false},
		{"a device called as the group", []Change{{Device: "sensors"}}, member, security.PreSharedKey, false},
		{"the second change", []Change{{Rules: true}, {Device: "sensor-7"}}, sensor, security.PreSharedKey, true},
		{"a key of nobody's may be the device's now", []Change{{Device: "sensor-8"}}, nobody, security.RawPublicKey, true},
		{"a certificate of nobody's likewise", []Change{{Group: "sensors"}}, nobody, security.Certificate, true},
		{"a pre-shared key that is in no store stays so", []Change{{Device: "sensor-8"}}, nobody, security.PreSharedKey, false},
		{"everything", []Change{{All: true}}, nobody, security.PreSharedKey, true},
	} {
		match, some := Concerned(tt.changes)
		if !some || (match == nil || match(&tt.who, tt.mode)) != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, !tt.want, tt.want)
		}
	}
	// Recheck takes nil for everybody, certificates that are nobody's included and at
	// once: a match that is always true would leave those to their own time.
	if match, some := Concerned([]Change{{Device: "sensor-7"}, {All: true}}); !some || match != nil {
		t.Error("after a change of everything there is a match")
	}
	for _, changes := range [][]Change{nil, {{Rules: true}}} {
		if match, some := Concerned(changes); some || match != nil {
			t.Errorf("%+v concerns sessions", changes)
		}
	}
}
