// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// A year of an operator's changes, round after round: devices are added, connect,
// observe, are disabled, lose a right or are removed, strangers try, and the
// configuration is reloaded, well and badly. After each round the server is as it was.
const soakConfig = liveConfig + `log: {audit: audit.log, ban: ban.log}
identity: {rpk: server.key}
clients: {anonymous: true}
resources: {files: [{path: /fw/, dir: fw}], store: {path: /store/}, authorize: {path: /authorize, within: 300ms}}
acl: {rules: ["allow group:churn GET,PUT,OBSERVE /store/{device}", "allow group:owners DELETE /store/*"]}
`

// What the configuration has besides, in every other round.
const (
	soakHost     = "hosts: {b.example: {identity: {rpk: server.key}}}\n"
	soakListener = "  - {addr: \"127.0.0.1:0\", security: nosec}\nstore:"
)

const soakDevices = 12 // in each round

// soaking is a server in a soak, and what it held after each round.
type soaking struct {
	*running
	pins    *keys.Pins
	samples []held
}

// held is what a process has.
type held struct {
	goroutines, descriptors int
	heap, database          int64 // bytes
}

// TestSoakChanges plays a few rounds; with COAPS_SOAK=10m in the environment as many
// as fit in that, and then what the process holds must not have grown.
func TestSoakChanges(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	pair, key := keyFile(1)
	s := &soaking{running: start(t, soakConfig, map[string]string{"server.key": key, "fw/a.txt": "firmware"}), pins: new(keys.Pins)}
	s.pins.AddKey(pair.SPKI)
	s.addDevice("owner", "owners")
	duration := time.Duration(0)
	if text := os.Getenv("COAPS_SOAK"); text != "" {
		duration = must(time.ParseDuration(text))
	}
	for begin, round := time.Now(), 0; round < 2 || time.Since(begin) < duration; round++ {
		s.round(round)
	}
	if duration > 0 {
		s.judge()
	}
}

// round is one of all kinds of change.
func (s *soaking) round(round int) {
	var all []*following
	for i := range soakDevices {
		name := fmt.Sprintf("churn-%d-%d", round, i)
		s.addDevice(name, "churn")
		p := s.guest(&security.Config{ClientPSK: new(pskOf(name))})
		p.put("/store/"+name, "1")
		o, err := p.client.Observe(s.Context(), &coaps.Request{URI: "coaps://" + s.secure.String() + "/store/" + name})
		if err != nil {
			s.Fatal(err)
		}
		f := &following{p, o, "/store/" + name}
		f.wants("2.05 1")
		all = append(all, f)
	}
	strangers := s.strangers(round)
	s.reloads(round)
	for i, f := range all {
		f.put(f.path, "2")
		f.becomes("2.05 2")
		s.change(i, f)
	}
	for _, f := range append(all, strangers...) {
		if f.Observation != nil {
			f.Close()
		}
		f.client.Close()
	}
	s.clear(round)
	s.sample()
}

// guest is a client that is closed by who asks for it.
func (s *soaking) guest(config *security.Config) *peer {
	return &peer{running: s.running, client: &coaps.Client{Security: config, Params: quick}}
}

// strangers come with an unknown identity, with another's, and with nothing at all.
func (s *soaking) strangers(round int) (all []*following) {
	wrong := must(keys.NewPSK(fmt.Appendf(nil, "churn-%d-0", round), []byte("this is not the key of it")))
	for _, config := range []*security.Config{
		{ClientPSK: new(pskOf(fmt.Sprintf("stranger-%d", round)))}, {ClientPSK: &wrong}, {Pins: s.pins},
	} {
		p := s.guest(config)
		ctx, cancel := context.WithTimeout(s.Context(), 200*time.Millisecond)
		if r, err := p.client.Get(ctx, "coaps://"+s.secure.String()+"/hello"); err == nil && r.Code != coap.Unauthorized {
			s.Errorf("a stranger gets %v", r.Code)
		}
		cancel()
		all = append(all, &following{peer: p})
	}
	return all
}

// reloads has the server read bad configurations and another good one.
func (s *soaking) reloads(round int) {
	good := soakConfig
	if round%2 == 0 {
		good = strings.Replace(soakConfig, "store:", soakListener, 1) + soakHost
	}
	for _, bad := range []string{good[:len(good)/2], good + "acll: {}\n", good + "log: {audit: none/audit.log}\n"} {
		s.write("coaps.yaml", bad)
		if _, err := s.client.Reload(s.Context()); err == nil {
			s.Errorf("a bad configuration was taken: %q", bad)
		}
	}
	s.write("coaps.yaml", good)
	s.hangup <- struct{}{}
	if _, err := s.client.Reload(s.Context()); err != nil {
		s.Error(err)
	}
}

// change takes something from device number i.
func (s *soaking) change(i int, f *following) {
	name := strings.TrimPrefix(f.path, "/store/")
	var err error
	switch i % 4 {
	case 0:
		_, err = s.UpdateDevice(s.Context(), "", name, func(d *registry.Device) error { d.Disabled = true; return nil })
	case 1:
		err = s.RemoveDevice(s.Context(), "", name)
	case 2:
		id := s.allow("deny device:" + name + " OBSERVE /**")
		f.becomes("4.03")
		err = s.RemoveRule(s.Context(), id)
	default: // its client goes by itself
		return
	}
	if err != nil {
		s.Error(err)
	}
	if i%4 < 2 {
		s.until(name+" is gone", func() bool { return len(s.sessions(SessionFilter{Device: name})) == 0 })
	}
}

// until waits for a condition, and says nothing: what a test has logged is kept.
func (s *soaking) until(what string, holds func() bool) {
	s.Helper()
	for begin := time.Now(); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > busier*time.Second {
			s.Fatalf("not in time: %s", what)
		}
	}
}

// clear has nothing left of a round.
func (s *soaking) clear(round int) {
	owner := s.guest(&security.Config{ClientPSK: new(pskOf("owner"))})
	for i := range soakDevices {
		name := fmt.Sprintf("churn-%d-%d", round, i)
		if got := owner.do(coap.DELETE, "/store/"+name, nil); got != "2.02" {
			s.Errorf("DELETE /store/%s: %s", name, got)
		}
		if i%4 == 1 {
			continue
		}
		if err := s.RemoveDevice(s.Context(), "", name); err != nil {
			s.Error(err)
		}
	}
	owner.client.Close()
	if _, err := s.client.Drop(s.Context(), SessionFilter{Device: "owner"}); err != nil { // its alert may be lost
		s.Error(err)
	}
	s.until("all sessions are gone", func() bool {
		status := s.status()
		return len(s.sessions(SessionFilter{})) == 0 && status.Observers.Now == 0
	})
}

// sample takes one of what the process holds.
func (s *soaking) sample() {
	s.log.Reset()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		s.Fatal(err)
	}
	database, err := os.Stat(s.path("devices.db"))
	if err != nil {
		s.Fatal(err)
	}
	s.samples = append(s.samples, held{runtime.NumGoroutine(), len(descriptors), int64(m.HeapAlloc), database.Size()})
}

// judge compares the medians of the second and the last fifth.
func (s *soaking) judge() {
	fifth := len(s.samples) / 5
	if fifth == 0 {
		s.Fatalf("%d rounds are too few to judge", len(s.samples))
	}
	for what, of := range map[string]func(held) int64{
		"goroutines":          func(h held) int64 { return int64(h.goroutines) },
		"descriptors":         func(h held) int64 { return int64(h.descriptors) },
		"bytes of heap":       func(h held) int64 { return h.heap },
		"bytes of devices.db": func(h held) int64 { return h.database },
	} {
		early, late := median(s.samples[fifth:2*fifth], of), median(s.samples[len(s.samples)-fifth:], of)
		s.Logf("%s: %d, then %d, in %d rounds", what, early, late, len(s.samples))
		if late > early+max(early/10, 2) {
			s.Errorf("%s grow from %d to %d", what, early, late)
		}
	}
}

func median(samples []held, of func(held) int64) int64 {
	var all []int64
	for _, h := range samples {
		all = append(all, of(h))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
