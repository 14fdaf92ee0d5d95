// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/testlog"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
)

// running is a gateway that serves a configuration in a directory of its own.
type running struct {
	testing.TB
	dir    string
	log    *testlog.Buffer
	secure netip.AddrPort
	plain  netip.AddrPort
	hangup chan struct{}
	stop   func() error
	client *Client // of the admin socket
	store  store.Store
	*registry.Registry
}

const liveConfig = `name: gw-1
listen:
  - {addr: "127.0.0.1:0", security: dtls}
store: bolt:devices.db
limits: {loops: 1}
`

// start serves the configuration; files are others beside it.
func start(t testing.TB, config string, files map[string]string) *running {
	t.Helper()
	r := &running{TB: t, dir: t.TempDir(), log: new(testlog.Buffer), hangup: make(chan struct{})}
	for name, content := range files {
		r.write(name, content)
	}
	r.write("coaps.yaml", config)
	t.Setenv("XDG_RUNTIME_DIR", "")
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, r.path("coaps.yaml"), Options{Stderr: r.log, Verbose: true, Reload: r.hangup, Ready: func(plain, secure []netip.AddrPort) error {
			if len(plain) > 0 {
				r.plain = plain[0]
			}
			if len(secure) > 0 {
				r.secure = secure[0]
			}
			close(ready)
			return nil
		}})
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("%v\n%s", err, r.log)
	}
	r.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", r.log)
		}
	})
	c, err := Load(r.path("coaps.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.client = Dial("test", c.Sockets()...)
	t.Cleanup(r.client.Close)
	r.store = AdminStore("test", c.Sockets()...)
	t.Cleanup(func() { r.store.Close() })
	r.Registry = registry.New(r.store)
	return r
}

func (r *running) path(name string) string { return filepath.Join(r.dir, name) }

// write replaces a file at once.
func (r *running) write(name, content string) {
	r.Helper()
	part := r.path(name + ".part")
	if err := os.MkdirAll(filepath.Dir(part), 0o700); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(part, []byte(content), 0o600); err != nil {
		r.Fatal(err)
	}
	if err := os.Rename(part, r.path(name)); err != nil {
		r.Fatal(err)
	}
}

func (r *running) remove(name string) {
	r.Helper()
	if err := os.Remove(r.path(name)); err != nil {
		r.Fatal(err)
	}
}

// pskOf is the key of a test device.
func pskOf(name string) keys.PSK {
	psk, err := keys.NewPSK([]byte(name), []byte("the key of "+name+" is this"))
	if err != nil {
		panic(err)
	}
	return psk
}

// addDevice adds a device with a key.
func (r *running) addDevice(name string, groups ...string) {
	r.Helper()
	psk := pskOf(name)
	_, err := r.AddDevice(r.Context(), registry.Device{Name: name, Groups: groups,
		Credentials: []registry.Credential{{PSK: &registry.PSK{Identity: psk.Identity, Key: psk.Key}}}})
	if err != nil {
		r.Fatal(err)
	}
}

func (r *running) allow(rule string) string {
	r.Helper()
	parsed, err := acl.ParseRule(rule)
	if err != nil {
		r.Fatal(err)
	}
	added, err := r.AddRule(r.Context(), parsed)
	if err != nil {
		r.Fatal(err)
	}
	return added.ID
}

// peer is a client with the key of a device.
func (r *running) peer(name string) *peer {
	psk := pskOf(name)
	return r.with(&security.Config{ClientPSK: &psk})
}

// quick gives up after some five seconds.
var quick = message.Params{AckTimeout: 300 * time.Millisecond, MaxRetransmit: 3}

func (r *running) with(config *security.Config) *peer {
	c := &coaps.Client{Security: config, Params: quick}
	r.Cleanup(func() { c.Close() })
	return &peer{running: r, client: c}
}

type peer struct {
	*running
	client *coaps.Client
}

// get asks for a path: the code, or the error as text.
func (p *peer) get(path string) string { return p.do(coap.GET, path, nil) }

func (p *peer) do(method coap.Code, path string, payload []byte) string {
	ctx, cancel := context.WithTimeout(p.Context(), 3*time.Second)
	defer cancel()
	response, err := p.client.Do(ctx, &coaps.Request{Method: method, URI: "coaps://" + p.secure.String() + path, Payload: payload})
	if err != nil {
		return err.Error()
	}
	return response.Code.Dotted()
}

func (p *peer) want(path, code string) {
	p.Helper()
	if got := p.get(path); got != code {
		p.Errorf("GET %s: %s, want %s", path, got, code)
	}
}

// busier is how much longer things may take on a machine that has other things
// to do than on one that has not.
const busier = 10

// within waits for a condition. A second is what is promised of changes.
func (r *running) within(d time.Duration, what string, holds func() bool) {
	r.Helper()
	begin := time.Now()
	for !holds() {
		if time.Since(begin) > busier*d {
			r.Fatalf("%s: not within %v", what, busier*d)
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.Logf("%s: after %v", what, time.Since(begin).Round(time.Millisecond))
}

func (r *running) sessions(filter SessionFilter) (all []Session) {
	r.Helper()
	for s, err := range r.client.Sessions(r.Context(), filter) {
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func (r *running) status() *Status {
	r.Helper()
	s, err := r.client.Status(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return s
}

// A device that is added while the server runs gets in, with the rights of its
// rules; each change reaches its live session within a second.
func TestChangesReachLiveSessions(t *testing.T) {
	r := start(t, liveConfig, nil)
	sensor := r.peer("sensor-7")
	r.addDevice("sensor-7", "sensors")
	sensor.want("/hello", "4.03")
	id := r.allow("allow group:sensors GET /hello")
	r.within(time.Second, "a right that was given", func() bool { return sensor.get("/hello") == "2.05" })
	sensor.want("/time", "4.03")

	if err := r.RemoveRule(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.within(time.Second, "a rule that was taken away", func() bool { return sensor.get("/hello") == "4.03" })

	r.allow("allow group:clocks GET /time")
	if _, err := r.UpdateDevice(t.Context(), "", "sensor-7", func(d *registry.Device) error {
		d.Groups = []string{"clocks"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r.within(time.Second, "another group", func() bool { return sensor.get("/time") == "2.05" })
	if n := len(r.sessions(SessionFilter{Device: "sensor-7"})); n != 1 {
		t.Errorf("%d sessions: it should be the same one still", n)
	}

	if _, err := r.UpdateDevice(t.Context(), "", "sensor-7", func(d *registry.Device) error {
		d.Disabled = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r.within(time.Second, "a device that was disabled", func() bool { return len(r.sessions(SessionFilter{})) == 0 })
	if got := sensor.get("/time"); strings.HasPrefix(got, "2.") {
		t.Errorf("a disabled device gets %s", got)
	}
	if log := r.log.String(); !strings.Contains(log, coaps.LogSessionRevoked) || !strings.Contains(log, "device_disabled") {
		t.Errorf("the log does not say why")
	}
	if s := r.status(); s.Revoked != 1 || s.Denied < 3 || s.Listeners[0].Handshakes == 0 {
		t.Errorf("%+v", s)
	}
}

// on-revoke: forbid answers 4.03, and ends when the device is good again; keep
// changes nothing.
func TestOnRevoke(t *testing.T) {
	for action, want := range map[string]string{"forbid": "4.03", "keep": "2.05"} {
		r := start(t, liveConfig+"acl:\n  on-revoke: "+action+"\n  rules: [\"allow authenticated GET /**\"]\n", nil)
		r.addDevice("sensor-7")
		sensor := r.peer("sensor-7")
		sensor.want("/hello", "2.05")
		disable := func(disabled bool) {
			if _, err := r.UpdateDevice(t.Context(), "", "sensor-7", func(d *registry.Device) error { d.Disabled = disabled; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		disable(true)
		r.within(time.Second, action, func() bool { return strings.Contains(r.log.String(), coaps.LogSessionRevoked) })
		r.within(time.Second, action, func() bool { return sensor.get("/hello") == want })
		disable(false)
		r.within(time.Second, action+" and back", func() bool { return sensor.get("/hello") == "2.05" })
		if n := len(r.sessions(SessionFilter{})); n != 1 {
			t.Errorf("%s: %d sessions", action, n)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}

// A reload changes everything or nothing, and no session is lost.
func TestReload(t *testing.T) {
	rules := "acl: {rules: [\"allow authenticated GET /hello\"]}\n"
	r := start(t, liveConfig+rules, nil)
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	sensor.want("/hello", "2.05")
	before := r.status()

	for name, bad := range map[string]string{
		"half-written":    liveConfig[:70],
		"unknown key":     liveConfig + "acll: {}\n",
		"bad rule":        liveConfig + "acl: {rules: [\"allow nobody GET /\"]}\n",
		"missing file":    liveConfig + rules + "identity: {rpk: none.key}\n",
		"missing folder":  liveConfig + rules + "resources: {files: [{path: /fw/, dir: none}]}\n",
		"taken port":      strings.Replace(liveConfig, "store:", fmt.Sprintf("  - {addr: %q, security: dtls}\nstore:", r.secure), 1) + rules,
		"no such store":   strings.Replace(liveConfig, "bolt:devices.db", "file:none.yaml", 1),
		"no last newline": strings.TrimSuffix(liveConfig+rules, "\n"),
		"its own folder":  liveConfig + rules + "resources: {files: [{path: /fw/, dir: .}]}\n",
		"log folder":      liveConfig + rules + "log: {audit: none/audit.log}\n",
	} {
		r.write("coaps.yaml", bad)
		if _, err := r.client.Reload(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
		s := r.status()
		if s.Hash != before.Hash || s.Reload.OK || s.Reload.Error == "" || len(s.Problems) == 0 {
			t.Errorf("%s: %+v", name, s)
		}
		sensor.want("/hello", "2.05")
	}
	for key, bad := range map[string]string{
		"limits.sessions":                      strings.Replace(liveConfig, "loops: 1", "loops: 1, sessions: 5", 1) + rules,
		"acl.on-revoke":                        liveConfig + "acl: {on-revoke: keep}\n",
		"dtls.mtu":                             liveConfig + "dtls: {mtu: 600}\n",
		"admin.socket":                         liveConfig + "admin: {socket: x.sock}\n",
		"security of the listener 127.0.0.1:0": strings.Replace(liveConfig, "security: dtls", "security: nosec", 1),
	} {
		r.write("coaps.yaml", bad)
		_, err := r.client.Reload(t.Context())
		if !errors.Is(err, ErrNeedsRestart) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}

	r.write("coaps.yaml", liveConfig+"acl: {rules: [\"allow authenticated GET /time\"]}\n")
	r.hangup <- struct{}{}
	r.within(time.Second, "SIGHUP", func() bool { return sensor.get("/hello") == "4.03" })
	sensor.want("/time", "2.05")
	s := r.status()
	if !s.Reload.OK || s.Reload.Error != "" || s.Reload.Why != "SIGHUP" || s.Hash == before.Hash || len(s.Problems) != 0 {
		t.Errorf("%+v", s)
	}
	if s.Listeners[0].Handshakes != 1 || s.Listeners[0].Sessions != 1 {
		t.Errorf("the session was lost: %+v", s.Listeners)
	}
}

// Listeners come and go by a reload while others keep their sessions.
func TestReloadListeners(t *testing.T) {
	rules := "acl: {rules: [\"allow anybody GET /hello\"]}\n"
	r := start(t, liveConfig+rules, nil)
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	sensor.want("/hello", "2.05")

	r.write("coaps.yaml", strings.Replace(liveConfig, "store:", "  - {addr: \"[::1]:0\", security: nosec}\nstore:", 1)+rules)
	if _, err := r.client.Reload(t.Context()); err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	s := r.status()
	if len(s.Listeners) != 2 {
		t.Fatalf("%+v", s.Listeners)
	}
	plain := &coaps.Client{Params: quick}
	defer plain.Close()
	uri := "coap://" + s.Listeners[1].Addr + "/hello"
	if response, err := plain.Get(t.Context(), uri); err != nil || response.Code != coap.Content {
		t.Errorf("%v, %v", response, err)
	}
	r.write("coaps.yaml", liveConfig+rules)
	if _, err := r.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Get(t.Context(), uri); err == nil {
		t.Error("a listener that was removed answers")
	}
	sensor.want("/hello", "2.05")
	if s := r.status(); len(s.Listeners) != 1 || s.Listeners[0].Handshakes != 1 {
		t.Errorf("%+v", s.Listeners)
	}
}

// seeded is a source of the same bytes each time.
func seeded(n byte) io.Reader { return rand.NewChaCha8([32]byte{n}) }
