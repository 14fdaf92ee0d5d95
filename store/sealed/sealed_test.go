// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/bolt"
	"github.com/coaps-go/coaps/store/memory"
	"github.com/coaps-go/coaps/store/storetest"
)

func identity(tb testing.TB) *age.X25519Identity {
	tb.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

func keysOf(identities ...age.Identity) Keys { return Keys{Identities: identities} }

func opened(tb testing.TB, inner store.Store, keys Keys) *Store {
	tb.Helper()
	s, err := Open(context.Background(), inner, keys)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func put(tb testing.TB, s store.Store, key, value string) {
	tb.Helper()
	if err := store.Put(context.Background(), s, key, []byte(value)); err != nil {
		tb.Fatal(err)
	}
}

func want(tb testing.TB, s store.Store, key, value string) store.Record {
	tb.Helper()
	r, err := s.Get(context.Background(), key)
	if err != nil || string(r.Value) != value {
		tb.Errorf("%q: %q, %v, want %q", key, r.Value, err, value)
	}
	return r
}

func TestStore(t *testing.T) {
	keys := keysOf(identity(t))
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return opened(t, memory.New(), keys) }, storetest.Options{})
	})
	file := func(t *testing.T, path string) store.Store {
		inner, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return opened(t, inner, keys)
	}
	t.Run("bolt", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return file(t, filepath.Join(t.TempDir(), "devices.db")) },
			storetest.Options{Reopen: func(t *testing.T, s store.Store) store.Store {
				path := s.Status().Where
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				return file(t, path)
			}})
	})
}

// Identities of any kind that age has, and more than one recipient; who is none
// of them learns nothing but that.
func TestRecipients(t *testing.T) {
	ctx := context.Background()
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	mine, other, stranger := identity(t), identity(t), identity(t)
	inner := memory.New()
	put(t, opened(t, inner, Keys{Recipients: []age.Recipient{mine.Recipient(), other.Recipient()}, Identities: []age.Identity{mine}}), "k", "secret")
	want(t, opened(t, inner, keysOf(other)), "k", "secret")
	want(t, opened(t, inner, keysOf(stranger, mine)), "k", "secret")
	for _, keys := range []Keys{keysOf(stranger), keysOf(hybrid), {}} {
		if _, err := Open(ctx, inner, keys); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%v, want ErrWrongKey", err)
		}
	}
	post := memory.New()
	put(t, opened(t, post, keysOf(hybrid)), "k", "secret")
	want(t, opened(t, post, keysOf(hybrid)), "k", "secret")
	if _, err := Open(ctx, memory.New(), Keys{}); err == nil {
		t.Error("a store for nobody")
	}
}

// Nothing of a value is in the inner store; the keys are.
func TestNothingInTheClear(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.db")
	inner, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := opened(t, inner, keysOf(identity(t)))
	put(t, s, "sensor-7", "a very secret value")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(path)
	if bytes.Contains(b, []byte("very secret")) || !bytes.Contains(b, []byte("sensor-7")) {
		t.Error("the file has the value, or not the key")
	}
}

// A value that was moved, cut, changed, or is not sealed does not open, in Get
// and in Scan.
func TestForged(t *testing.T) {
	ctx := context.Background()
	inner := memory.New()
	s := opened(t, inner, keysOf(identity(t)))
	put(t, s, "admin", "right")
	put(t, s, "user", "wrong")
	admin, err := inner.Get(ctx, "admin")
	if err != nil {
		t.Fatal(err)
	}
	forged := map[string][]byte{
		"moved": admin.Value, "plain": []byte(`{"psk":[]}`), "empty": nil, "cut": admin.Value[:len(admin.Value)-1],
		"short": admin.Value[:overhead-1],
	}
	for at := range admin.Value {
		b := bytes.Clone(admin.Value)
		b[at] ^= 1
		forged[fmt.Sprint("octet ", at)] = b
	}
	for name, value := range forged {
		key := "user"
		if strings.HasPrefix(name, "octet") || name == "cut" || name == "short" {
			key = "admin"
		}
		if err := store.Put(ctx, inner, key, value); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Get(ctx, key); !errors.Is(err, store.ErrCorrupt) || r.Value != nil {
			t.Errorf("%s: %q, %v, want ErrCorrupt", name, r.Value, err)
		}
		if plain := name == "plain"; plain {
			if _, err := s.Get(ctx, key); !errors.Is(err, ErrPlain) {
				t.Errorf("%s: %v, want ErrPlain", name, err)
			}
		}
		last := error(nil)
		for _, err := range s.Scan(ctx, key, "") {
			last = err
		}
		if !errors.Is(last, store.ErrCorrupt) {
			t.Errorf("%s: Scan: %v, want ErrCorrupt", name, last)
		}
	}
}

// The record with the data key is not there for who uses the store.
func TestRingIsHidden(t *testing.T) {
	ctx := context.Background()
	inner := memory.New()
	s := opened(t, inner, keysOf(identity(t)))
	for r, err := range s.Scan(ctx, "", "") {
		t.Errorf("%q, %v", r.Key, err)
	}
	if _, err := s.Get(ctx, ringKey); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	for _, op := range []store.Op{{Key: ringKey, Delete: true}, {Key: ringKey}, {Key: "k", Value: make([]byte, maxValue+1)}} {
		if err := s.Apply(ctx, op); !errors.Is(err, store.ErrInvalid) {
			t.Error(err)
		}
		if _, err := s.Load(ctx, store.Ops(op)); !errors.Is(err, store.ErrInvalid) {
			t.Error(err)
		}
	}
	if err := s.Apply(ctx, store.Op{Key: "k", Value: make([]byte, maxValue)}); err != nil {
		t.Error(err)
	}
	// Without it nothing is written any more that nobody could read.
	if err := store.Delete(ctx, inner, ringKey); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(ctx, s, "k", nil); !errors.Is(err, store.ErrCorrupt) {
		t.Error(err)
	}
}

func TestDamagedRing(t *testing.T) {
	ctx := context.Background()
	inner := memory.New()
	mine := identity(t)
	s := opened(t, inner, keysOf(mine))
	r, _ := inner.Get(ctx, ringKey)
	half, err := s.ring.Load().sealed([]age.Recipient{mine.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	odd := &ring{}
	empty, _ := odd.sealed([]age.Recipient{mine.Recipient()})
	for _, value := range [][]byte{nil, []byte("plain"), r.Value[:len(r.Value)/2], half[:len(half)-1], empty} {
		if err := store.Put(ctx, inner, ringKey, value); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(ctx, inner, keysOf(mine)); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%.20q: %v, want ErrCorrupt", value, err)
		}
	}
}

// A store with values is not taken for a sealed one; Migrate makes it one.
func TestMigrate(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "devices.db")
	for _, n := range []int{10, 3000} {
		_ = os.Remove(path)
		inner, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			put(t, inner, fmt.Sprintf("k%05d", i), "a very secret value")
			if n > 10 && i == 10 {
				break // the others at once
			}
		}
		var ops []store.Op
		for i := range n {
			ops = append(ops, store.Op{Key: fmt.Sprintf("k%05d", i), Value: []byte("a very secret value")})
		}
		ops = append(ops, store.Op{Key: "ttl", Value: []byte("t"), TTL: time.Hour})
		if _, err := inner.Load(ctx, store.Ops(ops...)); err != nil {
			t.Fatal(err)
		}
		keys := keysOf(identity(t))
		if _, err := Open(ctx, inner, keys); !errors.Is(err, ErrPlain) {
			t.Errorf("%v, want ErrPlain", err)
		}
		if got, err := Migrate(ctx, inner, keys); err != nil || got != n+1 {
			t.Fatalf("%d, %v, want %d", got, err, n+1)
		}
		if got, err := Migrate(ctx, inner, keys); err != nil || got != 0 {
			t.Fatalf("again: %d, %v, want 0", got, err)
		}
		if _, err := Migrate(ctx, inner, keysOf(identity(t))); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%v, want ErrWrongKey", err)
		}
		s := opened(t, inner, keys)
		want(t, s, "k00009", "a very secret value")
		if left := time.Until(want(t, s, "ttl", "t").Expires); left < 59*time.Minute || left > time.Hour {
			t.Errorf("%v to live, want an hour", left)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(path); bytes.Contains(b, []byte("very secret")) {
			t.Errorf("%d: the file still has the values", n)
		}
	}
}

// Other recipients, another data key: the old identity opens nothing any more,
// and a process that had the store open goes on.
func TestRotate(t *testing.T) {
	ctx := context.Background()
	inner := memory.New()
	before, after := identity(t), identity(t)
	s, other := opened(t, inner, keysOf(before)), opened(t, inner, keysOf(before, after))
	for i := range 1200 {
		put(t, s, fmt.Sprintf("k%05d", i), fmt.Sprint(i))
	}
	if err := s.SetRecipients(ctx, after.Recipient()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, inner, keysOf(before)); !errors.Is(err, ErrWrongKey) {
		t.Errorf("%v, want ErrWrongKey", err)
	}
	put(t, s, "k", "still open")
	want(t, opened(t, inner, keysOf(after)), "k", "still open")
	for range 4 {
		if n, err := other.Rotate(ctx, after.Recipient()); err != nil || n != 1201 {
			t.Fatalf("%d, %v, want 1201", n, err)
		}
	}
	want(t, other, "k01100", "1100")
	want(t, opened(t, inner, keysOf(after)), "k00001", "1")
	if err := s.SetRecipients(ctx); err == nil {
		t.Error("a store for nobody")
	}
	if n := len(other.ring.Load().keys); n != 2 {
		t.Errorf("%d data keys are kept, want 2", n)
	}
	// s has no identity for the new data key: it must not write under the old.
	if err := store.Put(ctx, s, "k", nil); !errors.Is(err, ErrWrongKey) {
		t.Errorf("%v, want ErrWrongKey", err)
	}
}

// A Rotate that breaks again and again loses nothing, and the last completes it.
func TestRotateBreaks(t *testing.T) {
	ctx := context.Background()
	faulty := storetest.NewFaulty(memory.New())
	mine := identity(t)
	s := opened(t, faulty, keysOf(mine))
	for i := range 3 * resealBatch {
		put(t, s, fmt.Sprintf("k%05d", i), fmt.Sprint(i))
	}
	for every := 2; every < 6; every++ {
		faulty.Set(storetest.Fault{On: storetest.Apply, Every: every, Err: store.ErrUnavailable})
		if _, err := s.Rotate(ctx, mine.Recipient()); every < 5 && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("every %d: %v", every, err)
		}
		faulty.Heal()
		n := 0
		for r, err := range opened(t, faulty, keysOf(mine)).Scan(ctx, "", "") {
			if err != nil || string(r.Value) != fmt.Sprint(n) {
				t.Fatalf("every %d: %q: %q, %v", every, r.Key, r.Value, err)
			}
			n++
		}
		if n != 3*resealBatch {
			t.Fatalf("every %d: %d values", every, n)
		}
	}
	if n, err := s.Rotate(ctx, mine.Recipient()); err != nil || n != 3*resealBatch || len(s.ring.Load().keys) != 2 {
		t.Errorf("%d, %v, %d data keys", n, err, len(s.ring.Load().keys))
	}
}

// Another process that reads learns of a new data key by itself.
func TestReaderFollows(t *testing.T) {
	inner := memory.New()
	keys := keysOf(identity(t))
	reader, writer := opened(t, inner, keys), opened(t, inner, keys)
	put(t, writer, "k", "1")
	want(t, reader, "k", "1")
	if _, err := writer.Rotate(context.Background(), keys.Identities[0].(*age.X25519Identity).Recipient()); err != nil {
		t.Fatal(err)
	}
	want(t, reader, "k", "1")
	put(t, reader, "k", "2")
	want(t, writer, "k", "2")
}

func TestReadKeys(t *testing.T) {
	dir := t.TempDir()
	mine := identity(t)
	path := filepath.Join(dir, "key")
	if err := os.WriteFile(path, []byte("# created: today\n# public key: x\n"+mine.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := ReadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	opened(t, memory.New(), keys)
	secret := mine.String()[:len(mine.String())-1]
	for _, text := range []string{"", secret, "psk: 00\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeys(path); err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "SECRET-KEY-1"+secret[16:20]) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ReadKeys(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	r, _, err := newRing(Keys{Recipients: []age.Recipient{identity(f).Recipient()}})
	if err != nil {
		f.Fatal(err)
	}
	good := r.seal("k", []byte("value"))
	f.Add("k", good)
	f.Add("", []byte(magic))
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		if value, err := r.open(key, b); err == nil && (key != "k" || !bytes.Equal(b, good) || string(value) != "value") {
			t.Errorf("opened %q under %q", b, key)
		}
	})
}

func BenchmarkGet(b *testing.B) {
	s := opened(b, memory.New(), keysOf(identity(b)))
	put(b, s, "k", strings.Repeat("v", 250))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Get(context.Background(), "k"); err != nil {
			b.Fatal(err)
		}
	}
}
