// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bolt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coaps-go/coaps/store"
)

// childJobs are what TestMain does in place of the tests when a test runs its
// own binary again. They get the path of the store.
var childJobs = map[string]func(path string) error{
	"apply": childApply,
	"load":  childLoad,
	"hold":  childHold,
}

const (
	envJob  = "COAPS_BOLT_TEST_JOB"
	envPath = "COAPS_BOLT_TEST_PATH"
)

func TestMain(m *testing.M) {
	job := childJobs[os.Getenv(envJob)]
	if job == nil {
		os.Exit(m.Run())
	}
	if err := job(os.Getenv(envPath)); err != nil {
		fmt.Println("child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child starts the job in a process of its own; it is killed at the end.
func child(t *testing.T, job, path string, attr *syscall.SysProcAttr) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), envJob+"="+job, envPath+"="+path)
	cmd.SysProcAttr, cmd.Stderr = attr, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("cannot start the child: %v", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewReader(out)
}

// pairs are ops that give all keys the same value: who finds two that differ
// has found half an Apply.
func pairs(value int) []store.Op {
	ops := make([]store.Op, 40)
	for i := range ops {
		ops[i] = store.Op{Key: fmt.Sprintf("k%02d", i), Value: bytes.Repeat(fmt.Appendf(nil, "%d ", value), 50)}
	}
	return ops
}

// childApply writes pairs for ever and says which are confirmed.
func childApply(path string) error {
	s, err := Open(path, Options{})
	for i := 1; err == nil; i++ {
		if err = s.Apply(context.Background(), pairs(i)...); err == nil {
			fmt.Println(i)
		}
	}
	return err
}

// childLoad loads for ever.
func childLoad(path string) error {
	s, err := Open(path, Options{})
	for i := 1; err == nil; i++ {
		fmt.Println(i)
		_, err = s.Load(context.Background(), func(yield func(store.Op, error) bool) {
			for k := range 30_000 {
				if !yield(store.Op{Key: fmt.Sprintf("k%05d", k), Value: fmt.Appendf(nil, "%d ", i)}, nil) {
					return
				}
			}
		})
		fmt.Println("done")
	}
	return err
}

func childHold(path string) error {
	if _, err := Open(path, Options{}); err != nil {
		return err
	}
	fmt.Println("held")
	time.Sleep(time.Minute)
	return nil
}

// alike returns the value that all records have, "" if there is none, and how
// many there are.
func alike(t *testing.T, s *Store) (value string, n int) {
	t.Helper()
	for r, err := range s.Scan(context.Background(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		v, _, _ := strings.Cut(string(r.Value), " ")
		if n > 0 && v != value {
			t.Fatalf("%q has %q, the records before %q: half is applied", r.Key, v, value)
		}
		value, n = v, n+1
	}
	return value, n
}

// A process killed at any moment leaves the last Apply that it has confirmed,
// or the one after it, whole.
func TestKilledInApply(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.db")
	for round := range 8 {
		cmd, out := child(t, "apply", path, nil)
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(round*3) * time.Millisecond)
		_ = cmd.Process.Kill()
		rest, _ := io.ReadAll(out)
		_ = cmd.Wait()
		confirmed := 1
		if lines := strings.Fields(string(rest)); len(lines) > 0 {
			confirmed, _ = strconv.Atoi(lines[len(lines)-1])
		}
		s := opened(t, path)
		value, n := alike(t, s)
		if got, _ := strconv.Atoi(value); n != 40 || got < confirmed || got > confirmed+1 {
			t.Errorf("round %d: %d records of %q, confirmed was %d", round, n, value, confirmed)
		}
		_ = s.Close()
	}
}

// A process killed in a Load leaves what was before, or all of the Load; what
// the Load had beside the file goes at the next Open.
func TestKilledInLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "devices.db")
	beside := 0
	for round := range 8 {
		cmd, out := child(t, "load", path, nil)
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(20+round*17) * time.Millisecond)
		_ = cmd.Process.Kill()
		rest, _ := io.ReadAll(out)
		_ = cmd.Wait()
		done := bytes.Count(rest, []byte("done"))
		if files, _ := os.ReadDir(dir); len(files) > 1 {
			beside++
		}
		s := opened(t, path)
		value, n := alike(t, s)
		if got, _ := strconv.Atoi(value); done > 0 && got < done || n != 0 && n != 30_000 {
			t.Errorf("round %d: %d records of %q after %d loads", round, n, value, done)
		}
		if files, _ := os.ReadDir(dir); len(files) != 1 {
			t.Errorf("round %d: %d files are left", round, len(files))
		}
		_ = s.Close()
	}
	t.Logf("%d of 8 were killed with a new file half-written", beside)
}

// A second process learns at once that the file is in use, or waits as long as
// it wants to; when the first is gone, killed or not, the file is free.
func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.db")
	cmd, out := child(t, "hold", path, nil)
	if line, err := out.ReadString('\n'); err != nil || line != "held\n" {
		t.Fatal(line, err)
	}
	begin := time.Now()
	_, err := Open(path, Options{})
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v, want ErrLocked with the path", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if _, err := Open(path, Options{Timeout: 100 * time.Millisecond}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("%v, want ErrLocked", err)
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = cmd.Process.Kill() })
	s, err := Open(path, Options{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}

// Who has waited for the lock while the owner's Load replaced the file gets the
// new file, not the one that nobody can find any more.
func TestWaitedForAReplacedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.db")
	first := opened(t, path)
	got := make(chan *Store)
	go func() {
		s, err := Open(path, Options{Timeout: 20 * time.Second})
		if err != nil {
			t.Error(err)
		}
		got <- s
	}()
	time.Sleep(100 * time.Millisecond)
	if _, err := first.Load(context.Background(), devices(3000)); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(context.Background(), first, "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s := <-got
	if s == nil {
		return
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Get(context.Background(), "k"); err != nil {
		t.Error(err)
	}
	if n := s.Status().Records; n != 6001 {
		t.Errorf("%d records, want 6001", n)
	}
}
