// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

var update = flag.Bool("update", false, "write testdata/states.txt anew")

// The table of states, as a text to read beside RFC 5246 §7.3. What is not in
// it is refused.
//
// Pitfall W13: one table of (state, message), with one place that refuses the rest
func TestStatesAsText(t *testing.T) {
	var b strings.Builder
	for i := range states {
		s := &states[i]
		fmt.Fprintf(&b, "%s\n", s.name)
		for _, r := range s.accepts {
			fmt.Fprintf(&b, "\t%-20s -> %s\n", r.message, method(r.step))
		}
		for _, step := range []any{s.job, s.psk, s.pass} {
			if !reflect.ValueOf(step).IsNil() {
				fmt.Fprintf(&b, "\t%-20s -> %s\n", s.waits, method(step))
			}
		}
		if s.ccs {
			fmt.Fprintf(&b, "\tChangeCipherSpec may come\n")
		}
	}
	const file = "testdata/states.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the table differs from %s; run go test -update and read the difference:\n%s", file, b.String())
	}
}

func method(f any) string {
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	return name[strings.LastIndex(name, ".")+1:]
}

// Every state either takes messages or waits for one thing, and has the step
// for it.
func TestStatesAreWhole(t *testing.T) {
	names := map[string]bool{}
	for i := range states {
		s := &states[i]
		if s.name == "" || names[s.name] {
			t.Errorf("state %d has no name of its own: %q", i, s.name)
		}
		names[s.name] = true
		if (len(s.accepts) > 0) != (s.waits == hs.EventNone) {
			t.Errorf("%s: takes %d messages and waits for %v", s.name, len(s.accepts), s.waits)
		}
		for kind, step := range map[hs.EventKind]any{hs.EventNeedJob: s.job, hs.EventWantPSK: s.psk, hs.EventWantVerdict: s.pass} {
			if (s.waits == kind) == reflect.ValueOf(step).IsNil() {
				t.Errorf("%s: step for %v is nil or not wanted", s.name, kind)
			}
		}
		seen := map[wire.HandshakeType]bool{}
		for _, r := range s.accepts {
			if seen[r.message] || r.step == nil {
				t.Errorf("%s: %v twice, or without a step", s.name, r.message)
			}
			seen[r.message] = true
			covers := r.message == wire.HandshakeFinished || r.message == wire.HandshakeCertificateVerify || r.message == wire.HandshakeHelloVerifyRequest
			if r.unhashed != covers {
				t.Errorf("%s: %v enters the transcript at the wrong time", s.name, r.message)
			}
		}
	}
}
