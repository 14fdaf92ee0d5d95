// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
	"github.com/coaps-go/coaps/store/storetest"
	"github.com/google/go-cmp/cmp"
)

// inBubble runs a test with a clock that only waiting moves, on a directory over
// a store that can be made to fail. Its devices are a and b, with identities
// like their names.
func inBubble(t *testing.T, o Options, test func(t *testing.T, w *watched)) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		w := &watched{faulty: storetest.NewFaulty(s)}
		w.registry, w.directory = New(w.faulty), NewDirectory(w.faulty, o)
		for _, name := range []string{"a", "b"} {
			must(w.registry.AddDevice(t.Context(), device(name, pskOf(name, "sixteen byte key"))))
		}
		defer func() {
			w.faulty.Heal()
			synctest.Wait()
			_ = s.Close()
		}()
		test(t, w)
	})
}

type watched struct {
	faulty    *storetest.Faulty
	registry  *Registry
	directory *Directory

	mu      sync.Mutex
	changes []Change
}

// run watches the store until the test ends.
func (w *watched) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- w.directory.Run(ctx, func(list []Change) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changes = append(w.changes, list...)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	synctest.Wait()
	w.told()
}

// told returns the changes since it was last called.
func (w *watched) told() []Change {
	time.Sleep(2 * gather)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.changes
	w.changes = nil
	slices.SortFunc(list, func(a, b Change) int {
		return slices.Compare([]string{a.Device, a.Group, a.Tenant, fmt.Sprint(a.All, a.Rules)}, []string{b.Device, b.Group, b.Tenant, fmt.Sprint(b.All, b.Rules)})
	})
	return list
}

// cached asks memory.
func (w *watched) cached(identity string) string {
	e, ok := w.directory.Cached(claimPSK(identity), time.Now())
	if !ok {
		return "?"
	}
	return told(e)
}

// fetch asks the store.
func (w *watched) fetch(identity string) string {
	return told(w.directory.Fetch(context.Background(), claimPSK(identity), time.Now()))
}

func told(e security.Entry) string {
	if e.Reason != dtls.ReasonNone {
		return e.Reason.String()
	}
	return e.Name()
}

func (w *watched) expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestDirectory(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		w.run(t)
		w.expect(t, "before a look-up", w.cached("a"), "?")
		w.expect(t, "look-up", w.fetch("a"), "a")
		w.expect(t, "after it", w.cached("a"), "a")
		w.expect(t, "nobody's", w.fetch("x"), "unknown_identity")
		w.expect(t, "nobody's, again", w.cached("x"), "unknown_identity")
		calls := w.faulty.Count(storetest.Get)
		for range 10 {
			w.fetch("a")
			w.fetch("x")
		}
		if n := w.faulty.Count(storetest.Get) - calls; n != 0 {
			t.Errorf("the store was asked %d times for what is in memory", n)
		}
		time.Sleep(6 * time.Second)
		w.expect(t, "nobody's, later", w.cached("x"), "?")
		w.expect(t, "found, later", w.cached("a"), "a")
		time.Sleep(5 * time.Minute)
		w.expect(t, "found, much later", w.cached("a"), "?")
		s := w.directory.Status()
		if !s.OK || !s.Watching || s.Breaker || s.Cached != 1 || s.NegativeCached != 1 || s.Hits != 2 || s.Misses != 2 || s.Negative != 1 {
			t.Errorf("got %+v", s)
		}
		if e, ok := w.directory.Cached(&security.Claim{}, time.Now()); !ok || e.Reason != dtls.ReasonUnknownIdentity {
			t.Errorf("no claim at all: %+v", e)
		}
	})
}

// Without Run changes are not told, so memory is believed for a second.
func TestUnwatched(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		w.fetch("a")
		w.expect(t, "at once", w.cached("a"), "a")
		time.Sleep(time.Second)
		w.expect(t, "a second later", w.cached("a"), "?")
	})
}

// A change is forgotten and told within milliseconds, and nothing else.
func TestChanges(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		w.run(t)
		ctx := t.Context()
		w.fetch("a")
		w.fetch("b")
		w.fetch("c")
		must(w.registry.UpdateDevice(ctx, "", "a", func(d *Device) error { d.Disabled = true; return nil }))
		if diff := cmp.Diff([]Change{{Device: "a"}}, w.told()); diff != "" {
			t.Error(diff)
		}
		w.expect(t, "changed", w.cached("a"), "?")
		w.expect(t, "not changed", w.cached("b"), "b")
		w.expect(t, "changed, looked up", w.fetch("a"), "device_disabled")
		must(w.registry.AddDevice(ctx, Device{}.named("c", "t", pskOf("c", "sixteen byte key"))))
		w.told()
		w.expect(t, "was nobody's", w.cached("c"), "?")
		w.expect(t, "is somebody's", w.fetch("c"), "c")
		must(w.registry.MoveDevice(ctx, "t", "c", "", "d"))
		if diff := cmp.Diff([]Change{{Device: "c", Tenant: "t"}, {Device: "d"}}, w.told()); diff != "" {
			t.Error(diff)
		}
		w.expect(t, "moved", w.fetch("c"), "d")
		if err := w.registry.RemoveDevice(ctx, "", "d"); err != nil {
			t.Fatal(err)
		}
		w.told()
		w.expect(t, "removed", w.fetch("c"), "unknown_identity")
		must(w.registry.AddRule(ctx, rule("allow anybody GET /")))
		must(w.registry.AddGroup(ctx, Group{Name: "g"}))
		if diff := cmp.Diff([]Change{{Rules: true}, {Group: "g"}}, w.told()); diff != "" {
			t.Error(diff)
		}
	})
}

func (d Device) named(name, tenant string, credentials ...Credential) Device {
	d.Name, d.Tenant, d.Credentials = name, tenant, credentials
	return d
}

// Many changes at once are told as one.
func TestManyChanges(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		w.run(t)
		ops := []store.Op{}
		for i := range 2 * maxChanges {
			ops = append(ops, store.Op{Key: deviceKey("", fmt.Sprint(i)), Value: []byte("{}")})
		}
		if err := w.faulty.Apply(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Change{{All: true}}, w.told()); diff != "" {
			t.Error(diff)
		}
		w.expect(t, "after it", w.fetch("a"), "a")
	})
}

// What is in memory stays good while the store is away, and strangers are
// refused without waiting for it.
func TestDeadStore(t *testing.T) {
	inBubble(t, Options{Stale: time.Hour}, func(t *testing.T, w *watched) {
		w.run(t)
		w.fetch("a")
		w.faulty.Die()
		synctest.Wait()
		w.expect(t, "from memory", w.cached("a"), "a")
		for range 5 {
			w.expect(t, "stranger", w.fetch("b"), "store_unavailable")
		}
		if s := w.directory.Status(); s.OK || s.Err == nil || !s.Breaker || s.Watching {
			t.Errorf("got %+v", s)
		}
		calls := w.faulty.Count(storetest.Get)
		if calls > 2+2*breakAfter {
			t.Errorf("%d calls of a dead store", calls)
		}
		time.Sleep(2 * time.Second)
		for range 5 {
			w.fetch("b")
		}
		if n := w.faulty.Count(storetest.Get) - calls; n != 1 {
			t.Errorf("%d probes", n)
		}
		time.Sleep(10 * time.Minute)
		w.expect(t, "old", w.cached("a"), "?")
		w.expect(t, "old, but the best there is", w.fetch("a"), "a")
		time.Sleep(time.Hour)
		w.expect(t, "too old", w.fetch("a"), "store_unavailable")
		w.faulty.Heal()
		time.Sleep(3 * time.Second)
		w.expect(t, "back", w.fetch("a"), "a")
		if s := w.directory.Status(); !s.OK || s.Breaker || !s.Watching || s.Stale != 1 {
			t.Errorf("got %+v", s)
		}
		if diff := cmp.Diff([]Change{{All: true}}, w.told()); diff != "" {
			t.Error("after an outage:", diff)
		}
	})
}

// A store that does not come back, whatever its context says, costs the timeout
// three times, and a bounded number of goroutines.
func TestHangingStore(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		inBubble(t, Options{Lookups: 4}, func(t *testing.T, w *watched) {
			w.run(t)
			w.fetch("a")
			w.faulty.Set(storetest.Fault{On: storetest.Get, Hang: true, Deaf: deaf})
			var wait sync.WaitGroup
			began := time.Now()
			for i := range 100 {
				wait.Go(func() {
					w.expect(t, "stranger", w.fetch(fmt.Sprint(i)), "store_unavailable")
				})
			}
			synctest.Wait()
			w.expect(t, "from memory", w.cached("a"), "a")
			wait.Wait()
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			if n := w.faulty.Hanging(); n > 4 {
				t.Errorf("%d calls hang", n)
			}
			began = time.Now()
			w.expect(t, "next", w.fetch("x"), "store_unavailable")
			if took := time.Since(began); took != 0 {
				t.Errorf("the next one waited %v", took)
			}
			w.faulty.Heal()
			time.Sleep(2 * time.Second)
			w.expect(t, "back", w.fetch("b"), "b")
			w.expect(t, "a stranger again", w.fetch("1"), "unknown_identity")
			if s := w.directory.Status(); !s.OK || s.Timeouts == 0 {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// A store that is slow answers all who ask the same with one look-up.
func TestSlowStore(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		w.run(t)
		w.faulty.Set(storetest.Fault{On: storetest.Get, Delay: 500 * time.Millisecond})
		calls := w.faulty.Count(storetest.Get)
		var wait sync.WaitGroup
		for range 50 {
			wait.Go(func() { w.expect(t, "slow", w.fetch("a"), "a") })
		}
		wait.Wait()
		if n := w.faulty.Count(storetest.Get) - calls; n != 2 {
			t.Errorf("%d calls for one look-up", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if e := w.directory.Fetch(ctx, claimPSK("b"), time.Now()); e.Reason != dtls.ReasonStoreUnavailable {
			t.Errorf("who gave up got %+v", e)
		}
		time.Sleep(time.Second)
		w.expect(t, "what nobody waited for", w.cached("b"), "b")
	})
}

// A change during a look-up is not overwritten by what was read before it.
func TestChangeDuringLookup(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		w.run(t)
		w.faulty.Set(storetest.Fault{On: storetest.Get, Delay: 500 * time.Millisecond})
		go w.fetch("a")
		time.Sleep(600 * time.Millisecond) // the index is read, the device not yet
		w.faulty.Heal()
		must(w.registry.UpdateDevice(t.Context(), "", "b", func(d *Device) error { d.Disabled = true; return nil }))
		w.told()
		time.Sleep(time.Second)
		w.expect(t, "read while something changed", w.cached("a"), "?")
	})
}

// Times are judged when somebody asks, also by a clock that was set.
func TestTimes(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	d := device("a", pskOf("a", "sixteen byte key"), pskOf("a2", "sixteen byte key"), pskOf("off", "sixteen byte key"))
	d.NotBefore, d.NotAfter = noon, noon.Add(time.Hour)
	d.Credentials[1].NotBefore, d.Credentials[1].NotAfter = noon.Add(10*time.Minute), noon.Add(20*time.Minute)
	d.Credentials[2].Disabled = true
	must(r.AddDevice(ctx, d))
	directory := NewDirectory(r.store, Options{Refresh: 100 * 24 * time.Hour})
	directory.watching.Store(true)
	for _, test := range []struct {
		identity string
		at       time.Duration
		want     string
	}{
		{"a", -time.Second, "credential_not_yet_valid"}, {"a", 0, "a"}, {"a", time.Hour, "a"}, {"a", time.Hour + time.Second, "credential_expired"},
		{"a", -24 * time.Hour, "credential_not_yet_valid"}, {"a", 0, "a"},
		{"a2", 0, "credential_not_yet_valid"}, {"a2", 15 * time.Minute, "a"}, {"a2", 21 * time.Minute, "credential_expired"}, {"a2", 15 * time.Minute, "a"},
		{"off", 0, "credential_disabled"}, {"off", 24 * time.Hour, "credential_disabled"},
	} {
		now := noon.Add(test.at)
		for what, e := range map[string]security.Entry{
			"store": r.Who(ctx, claimPSK(test.identity), now), "directory": directory.Fetch(ctx, claimPSK(test.identity), now),
		} {
			if told(e) != test.want {
				t.Errorf("%s, %s at %v: %s, want %s", what, test.identity, test.at, told(e), test.want)
			}
		}
		if e, ok := directory.Cached(claimPSK(test.identity), now); ok && told(e) != test.want {
			t.Errorf("memory, %s at %v: %s, want %s", test.identity, test.at, told(e), test.want)
		}
	}
	e := directory.Fetch(ctx, claimPSK("a2"), noon.Add(15*time.Minute))
	if !e.NotAfter.Equal(noon.Add(20 * time.Minute)) {
		t.Errorf("the end is %v", e.NotAfter)
	}
}

// Raw keys, certificates and tokens are found by each of their names.
func TestClaims(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	p := thePKI()
	names := keys.NamesOf(p.chain.Leaf)
	chain := &security.Claim{Chain: p.certificates()}
	rpk := &security.Claim{RawKey: p.key.SPKI}
	for _, test := range []struct {
		credential Credential
		claim      *security.Claim
		finds      bool
	}{
		{Credential{RPK: &RPK{SPKI: p.key.SPKI}}, rpk, true},
		{Credential{RPK: &RPK{Name: keys.NameOf(p.key.SPKI, keys.SHA256_120)}}, rpk, true},
		{Credential{RPK: &RPK{Name: keys.NameOf(p.key.SPKI, keys.SHA256_128)}}, rpk, true},
		{Credential{RPK: &RPK{Name: keys.NameOf(p.other.SPKI, keys.SHA256)}}, rpk, false},
		{Credential{RPK: &RPK{SPKI: p.key.SPKI}}, chain, false},
		{Credential{RPK: &RPK{SPKI: p.key.SPKI}, Host: "b.example"}, rpk, false},
		{Credential{Certificate: &Certificate{Pin: names.Pin}}, chain, true},
		{Credential{Certificate: &Certificate{Pin: names.Pin}}, rpk, false},
		{Credential{Certificate: &Certificate{EUI64: "01:23:45:67:89:ab:cd:ef"}}, chain, true},
		{Credential{Certificate: &Certificate{EUI64: "01-23-45-67-89-AB-CD-EE"}}, chain, false},
		{Credential{Certificate: &Certificate{Subject: names.Subject}}, chain, true},
		{Credential{Certificate: &Certificate{Subject: names.Subject, Issuer: names.Issuer}}, chain, true},
		{Credential{Certificate: &Certificate{Subject: names.Subject, Issuer: "CN=Other"}}, chain, false},
		{tokenOf("t"), &security.Claim{Token: []byte("t")}, true},
		{tokenOf("t"), &security.Claim{Token: []byte("u")}, false},
		{tokenOf(""), &security.Claim{Token: []byte{}}, false},
		{pskOf("a", "k"), claimPSK("a"), true},
		{pskOf("a", "k"), claimPSK("A"), false},
		{pskOf("a", "k"), &security.Claim{PSKIdentity: []byte("a"), Host: "b.example"}, false},
		{Credential{PSK: &PSK{Identity: []byte{}, Key: secret("k")}}, claimPSK(""), true},
	} {
		d := must(r.AddDevice(ctx, device("a", test.credential)))
		directory := NewDirectory(r.store, Options{})
		want := map[bool]string{true: "a", false: "unknown_identity"}[test.finds]
		for range 2 {
			if e := directory.Fetch(ctx, test.claim, noon); told(e) != want || told(r.Who(ctx, test.claim, noon)) != want {
				t.Errorf("%s by %+v: %s, want %s", d.Credentials[0].what(), test.claim, told(e), want)
			}
		}
		if e, ok := directory.Cached(test.claim, noon); !ok || told(e) != want {
			t.Errorf("%s in memory: %s, want %s", d.Credentials[0].what(), told(e), want)
		}
		if err := r.RemoveDevice(ctx, "", "a"); err != nil {
			t.Fatal(err)
		}
	}
}

// Of several devices whose names a certificate has it is that of the one which
// says most: the pin, and among equals the one bound to the issuer.
func TestCertificatePrecedence(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	names := keys.NamesOf(thePKI().chain.Leaf)
	claim := &security.Claim{Chain: thePKI().certificates()}
	directory := NewDirectory(r.store, Options{})
	ctxRun, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { _ = directory.Run(ctxRun, func([]Change) {}) }()
	directory.Fetch(ctx, claim, time.Now()) // nobody's, as yet
	for _, step := range []struct {
		name string
		c    Certificate
	}{
		{"subject", Certificate{Subject: names.Subject}},
		{"subject-issuer", Certificate{Subject: names.Subject, Issuer: names.Issuer}},
		{"eui", Certificate{EUI64: names.EUI64[0]}},
		{"pin", Certificate{Pin: names.Pin}},
	} {
		must(r.AddDevice(ctx, device(step.name, Credential{Certificate: &step.c})))
		deadline := time.Now().Add(5 * time.Second)
		for told(directory.Fetch(ctx, claim, time.Now())) != step.name {
			if time.Now().After(deadline) {
				t.Fatalf("with %s it is still %s's", step.name, told(directory.Fetch(ctx, claim, time.Now())))
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// A Principal is looked up as such, and ends with what it was found by.
func TestPrincipals(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		w.run(t)
		ctx := t.Context()
		e := w.directory.Fetch(ctx, claimPSK("a"), time.Now())
		ask := func(p security.Principal) string {
			claim := &security.Claim{Principal: &p}
			first := w.directory.Fetch(ctx, claim, time.Now())
			if second, ok := w.directory.Cached(claim, time.Now()); ok && told(second) != told(first) {
				t.Errorf("first %s, then %s", told(first), told(second))
			}
			return told(first)
		}
		again := w.directory.Fetch(ctx, &security.Claim{Principal: &e.Principal}, time.Now())
		if !again.SameCredential(&e.Principal) {
			t.Errorf("got %+v, want %+v", again.Principal, e.Principal)
		}
		w.expect(t, "the device", ask(security.Principal{Device: "a"}), "a")
		w.expect(t, "another credential", ask(security.Principal{Device: "a", Credential: "7"}), "unknown_identity")
		w.expect(t, "another device", ask(security.Principal{Device: "x"}), "unknown_identity")
		must(w.registry.UpdateDevice(ctx, "", "a", func(d *Device) error { d.Credentials[0].PSK.Key = secret("another key....."); return nil }))
		w.told()
		again = w.directory.Fetch(ctx, &security.Claim{Principal: &e.Principal}, time.Now())
		if again.SameCredential(&e.Principal) {
			t.Error("another key is the same credential")
		}
		must(w.registry.UpdateDevice(ctx, "", "a", func(d *Device) error { d.Disabled = true; return nil }))
		w.told()
		w.expect(t, "the device, disabled", ask(security.Principal{Device: "a"}), "device_disabled")
	})
}

// The tenant in an identity is the device's, or it is nobody's.
func TestSplit(t *testing.T) {
	ctx, r := t.Context(), newRegistry(t)
	for _, d := range []Device{
		Device{}.named("a", "acme", pskOf("a@acme", "k")), Device{}.named("b", "acme", pskOf("b@beta", "k")), Device{}.named("c", "", pskOf("c@acme", "k")),
		Device{}.named("d", "acme", pskOf("d", "k")), Device{}.named("e", "", pskOf("e", "k")), Device{}.named("f", "acme", pskOf("x@y@acme", "k")),
	} {
		must(r.AddDevice(ctx, d))
	}
	directory := NewDirectory(r.store, Options{Split: "@"})
	for identity, want := range map[string]string{"a@acme": "a", "b@beta": "", "c@acme": "", "d": "", "e": "e", "x@y@acme": "f", "a": ""} {
		if want == "" {
			want = "unknown_identity"
		}
		if e := directory.Fetch(ctx, claimPSK(identity), noon); told(e) != want {
			t.Errorf("%s: %s, want %s", identity, told(e), want)
		}
	}
}

// Who invents identities drives nobody out, and fills nothing.
func TestInventedIdentities(t *testing.T) {
	inBubble(t, Options{Entries: 8, NegativeEntries: 16}, func(t *testing.T, w *watched) {
		w.run(t)
		w.fetch("a")
		for i := range 1000 {
			w.fetch(fmt.Sprint("invented ", i))
		}
		w.expect(t, "found", w.cached("a"), "a")
		if s := w.directory.Status(); s.Cached != 1 || s.NegativeCached != 16 {
			t.Errorf("%d and %d in memory", s.Cached, s.NegativeCached)
		}
		w.expect(t, "the last one", w.cached("invented 999"), "unknown_identity")
	})
}

// Of many devices those stay in memory that are used.
func TestEviction(t *testing.T) {
	inBubble(t, Options{Entries: 8}, func(t *testing.T, w *watched) {
		w.run(t)
		for i := range 100 {
			must(w.registry.AddDevice(t.Context(), device(fmt.Sprint(i), pskOf(fmt.Sprint(i), "k"))))
		}
		w.told()
		w.fetch("a")
		for i := range 100 {
			w.expect(t, "in use", w.cached("a"), "a")
			w.expect(t, "others", w.fetch(fmt.Sprint(i)), fmt.Sprint(i))
		}
		if s := w.directory.Status(); s.Cached != 8 {
			t.Errorf("%d in memory", s.Cached)
		}
	})
}

// A damaged record is nobody's credential, and does not stop others.
func TestDamagedRecord(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		for _, value := range []string{"", "{", "{}", `{"name":"b"}`, `{"name":"a","psk":[{"identity":"a"}]}`, `{"name":"a","rpk":[{}]}`, `{"name":"a","token":[{}]}`} {
			if err := store.Put(t.Context(), w.faulty, deviceKey("", "a"), []byte(value)); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				w.expect(t, value, w.fetch("a"), "store_unavailable")
			}
			w.expect(t, "another", w.fetch("b"), "b")
		}
		if e := w.directory.Fetch(t.Context(), claimPSK("a"), time.Now()); !errors.Is(e.Err, store.ErrCorrupt) {
			t.Error(e.Err)
		}
	})
}

// An index record leads only to a credential that is what was shown.
func TestForgedIndex(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, w *watched) {
		forged := string(appendPSKKey(nil, "", []byte("forged")))
		for _, value := range []string{"d//a 1", "d//a 2", "d//x 1", "i/psk//a 1", "", "nothing"} {
			if err := store.Put(t.Context(), w.faulty, forged, []byte(value)); err != nil {
				t.Fatal(err)
			}
			if got := told(w.registry.Who(t.Context(), claimPSK("forged"), time.Now())); got == "a" {
				t.Errorf("%q: %s", value, got)
			}
		}
	})
}

func BenchmarkCached(b *testing.B) {
	r := newRegistry(b)
	must(r.AddDevice(b.Context(), device("sensor-7", pskOf("sensor-7", "sixteen byte key"))))
	d := NewDirectory(r.store, Options{Refresh: time.Hour})
	d.watching.Store(true)
	claim := claimPSK("sensor-7")
	d.Fetch(b.Context(), claim, time.Now())
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, ok := d.Cached(claim, now); !ok {
				b.Fatal("not in memory")
			}
		}
	})
}
