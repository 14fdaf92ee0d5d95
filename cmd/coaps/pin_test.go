// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"testing"

	"github.com/coaps-go/coaps/security/keys"
)

// Every name that key id prints is one that --peer-key takes, and it pins that
// key and no other.
func TestEveryNameOfAKeyIsAPin(t *testing.T) {
	mine, err := keys.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := keys.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range keys.Forms(mine.SPKI) {
		var pins keys.Pins
		if err := addPin(&pins, form.Text); err != nil {
			t.Errorf("%s: %v", form.Label, err)
		}
		if !pins.Contains(mine.SPKI) || pins.Contains(other.SPKI) {
			t.Errorf("%s: %s pins something else", form.Label, form.Text)
		}
	}
}
