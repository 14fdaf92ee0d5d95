// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/storetest"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var ignoreStamps = cmp.Options{
	cmpopts.IgnoreFields(Device{}, "Version", "Changed", "Created"), cmpopts.IgnoreFields(Group{}, "Version"), cmpopts.EquateComparable(keys.Name{}),
}

// What is stored is what was given, with IDs.
func TestDevice(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	p := thePKI()
	end := noon.Add(time.Hour)
	d := Device{
		Name: "sensor-7", Tenant: "acme", Label: "north \"gate\", \u00e9", Groups: []string{"sensors", "ümläut"}, Disabled: true,
		NotBefore: noon, NotAfter: end,
		Credentials: []Credential{
			{PSK: &PSK{Key: secret("sixteen byte key"), Nodes: []string{"gateway-1"}}, NotAfter: end},
			{PSK: &PSK{Identity: []byte{}, Key: secret("k")}, Host: "B.Example."},
			{PSK: &PSK{Identity: []byte("\x00\xff"), Key: secret("\x00")}, Disabled: true, ID: "old"},
			{RPK: &RPK{SPKI: p.key.SPKI}},
			{RPK: &RPK{Name: keys.NameOf(p.other.SPKI, keys.SHA256_120)}},
			{Certificate: &Certificate{URI: "urn:dev:7", Issuer: "CN=Acme CA"}},
			{Certificate: &Certificate{DNS: "Sensor.Example"}},
			{Certificate: &Certificate{EUI64: "0123456789abcdef"}},
			{Certificate: &Certificate{Subject: "CN=x"}},
			{Certificate: &Certificate{Pin: keys.NameOf(p.key.SPKI, keys.SHA256)}},
			tokenOf("a token"),
		},
	}
	added := must(r.AddDevice(ctx, d))
	if d.Credentials[0].ID != "" || d.Credentials[0].PSK.Identity != nil {
		t.Error("the caller's device was changed")
	}
	got := must(r.Device(ctx, "acme", "sensor-7"))
	if diff := cmp.Diff(added, got, ignoreStamps); diff != "" {
		t.Error(diff)
	}
	if c := got.Credentials; string(c[0].PSK.Identity) != "sensor-7" || c[1].Host != "b.example" || c[2].ID != "old" ||
		c[6].Certificate.DNS != "sensor.example" || c[7].Certificate.EUI64 != "01-23-45-67-89-AB-CD-EF" || c[0].ID != "1" || c[10].ID != "10" {
		t.Errorf("got %+v", c)
	}
	if got.Created.IsZero() || got.Changed.IsZero() || got.Version == 0 {
		t.Errorf("created %v, changed %v, version %d", got.Created, got.Changed, got.Version)
	}
	checkIndex(t, r.store)
	if err := r.RemoveDevice(ctx, "acme", "sensor-7"); err != nil {
		t.Fatal(err)
	}
	if left := content(t, r.store); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := r.Device(ctx, "acme", "sensor-7"); !errors.Is(err, ErrNoDevice) {
		t.Error(err)
	}
	if err := r.RemoveDevice(ctx, "acme", "sensor-7"); !errors.Is(err, ErrNoDevice) {
		t.Error(err)
	}
}

// Nobody gets what is somebody else's, and is told whose it is.
//
// Proves rfc7252 §9: "Conversely, if more than two entities share a specific
// pre-shared key, this key only enables the entities to authenticate as a member
// of that group and not as a specific peer."
func TestConflicts(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	p := thePKI()
	short := keys.NameOf(p.key.SPKI, keys.SHA256_120)
	first := device("a", pskOf("id", "sixteen byte key"), Credential{RPK: &RPK{SPKI: p.key.SPKI}}, tokenOf("t"),
		Credential{Certificate: &Certificate{URI: "urn:x"}})
	first.Tenant = "acme"
	must(r.AddDevice(ctx, first))
	must(r.AddGroup(ctx, Group{Name: "g", Credentials: []Credential{pskOf("shared", "sixteen byte key")}}))
	for _, test := range []struct {
		d    Device
		want string // "" none
	}{
		{first, "device a of tenant acme is there already"},
		{device("b", pskOf("id", "another key.....")), "PSK identity id is that of device a of tenant acme"},
		{device("b", pskOf("shared", "another key.....")), "PSK identity shared is that of group g"},
		{device("b", Credential{RPK: &RPK{Name: short}}), "is that of device a of tenant acme"},
		{device("b", tokenOf("t")), "is that of device a of tenant acme"},
		{device("b", Credential{Certificate: &Certificate{URI: "urn:x"}}), "certificate with URI urn:x is that of device a of tenant acme"},
		{device("b", Credential{Certificate: &Certificate{URI: "urn:x", Issuer: "CN=Other"}}), ""},
		{device("a", Credential{PSK: &PSK{Identity: []byte("id"), Key: secret("k")}, Host: "b.example"}), ""},
		{device("c", Credential{Certificate: &Certificate{Pin: short}}), ""},
	} {
		before := content(t, r.store)
		_, err := r.AddDevice(ctx, test.d)
		conflict, ok := errorsAs[*ConflictError](err)
		if ok != (test.want != "") || ok && !strings.Contains(conflict.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.d.Name, err, test.want)
		}
		if diff := cmp.Diff(before, content(t, r.store)); ok && diff != "" {
			t.Error("half stored:", diff)
		}
	}
	if _, err := r.UpdateDevice(ctx, "", "b", func(d *Device) error {
		d.Credentials = append(d.Credentials, pskOf("shared", "k"))
		return nil
	}); err == nil || err.Error() != "PSK identity shared is that of group g" {
		t.Error(err)
	}
	if _, err := r.MoveDevice(ctx, "", "b", "acme", "a"); err == nil || err.Error() != "device a of tenant acme is there already" {
		t.Error(err)
	}
	checkIndex(t, r.store)
}

// An ID is given once: a session that was a removed credential's is not another
// one's.
func TestCredentialIDs(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	must(r.AddDevice(ctx, device("a", tokenOf("1"), tokenOf("2"))))
	for i, want := range []string{"3", "4", "5"} {
		d := must(r.UpdateDevice(ctx, "", "a", func(d *Device) error {
			d.Credentials = []Credential{tokenOf(fmt.Sprint("new", i))}
			return nil
		}))
		if d.Credentials[0].ID != want {
			t.Errorf("ID %s, want %s", d.Credentials[0].ID, want)
		}
	}
}

func TestMoveDevice(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	must(r.AddDevice(ctx, device("a", pskOf("id", "sixteen byte key"))))
	moved := must(r.MoveDevice(ctx, "", "a", "acme", "z"))
	if moved.Tenant != "acme" || moved.Name != "z" || string(moved.Credentials[0].PSK.Identity) != "id" {
		t.Errorf("got %+v", moved)
	}
	if e := r.Who(ctx, claimPSK("id"), noon); e.Device != "z" || e.Tenant != "acme" || string(e.Key.Bytes()) != "sixteen byte key" {
		t.Errorf("got %+v", e)
	}
	if _, err := r.UpdateDevice(ctx, "acme", "z", func(d *Device) error { d.Name = "y"; return nil }); err == nil {
		t.Error("renamed by an update")
	}
	checkIndex(t, r.store)
	if _, err := r.Device(ctx, "", "a"); !errors.Is(err, ErrNoDevice) {
		t.Error(err)
	}
}

// Two administrators at once: both changes are there.
func TestNoLostUpdate(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	must(r.AddDevice(ctx, device("a")))
	const administrators, each = 8, 20
	var wait sync.WaitGroup
	for a := range administrators {
		wait.Go(func() {
			for n := range each {
				_, err := r.UpdateDevice(ctx, "", "a", func(d *Device) error {
					d.Credentials = append(d.Credentials, pskOf(fmt.Sprint(a, "-", n), "sixteen byte key"))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if d := must(r.Device(ctx, "", "a")); len(d.Credentials) != administrators*each || d.LastID != administrators*each {
		t.Errorf("%d credentials, last ID %d", len(d.Credentials), d.LastID)
	}
	checkIndex(t, r.store)
}

// What a store refuses is refused, and what went wrong comes through.
func TestStoreErrors(t *testing.T) {
	faulty := storetest.NewFaulty(newRegistry(t).store)
	ctx, r := t.Context(), New(faulty)
	must(r.AddDevice(ctx, device("a", pskOf("a", "sixteen byte key"))))
	before := content(t, r.store)
	faulty.Set(storetest.Fault{On: storetest.Apply, Err: store.ErrFull})
	change := func(d *Device) error { d.Disabled = true; return nil }
	if _, err := r.UpdateDevice(ctx, "", "a", change); !errors.Is(err, store.ErrFull) {
		t.Error(err)
	}
	if _, err := r.AddDevice(ctx, device("b")); !errors.Is(err, store.ErrFull) {
		t.Error(err)
	}
	faulty.Die()
	if _, err := r.UpdateDevice(ctx, "", "a", change); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	if _, err := r.Rules(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	for _, err := range r.Devices(ctx, Filter{}) {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
	}
	faulty.Heal()
	if diff := cmp.Diff(before, content(t, r.store)); diff != "" {
		t.Error(diff)
	}
}

func TestDevices(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	for _, d := range []Device{
		{Name: "a"}, {Name: "b", Groups: []string{"g"}}, {Name: "a", Tenant: "t"}, {Name: "ab", Tenant: "t", Groups: []string{"g", "h"}}, {Name: "x", Tenant: "tt"},
	} {
		must(r.AddDevice(ctx, d))
	}
	for _, test := range []struct {
		filter Filter
		want   string
	}{
		{Filter{}, "/a /b t/a t/ab tt/x"},
		{Filter{Tenant: "t"}, "t/a t/ab"},
		{Filter{NoTenant: true}, "/a /b"},
		{Filter{Group: "g"}, "/b t/ab"},
		{Filter{NamePrefix: "a"}, "/a t/a t/ab"},
		{Filter{Tenant: "none"}, ""},
	} {
		var got []string
		for d, err := range r.Devices(ctx, test.filter) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d.Tenant+"/"+d.Name)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%+v: %v", test.filter, got)
		}
	}
	for range r.Devices(ctx, Filter{}) {
		break
	}
}

func TestGroups(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	added := must(r.AddGroup(ctx, Group{Name: "sensors", Label: "x", Credentials: []Credential{pskOf("all", "sixteen byte key")}}))
	got := must(r.Group(ctx, "", "sensors"))
	if diff := cmp.Diff(added, got, ignoreStamps); diff != "" {
		t.Error(diff)
	}
	if e := r.Who(ctx, claimPSK("all"), noon); e.Device != "" || e.Group != "sensors" || e.Principal.Name() != "group sensors" {
		t.Errorf("got %+v", e)
	}
	must(r.UpdateGroup(ctx, "", "sensors", func(g *Group) error { g.Disabled = true; return nil }))
	if e := r.Who(ctx, claimPSK("all"), noon); e.Reason.String() != "credential_disabled" {
		t.Errorf("got %+v", e)
	}
	n := 0
	for g, err := range r.Groups(ctx) {
		if err != nil || g.Name != "sensors" {
			t.Error(g, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d groups", n)
	}
	if err := r.RemoveGroup(ctx, "", "sensors"); err != nil {
		t.Error(err)
	}
	if left := content(t, r.store); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := r.Group(ctx, "", "sensors"); !errors.Is(err, ErrNoGroup) {
		t.Error(err)
	}
	if _, err := r.AddGroup(ctx, Group{Name: "g", Credentials: []Credential{{RPK: &RPK{SPKI: thePKI().key.SPKI}}}}); err == nil {
		t.Error("a key pair that many have")
	}
}

func rule(text string) acl.Rule { return must(acl.ParseRule(text)) }

func TestRules(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	for i, want := range []string{"1", "2", "3"} {
		if got := must(r.AddRule(ctx, rule("allow anybody GET /"+fmt.Sprint(i)))); got.ID != want {
			t.Errorf("ID %s, want %s", got.ID, want)
		}
	}
	named := rule("deny anybody GET /x")
	named.ID = "no-x"
	must(r.AddRule(ctx, named))
	if _, err := r.AddRule(ctx, named); err == nil || err.Error() != "access rule no-x is there already" {
		t.Error(err)
	}
	ten := rule("allow anybody PUT /ten")
	ten.ID = "10"
	must(r.AddRules(ctx, []acl.Rule{ten, rule("allow anybody PUT /")}))
	if got := ids(must(r.Rules(ctx))); got != "1 2 3 4 10 no-x" {
		t.Errorf("got %s", got)
	}
	if err := r.RemoveRule(ctx, "2"); err != nil {
		t.Error(err)
	}
	if err := r.RemoveRule(ctx, "2"); !errors.Is(err, ErrNoRule) {
		t.Error(err)
	}
	if got := must(r.AddRule(ctx, rule("allow anybody GET /y"))); got.ID != "11" {
		t.Errorf("ID %s", got.ID)
	}
	bad := acl.Rule{Path: "/"}
	if _, err := r.AddRule(ctx, bad); err == nil {
		t.Error("an empty rule")
	}
	if err := r.ReplaceRules(ctx, []acl.Rule{named, rule("allow anybody GET /z"), named}); err == nil {
		t.Error("one ID twice")
	}
	if err := r.ReplaceRules(ctx, []acl.Rule{named, rule("allow anybody GET /z")}); err != nil {
		t.Error(err)
	}
	if got := ids(must(r.Rules(ctx))); got != "1 no-x" {
		t.Errorf("got %s", got)
	}
}

func ids(rules []acl.Rule) string {
	var list []string
	for _, rule := range rules {
		list = append(list, rule.ID)
	}
	return strings.Join(list, " ")
}

// Those who add rules at the same time get different numbers.
func TestRulesAtOnce(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := r.AddRule(ctx, rule("allow anybody GET /")); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if rules := must(r.Rules(ctx)); len(rules) != 20 {
		t.Errorf("%d rules", len(rules))
	}
}

func TestSharedKeys(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	must(r.AddDevice(ctx, device("a", pskOf("a1", "the same........"), pskOf("a2", "the same........"))))
	must(r.AddDevice(ctx, device("b", pskOf("b", "another........."))))
	if list := must(r.SharedKeys(ctx)); len(list) != 0 {
		t.Errorf("got %v", list)
	}
	must(r.AddDevice(ctx, device("c", pskOf("c", "the same........"), pskOf("c2", "the same........"))))
	must(r.AddGroup(ctx, Group{Name: "g", Credentials: []Credential{pskOf("g", "the same........")}}))
	if diff := cmp.Diff([]SharedKeys{{[]string{"device a", "device c", "group g"}}}, must(r.SharedKeys(ctx))); diff != "" {
		t.Error(diff)
	}
}

func TestCancelledRetry(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := retry(ctx, func() error { return errRaced })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	n := 0
	if err := retry(t.Context(), func() error { n++; return errRaced }); !errors.Is(err, errRaced) || n != maxTries {
		t.Error(n, err)
	}
}
