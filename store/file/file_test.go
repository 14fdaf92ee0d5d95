// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/storetest"
)

// pathError is an error as package registry has them.
type pathError struct{ path string }

func (e pathError) Error() string { return "not hexadecimal" }
func (e pathError) Path() string  { return e.path }

// decodeHex takes a document of names with values in hexadecimal.
func decodeHex(doc []byte) ([]store.Record, error) {
	var names map[string]string
	if err := json.Unmarshal(doc, &names); err != nil {
		return nil, err
	}
	var all []store.Record
	for _, name := range slices.Sorted(maps.Keys(names)) {
		key, err1 := hex.DecodeString(name)
		value, err2 := hex.DecodeString(names[name])
		if err1 != nil || err2 != nil {
			return nil, pathError{"$['" + name + "']"}
		}
		all = append(all, store.Record{Key: string(key), Value: value})
	}
	return all, nil
}

func yamlOf(records []store.Record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "\"%x\": \"%x\" # a comment\n", r.Key, r.Value)
	}
	return b.String()
}

func jsonOf(records []store.Record) string {
	names := map[string]string{}
	for _, r := range records {
		names[hex.EncodeToString([]byte(r.Key))] = hex.EncodeToString(r.Value)
	}
	b, _ := json.Marshal(names)
	return string(b)
}

const quick = 5 * time.Millisecond

func opened(t *testing.T, path string, decode Decode) *Store {
	t.Helper()
	s, err := Open(path, decode, Options{Poll: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// swap replaces the file by a rename, as editors do.
func swap(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	for name, form := range map[string]func([]store.Record) string{"yaml": yamlOf, "json": jsonOf} {
		for how, put := range map[string]func(t *testing.T, path, text string){"written": write, "swapped": swap} {
			t.Run(name+" "+how, func(t *testing.T) {
				storetest.RunReadOnly(t, func(t *testing.T, records []store.Record) (store.Store, storetest.Change) {
					path := filepath.Join(t.TempDir(), "devices")
					write(t, path, form(records))
					return opened(t, path, decodeHex), func(records []store.Record) { put(t, path, form(records)) }
				}, storetest.Options{})
			})
		}
	}
}

// decodeWhole makes one record of the document.
func decodeWhole(doc []byte) ([]store.Record, error) {
	return []store.Record{{Key: "doc", Value: doc}}, nil
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(quick) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func doc(t *testing.T, s *Store) string {
	t.Helper()
	r, err := s.Get(context.Background(), "doc")
	if err != nil {
		t.Fatal(err)
	}
	return string(r.Value)
}

// What is wrong with the file shows in Status, and what held before holds, until
// the file is good again.
func TestBadFileChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.yaml")
	write(t, path, "a: 1\n")
	s := opened(t, path, decodeWhole)
	for n, bad := range []struct {
		name  string
		spoil func()
		want  string
	}{
		{"half-written", func() { write(t, path, "a: 1\nb:\n  - [1, 2\n") }, "devices.yaml:3:"},
		{"empty", func() { write(t, path, "") }, "empty"},
		{"only a comment", func() { write(t, path, "# nothing\n\n") }, "empty"},
		{"twice", func() { swap(t, path, "a: 1\nb: 2\na: 3\n") }, `devices.yaml:3:1: "a" comes twice`},
		{"removed", func() { _ = os.Remove(path) }, "no such file"},
		{"a folder", func() { _ = os.Remove(path); _ = os.Mkdir(path, 0o700) }, "is a directory"},
	} {
		bad.spoil()
		eventually(t, bad.name+": "+bad.want, func() bool { // on the way there the file may be empty, or not there
			st := s.Status()
			return !st.OK && strings.Contains(st.Err.Error(), bad.want) && strings.Contains(st.Err.Error(), path)
		})
		if got, want := doc(t, s), fmt.Sprintf(`{"a":%d}`, n+1); got != want {
			t.Errorf("%s: %s, want %s", bad.name, got, want)
		}
		if st, _ := os.Stat(path); st != nil && st.IsDir() {
			_ = os.Remove(path)
		}
		swap(t, path, fmt.Sprintf("a: %d\n", n+2))
		eventually(t, "good again", func() bool { return s.Status().OK && doc(t, s) == fmt.Sprintf(`{"a":%d}`, n+2) })
	}
}

// As it was before: the state is good again, and nothing is told.
func TestMendedToTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.yaml")
	write(t, path, "a: 1\n")
	s := opened(t, path, decodeWhole)
	ch, err := s.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "a: [")
	eventually(t, "bad", func() bool { return !s.Status().OK })
	write(t, path, "a: 1\n")
	eventually(t, "good", func() bool { return s.Status().OK })
	if len(ch) != 0 {
		t.Errorf("told %+v", <-ch)
	}
}

// The way a mounted secret changes: a link to a folder is switched.
func TestLinkSwitched(t *testing.T) {
	dir := t.TempDir()
	for version, text := range map[string]string{"..1": "a: 1\n", "..2": "a: 2\n"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "devices.yaml"), text)
	}
	link := func(version string) {
		if err := errors.Join(os.Symlink(version, filepath.Join(dir, "..tmp")),
			os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))); err != nil {
			t.Skip(err)
		}
	}
	link("..1")
	path := filepath.Join(dir, "devices.yaml")
	if err := os.Symlink("..data/devices.yaml", path); err != nil {
		t.Skip(err)
	}
	s := opened(t, path, decodeWhole)
	for range 3 {
		link("..2")
		eventually(t, "2", func() bool { return doc(t, s) == `{"a":2}` })
		link("..1")
		eventually(t, "1", func() bool { return doc(t, s) == `{"a":1}` })
	}
}

// A content that changes from look to look is not taken: somebody is writing.
func TestNotTakenWhileItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.yaml")
	write(t, path, "a: 1\n")
	s, err := Open(path, decodeWhole, Options{Poll: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for n := 2; n < 6; n++ {
		write(t, path, fmt.Sprintf("a: %d\n", n))
		s.look()
		if got := doc(t, s); got != `{"a":1}` {
			t.Fatalf("taken at the first look: %s", got)
		}
	}
	s.look()
	if got := doc(t, s); got != `{"a":5}` {
		t.Fatalf("not taken at the second look: %s", got)
	}
	write(t, path, "a: 6\n")
	if err := s.Refresh(context.Background()); err != nil || doc(t, s) != `{"a":6}` {
		t.Fatalf("Refresh: %v, %s", err, doc(t, s))
	}
	write(t, path, "a: [\n")
	var e *Error
	if err := s.Refresh(context.Background()); !errors.As(err, &e) || e.Line == 0 || doc(t, s) != `{"a":6}` || s.Status().OK {
		t.Fatalf("Refresh: %v, %s", err, doc(t, s))
	}
}

// A large file is read when it has changed, though it is not read each time.
func TestLargeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.yaml")
	text := func(c byte) string { return "a: " + strings.Repeat(string(c), smallFile+1) + "\n" }
	write(t, path, text('x'))
	s := opened(t, path, decodeWhole)
	for _, c := range []byte("yz") {
		time.Sleep(3 * quick)
		swap(t, path, text(c))
		eventually(t, "taken", func() bool { return doc(t, s)[6] == c })
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "devices.yaml")
	if _, err := Open(path, decodeWhole, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	write(t, path, "6b: 00\n6c: xx\n")
	_, err := Open(path, decodeHex, Options{})
	var e *Error
	if !errors.As(err, &e) || e.Line != 2 || e.Column != 1 || err.Error() != path+":2:1: not hexadecimal" {
		t.Errorf("%v", err)
	}
	twice := func([]byte) ([]store.Record, error) { return []store.Record{{Key: "a"}, {Key: "a"}}, nil }
	if _, err := Open(path, twice, Options{}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("%v", err)
	}
	write(t, path, strings.Repeat("a", maxFile+1))
	if _, err := Open(path, decodeWhole, Options{}); err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("%v", err)
	}
}

func TestExpires(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.yaml")
	write(t, path, "a: 1\n")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := Open(path, func([]byte) ([]store.Record, error) {
		return []store.Record{{Key: "past", Expires: now}, {Key: "future", Expires: now.Add(1)}}, nil
	}, Options{Poll: -1, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var keys []string
	for r := range s.Scan(context.Background(), "", "") {
		keys = append(keys, r.Key)
	}
	if !slices.Equal(keys, []string{"future"}) {
		t.Errorf("%q", keys)
	}
}

// benchmarkOpen opens a file of 10,000 devices.
func benchmarkOpen(b *testing.B, text string) {
	path := filepath.Join(b.TempDir(), "devices")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s, err := Open(path, decodeWhole, Options{})
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}

func BenchmarkOpenYAML(b *testing.B) {
	var text strings.Builder
	text.WriteString("devices:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "  sensor-%05d:\n    groups: [a, b]\n    psk:\n      - {identity: sensor-%05d, key: 00112233445566778899aabbccddeeff}\n", i, i)
	}
	benchmarkOpen(b, text.String())
}

func BenchmarkOpenJSON(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"devices": {`)
	for i := range 10_000 {
		fmt.Fprintf(&text, "\"sensor-%05d\": {\"groups\": [\"a\", \"b\"], \"psk\": [{\"identity\": \"sensor-%05d\", \"key\": \"00112233445566778899aabbccddeeff\"}]},\n", i, i)
	}
	text.WriteString(`"last": null}}`)
	benchmarkOpen(b, text.String())
}
