// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/internal/testlog"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/redis/redistest"
)

// A Redis server that dies under a running gateway: who is connected stays so, who
// is in memory gets in, who has to be looked up does not, the log and the status
// say it, and a reload that changes something else works. When it is back, so is
// everything; what was changed meanwhile reaches live sessions.
func TestRedisGone(t *testing.T) {
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	config := strings.Replace(liveConfig, "bolt:devices.db", "\""+s.URL()+"\"", 1)
	config = strings.Replace(config, "\nlimits", "\nacl: {rules: [\"allow authenticated GET /hello\"]}\nlimits", 1)
	r := start(t, config, nil)
	r.addDevice("sensor-7")
	r.addDevice("sensor-8")
	sensor := r.peer("sensor-7")
	sensor.want("/hello", "2.05")

	s.Kill()
	r.within(5*time.Second, "dead", func() bool { return !r.status().Stores[0].OK })
	sensor.want("/hello", "2.05")
	r.peer("sensor-7").want("/hello", "2.05")
	if got := r.peer("sensor-8").get("/hello"); strings.HasPrefix(got, "2.") {
		t.Errorf("who is not in memory gets %s", got)
	}
	r.write("coaps.yaml", strings.Replace(config, "GET /hello", "GET /time", 1))
	if _, err := r.client.Reload(t.Context()); err != nil {
		t.Errorf("a reload without the store: %v", err)
	}
	sensor.want("/time", "2.05")
	if status := r.status(); len(status.Problems) == 0 || !strings.Contains(r.log.String(), LogStoreDown) {
		t.Errorf("nothing says it: %+v", status)
	}

	s.Run()
	r.within(10*time.Second, "alive", func() bool { return r.status().Stores[0].OK })
	r.within(10*time.Second, "look-ups", func() bool { return r.peer("sensor-8").get("/time") == "2.05" })
	r.within(10*time.Second, "no problem left", func() bool { return len(r.status().Problems) == 0 })
	if _, err := r.UpdateDevice(t.Context(), "", "sensor-7", func(d *registry.Device) error { d.Disabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	r.within(2*time.Second, "a change after that", func() bool { return len(r.sessions(SessionFilter{Device: "sensor-7"})) == 0 })
}

// Two gateways on one store: what is changed through one reaches the sessions of
// the other.
func TestTwoGatewaysOnOneStore(t *testing.T) {
	s := redistest.Start(t)
	config := strings.Replace(liveConfig, "bolt:devices.db", "\""+s.URL()+"\"", 1)
	one, two := start(t, config, nil), start(t, config, nil)
	one.addDevice("sensor-7")
	id := one.allow("allow device:sensor-7 GET /hello")
	sensor := two.peer("sensor-7")
	one.within(time.Second, "a right", func() bool { return sensor.get("/hello") == "2.05" })
	if err := one.RemoveRule(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	one.within(time.Second, "a rule that was taken away", func() bool { return sensor.get("/hello") == "4.03" })
	if err := one.RemoveDevice(t.Context(), "", "sensor-7"); err != nil {
		t.Fatal(err)
	}
	one.within(time.Second, "a device that was removed", func() bool { return len(two.sessions(SessionFilter{})) == 0 })
}

// Both machines have been switched on at the same time: the server waits until Redis
// is there. A password that is wrong is told at once.
func TestRedisIsAwaited(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "open-sesame")
	url := strings.Replace(s.URL(), "redis://", "redis://:open-sesame@", 1)
	config := strings.Replace(liveConfig, "bolt:devices.db", "\""+url+"\"", 1)
	wrong := begin(t, t.TempDir(), strings.Replace(config, "open-sesame", "wrong-sesame", 1))
	if err := wrong.ends(); !errors.Is(err, store.ErrDenied) || strings.Contains(err.Error()+wrong.log.String(), "sesame") {
		t.Errorf("a wrong password: %v", err)
	}
	s.Kill()
	a := begin(t, t.TempDir(), config)
	a.says(LogStoreAwaited)
	s.Run()
	a.serves()
	a.stop()
	s.Freeze() // it takes connections and says nothing
	stuck := begin(t, t.TempDir(), config)
	time.Sleep(300 * time.Millisecond)
	stuck.stop()
	stuck = begin(t, t.TempDir(), config)
	stuck.says(LogStoreAwaited)
	s.Thaw()
	stuck.serves()
	stuck.stop()
	for _, log := range []*testlog.Buffer{a.log, stuck.log} {
		if strings.Contains(log.String(), "sesame") {
			t.Errorf("the password is in the log:\n%s", log)
		}
	}
}
