// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPrincipal(t *testing.T) {
	var none *Principal
	device := Principal{Device: "sensor-7", Tenant: "acme", Groups: []string{"sensors"}}
	group := Principal{Group: "sensors"}
	if !none.IsZero() || !new(Principal).IsZero() || device.IsZero() || group.IsZero() || none.Name() != "" {
		t.Error("who is nobody?")
	}
	if device.Name() != "sensor-7" || group.Name() != "group sensors" {
		t.Errorf("got %q, %q", device.Name(), group.Name())
	}
	if n := len(device.AppendBinary(nil)); n > 30 {
		t.Errorf("%d octets", n)
	}
	if b := new(Principal).AppendBinary([]byte("x")); string(b) != "x" {
		t.Errorf("nobody is %x", b)
	}
	if device.Ended(noon) || !(&Principal{NotAfter: noon}).Ended(noon.Add(1)) || (&Principal{NotAfter: noon}).Ended(noon) {
		t.Error("when is the end?")
	}
	if a, b := MarkOf([]byte("a")), MarkOf([]byte("b")); a == b || a == 0 || MarkOf(nil) == 0 {
		t.Errorf("marks %x, %x", a, b)
	}
}

func TestSameCredential(t *testing.T) {
	p := Principal{Device: "a", Tenant: "t", Credential: "1", Mark: 7}
	for _, test := range []struct {
		edit func(*Principal)
		want bool
	}{
		{func(*Principal) {}, true},
		{func(q *Principal) { q.Groups, q.NotAfter, q.Credential = []string{"g"}, noon, "2" }, true},
		{func(q *Principal) { q.Mark = 0 }, true},
		{func(q *Principal) { q.Mark = 8 }, false},
		{func(q *Principal) { q.Device = "b" }, false},
		{func(q *Principal) { q.Tenant = "" }, false},
		{func(q *Principal) { q.Device, q.Group = "", "a" }, false},
	} {
		q := p
		test.edit(&q)
		if p.SameCredential(&q) != test.want || q.SameCredential(&p) != test.want {
			t.Errorf("%+v: want %t", q, test.want)
		}
	}
}

// What is packed comes out again.
func TestPrincipalBinary(t *testing.T) {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringN(100, 200, 300))
	rapid.Check(t, func(t *rapid.T) {
		p := Principal{
			Device: text.Draw(t, "device"), Group: text.Draw(t, "group"), Tenant: text.Draw(t, "tenant"),
			Groups: rapid.SliceOfN(text, 0, 3).Draw(t, "groups"), Host: text.Draw(t, "host"),
			Credential: text.Draw(t, "credential"), Mark: rapid.Uint32().Draw(t, "mark"),
		}
		if len(p.Groups) == 0 {
			p.Groups = nil
		}
		if rapid.Bool().Draw(t, "ends") {
			p.NotAfter = time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "end"), 0).UTC()
		}
		got, err := ParsePrincipal(p.AppendBinary(nil))
		if diff := cmp.Diff(p, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}

// Whatever is read is what would be written: there is one form.
func FuzzParsePrincipal(f *testing.F) {
	f.Add([]byte{})
	f.Add((&Principal{Device: "a"}).AppendBinary(nil))
	f.Add((&Principal{Group: "a", Tenant: "t", Groups: []string{"g", ""}, Host: "h", Credential: "1", NotAfter: noon, Mark: 7}).AppendBinary(nil))
	f.Add([]byte{1, 8, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{2, 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePrincipal(data)
		if err != nil {
			if diff := cmp.Diff(Principal{}, p); diff != "" {
				t.Fatal(diff)
			}
			return
		}
		if again := p.AppendBinary(nil); !bytes.Equal(again, data) {
			t.Fatalf("%x is %x", data, again)
		}
	})
}
