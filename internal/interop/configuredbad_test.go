// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package interop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/coaps-go/coaps/store/redis/redistest"
)

// What goes wrong around a server that is configured, with whole processes.

// newSite is a plant of the same command with a store of its own and no devices.
func (p *plant) newSite(t *testing.T, store string) *plant {
	t.Helper()
	site := &plant{files: &files{dir: t.TempDir()}, command: p.command}
	site.config = site.write(t, "coaps.yaml", []byte(`name: gw-1
listen:
  - {addr: "127.0.0.1:0", security: dtls}
  - {addr: "127.0.0.1:0", security: nosec}
store: {url: "`+store+`", timeout: 500ms}
acl: {rules: ["allow authenticated GET /hello"]}
log: {format: json, audit: audit.log}
admin: {socket: admin.sock}
`))
	return site
}

// try runs a command and returns its exit code and what it said.
func (p *plant) try(ctx context.Context, args ...string) (code int, said string) {
	out, err := exec.CommandContext(ctx, p.command, append(args, "--config", p.config)...).CombinedOutput()
	if err != nil {
		code = -1
	}
	if exit, ok := err.(*exec.ExitError); ok {
		code = exit.ExitCode()
	}
	return code, string(out)
}

// testAdministrators: forty commands at once, half of them about one device. What
// each says is so, in the running server and in the file after it.
func (p *plant) testAdministrators(t *testing.T) {
	site := p.newSite(t, "bolt:devices.db")
	ctx := parallel(t)
	site.serve(t)
	site.run(t, "device", "add", "shared", "--new-psk")
	type outcome struct {
		what, said string
		code       int
	}
	const each = 20
	outcomes := make(chan outcome, 2*each)
	for i := range each {
		for _, args := range [][]string{
			{"device", "add", fmt.Sprintf("unit-%02d", i), "--new-psk", "-q"},
			{"psk", "add", "shared", "--new", "-u", fmt.Sprintf("shared-%02d", i)},
		} {
			go func() {
				code, said := site.try(ctx, args...)
				outcomes <- outcome{strings.Join(args, " "), said, code}
			}()
		}
	}
	for range 2 * each {
		if o := <-outcomes; o.code != 0 {
			t.Errorf("%s: %d, %s", o.what, o.code, o.said)
		}
	}
	check := func(when string) {
		devices, identities := site.run(t, "device", "list"), site.run(t, "psk", "list", "shared")
		for i := range each {
			if !strings.Contains(devices, fmt.Sprintf("unit-%02d", i)) || !strings.Contains(identities, fmt.Sprintf("shared-%02d", i)) {
				t.Errorf("%s, number %d is lost:\n%s%s", when, i, devices, identities)
			}
		}
	}
	check("in the running server")
	_ = site.server.cmd.Process.Signal(os.Interrupt)
	<-site.server.exited
	check("in the file")
}

// testFullDisk: what does not fit is an error of three lines, and nothing of it
// is there.
func (p *plant) testFullDisk(t *testing.T) {
	need(t, "prlimit")
	site := p.newSite(t, "bolt:devices.db")
	ctx := parallel(t)
	site.run(t, "device", "add", "first", "--new-psk")
	var fleet strings.Builder
	fleet.WriteString("name,identity,key\n")
	for i := range 5000 {
		fmt.Fprintf(&fleet, "unit-%05d,unit-%05d,%032x\n", i, i, i)
	}
	file := site.write(t, "fleet.csv", []byte(fleet.String()))
	within := func(octets int, args ...string) (int, string) {
		limited := append([]string{fmt.Sprintf("--fsize=%d", octets), site.command}, append(args, "--config", site.config)...)
		var stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, "prlimit", limited...)
		cmd.Stderr = &stderr
		_ = cmd.Run()
		return cmd.ProcessState.ExitCode(), stderr.String()
	}
	code, said := within(200_000, "device", "import", file)
	if code != 3 || !strings.Contains(said, "reason: store_full") || strings.Count(said, "\n") != 3 {
		t.Errorf("import: %d, %s", code, said)
	}
	if devices := site.run(t, "device", "list"); strings.Count(devices, "\n") != 1 {
		t.Errorf("half of it is there: %d lines", strings.Count(devices, "\n"))
	}
	info, err := os.Stat(filepath.Join(site.dir, "devices.db"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		name := fmt.Sprint("more-", i)
		code, said = within(int(info.Size()), "device", "add", name, "--new-psk", "--label", strings.Repeat("x", 200))
		if code != 0 {
			if code != 3 || !strings.Contains(said, "reason: store_full") {
				t.Errorf("add: %d, %s", code, said)
			}
			if devices := site.run(t, "device", "list"); strings.Contains(devices, name) || strings.Count(devices, "\n") != i+1 {
				t.Errorf("after %s was refused:\n%s", name, devices)
			}
			break
		}
		if i > 2000 {
			t.Fatal("it is never full")
		}
	}
	site.run(t, "device", "import", file) // there is room again
}

// testLostFile: somebody deletes the file of the store. Who is connected or known
// stays so, no command says that something was done which was not, log and status
// say it; and with the backup in its place a reload is enough.
func (p *plant) testLostFile(t *testing.T) {
	need(t, "coap-client-gnutls")
	site := p.newSite(t, "bolt:devices.db")
	ctx := parallel(t)
	known := &device{name: "unit-psk-01", mode: "psk", key: []byte(pskText)}
	site.run(t, "device", "add", known.name, "-k", pskText)
	site.serve(t)
	asks := func(what string) {
		t.Helper()
		proc := dialLibcoap("coap-client-gnutls")(ctx, t, site, known, site.secure, "", "/hello")
		if !proc.await(ctx, "Hello, "+known.name) {
			t.Errorf("%s: %s", what, proc.text())
		}
	}
	asks("at first")
	path := filepath.Join(site.dir, "devices.db")
	if err := os.Rename(path, path+".backup"); err != nil {
		t.Fatal(err)
	}
	site.logged(ctx, t, "store down", func(e *entry) bool { return e.Msg == "store down" })
	asks("without the file")
	if code, said := site.try(ctx, "device", "add", "unit-psk-02", "--new-psk"); code != 3 || !strings.Contains(said, "reason: store_unavailable") {
		t.Errorf("device add: %d, %s", code, said)
	}
	if status := site.run(t, "status"); !regexp.MustCompile(`store +bolt .*DOWN: .*removed`).MatchString(status) {
		t.Errorf("status does not say it:\n%s", status)
	}
	if err := os.Rename(path+".backup", path); err != nil {
		t.Fatal(err)
	}
	site.run(t, "reload")
	site.logged(ctx, t, "store up", func(e *entry) bool { return e.Msg == "store up" })
	asks("with the file")
	site.run(t, "device", "add", "unit-psk-02", "--new-psk")
	if list := site.run(t, "device", "list"); !strings.Contains(list, known.name) || !strings.Contains(list, "unit-psk-02") {
		t.Errorf("at the end:\n%s", list)
	}
}

// testWrongAgeKey: a server whose store is sealed goes on when its key file is
// replaced by another key, and does not start with that.
func (p *plant) testWrongAgeKey(t *testing.T) {
	need(t, "coap-client-gnutls")
	site := p.newSite(t, "bolt:devices.db")
	ctx := parallel(t)
	config := string(read(t, site.config))
	site.write(t, "coaps.yaml", []byte(strings.Replace(config, "timeout:", "key: store.age, timeout:", 1)))
	writeKey := func() {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		site.write(t, "store.age", []byte(identity.String()+"\n"))
	}
	writeKey()
	known := &device{name: "unit-psk-01", mode: "psk", key: []byte(pskText)}
	site.run(t, "device", "add", known.name, "-k", pskText)
	if bytes.Contains(read(t, filepath.Join(site.dir, "devices.db")), []byte(pskText)) {
		t.Error("the key stands in the file")
	}
	site.serve(t)
	writeKey()
	_, _ = site.try(ctx, "reload")
	proc := dialLibcoap("coap-client-gnutls")(ctx, t, site, known, site.secure, "", "/hello")
	if !proc.await(ctx, "Hello, "+known.name) {
		t.Errorf("after the reload: %s", proc.text())
	}
	_ = site.server.cmd.Process.Signal(os.Interrupt)
	<-site.server.exited
	for _, args := range [][]string{{"serve"}, {"device", "list"}} {
		if code, said := site.try(ctx, args...); code != 3 || !strings.Contains(said, "reason: store_sealed") {
			t.Errorf("%v: %d, %s", args, code, said)
		}
	}
}

// testFrozenStore: a store that takes connections and answers nothing, as a
// machine that hangs. Who is connected or known stays so; who has to be looked up
// is refused, in time; log and status say it, and when it is back nothing has to
// be done.
func (p *plant) testFrozenStore(t *testing.T) {
	need(t, "coap-client-gnutls", "openssl")
	redis := redistest.Start(t)
	site := p.newSite(t, redis.URL())
	ctx := parallel(t)
	known, stranger := &device{name: "unit-psk-01", mode: "psk", key: []byte(pskText)}, &device{name: "unit-psk-02", mode: "psk", key: []byte(pskText)}
	for _, d := range []*device{known, stranger} {
		site.run(t, "device", "add", d.name, "-k", pskText)
	}
	site.serve(t)
	asks := func(d *device) *process {
		return dialLibcoap("coap-client-gnutls")(ctx, t, site, d, site.secure, "", "/hello", "-m", "get", "-B", "3")
	}
	connected := dialLibcoap("coap-client-gnutls")(ctx, t, site, known, site.secure, "", "/hello", "-m", "get", "-G", "30")
	if !connected.await(ctx, "Hello, "+known.name) {
		t.Fatalf("no session: %s", connected.text())
	}
	redis.Freeze()
	defer redis.Thaw()
	proc := asks(stranger)
	e := site.logged(ctx, t, "store_unavailable", func(e *entry) bool { return e.Msg == "handshake refused" && e.Identity == stranger.name })
	if e != nil && e.Reason != "store_unavailable" {
		t.Errorf("reason %q", e.Reason)
	}
	if proc.shows("Hello") {
		t.Error("a stranger gets in")
	}
	if again := asks(known); !again.await(ctx, "Hello, "+known.name) {
		t.Errorf("who is known does not get in: %s", again.text())
	}
	site.logged(ctx, t, "store down", func(e *entry) bool { return e.Msg == "store down" })
	if status := site.run(t, "status"); !regexp.MustCompile(`store +redis .*DOWN: .* for [0-9]`).MatchString(status) {
		t.Errorf("status does not say it:\n%s", status)
	}
	before := strings.Count(connected.text(), "Hello")
	for strings.Count(connected.text(), "Hello") == before && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	redis.Thaw()
	site.logged(ctx, t, "store up", func(e *entry) bool { return e.Msg == "store up" })
	for !asks(stranger).await(ctx, "Hello, "+stranger.name) {
		if ctx.Err() != nil {
			t.Fatal("the stranger does not get in though the store is back")
		}
	}
	if n := strings.Count(site.server.text(), `"msg":"session revoked"`); n != 0 {
		t.Errorf("%d sessions were revoked", n)
	}
}
