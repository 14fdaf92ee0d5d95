// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import "testing"

// A name means one thing wherever it is written.
func TestNames(t *testing.T) {
	for _, name := range []string{
		"sensor-7", "urn:imei:490154203237518", "urn:dev:mac:0024beffff804ff1", "0x00", "a b", "ü", "CN=x,O=y", "groups", "mode", "hosting:1",
	} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", " a", "a/b", ".", "..", "*", "a\nb", "a\x00", "\u202ea", "\xff", "group:ops", "Group:ops", "device:a", "tenant:x", "host:x", "mode:psk",
		"anybody", "Anonymous", "authenticated",
	} {
		if CheckName(name) == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

// What stands in lists has nothing in it that separates names, or one group
// would become two on its way through a file.
func TestNamesInLists(t *testing.T) {
	for _, bad := range []string{"ops,root", "ops;root", "ops|root"} {
		d := device("a")
		d.Groups = []string{bad}
		if d.Check() == nil {
			t.Errorf("the group %q is taken", bad)
		}
		if g := (&Group{Name: bad}); g.Check() == nil {
			t.Errorf("a group is called %q", bad)
		}
		c := pskOf("a", "sixteen byte key")
		c.PSK.Nodes = []string{bad}
		d = device("a", c)
		if d.Check() == nil {
			t.Errorf("the node %q is taken", bad)
		}
	}
	d := device("a")
	if d.Label = "north gate, 2nd floor"; d.Check() != nil {
		t.Error("a label is refused")
	}
	if d.Label = "two\nlines"; d.Check() == nil {
		t.Error("a label of two lines is taken")
	}
}
