// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store/bolt"
)

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

// Another way of looking things up, and another store, come by a reload; sessions
// whose device the new store does not know end.
func TestReloadStore(t *testing.T) {
	rules := "acl: {rules: [\"allow authenticated GET /hello\"]}\n"
	r := start(t, liveConfig+rules, map[string]string{"devices.yaml": "devices:\n  sensor-8:\n    psk: [{key: \"text:the key of sensor-8 is this\"}]\n"})
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	sensor.want("/hello", "2.05")
	r.write("coaps.yaml", strings.Replace(liveConfig, "store: bolt:devices.db", "store: {url: \"bolt:devices.db\", negative: 1s}", 1)+rules)
	if _, err := r.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	sensor.want("/hello", "2.05")
	if _, err := r.UpdateDevice(t.Context(), "", "sensor-7", func(d *registry.Device) error { d.Label = "x"; return nil }); err != nil {
		t.Errorf("the store after a reload of its settings: %v", err)
	}
	if n := len(r.sessions(SessionFilter{Device: "sensor-7"})); n != 1 {
		t.Errorf("%d sessions", n)
	}
	r.write("coaps.yaml", strings.Replace(liveConfig, "bolt:devices.db", "file:devices.yaml", 1)+rules)
	if _, err := r.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.within(time.Second, "the session of a device of the old store", func() bool { return len(r.sessions(SessionFilter{})) == 0 })
	r.peer("sensor-8").want("/hello", "2.05")
	if s := r.status(); len(s.Stores) != 1 || s.Stores[0].Kind != "file" {
		t.Errorf("%+v", s.Stores)
	}
	s := must(bolt.Open(r.path("devices.db"), bolt.Options{})) // it was given back
	defer s.Close()
}

// A value that comes from a file follows the file.
func TestReferencesAreWatched(t *testing.T) {
	config := strings.Replace(liveConfig, "store: bolt:devices.db", "store: {url: \"bolt:devices.db\", poll: 50ms}", 1)
	r := start(t, strings.Replace(config, "name: gw-1", "name: \"${file:name}\"", 1), map[string]string{"name": "one\n"})
	r.write("name", "two\n")
	r.within(2*time.Second, "another name", func() bool { return r.status().Name == "two" })
}

// A revocation list that is put in place of another ends the session of the
// certificate on it; one that is half-written changes nothing and is told of.
func TestRevocationListIsWatched(t *testing.T) {
	now := time.Now()
	ca := must(keys.NewCA(seeded(3), "plant CA", now.Add(-time.Hour), 48*time.Hour))
	server, serverKey := keyFile(1)
	client, _ := keyFile(2)
	serverChain := must(ca.IssueServer(seeded(4), server, []keys.Authority{{Host: "127.0.0.1"}}, now, time.Hour))
	clientChain := must(ca.IssueClient(seeded(5), client, "sensor-7", now, time.Hour))
	list := func(n int64, revoked ...keys.Revocation) string {
		return string(must(ca.RevocationList(big.NewInt(n), revoked, now.Add(-time.Minute), now.Add(time.Hour))).Raw)
	}
	r := start(t, strings.Replace(liveConfig, "store: bolt:devices.db", "store: {url: \"bolt:devices.db\", poll: 100ms}", 1)+`
identity: {cert: server.crt, key: server.key}
clients: {ca: ca.crt, crl: plant.crl}
acl: {rules: ["allow authenticated GET /hello"]}
`, map[string]string{"server.key": serverKey, "server.crt": string(keys.MarshalCertificates(serverChain.Leaf)),
		"ca.crt": string(keys.MarshalCertificates(ca.Certificate)), "plant.crl": list(1)})
	peer := r.with(&security.Config{Chains: []dtls.Chain{clientChain}, Trust: keys.NewTrust(must(keys.ParseCertificates(keys.MarshalCertificates(ca.Certificate))))})
	peer.want("/hello", "2.05")
	r.write("plant.crl", list(2)[:40])
	r.within(time.Second, "half a list", func() bool { return len(r.status().Problems) > 0 })
	peer.want("/hello", "2.05")
	if s := r.status(); s.Reload.OK || !strings.Contains(s.Reload.Error, "plant.crl") {
		t.Errorf("%+v", s.Reload)
	}
	failures := strings.Count(r.log.String(), LogReloadFailed)
	time.Sleep(400 * time.Millisecond)
	if again := strings.Count(r.log.String(), LogReloadFailed); again != failures {
		t.Errorf("what does not load is tried again and again: %d times", again)
	}
	r.write("plant.crl", list(3, keys.Revocation{Serial: clientChain.Leaf.SerialNumber, At: now}))
	r.within(time.Second, "a revoked certificate", func() bool { return len(r.sessions(SessionFilter{})) == 0 })
	if s := r.status(); !s.Reload.OK || len(s.Problems) != 0 {
		t.Errorf("%+v", s)
	}
	if got := peer.get("/hello"); strings.HasPrefix(got, "2.") {
		t.Errorf("a revoked certificate gets %s", got)
	}
	if !strings.Contains(r.log.String(), "cert_revoked") {
		t.Error("the log does not say why")
	}
}
