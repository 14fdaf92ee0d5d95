// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/bolt"
	"github.com/coaps-go/coaps/store/file"
	"github.com/coaps-go/coaps/store/memory"
	"github.com/coaps-go/coaps/store/sealed"
)

// soon waits until what is asked for is so.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not so after 10 s: ", what)
		}
	}
}

// A change is known at once with each kind of store.
func TestStores(t *testing.T) {
	keys := []*age.X25519Identity{must(age.GenerateX25519Identity())}
	for name, open := range map[string]func() store.Store{
		"memory": func() store.Store { return memory.New() },
		"bolt":   func() store.Store { return must(bolt.Open(filepath.Join(t.TempDir(), "devices.db"), bolt.Options{})) },
		"sealed": func() store.Store {
			return must(sealed.Open(context.Background(), memory.New(), sealedKeys(t, keys[0])))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open()
			defer s.Close()
			r, ctx := New(s), t.Context()
			must(r.Import(ctx, manyOf("a", "b", "c"), ImportOptions{}))
			w := watching(t, s)
			if w.ask("a") != "a" || w.ask("x") != "unknown_identity" {
				t.Fatalf("got %s, %s", w.ask("a"), w.ask("x"))
			}
			must(r.UpdateDevice(ctx, "", "a", func(d *Device) error { d.Disabled = true; return nil }))
			must(r.AddDevice(ctx, device("x", pskOf("x", "sixteen byte key"))))
			soon(t, "a is disabled", func() bool { return w.ask("a") == "device_disabled" })
			soon(t, "x is there", func() bool { return w.ask("x") == "x" })
			checkIndex(t, s)
			for d, err := range r.Devices(ctx, Filter{}) {
				if err != nil {
					t.Error(d, err)
				}
			}
		})
	}
}

func manyOf(names ...string) func(func(Device, error) bool) {
	var list []Device
	for _, name := range names {
		list = append(list, device(name, pskOf(name, "sixteen byte key")))
	}
	return all(nil, list...)
}

type running struct{ *Directory }

// watching is a directory that runs until the test ends.
func watching(t *testing.T, s store.Store) running {
	d := NewDirectory(s, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx, func([]Change) {})
	}()
	t.Cleanup(func() { cancel(); <-done })
	soon(t, "it watches", d.watching.Load)
	return running{d}
}

func (d running) ask(identity string) string {
	return told(d.Fetch(context.Background(), claimPSK(identity), time.Now()))
}

func sealedKeys(t *testing.T, identity *age.X25519Identity) sealed.Keys {
	path := filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(path, []byte(identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return must(sealed.ReadKeys(path))
}

// What people edit is a directory as well: a change is seen, a mistake is told
// with its line and changes nothing.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("devices:\n  sensor-7:\n    psk:\n      - key: text:sixteen byte key\n")
	s := must(file.Open(path, Records, file.Options{Poll: time.Millisecond}))
	defer s.Close()
	d := watching(t, s)
	if d.ask("sensor-7") != "sensor-7" {
		t.Fatalf("got %s", d.ask("sensor-7"))
	}
	if _, err := New(s).AddDevice(t.Context(), device("x")); !errors.Is(err, store.ErrReadOnly) {
		t.Error(err)
	}
	write("devices:\n  sensor-7:\n    psk:\n      - key: text:sixteen byte key\n        nodse: [a]\n")
	soon(t, "the mistake is told", func() bool { // not that the file is empty while it is written
		mistake, ok := errorsAs[*file.Error](s.Status().Err)
		return ok && mistake.Line == 5
	})
	if got := d.ask("sensor-7"); got != "sensor-7" {
		t.Errorf("sensor-7 is %s", got)
	}
	write("devices:\n  sensor-7:\n    disabled: true\n    psk:\n      - key: text:sixteen byte key\n")
	soon(t, "it is disabled", func() bool { return d.ask("sensor-7") == "device_disabled" })
}
