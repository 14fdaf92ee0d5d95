// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/testlog"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/bolt"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// keyFile is a private key and its file.
func keyFile(n byte) (*dtls.KeyPair, string) {
	pair := must(keys.NewKey(seeded(n)))
	return pair, string(must(keys.MarshalKeyFile(pair)))
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

// A file of devices that is half-written, empty, wrong or gone changes nothing: the
// policy that was in force holds, and the status says what is wrong.
func TestFileOfDevicesThatBreaks(t *testing.T) {
	const good = "devices:\n  sensor-7:\n    psk: [{key: \"text:the key of sensor-7 is this\"}]\nacl: [\"allow device:sensor-7 GET /hello\"]\n"
	r := start(t, strings.Replace(liveConfig, "bolt:devices.db", "file:devices.yaml", 1), map[string]string{"devices.yaml": good})
	sensor := r.peer("sensor-7")
	sensor.want("/hello", "2.05")
	for name, bad := range map[string]string{
		"half-written": good[:48], "empty": "", "a wrong key": strings.Replace(good, "psk", "pks", 1), "a short key": strings.Replace(good, "text:", "hex:", 1), "twice": good + good,
	} {
		r.write("devices.yaml", bad)
		r.within(2*time.Second, name, func() bool { return !r.status().Stores[0].OK })
		sensor.want("/hello", "2.05")
		r.peer("sensor-7").want("/hello", "2.05")
		r.write("devices.yaml", good)
		r.within(2*time.Second, name+" mended", func() bool { return r.status().Stores[0].OK })
	}
	if err := os.Remove(r.path("devices.yaml")); err != nil {
		t.Fatal(err)
	}
	r.within(3*time.Second, "gone", func() bool { s := r.status(); return !s.Stores[0].OK && len(s.Problems) > 0 })
	sensor.want("/hello", "2.05")
	if !strings.Contains(r.log.String(), LogStoreDown) {
		t.Error("the log does not say it")
	}
	r.write("devices.yaml", strings.Replace(good, "GET /hello", "GET /time", 1))
	r.within(2*time.Second, "back with another rule", func() bool { return sensor.get("/hello") == "4.03" && sensor.get("/time") == "2.05" })
	r.within(2*time.Second, "told to be back", func() bool { return len(r.status().Problems) == 0 && strings.Contains(r.log.String(), LogStoreUp) })
	if _, err := r.AddDevice(t.Context(), registry.Device{Name: "x"}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("a change of what people edit: %v", err)
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

// A sealed store is served, and its file has no key in it.
func TestSealedStore(t *testing.T) {
	identity := must(age.GenerateX25519Identity())
	config := strings.Replace(liveConfig, "store: bolt:devices.db", "store: {url: \"bolt:devices.db\", key: store.key}", 1) + "acl: {rules: [\"allow authenticated GET /hello\"]}\n"
	r := start(t, config, map[string]string{"store.key": identity.String() + "\n"})
	r.addDevice("sensor-7")
	r.peer("sensor-7").want("/hello", "2.05")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	text := string(must(os.ReadFile(r.path("devices.db"))))
	if strings.Contains(text, string(pskOf("sensor-7").Key.Bytes())) || strings.Contains(text, "the key of") {
		t.Error("the file has a key in it")
	}
	other := must(age.GenerateX25519Identity())
	r.write("store.key", other.String())
	if err := Run(t.Context(), r.path("coaps.yaml"), Options{}); err == nil || strings.Contains(err.Error(), "AGE-SECRET") {
		t.Errorf("another identity: %v", err)
	}
	r.write("store.key", "AGE-SECRET-KEY-1WRONG")
	if err := Run(t.Context(), r.path("coaps.yaml"), Options{}); err == nil || strings.Contains(err.Error(), "AGE-SECRET-KEY-1WRONG") {
		t.Errorf("no identity: %v", err)
	}
}

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

// A jump of the clock, in either direction, is told.
func TestClockJump(t *testing.T) {
	log := new(testlog.Buffer)
	s := newServer(must(parseText(leastConfig)), Options{Stderr: log})
	s.judgeClock(2*time.Second, time.Second)
	if text := log.String(); text != "" {
		t.Errorf("no jump: %s", text)
	}
	s.judgeClock(time.Hour, time.Second)
	s.judgeClock(-time.Hour, time.Second)
	for _, by := range []string{`"by":"59m59s"`, `"by":"-1h0m1s"`} {
		if text := log.String(); !strings.Contains(text, LogClockJumped) || !strings.Contains(text, by) {
			t.Errorf("no %s in %s", by, text)
		}
	}
}

// An audit file on a full disk is told of by the status, and holds nobody up.
func TestFullDiskUnderTheAuditFile(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	r := start(t, liveConfig+"acl: {rules: [\"allow authenticated GET /hello\"]}\nlog: {audit: /dev/full}\n", nil)
	r.addDevice("sensor-7")
	r.peer("sensor-7").want("/hello", "2.05")
	r.within(2*time.Second, "a full disk", func() bool { return strings.Contains(strings.Join(r.status().Problems, "\n"), "no space left") })
}

// The file of a database that somebody deletes under a running server: who is
// connected stays so, who is known gets in, changes are refused, and it is told.
func TestDatabaseDeleted(t *testing.T) {
	r := start(t, liveConfig+"acl: {rules: [\"allow authenticated GET /hello\"]}\n", nil)
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	sensor.want("/hello", "2.05")
	if err := os.Remove(r.path("devices.db")); err != nil {
		t.Fatal(err)
	}
	_, err := r.AddDevice(t.Context(), registry.Device{Name: "lost"})
	if err == nil {
		t.Error("a change that would be lost was confirmed")
	}
	r.within(3*time.Second, "deleted", func() bool { return !r.status().Stores[0].OK })
	sensor.want("/hello", "2.05")
	r.peer("sensor-7").want("/hello", "2.05")
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

// The service manager is told what the server does.
func TestNotify(t *testing.T) {
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

// A value that comes from a file follows the file.
func TestReferencesAreWatched(t *testing.T) {
	config := strings.Replace(liveConfig, "store: bolt:devices.db", "store: {url: \"bolt:devices.db\", poll: 50ms}", 1)
	r := start(t, strings.Replace(config, "name: gw-1", "name: \"${file:name}\"", 1), map[string]string{"name": "one\n"})
	r.write("name", "two\n")
	r.within(2*time.Second, "another name", func() bool { return r.status().Name == "two" })
}

// A backup that is put in the place of the database is what holds within a second,
// for sessions too; what cannot be opened changes nothing.
func TestDatabaseReplaced(t *testing.T) {
	r := start(t, liveConfig+"acl: {rules: [\"allow authenticated GET /hello\"]}\n", nil)
	r.addDevice("sensor-7")
	r.addDevice("sensor-8")
	backup := string(must(os.ReadFile(r.path("devices.db"))))
	if err := r.RemoveDevice(t.Context(), "", "sensor-8"); err != nil {
		t.Fatal(err)
	}
	r.addDevice("sensor-9")
	late := r.peer("sensor-9")
	late.want("/hello", "2.05")
	r.write("devices.db", "no database at all")
	r.within(3*time.Second, "junk in its place", func() bool { return strings.Contains(r.log.String(), LogReloadFailed) })
	late.want("/hello", "2.05")
	if s := r.status(); s.Stores[0].OK || len(s.Problems) == 0 {
		t.Errorf("%+v", s)
	}
	r.write("devices.db", backup)
	r.within(3*time.Second, "a backup in its place", func() bool { return len(r.sessions(SessionFilter{Device: "sensor-9"})) == 0 })
	r.peer("sensor-8").want("/hello", "2.05")
	r.within(time.Second, "told", func() bool { s := r.status(); return s.Stores[0].OK && len(s.Problems) == 0 })
	if _, err := r.UpdateDevice(t.Context(), "", "sensor-8", func(d *registry.Device) error { d.Disabled = true; return nil }); err != nil {
		t.Errorf("a change of the new file: %v", err)
	}
	r.within(time.Second, "a change of the new file", func() bool { return len(r.sessions(SessionFilter{Device: "sensor-8"})) == 0 })
}

// A backup that is copied to where the database was, bit by bit, is opened when all of
// it is there: before, when it is empty or cut off, what is in memory holds.
func TestDatabaseCopiedBack(t *testing.T) {
	r := start(t, liveConfig+"acl: {rules: [\"allow authenticated GET /hello\"]}\n", nil)
	r.addDevice("sensor-7")
	sensor := r.peer("sensor-7")
	sensor.want("/hello", "2.05")
	backup := must(os.ReadFile(r.path("devices.db")))
	r.remove("devices.db")
	for i, written := range []int{0, len(backup) / 2} {
		if err := os.WriteFile(r.path("devices.db"), backup[:written], 0o600); err != nil {
			t.Fatal(err)
		}
		r.within(3*time.Second, "a part in its place", func() bool { return strings.Count(r.log.String(), LogReloadFailed) > i })
		sensor.want("/hello", "2.05")
		if n := len(r.sessions(SessionFilter{})); n != 1 {
			t.Fatalf("%d octets: %d sessions", written, n)
		}
	}
	if err := os.WriteFile(r.path("devices.db"), backup, 0o600); err != nil {
		t.Fatal(err)
	}
	r.within(3*time.Second, "all of it", func() bool { s := r.status(); return s.Stores[0].OK && len(s.Problems) == 0 })
	sensor.want("/hello", "2.05")
	r.addDevice("sensor-8")
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
