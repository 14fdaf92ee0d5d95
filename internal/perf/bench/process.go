// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// onCore runs f on a thread that may use one core alone. A process that f
// starts inherits that.
func onCore(core int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	one.Set(core)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("pinning to core %d: %w", core, err)
	}
	defer unix.SchedSetaffinity(0, &before)
	return f()
}

// pinSelf puts all of this process on one core, by starting the program anew: the
// runtime counts the cores it may use when it begins.
func pinSelf(core int) error {
	var now unix.CPUSet
	if err := unix.SchedGetaffinity(0, &now); err != nil || now.Count() == 1 && now.IsSet(core) {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return onCore(core, func() error { return syscall.Exec(self, os.Args, os.Environ()) })
}

// cores returns the cores for servers and for clients, the same if there is only
// one.
func cores() (server, client int, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return 0, 0, err
	}
	var allowed []int
	for i := 0; len(allowed) < all.Count(); i++ {
		if all.IsSet(i) {
			allowed = append(allowed, i)
		}
	}
	return allowed[0], allowed[min(1, len(allowed)-1)], nil
}

// A process is a program that runs on a core of its own.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *tail
	ended  chan struct{}
}

// start starts a program; its output is kept to be shown if something is wrong.
func start(core int, env []string, argv ...string) (*process, error) {
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), stderr: new(tail), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReaderSize(out, 1<<20)
	if err := onCore(core, p.cmd.Start); err != nil {
		return nil, err
	}
	go func() {
		p.cmd.Process.Wait()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the process.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(2 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
	}
	p.stdin.Close()
}

// ready waits until the ports are bound, by whoever.
func (p *process) ready(ports ...int) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		bound := true
		for _, port := range ports {
			bound = bound && isBound(port)
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %s", p.cmd.Path, p.stderr)
		default:
		}
		switch {
		case bound:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%s does not listen: %s", p.cmd.Path, p.stderr)
		}
	}
}

// isBound looks for a port in the system's tables of UDP sockets.
func isBound(port int) bool {
	end := fmt.Sprintf(":%04X", port)
	for _, table := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && strings.HasSuffix(f[1], end) {
				return true
			}
		}
	}
	return false
}

// gauges asks one of our servers for its own.
func (p *process) gauges(collect bool) (g gauges, err error) {
	question := "\n"
	if collect {
		question = "collect\n"
	}
	if _, err := io.WriteString(p.stdin, question); err != nil {
		return g, err
	}
	line, err := p.stdout.ReadBytes('\n')
	if err != nil {
		return g, err
	}
	return g, json.Unmarshal(line, &g)
}

// rss is the resident memory of a process in bytes.
func rss(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(text))
	if len(f) < 2 {
		return 0, errors.New("statm without a resident size")
	}
	pages, err := strconv.ParseUint(f[1], 10, 64)
	return pages * uint64(os.Getpagesize()), err
}

// tail keeps the last of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 4096
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
