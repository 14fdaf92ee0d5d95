// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"reflect"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/pack"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Every field of a layer comes back, each at its largest, in no more bytes
// than announced. A new field fails here until it is packed, or cleared below
// with a reason.
func TestPackForgetsNothing(t *testing.T) {
	for _, s := range suite.All() {
		l, _ := pair(t, s)
		seal(t, l, 1, data, "expands a key")
		l.write.epoch, l.write.next = wire.MaxEpoch, wire.MaxSequence+1
		l.read.epoch, l.read.left = wire.MaxEpoch, s.OpenLimit
		l.read.window = window{next: wire.MaxSequence + 1, seen: [2]uint64{1<<63 | 1, 1<<62 | 2}}
		l.plainNext = wire.MaxSequence + 1
		l.sendMax, l.sendPlainMax, l.receiveMax = 1<<14, 1<<14-1, 1<<14-2

		want := *l
		want.write.cipher = nil // expanded again when it is needed
		cleared := map[string]bool{"Limits": true, "held": true}
		for v, i := reflect.ValueOf(want), 0; i < v.NumField(); i++ {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() && !cleared[name] {
				t.Fatalf("%s is not tried", name)
			}
		}

		if !l.Packable() {
			t.Fatal("not packable")
		}
		c := pack.Into(nil)
		l.Pack(&c)
		if len(c.Bytes()) > PackedLen {
			t.Errorf("%s: %d bytes, announced %d", s.Name, len(c.Bytes()), PackedLen)
		}
		var got Layer
		c = pack.From(c.Bytes())
		got.Pack(&c)
		if !reflect.DeepEqual(got, want) || len(c.Bytes()) != 0 {
			t.Errorf("%s: a layer comes back as another", s.Name)
		}
	}
}

// What still waits for something is not packed.
func TestPackable(t *testing.T) {
	l, _ := pair(t, ccm8)
	if !l.Packable() || new(Layer).Packable() {
		t.Error("established or new")
	}
	l.held = new(held)
	if l.Packable() {
		t.Error("records wait")
	}
	l.held = nil
	l.Wipe()
	if l.Packable() {
		t.Error("wiped")
	}
}
