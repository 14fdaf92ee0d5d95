// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package gateway

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Nobody can put his own socket where a server's is looked for, to be told keys.
func TestForeignSockets(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs files of another user")
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	const other = 4711
	path := filepath.Join(t.TempDir(), "coaps.yaml")
	if err := errors.Join(os.WriteFile(path, []byte(leastConfig), 0o600), os.Mkdir(path+".run", 0o755), os.Chown(path+".run", other, other)); err != nil {
		t.Fatal(err)
	}
	if _, err := listenAdmin(filepath.Join(path+".run", "admin.sock")); err == nil || !strings.Contains(err.Error(), "belongs to uid 4711") {
		t.Errorf("a directory of somebody else: %v", err)
	}
	socket := filepath.Join(path+".run", "admin.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chown(socket, other, other); err != nil {
		t.Fatal(err)
	}
	for _, place := range must(SocketsOf(path)) {
		if place == socket {
			t.Error("a socket of somebody else would be asked")
		}
	}
	if err := os.Chown(path, other, other); err != nil {
		t.Fatal(err)
	}
	if places := must(SocketsOf(path)); places[0] != socket {
		t.Errorf("that of the owner of the configuration is not: %q", places)
	}
}

// Root may check the configuration of a server that has a user of its own, and one
// whose directory a service manager will make; the user itself is told what is
// wrong.
func TestCheckByRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("is for root")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "coaps.yaml")
	if err := errors.Join(os.WriteFile(path, []byte(liveConfig+"admin: {socket: run/admin.sock}\n"), 0o600), os.Mkdir(filepath.Join(dir, "run"), 0o700), os.Chown(filepath.Join(dir, "run"), 4711, 4711)); err != nil {
		t.Fatal(err)
	}
	for _, p := range must(Load(path)).Check(t.Context()) {
		if !p.Warning {
			t.Errorf("the directory of the server's user: %s", p)
		}
	}
	if err := os.Remove(filepath.Join(dir, "run")); err != nil {
		t.Fatal(err)
	}
	for _, p := range must(Load(path)).Check(t.Context()) {
		if !p.Warning {
			t.Errorf("no directory yet: %s", p)
		}
	}
	key := filepath.Join(dir, "store.key")
	config := strings.Replace(liveConfig, "store: bolt:devices.db", "store: {url: \"bolt:devices.db\", key: store.key}", 1)
	if err := errors.Join(os.WriteFile(path, []byte(config), 0o600), os.WriteFile(key, []byte("x"), 0o600), os.Chmod(key, 0o644)); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range must(Load(path)).Check(t.Context()) {
		found = found || !p.Warning && p.Key == "store.key"
	}
	if !found {
		t.Error("a store key that others can read is good")
	}
}
