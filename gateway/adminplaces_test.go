// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/store"
)

// A server and a command meet whether or not one of them has been started from a
// login shell, and also where the socket cannot be beside the file.
func TestServerAndCommandMeet(t *testing.T) {
	runtime := t.TempDir()
	for _, test := range []struct{ name, server, command string }{
		{"both without", "", ""}, {"the server from a shell", runtime, ""}, {"the command from a shell", "", runtime}, {"both from a shell", runtime, runtime},
	} {
		path := filepath.Join(t.TempDir(), "coaps.yaml")
		if err := os.WriteFile(path, []byte(leastConfig), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("XDG_RUNTIME_DIR", test.server)
		meet(t, test.name, path, test.command, true)
	}
	// A file is where the directory would be.
	path := filepath.Join(t.TempDir(), "coaps.yaml")
	if err := errors.Join(os.WriteFile(path, []byte(leastConfig), 0o600), os.WriteFile(path+".run", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	meet(t, "no place beside the file", path, runtime, true)
}

// meet opens the sockets of a server, and has a command with another environment
// ask it.
func meet(t *testing.T, name, path, environment string, want bool) {
	t.Helper()
	socket, err := must(Load(path)).listen()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	a := newAdminServer(socket, &fakeServer{}, quietLog)
	go a.serve()
	defer a.close()
	t.Setenv("XDG_RUNTIME_DIR", environment)
	client := Dial("test", must(SocketsOf(path))...)
	defer client.Close()
	if _, err := client.Status(t.Context()); (err == nil) != want {
		t.Errorf("%s: %v; the server is at %s", name, err, socket.path)
	}
	if _, err := must(Load(path)).listen(); !errors.Is(err, ErrServerRunning) {
		t.Errorf("%s: a second one: %v", name, err)
	}
}

// Where nobody answers the error names every place; where there is none at all,
// each with why.
func TestNobodyAnswers(t *testing.T) {
	runtime := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	path := filepath.Join(t.TempDir(), "coaps.yaml")
	if err := os.WriteFile(path, []byte(leastConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Dial("test", must(SocketsOf(path))...).Status(t.Context())
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), path+".run/admin.sock or ") || !strings.Contains(err.Error(), runtime+"/coaps/coaps-") {
		t.Errorf("%v", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %v", err)
	}
	if err := os.WriteFile(path, []byte(leastConfig+"admin: {socket: here.sock}\nacll: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := must(SocketsOf(path)); len(got) != 1 || got[0] != filepath.Join(filepath.Dir(path), "here.sock") {
		t.Errorf("of a file that is broken by now: %q", got)
	}
	if err := os.WriteFile(path, []byte("admin:\n  socket: \"here.sock\"\n  x: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := must(SocketsOf(path)); len(got) != 1 || filepath.Base(got[0]) != "here.sock" {
		t.Errorf("of a file that is no YAML by now: %q", got)
	}
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 100), "coaps.yaml")
	if err := errors.Join(os.Mkdir(filepath.Dir(long), 0o700), os.WriteFile(long, []byte(leastConfig+"admin: {socket: admin.sock}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := must(Load(long)).listen(); err == nil || !strings.Contains(err.Error(), "too long for a socket") || !strings.Contains(err.Error(), "admin.socket names a place") {
		t.Errorf("no place at all: %v", err)
	}
}
