// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
)

// The socket is its owner's alone, in a directory that is its owner's alone.
func TestAdminSocketIsPrivate(t *testing.T) {
	path := serveAdmin(t, &fakeServer{})
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700, path + ".lock": 0o600} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	shared := filepath.Join(t.TempDir(), "shared")
	if err := os.Mkdir(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := listenAdmin(filepath.Join(shared, "s")); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("a directory of everybody: %v", err)
	}
	if _, err := listenAdmin(filepath.Join(t.TempDir(), strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "too long for a socket") {
		t.Errorf("a long path: %v", err)
	}
}

// What a crashed server has left is replaced, a live one stays, and a file that is
// no socket is not deleted.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "admin.sock")
	first, err := listenAdmin(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenAdmin(path); !errors.Is(err, ErrServerRunning) {
		t.Errorf("a live server: %v", err)
	}
	first.Listener.Close() // as a crash does: the socket stays, the lock goes
	first.lock.Close()
	second, err := listenAdmin(path)
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	second.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays after Close: %v", err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenAdmin(path); err == nil {
		t.Error("a file that is no socket was replaced")
	}
	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("%q", text)
	}
}

// Somebody else who gets at the socket all the same is refused.
func TestAdminRefusesStrangers(t *testing.T) {
	for uid, want := range map[int]int{os.Geteuid(): 200, 0: 200, 4711: 403, strangerUID: 403, -1: 200} {
		a := newAdminServer(&adminSocket{}, &fakeServer{}, slog.New(slog.DiscardHandler))
		w := &statusRecorder{header: http.Header{}}
		ctx := context.WithValue(t.Context(), callerKey{}, caller{uid: uid})
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://coaps/v1/status", nil)
		a.http.Handler.ServeHTTP(w, r)
		if w.code != want {
			t.Errorf("uid %d: %d, want %d", uid, w.code, want)
		}
	}
}

type statusRecorder struct {
	header http.Header
	code   int
}

func (r *statusRecorder) Header() http.Header  { return r.header }
func (r *statusRecorder) WriteHeader(code int) { r.code = code }
func (r *statusRecorder) Write(p []byte) (int, error) {
	if r.code == 0 {
		r.code = 200
	}
	return len(p), nil
}

// say sends bytes and returns the status line of the answer.
func say(t *testing.T, socket, text string) string {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	go func() { _, _ = io.Copy(conn, strings.NewReader(text)) }()
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line)
}

func post(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: coaps\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// Bodies, headers and values that are too large or no JSON are refused, and the
// server goes on.
func TestAdminSocketAbuse(t *testing.T) {
	s := memory.New()
	defer s.Close()
	socket := serveAdmin(t, &fakeServer{store: s, reloaded: errors.New("no")})
	huge := strings.Repeat("x", 1<<20)
	for name, test := range map[string]struct{ text, want string }{
		"no HTTP":        {"\x16\xfe\xfd\x00\r\n\r\n", "HTTP/1.1 400"},
		"huge header":    {"GET /v1/status HTTP/1.1\r\nHost: coaps\r\nX: " + huge + "\r\n\r\n", "HTTP/1.1 431"},
		"huge filter":    {post("/v1/sessions", `{"device":"`+huge+`"}`), "HTTP/1.1 413"},
		"huge key":       {post("/v1/store/get", `{"key":"`+huge+`"}`), "HTTP/1.1 413"},
		"no JSON":        {post("/v1/store/apply", "]"), "HTTP/1.1 400"},
		"unknown field":  {post("/v1/sessions/drop", `{"devise":"x"}`), "HTTP/1.1 400"},
		"drop all":       {post("/v1/sessions/drop", `{}`), "HTTP/1.1 400"},
		"empty key":      {post("/v1/store/apply", `[{"Key":"","Value":"eA=="}]`), "HTTP/1.1 422"},
		"cut off load":   {post("/v1/store/load", `{"op":{"Key":"a","Value":"eA=="}}`+"\n"), "HTTP/1.1 422"},
		"load of a line": {post("/v1/store/load", "{}\n"), "HTTP/1.1 422"},
		"no such path":   {post("/v1/keys", "{}"), "HTTP/1.1 404"},
		"wrong method":   {"GET /v1/reload HTTP/1.1\r\nHost: coaps\r\n\r\n", "HTTP/1.1 405"},
		"failed reload":  {post("/v1/reload", ""), "HTTP/1.1 409"},
	} {
		if got := say(t, socket, test.text); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a load that was cut off has left something: %v", err)
	}
	if _, err := Dial("test", socket).Status(t.Context()); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// Connections that never say anything take up places until their time is over,
// and no more than there are; who comes after them is served.
func TestAdminSocketSlowClients(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the time that a header may take")
	}
	socket := serveAdmin(t, &fakeServer{})
	for range adminConnections {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET /v1/status HTTP/1.1\r\nHo")
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := Dial("test", socket).Status(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("served after %v", time.Since(begin).Round(time.Millisecond))
}

// Who asks while the server is just getting ready, as a script does that was told so,
// waits for a moment and is answered.
func TestAskedWhileGettingReady(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "coaps.yaml")
	if err := os.WriteFile(path, []byte(liveConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	client := Dial("test", must(Load(path)).Sockets()...)
	defer client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	err := Run(ctx, path, Options{Ready: func([]netip.AddrPort, []netip.AddrPort) error {
		go func() {
			defer cancel()
			_, err := client.Status(t.Context())
			answered <- err
		}()
		time.Sleep(heldTime / 10)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("asked a moment before it answers: %v", err)
	}
}
