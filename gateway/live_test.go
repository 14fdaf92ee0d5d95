// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

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

// Two administrators at once, through the socket and a reload between them: all that
// was confirmed is there, and nothing was done by halves.
func TestTwoAdministrators(t *testing.T) {
	r := start(t, liveConfig+"acl: {rules: [\"allow authenticated GET /hello\"]}\n", nil)
	const each = 20
	if _, err := r.AddDevice(t.Context(), registry.Device{Name: "shared"}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for admin := range 2 {
		all.Go(func() {
			own := AdminStore(fmt.Sprintf("administrator %d", admin), must(SocketsOf(r.path("coaps.yaml")))...)
			defer own.Close()
			mine := registry.New(own)
			for i := range each {
				_, err := mine.AddDevice(t.Context(), registry.Device{Name: fmt.Sprintf("d-%d-%d", admin, i), Groups: []string{"g"}})
				if err != nil {
					t.Errorf("%d: %v", admin, err)
				}
				_, err = mine.UpdateDevice(t.Context(), "", "shared", func(d *registry.Device) error {
					d.Groups = append(d.Groups, fmt.Sprintf("g-%d-%d", admin, i))
					return nil
				})
				if err != nil {
					t.Errorf("%d: %v", admin, err)
				}
			}
		})
	}
	all.Go(func() {
		for range 5 {
			if _, err := r.client.Reload(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	shared, err := r.Device(t.Context(), "", "shared")
	if err != nil || len(shared.Groups) != 2*each {
		t.Errorf("%d groups, %v", len(shared.Groups), err)
	}
	n := 0
	for _, err := range r.Devices(t.Context(), registry.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 2*each+1 {
		t.Errorf("%d devices", n)
	}
	if log := r.log.String(); !strings.Contains(log, `"command":"administrator 1"`) {
		t.Error("the log does not say who")
	}
}

// Who shows nothing has no rights but to bring a token; with a good one the session
// is the device's, with the device's rights, and when the token is taken back that
// ends. Who brings none is closed after the deadline.
func TestAuthorizeByToken(t *testing.T) {
	server, serverKey := keyFile(1)
	r := start(t, liveConfig+`
identity: {rpk: server.key}
clients: {anonymous: true}
acl: {rules: ["allow device:sensor-9 GET /hello"]}
resources: {authorize: {path: /authorize, within: 2s}}
`, map[string]string{"server.key": serverKey})
	const token = "0123456789abcdef0123456789abcdef"
	sum := sha256.Sum256([]byte(token))
	if _, err := r.AddDevice(t.Context(), registry.Device{Name: "sensor-9", Credentials: []registry.Credential{{Token: &registry.Token{SHA256: sum[:]}}}}); err != nil {
		t.Fatal(err)
	}
	pins := new(keys.Pins)
	pins.AddKey(server.SPKI)
	client := r.with(&security.Config{Pins: pins})
	client.want("/hello", "4.01")
	for _, bad := range []string{"wrong", strings.Repeat("x", 500), token[:31]} {
		if got := client.do(coap.POST, "/authorize", []byte(bad)); got != "4.01" {
			t.Errorf("token %q: %s", bad, got)
		}
	}
	if got := client.do(coap.POST, "/authorize", nil); got != "4.00" {
		t.Errorf("no token: %s", got)
	}
	if got := client.do(coap.POST, "/authorize", []byte(token)); got != "2.04" {
		t.Fatalf("the token: %s", got)
	}
	client.want("/hello", "2.05")
	if all := r.sessions(SessionFilter{Device: "sensor-9"}); len(all) != 1 || !all[0].Authorized || all[0].Mode != "rpk" {
		t.Errorf("%+v", all)
	}
	late := r.with(&security.Config{Pins: pins})
	late.want("/hello", "4.01")
	r.within(4*time.Second, "the deadline of who brings no token", func() bool { return len(r.sessions(SessionFilter{})) == 1 })
	client.want("/hello", "2.05")
	if err := r.RemoveDevice(t.Context(), "", "sensor-9"); err != nil {
		t.Fatal(err)
	}
	r.within(time.Second, "a device that was removed", func() bool { return len(r.sessions(SessionFilter{})) == 0 })
}

// Who has changed a rule by the admin socket, and was answered, finds it in force.
func TestRulesAreInForceWhenAnswered(t *testing.T) {
	r := start(t, liveConfig, nil)
	r.addDevice("sensor-7")
	p := r.peer("sensor-7")
	p.want("/hello", "4.03")
	for range 20 {
		id := r.allow("allow device:sensor-7 GET /hello")
		p.want("/hello", "2.05")
		if err := r.RemoveRule(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		p.want("/hello", "4.03")
	}
}

// Two virtual hosts have name spaces of identities of their own.
func TestVirtualHosts(t *testing.T) {
	_, one := keyFile(1)
	_, two := keyFile(2)
	r := start(t, liveConfig+`
identity: {rpk: one.key}
clients: {anonymous: true}
hosts:
  b.example: {identity: {rpk: two.key}, clients: {anonymous: true}}
acl: {rules: ["allow host:b.example,authenticated GET /time", "allow authenticated GET /hello"]}
`, map[string]string{"one.key": one, "two.key": two})
	add := func(name, host, key string) {
		psk := must(keys.NewPSK([]byte("sensor"), []byte(key)))
		if _, err := r.AddDevice(t.Context(), registry.Device{Name: name, Credentials: []registry.Credential{{Host: host, PSK: &registry.PSK{Identity: psk.Identity, Key: psk.Key}}}}); err != nil {
			t.Fatal(err)
		}
	}
	add("here", "", "the key of this host")
	add("there", "b.example", "the key of that host")
	dial := func(host, key string) *peer {
		psk := must(keys.NewPSK([]byte("sensor"), []byte(key)))
		p := r.with(&security.Config{ClientPSK: &psk})
		p.client.ServerName = host
		return p
	}
	here, there := dial("-", "the key of this host"), dial("b.example", "the key of that host")
	here.want("/hello", "2.05")
	here.want("/time", "4.03")
	there.want("/hello", "2.05")
	there.want("/time", "2.05")
	if got := dial("b.example", "the key of this host").get("/hello"); strings.HasPrefix(got, "2.") {
		t.Errorf("the key of one host at another: %s", got)
	}
	if log := r.log.String(); !regexp.MustCompile(`"device":"there",[^\n]*"host":"b.example"`).MatchString(log) || strings.Count(log, `"host":`) != 1 {
		t.Errorf("the host of a handshake is not in the log:\n%s", log)
	}
	if all := r.sessions(SessionFilter{Device: "there"}); len(all) != 1 || all[0].Host != "b.example" {
		t.Errorf("%+v", all)
	}
}

// A tenant comes from the identity, and session list can ask for it.
func TestTenants(t *testing.T) {
	r := start(t, liveConfig+"tenants: {split: \"@\"}\nacl: {rules: [\"allow tenant:acme GET /{tenant}/**\", \"allow tenant:acme GET /hello\"]}\n", nil)
	psk := pskOf("sensor-1@acme")
	if _, err := r.AddDevice(t.Context(), registry.Device{Name: "sensor-1", Tenant: "acme", Credentials: []registry.Credential{{PSK: &registry.PSK{Identity: psk.Identity, Key: psk.Key}}}}); err != nil {
		t.Fatal(err)
	}
	sensor := r.peer("sensor-1@acme")
	sensor.want("/hello", "2.05")
	sensor.want("/acme/x", "4.04")
	sensor.want("/other/x", "4.03")
	if n := len(r.sessions(SessionFilter{Tenant: "acme"})); n != 1 {
		t.Errorf("%d sessions of the tenant", n)
	}
	if n, err := r.client.Drop(t.Context(), SessionFilter{Tenant: "acme"}); n != 1 || err != nil {
		t.Errorf("drop: %d, %v", n, err)
	}
	r.within(time.Second, "drop", func() bool { return len(r.sessions(SessionFilter{})) == 0 })
	sensor.want("/hello", "2.05") // it may come back
}

// The sessions of a device are those of its tenant's device alone.
func TestFilterKeepsTenantsApart(t *testing.T) {
	none, acme := &Session{Device: "sensor-7"}, &Session{Device: "sensor-7", Tenant: "acme"}
	for _, test := range []struct {
		filter     SessionFilter
		none, acme bool
	}{
		{SessionFilter{}, true, true}, {SessionFilter{Device: "sensor-7"}, true, false}, {SessionFilter{Device: "sensor-7", Tenant: "acme"}, false, true},
		{SessionFilter{Tenant: "acme"}, false, true}, {SessionFilter{Device: "sensor-8"}, false, false},
	} {
		if test.filter.fits(none) != test.none || test.filter.fits(acme) != test.acme {
			t.Errorf("%+v", test)
		}
	}
}
