// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package redistest runs a real Redis or Valkey server for a test: on loopback,
// in a temporary directory, killed at the test's end.
package redistest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A Server is a server process that belongs to a test.
type Server struct {
	Addr string // "127.0.0.1:port"

	t    testing.TB
	dir  string
	args []string
	cmd  *exec.Cmd
}

// programs are the servers that will do, the first that is installed is used.
var programs = []string{"valkey-server", "redis-server"}

// Start runs a server with more arguments, such as "--maxmemory", "2mb". Where
// no server is installed it skips the test, or fails it in CI and if
// COAPS_INTEROP is "required".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	mode := os.Getenv("COAPS_INTEROP")
	if mode == "off" {
		t.Skip("COAPS_INTEROP=off")
	}
	if program() == "" {
		if mode == "required" || os.Getenv("CI") == "true" {
			t.Fatal("neither valkey-server nor redis-server is installed (Debian: redis-server)")
		}
		t.Skip("neither valkey-server nor redis-server is installed (Debian: redis-server)")
	}
	s := &Server{t: t, dir: t.TempDir(), args: args, Addr: freeAddr(t)}
	s.Run()
	t.Cleanup(s.Kill)
	return s
}

// URL is what redis.Parse reads.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Run starts the process (again) with the data it had when it was stopped, and
// waits until it answers.
func (s *Server) Run() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.Addr)
	args := append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "",
		"--logfile", filepath.Join(s.dir, "log"), "--daemonize", "no"}, s.args...)
	s.cmd = exec.Command(program(), args...)
	// A test that dies leaves no server behind.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if s.answers() {
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	s.t.Fatalf("the server at %s does not answer:\n%s", s.Addr, log)
}

// answers reports whether the server takes commands.
func (s *Server) answers() bool {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	var answer [7]byte
	fmt.Fprint(conn, "PING\r\n")
	n, _ := conn.Read(answer[:])
	return string(answer[:n]) == "+PONG\r\n" || string(answer[:n]) == "-NOAUTH"
}

// Kill ends the process as a crash would. Run may follow.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Freeze stops the process without ending it: connections stay and nothing is
// answered, as with a machine that hangs.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func program() string {
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
