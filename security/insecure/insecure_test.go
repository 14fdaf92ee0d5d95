// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package insecure

import (
	"errors"
	"reflect"
	"testing"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

func TestAcceptAnyServer(t *testing.T) {
	var config security.Config
	if _, err := config.Client(keys.Authority{Host: "a.example"}); !errors.Is(err, security.ErrBelievesNoOne) {
		t.Errorf("before: %v", err)
	}
	AcceptAnyServer(&config)
	policy, err := config.Client(keys.Authority{Host: "a.example"})
	if err != nil || !policy.Unverified() {
		t.Errorf("after: %v", err)
	}
	if _, err := config.Server(); !errors.Is(err, security.ErrClientOnly) {
		t.Errorf("a server: %v", err)
	}
}

// There is no other way: the type of the field has nothing that a program
// could set.
//
// Pitfall M7: verification has no off switch in the ordinary API.
func TestNoOtherWay(t *testing.T) {
	check := reflect.TypeFor[security.Config]()
	field, ok := check.FieldByName("ServerCheck")
	if !ok {
		t.Fatal("no such field")
	}
	for i := range field.Type.NumField() {
		if f := field.Type.Field(i); f.IsExported() {
			t.Errorf("field %s can be set", f.Name)
		}
	}
	for i := range reflect.PointerTo(field.Type).NumMethod() {
		if m := reflect.PointerTo(field.Type).Method(i); m.Name != "Skipped" {
			t.Errorf("method %s", m.Name)
		}
	}
}
