// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coaps-go/coaps/tick"
)

var roomy = Limits{Observers: 1000, PerPeer: 10, RequestBytes: 100, Bytes: 10_000}

func get(path string) *Request { return &Request{Path: path, Method: 1} }

type fataler interface {
	Helper()
	Fatal(args ...any)
}

// added adds an observer that has got its first response.
func added(t fataler, l *List, peer uint64, token string, r *Request) uint32 {
	t.Helper()
	i, err := l.Add(peer, []byte(token), r)
	if err != nil {
		t.Fatal(err)
	}
	l.Done(i)
	return i
}

// due takes all that are due.
func due(l *List) (all []uint32) {
	for i, ok := l.Next(); ok; i, ok = l.Next() {
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}

func TestChanged(t *testing.T) {
	l := New(roomy, 0)
	a1, a2, b := added(t, l, 1, "t", get("/a")), added(t, l, 2, "t", get("/a")), added(t, l, 2, "u", get("/b"))
	if l.Due() || l.Changed("/c") || !l.Changed("/a") || !l.Due() {
		t.Error("who is due")
	}
	if got := due(l); !slices.Equal(got, []uint32{a1, a2}) {
		t.Errorf("due: %d", got)
	}
	l.Changed("/a") // while both are busy
	if l.Due() {
		t.Error("two at a time")
	}
	l.Done(a1)
	l.Done(a2)
	if got := due(l); !slices.Equal(got, []uint32{a1, a2}) {
		t.Errorf("due again: %d", got)
	}
	l.Done(a1)
	l.Again(a2)
	if got := due(l); !slices.Equal(got, []uint32{a2}) {
		t.Errorf("due again: %d", got)
	}
	l.Done(a2)
	if next := l.ChangedBelow("/", 0, 100); next != 0 {
		t.Errorf("goes on from %d", next)
	}
	if got := due(l); !slices.Equal(got, []uint32{a1, a2, b}) {
		t.Errorf("all due: %d", got)
	}
}

// Resources take turns, however many observe one of them.
func TestTurns(t *testing.T) {
	l := New(roomy, 0)
	for i := range uint64(100) {
		added(t, l, i+1, "t", get("/popular"))
	}
	last := added(t, l, 500, "t", get("/other"))
	l.Changed("/popular")
	l.Changed("/other")
	_, _ = l.Next()
	if i, _ := l.Next(); i != last {
		t.Errorf("the second is %d", i)
	}
}

// Who is taken for a Review alone is told so.
func TestQuiet(t *testing.T) {
	l := New(roomy, 0)
	i := added(t, l, 1, "t", get("/a"))
	quiet := func() bool {
		if j, ok := l.Next(); !ok || j != i {
			t.Fatal("nobody is due")
		}
		return l.At(i).Quiet()
	}
	l.Review(0, 100)
	if !quiet() {
		t.Error("a review is news")
	}
	l.Again(i)
	if !quiet() {
		t.Error("it is news when tried again")
	}
	l.Done(i)
	l.Changed("/a")
	l.Review(0, 100)
	if quiet() {
		t.Error("a change before a review is no news")
	}
	l.Again(i)
	if quiet() {
		t.Error("it is none when tried again")
	}
	l.Done(i)
	if !l.Take(i) || l.At(i).Quiet() || l.Take(i) {
		t.Error("somebody at rest is taken, once")
	}
}

func TestLimits(t *testing.T) {
	l := New(Limits{Observers: 3, PerPeer: 2, RequestBytes: 5, Bytes: 60}, 0)
	added(t, l, 1, "1", get("/a"))
	added(t, l, 1, "2", get("/a"))
	long := strings.Repeat("x", 60)
	for _, c := range []struct {
		peer  uint64
		token string
		r     *Request
		want  error
	}{
		{1, "3", get("/a"), ErrPeerFull},
		{1, "2", get("/b"), nil}, // in place of what is there
		{2, "123456789", get("/a"), ErrToken},
		{2, "1", &Request{Path: "/a", Options: []byte("123"), Payload: []byte("456")}, ErrTooLong},
		{2, "1", get("/" + long), ErrFull},
		{2, "1", get("/a"), nil},
		{3, "1", get("/a"), ErrFull},
	} {
		if _, err := l.Add(c.peer, []byte(c.token), c.r); !errors.Is(err, c.want) {
			t.Errorf("%d %s %v: %v, want %v", c.peer, c.token, c.r, err, c.want)
		}
	}
	if l.Len() != 3 || l.Count(1) != 2 || l.Count(3) != 0 {
		t.Errorf("%d, %d, %d", l.Len(), l.Count(1), l.Count(3))
	}
}

// What is kept of a request comes back as it was, and goes with its last observer.
func TestAsked(t *testing.T) {
	l := New(roomy, 0)
	watched := map[string]bool{}
	l.Watch = func(path string, observed bool) { watched[path] = observed }
	r := &Request{Path: "/a", Method: 5, Options: []byte("options"), Payload: []byte("payload")}
	i, j := added(t, l, 1, "t", r), added(t, l, 2, "t", r)
	r.Options[0], r.Payload[0] = 'x', 'x'
	for _, i := range []uint32{i, j} {
		method, path, options, payload := l.Asked(i)
		if got := fmt.Sprint(method, path, options, payload, l.Path(i)); got != "5/aoptionspayload/a" {
			t.Errorf("asked %s", got)
		}
	}
	if n := l.requests.bytes; n != keptHeader+len("optionspayload") {
		t.Errorf("%d bytes", n)
	}
	l.Leave(i)
	if l.Path(i) != "" || l.Len() != 1 || l.Count(1) != 0 || !l.Known(1) {
		t.Error("it leaves")
	}
	l.Remove(i)
	l.Remove(j)
	if l.Known(1) || l.Len() != 0 || l.requests.bytes != 0 || l.bytes != 0 || len(l.byPath)+len(l.byPeer)+len(l.requests.numbers) != 0 || watched["/a"] {
		t.Errorf("left behind: %d, %d bytes and %d, %v", l.Len(), l.requests.bytes, l.bytes, watched)
	}
}

// Proves rfc7641 §4.4: "the server MUST set the value of the Observe Option of each
// notification it sends to the 24 least-significant bits of a strictly increasing
// sequence number."
// Proves rfc7641 §4.4: "The sequence number MAY start at any value and MUST NOT
// increase so fast that it increases by more than 2^23 within less than 256
// seconds."
func TestNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		origin := tick.Time(rapid.Int64Range(0, int64(60*365*24*time.Hour)).Draw(t, "origin"))
		l := New(roomy, origin)
		i := added(t, l, 1, "t", get("/a"))
		var now tick.Time
		last := l.Number(i, now)
		sum := int64(0) // of the increases, as the abstract sequence number does
		type given struct {
			at  tick.Time
			sum int64
		}
		all := []given{{now, 0}}
		for range 50 {
			now = now.Add(time.Duration(rapid.SampledFrom([]int64{0, 1, 30_000, 1e6, 1e9, 127e9, 129e9, 255e9, 257e9, 400e9, 511e9, 513e9, 3600e9, 86400e9, 40 * 86400e9}).Draw(t, "later")))
			if rapid.Bool().Draw(t, "again") {
				l.Remove(i)
				i = added(t, l, 1, "t", get("/a"))
				if now-all[len(all)-1].at < tick.Time(time.Millisecond) {
					now = now.Add(time.Millisecond)
				}
			}
			number := l.Number(i, now)
			if number >= numbers {
				t.Fatalf("number %d", number)
			}
			if elapsed := now.Sub(all[len(all)-1].at); elapsed < 128*time.Second && !later(last, number) {
				t.Fatalf("%d after %d, %v later", number, last, elapsed)
			}
			sum += int64((number - last) % numbers)
			all = append(all, given{now, sum})
			for _, g := range all {
				if now.Sub(g.at) < 256*time.Second && sum-g.sum > numbers/2 {
					t.Fatalf("%d more in %v", sum-g.sum, now.Sub(g.at))
				}
			}
			last = number
		}
	})
}

// Whatever happens, nobody is forgotten: who is at rest was shown the newest state,
// who is not is due or busy, and the books agree with a naive account of it all.
func TestNobodyIsForgotten(t *testing.T) {
	type entry struct {
		peer    uint64
		path    string
		shown   int
		busy    bool
		leaving bool
	}
	rapid.Check(t, func(t *rapid.T) {
		l := New(Limits{Observers: 20, PerPeer: 4, RequestBytes: 10, Bytes: 1000}, 0)
		paths := []string{"/a", "/a/b", "/c"}
		version := map[string]int{}
		all := map[uint32]*entry{}
		some := func(f func(e *entry) bool) (uint32, bool) {
			var fit []uint32
			for i, e := range all {
				if f(e) {
					fit = append(fit, i)
				}
			}
			if len(fit) == 0 {
				return 0, false
			}
			slices.Sort(fit)
			return rapid.SampledFrom(fit).Draw(t, "which"), true
		}
		isBusy := func(e *entry) bool { return e.busy && !e.leaving }
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				peer, path := rapid.Uint64Range(1, 6).Draw(t, "peer"), rapid.SampledFrom(paths).Draw(t, "path")
				i, err := l.Add(peer, []byte(rapid.SampledFrom([]string{"", "1", "2", "3", "4"}).Draw(t, "token")), get(path))
				if err == nil {
					all[i] = &entry{peer: peer, path: path, shown: version[path], busy: true}
				}
			},
			"change": func(t *rapid.T) {
				path := rapid.SampledFrom(paths).Draw(t, "path")
				version[path]++
				l.Changed(path)
			},
			"tree": func(t *rapid.T) {
				version["/a/b"]++
				for place, more := 0, true; more; more = place != 0 {
					place = l.ChangedBelow("/a/", place, 1)
				}
			},
			"next": func(t *rapid.T) {
				if i, ok := l.Next(); ok {
					e := all[i]
					if e == nil || e.busy || e.leaving || e.shown == version[e.path] {
						t.Fatalf("%d is not due: %+v", i, e)
					}
					e.busy, e.shown = true, version[e.path]
				}
			},
			"done": func(t *rapid.T) {
				if i, ok := some(isBusy); ok {
					all[i].busy = false
					l.Done(i)
				}
			},
			"again": func(t *rapid.T) {
				if i, ok := some(isBusy); ok {
					all[i].busy, all[i].shown = false, -1
					l.Again(i)
				}
			},
			"done twice": func(t *rapid.T) {
				if i, ok := some(func(e *entry) bool { return !e.busy && !e.leaving }); ok {
					l.Done(i)
					l.Again(i)
				}
			},
			"renew": func(t *rapid.T) {
				if i, ok := some(isBusy); ok {
					if got, want := l.Renew(i), all[i].shown != version[all[i].path]; got != want {
						t.Fatalf("renewed: %v", got)
					}
					all[i].shown = version[all[i].path]
				}
			},
			"leave": func(t *rapid.T) {
				if i, ok := some(func(e *entry) bool { return !e.leaving }); ok {
					all[i].leaving = true
					l.Leave(i)
				}
			},
			"remove": func(t *rapid.T) {
				if i, ok := some(func(*entry) bool { return true }); ok {
					delete(all, i)
					l.Remove(i)
				}
			},
			"": func(t *rapid.T) {
				there, owed := 0, false
				for i, e := range all {
					if e.leaving {
						continue
					}
					there++
					if o := l.At(i); o.Peer != e.peer || l.Path(i) != e.path || o.Busy() != e.busy {
						t.Fatalf("%d: %+v, %s, %v; want %+v", i, o, l.Path(i), o.Busy(), e)
					}
					owed = owed || !e.busy && e.shown != version[e.path]
				}
				if l.Len() != there || l.Due() != owed {
					t.Fatalf("%d observers, due %v; want %d, %v", l.Len(), l.Due(), there, owed)
				}
			},
		})
		for i, e := range all {
			if isBusy(e) {
				e.busy = false
				l.Done(i)
			}
		}
		for _, i := range due(l) {
			all[i].shown = version[all[i].path]
		}
		for i, e := range all {
			if !e.leaving && e.shown != version[e.path] {
				t.Fatalf("%d is forgotten: %+v", i, e)
			}
		}
	})
}

// BenchmarkMillion adds a million observers and says what one takes.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	for _, c := range []struct {
		name string
		path func(i int) string
	}{
		{"one path", func(int) string { return "/firmware/version" }},
		{"a path each", func(i int) string { return fmt.Sprintf("/commands/device-%07d", i) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				l := New(Limits{Observers: n, PerPeer: 16, RequestBytes: 100, Bytes: 64 << 20}, 0)
				began := time.Now()
				for i := range n {
					added(b, l, uint64(i)<<32|uint64(i), "12345678", get(c.path(i)))
				}
				b.ReportMetric(float64(time.Since(began).Nanoseconds())/n, "ns/add")
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/observer")
				began = time.Now()
				l.Changed(c.path(0))
				b.ReportMetric(float64(time.Since(began).Nanoseconds()), "ns/change")
				runtime.KeepAlive(l)
			}
		})
	}
}
