// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/coaps-go/coaps/internal/testlog"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
)

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
