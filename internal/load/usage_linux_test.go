// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// burning is what makes this test binary a process that uses processor time:
// "stay" in threads that go on, "end" in threads that end.
const burning = "COAPS_LOAD_BURN"

// TestBurn is no test, but that process. It says what getrusage says of it and
// stays until its standard input ends.
func TestBurn(t *testing.T) {
	how := os.Getenv(burning)
	if how == "" {
		t.Skip("no test")
	}
	done := make(chan struct{})
	for range 4 {
		go func() {
			if how == "end" {
				runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
			}
			for end := ownCPU() + 50*time.Millisecond; ownCPU() < end; {
			}
			done <- struct{}{}
		}()
	}
	for range 4 {
		<-done
	}
	time.Sleep(20 * time.Millisecond)
	_, _ = io.WriteString(os.Stdout, ownCPU().String()+"\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// burn starts such a process and returns what it has used by its own account.
func burn(t *testing.T, how string) (pid int, used time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBurn$")
	cmd.Env = append(os.Environ(), burning+"="+how)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if used, err = time.ParseDuration(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, used
}

// near is what a process may use between two looks at it, or what a clock of
// 10 ms in two parts may be off by.
const near = 25 * time.Millisecond

// A process has used what getrusage says that it has, by whatever clock, and by
// the one in use also if its threads have ended.
func TestCPU(t *testing.T) {
	for how, clocks := range map[string]map[string]func(int) (time.Duration, error){
		"stay": {"clock": processClock, "scheduler": scheduled, "ticks": ticked},
		"end":  {"clock": processClock, "ticks": ticked},
	} {
		pid, used := burn(t, how)
		for name, clock := range clocks {
			if got, err := clock(pid); err != nil || (got-used).Abs() > near {
				t.Errorf("threads %s: %v by %s, %v by getrusage, %v", how, got, name, used, err)
			}
		}
		s, err := sampleOf(pid)
		if err != nil || (s.cpu-used).Abs() > near || s.rss == 0 {
			t.Errorf("threads %s: %+v, %v by getrusage, %v", how, s, used, err)
		}
	}
}

// What cannot be measured is said before a run begins.
func TestNoProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	m := meter{pid: cmd.Process.Pid}
	if err := m.check(); err == nil {
		t.Error("a process that has ended was taken")
	}
	if u := m.usage(1); u != nil {
		t.Errorf("%+v of nobody", u)
	}
}
