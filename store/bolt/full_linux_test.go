// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coaps-go/coaps/store"
)

func init() { childJobs["full"] = childFull }

// On a full disk, and where the file may not grow, a change fails with ErrFull
// and takes nothing with it; reading goes on; what makes room works, and then
// all is well again.
func TestFull(t *testing.T) {
	for name, limit := range map[string]*syscall.SysProcAttr{
		"disk": {
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		},
		"limit": nil,
	} {
		t.Run(name, func(t *testing.T) {
			cmd, out := child(t, "full", name+":"+t.TempDir(), limit)
			said, _ := io.ReadAll(out)
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			if why, skip := strings.CutPrefix(string(said), "skip: "); skip {
				t.Skip(why)
			}
			t.Logf("%s", said)
		})
	}
}

// childFull makes a store that has room for about two million octets.
func childFull(arg string) error {
	kind, dir, _ := strings.Cut(arg, ":")
	switch kind {
	case "disk":
		if err := syscall.Mount("none", dir, "tmpfs", 0, "size=2m"); err != nil {
			fmt.Printf("skip: cannot mount a small disk here: %v", err)
			return nil
		}
	case "limit":
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 2 << 20, Max: 2 << 20}); err != nil {
			return err
		}
	}
	return fill(filepath.Join(dir, "devices.db"))
}

// fill fills the store and looks what it does then.
func fill(path string) error {
	ctx := context.Background()
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	n := 0
	for ; err == nil && n < 1000; n++ {
		err = s.Apply(ctx, big(n)...)
	}
	n--
	if !errors.Is(err, store.ErrFull) || s.Status().OK || !errors.Is(s.Status().Err, store.ErrFull) {
		return fmt.Errorf("after %d: %w, %+v, want ErrFull", n, err, s.Status())
	}
	fmt.Printf("%d changes: %v; ", n, err)
	if _, err := s.Load(ctx, large(0)); !errors.Is(err, store.ErrFull) {
		return fmt.Errorf("Load: %w, want ErrFull", err)
	}
	if _, err := s.Load(ctx, large(10_000)); !errors.Is(err, store.ErrFull) {
		return fmt.Errorf("Load that sorts on the disk: %w, want ErrFull", err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		return fmt.Errorf("%d files are left", len(files))
	}
	if err := bigs(s, n); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = Open(path, Options{}); err != nil {
		return fmt.Errorf("opened again, still full: %w", err)
	}
	return errors.Join(bigs(s, n), room(s, n), s.Close())
}

// room deletes something and writes again.
func room(s *Store, n int) error {
	ctx := context.Background()
	for i := range n {
		if err := store.Delete(ctx, s, big(i)[0].Key); err != nil {
			return fmt.Errorf("deleting on a full disk: %w", err)
		}
	}
	if err := s.Apply(ctx, big(0)...); err != nil {
		return fmt.Errorf("there is room again: %w", err)
	}
	if st := s.Status(); !st.OK {
		return fmt.Errorf("there is room again: %+v", st)
	}
	return nil
}

// big is an Apply of two records, 40,000 octets.
func big(n int) []store.Op {
	value := bytes.Repeat([]byte{byte(n)}, 20_000)
	return []store.Op{{Key: fmt.Sprintf("a%03d", n), Value: value}, {Key: fmt.Sprintf("b%03d", n), Value: value}}
}

// large is a Load of more than the disk has room for.
func large(octets int) iter.Seq2[store.Op, error] {
	return func(yield func(store.Op, error) bool) {
		value := make([]byte, 1000+octets)
		for i := range 4000 {
			if !yield(store.Op{Key: fmt.Sprintf("l%05d", i), Value: value}, nil) {
				return
			}
		}
	}
}

// bigs looks whether the first n are there, whole, and nothing else.
func bigs(s *Store, n int) error {
	found := 0
	for r, err := range s.Scan(context.Background(), "", "") {
		if err != nil {
			return err
		}
		var i int
		if _, err := fmt.Sscanf(r.Key[1:], "%d", &i); err != nil || i >= n || !bytes.Equal(r.Value, big(i)[0].Value) {
			return fmt.Errorf("%q is there, it must not or not so", r.Key)
		}
		found++
	}
	if found != 2*n {
		return fmt.Errorf("%d records, want %d", found, 2*n)
	}
	return nil
}
