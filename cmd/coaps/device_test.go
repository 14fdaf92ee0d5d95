// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/internal/foreign"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// coapsProcess is the command as a process of its own.
func coapsProcess(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("coaps", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "COAPS_STORE=bolt:"+filepath.Join(dir, "fleet.db"), "HOME="+dir, "NO_COLOR=1")
	return cmd
}

// Two administrators at once: each of many processes that change one file at the
// same time waits for its turn, and nothing that any of them did is lost.
func TestManyAdministrators(t *testing.T) {
	if _, err := exec.LookPath("coaps"); err != nil {
		t.Skip("the command is on the path of the scripts alone")
	}
	dir := t.TempDir()
	const each = 12
	if out, err := coapsProcess(dir, "device", "add", "shared").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var wait sync.WaitGroup
	errs := make(chan error, 4*each)
	administrator := func(who int) {
		defer wait.Done()
		for n := range each {
			name := fmt.Sprintf("admin-%d-%d", who, n)
			for _, args := range [][]string{{"device", "add", name, "--new-psk"}, {"psk", "add", "shared", "--new", "-u", name + "-key"}} {
				if out, err := coapsProcess(dir, args...).CombinedOutput(); err != nil {
					errs <- fmt.Errorf("%v: %w: %s", args, err, out)
				}
			}
		}
	}
	wait.Add(2)
	go administrator(1)
	go administrator(2)
	wait.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	for args, want := range map[string]int{"device list": 2*each + 1, "psk list shared": 2 * each} {
		var out bytes.Buffer
		cmd := coapsProcess(dir, strings.Fields(args)...)
		cmd.Stdout = &out
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("%s: %d, want %d: something was lost", args, got, want)
		}
	}
}

func TestNextIdentity(t *testing.T) {
	has := func(identities ...string) (list []registry.Credential) {
		for _, text := range identities {
			identity, err := keys.ParseIdentity(text)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, registry.Credential{PSK: &registry.PSK{Identity: identity}})
		}
		return list
	}
	for _, test := range []struct{ identity, tenant, want string }{
		{"sensor-7", "", "sensor-7.2"},
		{"sensor-7.2", "", "sensor-7.4"}, // .3 is taken below
		{"sensor-7@acme", "acme", "sensor-7.2@acme"},
		{"sensor-7.9@acme", "acme", "sensor-7.10@acme"},
		{"sensor-7@acme", "", "sensor-7@acme.2"},
		{"acme", "acme", "acme.2"},
		{"1.2.840", "", "1.2.841"},
		{"x.0", "", "x.0.2"},
		{"0xff00", "", "0xff002e32"},
	} {
		list := has(test.identity, "sensor-7.3")
		if got := keys.PrintableIdentity(nextIdentity(list, list[0].PSK.Identity, test.tenant)); got != test.want {
			t.Errorf("after %s of %q comes %s, want %s", test.identity, test.tenant, got, test.want)
		}
	}
}

func TestWithScheme(t *testing.T) {
	for in, want := range map[string]string{
		"fleet.db": "bolt:fleet.db", "/var/lib/x.db": "bolt:/var/lib/x.db", "./a:b": "bolt:./a:b", "bolt:x": "bolt:x", "redis://h/0": "redis://h/0",
		"memory:": "memory:", `C:\x.db`: `bolt:C:\x.db`, "file:devices.yaml": "file:devices.yaml",
	} {
		if got := withScheme(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// The address in a line for others is one that can be pasted.
func TestListenerURI(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:5684": "coaps://192.0.2.1/", "[2001:db8::1]:5684": "coaps://[2001:db8::1]/", "[::1]:6684": "coaps://[::1]:6684/",
		":5684": "coaps://SERVER/", "0.0.0.0:6684": "coaps://SERVER:6684/", "[::]:5684": "coaps://SERVER/",
	} {
		uri := listenerURI(in)
		if uri.String() != want {
			t.Errorf("%q is %q, want %q", in, uri.String(), want)
		}
	}
}

// docs/devices.md has a row for each format and each form of a line.
func TestDevicesDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	_, files, _ := strings.Cut(string(text), "\n## Files of other software\n")
	for _, format := range foreign.Formats() {
		_, row, found := strings.Cut(files, "\n| `"+format.Name+"` | ")
		row, _, _ = strings.Cut(row, "\n")
		columns := strings.Split(row, " | ")
		if !found || len(columns) < 4 {
			t.Errorf("no row for the format %s", format.Name)
			continue
		}
		if (columns[2] == "yes") != format.CanWrite() || (columns[1] != "no") != format.CanRead() {
			t.Errorf("%s: reading %v, writing %v: %q", format.Name, format.CanRead(), format.CanWrite(), row)
		}
	}
	for _, name := range lineFormNames() {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("no word of --as %s", name)
		}
	}
}

// The file that docs/devices.md shows is one that a server reads.
func TestEditedFileGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### A file that people edit")
	_, section, _ = strings.Cut(section, "```yaml\n")
	example, _, found := strings.Cut(section, "```\n")
	if !found {
		t.Fatal("no example")
	}
	path := filepath.Join(t.TempDir(), "devices.yaml")
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := gateway.OpenStore(t.Context(), "file:"+path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := registry.New(s)
	for _, device := range []struct{ tenant, name string }{{"", "sensor-7"}, {"", "valve-3"}, {"", "meter-1"}, {"acme", "sensor-7"}} {
		if d, err := r.Device(t.Context(), device.tenant, device.name); err != nil || len(d.Credentials) != 1 {
			t.Errorf("%v: %v, %d credentials", device, err, len(d.Credentials))
		}
	}
	if g, err := r.Group(t.Context(), "", "lamps"); err != nil || len(g.Credentials) != 1 {
		t.Errorf("the group: %v", err)
	}
	if rules, err := r.Rules(t.Context()); err != nil || len(rules) != 1 {
		t.Errorf("%d rules, %v", len(rules), err)
	}
}
