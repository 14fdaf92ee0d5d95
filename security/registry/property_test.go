// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"pgregory.net/rapid"
)

var (
	names   = rapid.SampledFrom([]string{"a", "b", "c", "d%", "ü"})
	tenants = rapid.SampledFrom([]string{"", "t", "u.v"})
	hosts   = rapid.SampledFrom([]string{"", "b.example"})
	issuers = rapid.SampledFrom([]string{"", "CN=A", "CN=B/C"})
	idents  = rapid.SampledFrom([]string{"", "i", "j", "\x00", "i/j", "sensor-7@acme"})
)

// anyCredential draws from so few that they are often somebody else's.
var anyCredential = rapid.Custom(func(t *rapid.T) Credential {
	c := Credential{Host: hosts.Draw(t, "host"), Disabled: rapid.Bool().Draw(t, "disabled")}
	name := idents.Draw(t, "name")
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0, 1, 2:
		c.PSK = &PSK{Identity: []byte(name), Key: secret(rapid.SampledFrom([]string{"k", "l"}).Draw(t, "key"))}
	case 3:
		c.RPK = &RPK{Name: keys.NameOf([]byte(name), rapid.SampledFrom([]keys.Algorithm{keys.SHA256, keys.SHA256_120}).Draw(t, "algorithm"))}
	case 4:
		c.Token = tokenOf(name).Token
	case 5:
		c.Certificate = &Certificate{Pin: keys.NameOf([]byte(name), keys.SHA256_120), Issuer: issuers.Draw(t, "issuer")}
	case 6:
		c.Certificate = &Certificate{URI: "urn:" + fmt.Sprintf("%x", name), Issuer: issuers.Draw(t, "issuer")}
	case 7:
		c.Certificate = &Certificate{Subject: "CN=" + fmt.Sprintf("%q", name), Issuer: issuers.Draw(t, "issuer")}
	}
	return c
})

var anyDevice = rapid.Custom(func(t *rapid.T) Device {
	return Device{
		Name: names.Draw(t, "name"), Tenant: tenants.Draw(t, "tenant"), Disabled: rapid.Bool().Draw(t, "disabled"),
		Credentials: rapid.SliceOfN(anyCredential, 0, 3).Draw(t, "credentials"),
	}
})

// expected says whether an error is one that an administrator may get.
func expected(err error) bool {
	if _, ok := errorsAs[*ConflictError](err); ok {
		return true
	}
	if _, ok := errorsAs[*PathError](err); ok {
		return true // one credential twice
	}
	return err == nil || errors.Is(err, ErrNoDevice) || errors.Is(err, ErrNoGroup)
}

// After any sequence of changes the index is what the devices and groups imply,
// and what a directory that hears of the changes has in memory is what a look-up
// in the store says.
func TestIndexProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		r := newRegistry(t)
		d := NewDirectory(r.store, Options{})
		d.watching.Store(true)
		events, err := r.store.Watch(ctx, "")
		if err != nil {
			rt.Fatal(err)
		}
		do := func(err error) {
			if !expected(err) {
				rt.Fatal(err)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"add":    func(t *rapid.T) { _, err := r.AddDevice(ctx, anyDevice.Draw(t, "device")); do(err) },
			"remove": func(t *rapid.T) { do(r.RemoveDevice(ctx, tenants.Draw(t, "tenant"), names.Draw(t, "name"))) },
			"move": func(t *rapid.T) {
				_, err := r.MoveDevice(ctx, tenants.Draw(t, "tenant"), names.Draw(t, "name"), tenants.Draw(t, "new tenant"), names.Draw(t, "new name"))
				do(err)
			},
			"update": func(t *rapid.T) {
				_, err := r.UpdateDevice(ctx, tenants.Draw(t, "tenant"), names.Draw(t, "name"), func(d *Device) error {
					keep := rapid.IntRange(0, len(d.Credentials)).Draw(t, "keep")
					d.Credentials = append(d.Credentials[:keep], rapid.SliceOfN(anyCredential, 0, 2).Draw(t, "more")...)
					d.Disabled = !d.Disabled
					return nil
				})
				do(err)
			},
			"group": func(t *rapid.T) {
				_, err := r.AddGroup(ctx, Group{Name: names.Draw(t, "group"), Credentials: rapid.SliceOfN(anyCredential, 0, 2).Draw(t, "credentials")})
				do(err)
			},
			"remove group": func(t *rapid.T) { do(r.RemoveGroup(ctx, "", names.Draw(t, "group"))) },
			"import": func(t *rapid.T) {
				_, err := r.Import(ctx, all(nil, rapid.SliceOfN(anyDevice, 0, 4).Draw(t, "devices")...),
					ImportOptions{Replace: rapid.Bool().Draw(t, "replace"), Skip: rapid.Bool().Draw(t, "skip")})
				do(err)
			},
			"": func(t *rapid.T) {
				checkIndex(t, r.store)
				var batch changes
				for len(events) > 0 {
					d.take(&batch, <-events)
				}
				for _, host := range []string{"", "b.example"} {
					for _, identity := range []string{"", "i", "j", "i/j"} {
						claim := &security.Claim{Host: host, PSKIdentity: []byte(identity)}
						want := r.Who(ctx, claim, noon)
						got := d.Fetch(ctx, claim, noon)
						if told(got) != told(want) || got.Credential != want.Credential || !got.Key.Equal(want.Key) {
							t.Fatalf("%q: the directory says %+v, the store %+v", identity, got, want)
						}
					}
				}
			},
		})
	})
}

// What is written is read, for all devices.
func TestJSONProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDevice.Draw(t, "device")
		d.Label = rapid.String().Draw(t, "label")
		if err := d.normalize(noon); err != nil {
			return
		}
		text := d.AppendJSON(nil)
		got, err := ParseDevice(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if again := got.AppendJSON(nil); string(again) != string(text) {
			t.Fatalf("first %s, then %s", text, again)
		}
		if len(got.Credentials) != len(d.Credentials) {
			t.Fatalf("%s: %d credentials", text, len(got.Credentials))
		}
	})
}

// Different parts of keys stay different, and come back.
func TestKeysProperty(t *testing.T) {
	part := rapid.OneOf(rapid.StringN(0, 12, 40), rapid.StringOfN(rapid.SampledFrom([]rune("/%#* a\x00é")), 0, 6, -1), rapid.StringN(190, 230, 700))
	rapid.Check(t, func(t *rapid.T) {
		a, b, c, d := part.Draw(t, "a"), part.Draw(t, "b"), part.Draw(t, "c"), part.Draw(t, "d")
		if (deviceKey(a, b) == deviceKey(c, d)) != (a == c && b == d) {
			t.Fatalf("%q %q, %q %q", a, b, c, d)
		}
		if b == "" || len(a) > maxPart || len(b) > maxPart {
			return
		}
		tenant, name, ok := splitOwnerKey(deviceKey(a, b), devicePrefix)
		if !ok || tenant != a || name != b {
			t.Fatalf("%q %q: %q %q", a, b, tenant, name)
		}
	})
}
