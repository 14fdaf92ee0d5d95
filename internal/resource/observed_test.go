// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
)

// audience is an Audience that remembers what it was told.
type audience struct {
	mu       sync.Mutex
	observed []string
	told     []string
}

func (a *audience) Notify(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = append(a.told, path)
}

func (a *audience) Refresh(path string) { a.Notify(path) }

func (a *audience) ObservedPaths(string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.observed)
}

// observe changes what is observed.
func (a *audience) observe(paths ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.observed = paths
}

// heard returns what was told since it was last asked.
func (a *audience) heard() (paths []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	paths, a.told = a.told, nil
	return paths
}

func registration(path string) *coaps.Request {
	return get(path, strangerPeer(), uintOption(coap.Observe, 0))
}

// A change of a resource is told, and to the lists that show it; what leaves it as
// it was is not.
func TestStoreTellsOfChanges(t *testing.T) {
	a := new(audience)
	s := NewStore(DefaultLimits, a)
	for _, step := range []struct {
		what    string
		request *coaps.Request
		told    []string
	}{
		{"created", &coaps.Request{Method: coap.PUT, Path: "/store/a/b", Payload: []byte("one")}, []string{"/store/a/b", "/store/a/", "/store/", "/"}},
		{"the same again", &coaps.Request{Method: coap.PUT, Path: "/store/a/b", Payload: []byte("one")}, nil},
		{"another of this size", &coaps.Request{Method: coap.PUT, Path: "/store/a/b", Payload: []byte("two")}, []string{"/store/a/b"}},
		{"another format", &coaps.Request{Method: coap.PUT, Path: "/store/a/b", Payload: []byte("two"), Options: coap.OptionList{uintOption(coap.ContentFormatOption, 50)}}, []string{"/store/a/b", "/store/a/", "/store/", "/"}},
		{"another size", &coaps.Request{Method: coap.PUT, Path: "/store/a/b", Payload: []byte("three"), Options: coap.OptionList{uintOption(coap.ContentFormatOption, 50)}}, []string{"/store/a/b", "/store/a/", "/store/", "/"}},
		{"read", registration("/store/a/b"), nil},
		{"refused by a condition", &coaps.Request{Method: coap.PUT, Path: "/store/a/b", Options: coap.OptionList{{Number: coap.IfNoneMatch}}}, nil},
		{"too large", &coaps.Request{Method: coap.PUT, Path: "/store/a/b", Payload: make([]byte, DefaultLimits.Size+1)}, nil},
		{"deleted", &coaps.Request{Method: coap.DELETE, Path: "/store/a/b"}, []string{"/store/a/b", "/store/a/", "/store/", "/"}},
		{"deleted again", &coaps.Request{Method: coap.DELETE, Path: "/store/a/b"}, nil},
	} {
		ask(s, step.request)
		if told := a.heard(); !slices.Equal(told, step.told) {
			t.Errorf("%s: told of %q, want %q", step.what, told, step.told)
		}
	}
}

// The state that a change is told of is the one that is read by who hears it.
func TestStoreTellsAfterTheChange(t *testing.T) {
	var s *Store
	var seen []string
	s = NewStore(DefaultLimits, notifyFunc(func(path string) {
		w := ask(s, registration(path)) // would wait for ever if the store were locked
		seen = append(seen, w.code.Dotted()+" "+string(w.payload))
	}))
	put(s, "/store/a", "one")
	put(s, "/store/a", "two")
	ask(s, &coaps.Request{Method: coap.DELETE, Path: "/store/a"})
	for _, want := range []string{"0.00 one", "0.00 two", "4.04 nothing is stored here"} {
		if !slices.Contains(seen, want) {
			t.Errorf("%q was not seen: %q", want, seen)
		}
	}
}

type notifyFunc func(path string)

func (f notifyFunc) Notify(path string)            { f(path) }
func (f notifyFunc) Refresh(path string)           { f(path) }
func (f notifyFunc) ObservedPaths(string) []string { return nil }

// Proves rfc7641 §4.3.1: "This age is application-dependent and MUST be specified in
// notifications using the Max-Age Option."
func TestAgeOfWhatIsObserved(t *testing.T) {
	limits := DefaultLimits
	s := NewStore(limits, Nobody{})
	put(s, "/store/a", "one")
	age := func(r *coaps.Request) int {
		if n, ok := ask(s, r).options.GetUint(coap.MaxAge); ok {
			return int(n)
		}
		return -1
	}
	for _, path := range []string{"/store/a", "/store/"} {
		if n := age(registration(path)); n != 60 {
			t.Errorf("%s, observed: Max-Age %d", path, n)
		}
		if n := age(get(path, strangerPeer())); n != -1 {
			t.Errorf("%s: Max-Age %d, where the default will do", path, n)
		}
		limits.Age = time.Hour
		s.SetLimits(limits)
		if n, m := age(registration(path)), age(get(path, strangerPeer())); n != 3600 || m != 3600 {
			t.Errorf("%s: Max-Age %d, %d", path, n, m)
		}
		limits.Age = DefaultAge
		s.SetLimits(limits)
	}
}

// Limits that shrink take nothing away.
func TestStoreLimitsChange(t *testing.T) {
	s := NewStore(DefaultLimits, Nobody{})
	put(s, "/store/a", "one")
	put(s, "/store/b", "two")
	s.SetLimits(Limits{Resources: 1, Size: 10, Total: 100, Name: 20})
	if w := ask(s, get("/store/b", strangerPeer())); string(w.payload) != "two" {
		t.Errorf("%v %q", w.code, w.payload)
	}
	if w := put(s, "/store/c", ""); w.code != coap.ServiceUnavailable {
		t.Errorf("a third one of one: %v", w.code)
	}
	if w := put(s, "/store/a", "1"); w.code != coap.Changed {
		t.Errorf("another content: %v", w.code)
	}
}

// The clock ticks at each full second while somebody observes it, and otherwise has
// neither a timer nor a goroutine.
func TestClockTicksForObservers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(audience)
		mux, clock := New(time.Now, a)
		defer clock.Close()
		ask(mux, get("/time", strangerPeer()))
		time.Sleep(time.Hour)
		if told := a.heard(); told != nil {
			t.Errorf("ticks for nobody: %q", told)
		}

		time.Sleep(300 * time.Millisecond)
		ask(mux, registration("/time"))
		a.observe("/time")
		time.Sleep(5 * time.Second)
		if told := a.heard(); len(told) != 5 || told[0] != "/time" {
			t.Errorf("in 5 seconds: %q", told)
		}
		if since := time.Now().Nanosecond(); since != 300_000_000 {
			t.Fatalf("the clock of the test: %d", since)
		}

		a.observe()
		time.Sleep((graceBeats + 1) * time.Second)
		synctest.Wait()
		if told := a.heard(); told != nil {
			t.Errorf("ticks for nobody any more: %q", told)
		}
		if clock.ticks.isRunning() {
			t.Error("the timer is still there")
		}

		ask(mux, registration("/time"))
		a.observe("/time")
		time.Sleep(2 * time.Second)
		if told := a.heard(); len(told) != 2 {
			t.Errorf("observed again: %q", told)
		}
	})
}

func (w *While) isRunning() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

// An observer who comes while the beats are about to end is not forgotten, whenever
// it is; and nothing begins after Close.
func TestWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var beats atomic.Int32
		w := &While{Pause: func() time.Duration { return time.Second }, Beat: func() bool { beats.Add(1); return false }}
		for at := range 50 {
			w.Wake()
			time.Sleep(time.Duration(at) * 100 * time.Millisecond)
			beats.Store(0)
			w.Wake()
			time.Sleep(graceBeats * time.Second)
			synctest.Wait()
			if n := beats.Load(); n < graceBeats-1 {
				t.Errorf("woken after %d ms: %d beats", 100*at, n)
			}
			time.Sleep(time.Minute)
			if w.isRunning() {
				t.Fatal("it does not end")
			}
		}
		w.Wake()
		w.Close()
		beats.Store(0)
		w.Wake()
		time.Sleep(time.Minute)
		if n := beats.Load(); n != 0 {
			t.Errorf("%d beats after Close", n)
		}
		w.Close()
		new(While).Close()
	})
}

// Proves rfc7641 §6: "The "obs" attribute, when present, is a hint indicating that the
// destination of a link is useful for observation"
func TestDirectoryShowsWhatCanBeObserved(t *testing.T) {
	mux, _ := New(time.Now, Nobody{})
	list := string(ask(mux, get("/.well-known/core", strangerPeer())).payload)
	links, err := link.Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"/time": true, "/store/": true, "/hello": false, "/whoami": false} {
		i := slices.IndexFunc(links, func(l link.Link) bool { return l.Target == path })
		if i < 0 {
			t.Errorf("%s is not in %s", path, list)
			continue
		}
		if got := slices.ContainsFunc(links[i].Attrs, func(a link.Attr) bool { return a.Name == "obs" }); got != want {
			t.Errorf("%s has obs: %v, want %v, in %s", path, got, want, list)
		}
	}
}
