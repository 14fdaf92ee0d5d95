// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/bolt"
)

// A second server with the same configuration, or the same store, does not start
// and disturbs nothing.
func TestSecondServer(t *testing.T) {
	r := start(t, liveConfig+"acl: {rules: [\"allow authenticated GET /hello\"]}\n", nil)
	r.addDevice("sensor-7")
	if err := Run(t.Context(), r.path("coaps.yaml"), Options{}); !errors.Is(err, ErrServerRunning) {
		t.Errorf("the same configuration: %v", err)
	}
	r.write("other.yaml", strings.Replace(liveConfig, "store: bolt:devices.db", "store: {url: \"bolt:devices.db\", wait: 0s}", 1))
	if err := Run(t.Context(), r.path("other.yaml"), Options{}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("the same store: %v", err)
	}
	r.peer("sensor-7").want("/hello", "2.05")
}

// What was stored is there after a restart.
func TestRestart(t *testing.T) {
	r := start(t, liveConfig, nil)
	r.addDevice("sensor-7")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	s := must(bolt.Open(r.path("devices.db"), bolt.Options{}))
	defer s.Close()
	if _, err := registry.New(s).Device(t.Context(), "", "sensor-7"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(must(SocketsOf(r.path("coaps.yaml")))[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

// The service manager is told what the server does.
func TestSdNotify(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Skip(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	r := start(t, liveConfig, nil)
	if _, err := r.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	var told []string
	buf := make([]byte, 256)
	for range 4 {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, told)
		}
		told = append(told, strings.Split(string(buf[:n]), "\n")[0])
	}
	if got := strings.Join(told, " "); got != "READY=1 RELOADING=1 READY=1 STOPPING=1" {
		t.Error(got)
	}
}

// Check finds what would keep a server from starting, also while one runs with the
// same store, and changes nothing.
func TestCheckWhileServing(t *testing.T) {
	r := start(t, liveConfig, nil)
	psk := must(keys.NewPSK([]byte("weak"), []byte("short")))
	if _, err := r.AddDevice(t.Context(), registry.Device{Name: "weak", Credentials: []registry.Credential{{PSK: &registry.PSK{Identity: psk.Identity, Key: psk.Key}}}}); err != nil {
		t.Skip(err)
	}
	c := must(Load(r.path("coaps.yaml")))
	problems := c.Check(t.Context())
	text := ""
	for _, p := range problems {
		if !p.Warning {
			t.Errorf("%s", p)
		}
		text += p.Summary() + "\n"
	}
	for _, want := range []string{"there is no rule yet", "fewer than 16 bytes"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// What Check calls good, Run can serve; what would keep it from starting is found.
func TestCheckFindsWhatRunWould(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "")
	for name, test := range map[string]struct {
		config  string
		prepare func(dir string) error
		key     string
	}{
		"audit is a directory":   {liveConfig + "log: {audit: sub}\n", func(dir string) error { return os.Mkdir(filepath.Join(dir, "sub"), 0o700) }, "log.audit"},
		"ban is in no directory": {liveConfig + "log: {ban: none/ban.log}\n", nil, "log.ban"},
		"a file for a socket":    {liveConfig + "admin: {socket: a.sock}\n", func(dir string) error { return os.WriteFile(filepath.Join(dir, "a.sock"), nil, 0o600) }, "admin.socket"},
		"no directory for it":    {liveConfig, func(dir string) error { return os.WriteFile(filepath.Join(dir, "coaps.yaml.run"), nil, 0o600) }, "admin.socket"},
		"a directory of everybody": {liveConfig + "admin: {socket: open/a.sock}\n", func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "open"), 0o700), os.Chmod(filepath.Join(dir, "open"), 0o777))
		}, "admin.socket"},
		"a store that is none": {liveConfig, func(dir string) error { return os.Mkdir(filepath.Join(dir, "devices.db"), 0o700) }, "store.url"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "coaps.yaml")
		if err := os.WriteFile(path, []byte(test.config), 0o600); err != nil {
			t.Fatal(err)
		}
		if test.prepare != nil {
			if err := test.prepare(dir); err != nil {
				t.Fatal(err)
			}
		}
		found := false
		for _, p := range must(Load(path)).Check(t.Context()) {
			found = found || !p.Warning && p.Key == test.key
		}
		if !found && (test.key != "admin.socket" || len(must(Load(path)).Sockets()) == 1) {
			t.Errorf("%s: not found", name)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := Run(ctx, path, Options{Ready: func(_, _ []netip.AddrPort) error { cancel(); return nil }})
		if (err == nil) == found {
			t.Errorf("%s: Run: %v, Check has found something: %v", name, err, found)
		}
		cancel()
	}
}
