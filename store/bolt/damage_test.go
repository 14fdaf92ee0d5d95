// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/coaps-go/coaps/store"
)

// memoryDir is a folder in memory if there is one: the disk is not what these
// tests are about.
func memoryDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "coaps")
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// sample returns the octets of a store of some pages and levels.
func sample(tb testing.TB) []byte {
	tb.Helper()
	path := filepath.Join(memoryDir(tb), "sample.db")
	s := opened(tb, path)
	ctx := context.Background()
	if _, err := s.Load(ctx, devices(1001)); err != nil {
		tb.Fatal(err)
	}
	for _, op := range []store.Op{{Key: "long", Value: make([]byte, 9000)}, {Key: "ttl", TTL: time.Hour}, {Key: "long", Delete: true}} {
		if err := s.Apply(ctx, op); err != nil {
			tb.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// use does everything with a store that may be damaged; it returns the errors.
func use(path string) error {
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n := 0
	for _, err = range s.Scan(ctx, "", "") {
		n++
	}
	_, get := s.Get(ctx, deviceKey(700))
	if errors.Is(get, store.ErrNotFound) {
		get = nil
	}
	put := s.Apply(ctx, store.Op{Key: deviceKey(3)}, store.Op{Key: "new", TTL: time.Hour}, store.Op{Key: deviceKey(9), Delete: true})
	_, load := s.Load(ctx, devicesOver(1001))
	s.Status()
	return errors.Join(err, get, put, load, s.Close())
}

func devicesOver(n int) func(func(store.Op, error) bool) {
	return func(yield func(store.Op, error) bool) {
		for op, err := range devices(n) {
			op.IfVersion = store.Any
			if !yield(op, err) {
				return
			}
		}
	}
}

// told expects an error that names the file and says what is wrong.
func told(t *testing.T, err error, path string, words string) {
	t.Helper()
	if !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
		return
	}
	if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), words) {
		t.Errorf("%q does not tell of %q in %q", err, words, path)
	}
}

// A file that is cut off anywhere is told as such, not read behind its end.
func TestCutOff(t *testing.T) {
	whole := sample(t)
	path := filepath.Join(memoryDir(t), "devices.db")
	need := needed(t, path, whole)
	for _, size := range []int{1, 100, 4096, 5000, 8192, 12288, need / 2, need - 4096, need - 1} {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path, Options{})
		told(t, err, path, "")
		if after, _ := os.ReadFile(path); !bytes.Equal(after, whole[:size]) {
			t.Errorf("%d octets: Open has changed the damaged file", size)
		}
	}
}

// needed returns how long the file must be: bbolt grows it beforehand.
func needed(t *testing.T, path string, whole []byte) (size int) {
	t.Helper()
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	err := foreign(path, func(tx *bbolt.Tx) error { size = int(tx.Size()); return errors.New("no change") })
	if size == 0 {
		t.Fatal(err)
	}
	return size
}

// What is no store of ours is left alone.
func TestNotOurs(t *testing.T) {
	dir := memoryDir(t)
	for name, test := range map[string]struct {
		make  func(path string) error
		words string
	}{
		"text":  {func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("devices:\n"), 3000), 0o600) }, "invalid"},
		"zeros": {func(path string) error { return os.WriteFile(path, make([]byte, 1<<16), 0o600) }, "invalid"},
		"other program": {func(path string) error {
			return foreign(path, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
		}, "another program"},
		"newer format": {func(path string) error {
			return foreign(path, func(tx *bbolt.Tx) error {
				return errors.Join(format(tx), tx.Bucket(bucketOurs).Put(keyFormat, []byte("coaps store 2")))
			})
		}, `"coaps store 2"`},
		"bucket missing": {func(path string) error {
			return foreign(path, func(tx *bbolt.Tx) error { return errors.Join(format(tx), tx.DeleteBucket(bucketRecords)) })
		}, "missing"},
	} {
		path := filepath.Join(dir, name)
		if err := test.make(path); err != nil {
			t.Fatal(name, err)
		}
		before, _ := os.ReadFile(path)
		_, err := Open(path, Options{})
		told(t, err, path, test.words)
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s: Open has changed it", name)
		}
	}
	if _, err := Open(dir, Options{}); err == nil {
		t.Error("opened a folder")
	}
	if _, err := Open(filepath.Join(dir, "no", "folder"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want ErrNotExist", err)
	}
}

func foreign(path string, fill func(tx *bbolt.Tx) error) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	return errors.Join(db.Update(fill), db.Close())
}

// Another octet anywhere in the file is an error, or makes no difference; never
// a panic, never an endless call.
func TestAnyOctetDamaged(t *testing.T) {
	whole := sample(t)
	path := filepath.Join(memoryDir(t), "devices.db")
	const step = 8 * 997
	found := 0
	for at := 0; at < len(whole); at += step {
		if err := use(damaged(t, path, whole, at, 0xff)); err != nil {
			found++
			if !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("octet %d: %v, want ErrCorrupt", at, err)
			}
		}
	}
	if found == 0 {
		t.Error("no damage was found")
	}
	t.Logf("found %d of %d", found, len(whole)/step)
}

func damaged(tb testing.TB, path string, whole []byte, at int, xor byte) string {
	b := bytes.Clone(whole)
	b[at] ^= xor
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// The head of each page: number, kind, count and first element.
func TestPageHeadsDamaged(t *testing.T) {
	whole := sample(t)
	path := filepath.Join(memoryDir(t), "devices.db")
	for page := 0; page < len(whole); page += 4096 {
		if page > 5*4096 && page < len(whole)-6*4096 && page%(64*4096) != 0 {
			continue
		}
		for _, at := range []int{0, 8, 10, 11, 12, 16, 20, 24, 25, 31} {
			if err := use(damaged(t, path, whole, page+at, 0x13)); err != nil && !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("page %d octet %d: %v", page/4096, at, err)
			}
		}
	}
}

// A branch that leads back to itself would be followed for ever.
func TestPagesInACircle(t *testing.T) {
	whole := sample(t)
	path := filepath.Join(memoryDir(t), "devices.db")
	circles := 0
	for page := 2 * 4096; page < len(whole); page += 4096 {
		if flags := binary.NativeEndian.Uint16(whole[page+8:]); flags != 1 {
			continue
		}
		b := bytes.Clone(whole)
		copy(b[page+16+8:page+16+16], b[page:page+8])
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := use(path); err != nil {
			circles++
			told(t, err, path, "")
		}
	}
	if circles == 0 {
		t.Error("no circle was found")
	}
}

// A record whose value was changed in the file is told by its key; the others
// can be read.
func TestValueDamaged(t *testing.T) {
	whole := sample(t)
	path := filepath.Join(memoryDir(t), "devices.db")
	value, _ := findValue(whole, deviceKey(700))
	s := opened(t, damaged(t, path, whole, value, 1))
	ctx := context.Background()
	_, err := s.Get(ctx, deviceKey(700))
	told(t, err, path, fmt.Sprintf("record %q", deviceKey(700)))
	if st := s.Status(); st.OK || !errors.Is(st.Err, store.ErrCorrupt) {
		t.Errorf("%+v", st)
	}
	if _, err := s.Get(ctx, deviceKey(701)); err != nil {
		t.Error(err)
	}
	if err := store.Put(ctx, s, deviceKey(700), nil); err != nil {
		t.Errorf("writing it anew: %v", err)
	}
	if _, err := s.Get(ctx, deviceKey(700)); err != nil {
		t.Error(err)
	}
}

// findValue returns where the value of a key is in the file: behind the key
// that stands before a record.
func findValue(whole []byte, key string) (int, bool) {
	for at := 0; ; {
		i := bytes.Index(whole[at:], []byte(key))
		if i < 0 {
			return 0, false
		}
		if at += i + len(key); whole[at] == kindPlain {
			return at + atValue + 5, true
		}
	}
}

// Somebody empties or replaces the file while it is open: calls fail and say
// why, Close returns, and nobody writes where nobody will read.
func TestChangedUnderUs(t *testing.T) {
	whole := sample(t)
	ctx := context.Background()
	for name, test := range map[string]struct {
		change func(path string) error
		read   error
		write  error
	}{
		"emptied":  {func(path string) error { return os.Truncate(path, 0) }, store.ErrCorrupt, store.ErrCorrupt},
		"cut off":  {func(path string) error { return os.Truncate(path, 3*4096) }, store.ErrCorrupt, store.ErrCorrupt},
		"removed":  {os.Remove, nil, store.ErrUnavailable},
		"replaced": {func(path string) error { return replaceFile(path, whole) }, nil, store.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(memoryDir(t), "devices.db")
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			s := opened(t, path)
			if err := test.change(path); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(ctx, deviceKey(1)); !errors.Is(err, test.read) {
				t.Errorf("Get: %v, want %v", err, test.read)
			}
			if err := store.Put(ctx, s, "k", nil); !errors.Is(err, test.write) {
				t.Errorf("Put: %v, want %v", err, test.write)
			}
			if _, err := s.Load(ctx, devicesOver(1001)); !errors.Is(err, test.write) {
				t.Errorf("Load: %v, want %v", err, test.write)
			}
			if st := s.Status(); st.OK {
				t.Errorf("%+v", st)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The same while many read: all calls end, or those that do not keep nobody
// from closing and from opening what is there then.
func TestEmptiedWhileBusy(t *testing.T) {
	whole := sample(t)
	ctx := context.Background()
	for range 2 {
		path := filepath.Join(memoryDir(t), "devices.db")
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		s := opened(t, path)
		for i := range 8 {
			go func() {
				for n := i; ; n++ {
					if _, err := s.Get(ctx, deviceKey(n%1000)); err != nil {
						if !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			}()
		}
		time.Sleep(5 * time.Millisecond)
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); s.Status().OK && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := opened(t, path).Close(); err != nil {
			t.Error(err)
		}
	}
}

// A change that the disk has not confirmed may be undone by a crash: nothing is
// built on it, and reading goes on.
func TestUnconfirmed(t *testing.T) {
	ctx := context.Background()
	s := opened(t, filepath.Join(t.TempDir(), "devices.db"))
	if err := store.Put(ctx, s, "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	// As if the Put had failed when the disk was to confirm it.
	var last int64
	if err := s.db.View(func(tx *bbolt.Tx) error { last = int64(tx.ID()); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.failed(errors.New("input/output error"), true, last-1); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	if err := store.Put(ctx, s, "k", []byte("w")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	if _, err := s.Load(ctx, devicesOver(1001)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	if r, err := s.Get(ctx, "k"); err != nil || string(r.Value) != "v" {
		t.Errorf("%q, %v", r.Value, err)
	}
	if st := s.Status(); st.OK || !errors.Is(st.Err, store.ErrUnavailable) {
		t.Errorf("%+v", st)
	}
}

// A write that fails for another reason than a full disk takes nothing with it.
func TestWriteFails(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "devices.db")
	s := opened(t, path)
	if err := store.Put(ctx, s, "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	// The descriptor is gone: the map is still there.
	if err := s.file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(ctx, s, "k", []byte("w")); !errors.Is(err, store.ErrUnavailable) || s.Status().OK {
		t.Errorf("%v, %+v, want ErrUnavailable", err, s.Status())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if r, err := opened(t, path).Get(ctx, "k"); err != nil || string(r.Value) != "v" {
		t.Errorf("%q, %v", r.Value, err)
	}
}

func replaceFile(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func FuzzDamage(f *testing.F) {
	whole := sample(f)
	f.Add(0, []byte{1})
	f.Add(4096+16, []byte("\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add(3*4096+8, []byte{2, 0, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, at int, patch []byte) {
		if at < 0 || at >= len(whole) || len(patch) > 64 {
			return
		}
		b := bytes.Clone(whole)
		copy(b[at:], patch)
		path := filepath.Join(memoryDir(t), "devices.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = use(path)
	})
}
