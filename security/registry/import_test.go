// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
	"github.com/coaps-go/coaps/store/storetest"
	"github.com/google/go-cmp/cmp"
)

// all is a sequence of devices, with an error at its end if it is not nil.
func all(err error, list ...Device) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		for _, d := range list {
			if !yield(d, nil) {
				return
			}
		}
		if err != nil {
			yield(Device{}, err)
		}
	}
}

func TestImport(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	long := device("long", pskOf(strings.Repeat("i", 5000), strings.Repeat("k", 20000)))
	got := must(r.Import(ctx, all(nil, device("b", pskOf("b", "k")), device("a", pskOf("a", "k"), tokenOf("t")), long), ImportOptions{}))
	if got != (ImportResult{Added: 3}) {
		t.Errorf("got %+v", got)
	}
	checkIndex(t, r.store)
	if d := must(r.Device(ctx, "", "long")); len(d.Credentials[0].PSK.Key.Bytes()) != 20000 || d.Credentials[0].ID != "1" || d.Created.IsZero() {
		t.Errorf("got %+v", d)
	}
	// Again, with devices that are there.
	changed := device("a", tokenOf("t"), pskOf("a", "another"), pskOf("a3", "k"))
	got = must(r.Import(ctx, all(nil, changed, device("c")), ImportOptions{Skip: true}))
	if d := must(r.Device(ctx, "", "a")); got != (ImportResult{Added: 1, Skipped: 1}) || len(d.Credentials) != 2 {
		t.Errorf("got %+v, %+v", got, d)
	}
	got = must(r.Import(ctx, all(nil, changed, device("b"), device("d")), ImportOptions{Replace: true}))
	d := must(r.Device(ctx, "", "a"))
	if got != (ImportResult{Added: 1, Replaced: 2}) || len(d.Credentials) != 3 {
		t.Errorf("got %+v, %+v", got, d)
	}
	for i, want := range []string{"a 1", "a3 3", " 2"} {
		c := d.Credentials[i]
		identity := ""
		if c.PSK != nil {
			identity = string(c.PSK.Identity)
		}
		if identity+" "+c.ID != want {
			t.Errorf("credential %d is %s %s, want %s", i, identity, c.ID, want)
		}
	}
	checkIndex(t, r.store)
	if e := r.Who(ctx, claimPSK("b"), noon); e.Device != "" {
		t.Errorf("b's key stayed: %+v", e)
	}
	if got := must(r.Import(ctx, all(nil), ImportOptions{})); got != (ImportResult{}) {
		t.Errorf("got %+v", got)
	}
}

// An identity can go from one device to another, if both are in the import.
func TestImportMovesIdentity(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	must(r.Import(ctx, all(nil, device("a", pskOf("x", "k")), device("b", pskOf("y", "k"))), ImportOptions{}))
	must(r.Import(ctx, all(nil, device("b", pskOf("x", "k")), device("a", pskOf("y", "k"))), ImportOptions{Replace: true}))
	checkIndex(t, r.store)
	if e := r.Who(ctx, claimPSK("x"), noon); e.Device != "b" {
		t.Errorf("x is %s's", e.Device)
	}
}

// What is wrong is told with the place in the sequence, and nothing is stored.
func TestImportRefuses(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	must(r.AddDevice(ctx, device("there", pskOf("taken", "k"))))
	before := content(t, r.store)
	errOwn := errors.New("line 7: nonsense")
	bad := make([]Device, 100)
	for _, test := range []struct {
		what    string
		err     error
		devices []Device
		want    []string
	}{
		{"an error of the sequence", errOwn, []Device{device("a")}, []string{"line 7: nonsense"}},
		{"a bad name", nil, []Device{device("a"), device("a/b")}, []string{`device 2: name: the name "a/b" has a "/"`}},
		{"a bad key", nil, []Device{device("a", pskOf("b", ""))}, []string{"device 1: psk[0].key: the key is empty"}},
		{"a device twice", nil, []Device{device("a"), device("b"), device("a")}, []string{"device 3: device a is that of device 1 of the import"}},
		{"an identity twice", nil, []Device{device("a", pskOf("i", "k")), device("b", pskOf("i", "k"))}, []string{"device 2: PSK identity i is that of device a"}},
		{"an identity three times", nil, []Device{device("a", pskOf("i", "k")), device("b", pskOf("i", "k")), device("c", pskOf("i", "k"))},
			[]string{"device 2: PSK identity i is that of device a", "device 3: PSK identity i is that of device a"}},
		{"a device that is there", nil, []Device{device("x"), device("there")}, []string{"device 2: device there is there already"}},
		{"an identity that is there", nil, []Device{device("x"), device("y", pskOf("taken", "k"))}, []string{"device 2: PSK identity taken is that of device there"}},
		{"many", nil, bad, []string{"device 1: name: the name is empty", "device 20: "}},
	} {
		_, err := r.Import(ctx, all(test.err, test.devices...), ImportOptions{})
		if err == nil {
			t.Errorf("%s: no error", test.what)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", test.what, err, want)
			}
		}
		if lines := strings.Count(err.Error(), "\n"); lines >= maxImportErrors {
			t.Errorf("%s: %d lines", test.what, lines)
		}
		if one, ok := errorsAs[*ImportError](err); test.err == nil && (!ok || one.Err == nil) {
			t.Errorf("%s: %T", test.what, err)
		}
		if diff := cmp.Diff(before, content(t, r.store)); diff != "" {
			t.Errorf("%s: %s", test.what, diff)
		}
	}
	if _, err := r.Import(ctx, all(nil, device("a", pskOf("taken", "k"))), ImportOptions{Replace: true}); err == nil {
		t.Error("took an identity from a device that is not in the import")
	}
}

// What somebody else has written during the import is not overwritten.
func TestImportRaced(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	sequence := func(yield func(Device, error) bool) {
		if yield(device("a", pskOf("a", "k")), nil) {
			must(r.AddDevice(ctx, device("b", pskOf("a", "k"))))
		}
	}
	_, err := r.Import(ctx, sequence, ImportOptions{})
	if conflict, ok := errorsAs[*store.ConflictError](err); !ok {
		t.Errorf("%v, %v", err, conflict)
	}
	checkIndex(t, r.store)
	if _, err := r.Device(ctx, "", "a"); !errors.Is(err, ErrNoDevice) {
		t.Error(err)
	}
}

func TestImportIntoFullStore(t *testing.T) {
	faulty := storetest.NewFaulty(newRegistry(t).store)
	faulty.Set(storetest.Fault{On: storetest.Apply, Err: store.ErrFull})
	if _, err := New(faulty).Import(t.Context(), all(nil, device("a")), ImportOptions{}); !errors.Is(err, store.ErrFull) {
		t.Error(err)
	}
	if left := content(t, faulty); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// The store is asked for many devices at once, and what is found, counted and told
// is the same as if it were asked for each.
func TestImportInBatches(t *testing.T) {
	const n = 2*importBatch + 300
	fleet := func(key string) []Device {
		list := make([]Device, n)
		for i := range list {
			name := fmt.Sprintf("d%04d", i)
			list[i] = device(name, pskOf(name, key))
		}
		return list
	}
	ctx := t.Context()
	faulty := storetest.NewFaulty(memory.New())
	defer faulty.Close()
	r := New(faulty)
	must(r.AddDevice(ctx, device("other", pskOf("x", "k"))))
	must(r.Import(ctx, all(nil, fleet("one")[:n-10]...), ImportOptions{}))
	before := faulty.Count(storetest.Get)
	got := must(r.Import(ctx, all(nil, fleet("two")...), ImportOptions{Replace: true}))
	if want := (ImportResult{Added: 10, Replaced: n - 10}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if asked := faulty.Count(storetest.Get) - before; asked > 2*3 {
		t.Errorf("the store was asked %d times", asked)
	}
	checkIndex(t, faulty)
	for _, i := range []int{0, importBatch - 1, importBatch, n - 1} {
		if e := r.Who(ctx, claimPSK(fmt.Sprintf("d%04d", i)), noon); string(e.Key.Bytes()) != "two" {
			t.Errorf("device %d has not its new key: %+v", i, e.Reason)
		}
	}
	for _, test := range []struct {
		what string
		edit func([]Device)
		want []string
	}{
		{"an identity of the store", func(l []Device) { l[600].Credentials[0].PSK.Identity = []byte("x") }, []string{"device 601: PSK identity x is that of device other"}},
		{"an identity of the batch before", func(l []Device) { l[1030].Credentials[0].PSK.Identity = []byte("d0005") }, []string{"device 1031: PSK identity d0005 is that of device d0005"}},
		{"two bad ones, far apart", func(l []Device) { l[1100].Name, l[3].Name = "a/b", "c/d" }, []string{"device 4: ", "device 1101: "}},
	} {
		list := fleet("three")
		test.edit(list)
		_, err := r.Import(ctx, all(nil, list...), ImportOptions{Replace: true})
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", test.what, err, want)
			}
		}
		if e := r.Who(ctx, claimPSK("d0001"), noon); string(e.Key.Bytes()) != "two" {
			t.Errorf("%s: something was written", test.what)
		}
	}
	// What ends the sequence comes after what was wrong before it, as far as that is
	// all that is told.
	errOwn := errors.New("line 700: nonsense")
	list := fleet("four")[:700]
	if _, err := r.Import(ctx, all(errOwn, list...), ImportOptions{Replace: true}); err != errOwn {
		t.Errorf("got %v", err)
	}
	for i := range maxImportErrors {
		list[600+i].Name = ""
	}
	if _, err := r.Import(ctx, all(errOwn, list...), ImportOptions{Replace: true}); err == nil || !strings.Contains(err.Error(), "device 620: ") {
		t.Errorf("got %v", err)
	}
	faulty.Set(storetest.Fault{On: storetest.Get, Every: 3, Err: store.ErrUnavailable})
	if _, err := r.Import(ctx, all(nil, fleet("five")...), ImportOptions{Replace: true}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without a store: %v", err)
	}
}

// Groups with keys go with the devices: all or nothing, in each other's way as
// devices are, and replaced or left as they are.
func TestImportGroups(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	owners := func(list ...Owner) iter.Seq2[Owner, error] {
		return func(yield func(Owner, error) bool) {
			for _, o := range list {
				if !yield(o, nil) {
					return
				}
			}
		}
	}
	deviceOf := func(name, identity string) Owner {
		d := device(name, pskOf(identity, "k"))
		return &d
	}
	group := func(name, key string, identities ...string) Owner {
		g := &Group{Name: name, Tenant: "acme"}
		for _, identity := range identities {
			g.Credentials = append(g.Credentials, pskOf(identity, key))
		}
		return g
	}
	got := must(r.ImportOwners(ctx, owners(deviceOf("a", "a"), group("sensors", "one", "all"), deviceOf("b", "b")), ImportOptions{}))
	if want := (ImportResult{Added: 3, Groups: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	checkIndex(t, r.store)
	created := must(r.Group(ctx, "acme", "sensors")).Created
	got = must(r.ImportOwners(ctx, owners(group("sensors", "two", "more", "all")), ImportOptions{Replace: true}))
	if want := (ImportResult{Replaced: 1, Groups: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	g := must(r.Group(ctx, "acme", "sensors"))
	if len(g.Credentials) != 2 || g.Credentials[1].ID != "1" || g.Credentials[0].ID != "2" || !g.Created.Equal(created) {
		t.Errorf("got %+v", g)
	}
	if e := r.Who(ctx, claimPSK("all"), noon); e.Group != "sensors" || string(e.Key.Bytes()) != "two" {
		t.Errorf("got %+v", e.Principal)
	}
	got = must(r.ImportOwners(ctx, owners(group("sensors", "three", "all"), group("pumps", "k")), ImportOptions{Skip: true}))
	if want := (ImportResult{Added: 1, Skipped: 1, Groups: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	before := content(t, r.store)
	for what, test := range map[string]struct {
		list []Owner
		want string
	}{
		"a group that is there": {[]Owner{deviceOf("x", "x"), group("sensors", "k", "y")}, "device 2: group sensors of tenant acme is there already"},
		"a device's identity":   {[]Owner{group("others", "k", "a")}, "device 1: PSK identity a is that of device a"},
		"a group's identity":    {[]Owner{deviceOf("x", "all")}, "device 1: PSK identity all is that of group sensors of tenant acme"},
		"twice":                 {[]Owner{group("others", "k"), group("others", "k")}, "device 2: group others of tenant acme is that of device 1 of the import"},
		"an identity of both":   {[]Owner{group("others", "k", "same"), deviceOf("x", "same")}, "device 2: PSK identity same is that of group others of tenant acme"},
		"a name that cannot be": {[]Owner{deviceOf("x", "x"), group("a/b", "k")}, "device 2: name: "},
	} {
		if _, err := r.ImportOwners(ctx, owners(test.list...), ImportOptions{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", what, err, test.want)
		}
		if diff := cmp.Diff(before, content(t, r.store)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	checkIndex(t, r.store)
}

// What AppendOwner writes ParseOwner reads, and tells a device from a group.
func TestOwnerAsJSON(t *testing.T) {
	d := device("same", pskOf("a", "k"))
	for _, o := range []Owner{&d, &Group{Name: "same", Tenant: "acme", Label: "x", Disabled: true, Credentials: []Credential{pskOf("b", "k")}}} {
		again := must(ParseOwner(AppendOwner(nil, o)))
		if diff := cmp.Diff(string(AppendOwner(nil, o)), string(AppendOwner(nil, again))); diff != "" || again.key() != o.key() {
			t.Error(diff)
		}
	}
	for _, bad := range []string{`{"group":"a","name":"b"}`, `{"group":"a","groups":["b"]}`, `{"group":1}`, `{"group":"a","group":"b"}`, `[]`, `{`} {
		if o, err := ParseOwner([]byte(bad)); err == nil {
			t.Errorf("%s is taken: %+v", bad, o)
		}
	}
}
