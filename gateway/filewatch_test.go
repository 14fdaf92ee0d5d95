// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/resource"
)

// listeners is an audience that remembers what it was told, and when.
type listeners struct {
	mu       sync.Mutex
	observed []string
	told     []string
	when     time.Time
}

func (a *listeners) Notify(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told, a.when = append(a.told, path), time.Now()
}

func (a *listeners) Refresh(path string) { a.Notify(path) }

func (a *listeners) ObservedPaths(string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.observed)
}

func (a *listeners) observe(paths ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.observed = paths
}

// heard returns what was told since it was last asked, and how long ago the last was.
func (a *listeners) heard() (paths []string, ago time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	paths, a.told = a.told, nil
	return paths, time.Since(a.when)
}

const watchPoll = 2 * time.Second

// watched is a served directory of which files are observed, in a bubble of time.
func watched(t *testing.T, test func(t *testing.T, files *fileTree, a *listeners, dir string)) {
	t.Helper()
	files, dir := tree(t)
	synctest.Test(t, func(t *testing.T) {
		a := new(listeners)
		files.watch = newFileWatch(a)
		files.watch.use([]*fileTree{files}, watchPoll)
		t.Cleanup(files.watch.close)
		test(t, files, a, dir)
	})
}

func (t *fileTree) register(path string) *answer {
	return t.ask(coap.GET, path, coap.Option{Number: coap.Observe})
}

func rewrite(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, dir, name, content string) {
	t.Helper()
	rewrite(t, dir, name+".part", content)
	if err := os.Rename(filepath.Join(dir, name+".part"), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// However a file changes, who observes it is told once, soon, and of nothing by halves.
func TestFilesThatChange(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, dir string)
		told   int
	}{
		"written over":       {func(t *testing.T, dir string) { rewrite(t, dir, "a.txt", "HELLO") }, 1},
		"replaced":           {func(t *testing.T, dir string) { replace(t, dir, "a.txt", "other") }, 1},
		"replaced by a link": {func(t *testing.T, dir string) { os.Remove(dir + "/a.txt"); os.Symlink("sub/c.bin", dir+"/a.txt") }, 1},
		"removed":            {func(t *testing.T, dir string) { os.Remove(dir + "/a.txt") }, 1},
		"grown too large":    {func(t *testing.T, dir string) { rewrite(t, dir, "a.txt", string(make([]byte, 2000))) }, 1},
		"the same again":     {func(t *testing.T, dir string) { replace(t, dir, "a.txt", "hello") }, 0},
		"another one":        {func(t *testing.T, dir string) { rewrite(t, dir, "b.json", "[]") }, 0},
		"half-written": {func(t *testing.T, dir string) {
			rewrite(t, dir, "a.txt", "HE")
			time.Sleep(settleTime / 2)
			rewrite(t, dir, "a.txt", "HELLO")
		}, 1},
		"removed and written": {func(t *testing.T, dir string) {
			os.Remove(dir + "/a.txt")
			time.Sleep(settleTime / 2)
			rewrite(t, dir, "a.txt", "HELLO")
		}, 1},
		"removed and back": {func(t *testing.T, dir string) {
			os.Remove(dir + "/a.txt")
			time.Sleep(settleTime / 2)
			rewrite(t, dir, "a.txt", "hello")
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, func(t *testing.T, files *fileTree, a *listeners, dir string) {
				a.observe("/fw/a.txt")
				files.register("/fw/a.txt")
				time.Sleep(10*watchPoll - settleTime/4) // the look comes in the middle of the slow ones
				test.change(t, dir)
				time.Sleep(watchPoll + 2*settleTime)
				told, ago := a.heard()
				if len(told) != test.told {
					t.Fatalf("told %d times", len(told))
				}
				if after := watchPoll + 2*settleTime - ago; test.told > 0 && (after > watchPoll || told[0] != "/fw/a.txt") {
					t.Errorf("told of %q after %v", told, after)
				}
				time.Sleep(time.Minute)
				if told, _ := a.heard(); len(told) != 0 {
					t.Errorf("told again: %q", told)
				}
			})
		})
	}
}

// A file that is written all the time is told of now and then.
func TestFileThatNeverSettles(t *testing.T) {
	watched(t, func(t *testing.T, files *fileTree, a *listeners, dir string) {
		a.observe("/fw/a.txt")
		files.register("/fw/a.txt")
		time.Sleep(50 * time.Millisecond) // never looked at while it is empty
		for i := range 600 {
			rewrite(t, dir, "a.txt", time.Duration(i).String())
			time.Sleep(100 * time.Millisecond)
		}
		told, _ := a.heard()
		if each := time.Minute / max(1, time.Duration(len(told))); each < watchPoll || each > watchPoll+(settleLooks+1)*settleTime {
			t.Errorf("told %d times in a minute", len(told))
		}
	})
}

// What changes between the first answer and the first look is told, also if the
// relation is not there yet at that look.
func TestFileThatChangesAtOnce(t *testing.T) {
	watched(t, func(t *testing.T, files *fileTree, a *listeners, dir string) {
		files.register("/fw/a.txt")
		rewrite(t, dir, "a.txt", "HELLO")
		time.Sleep(watchPoll + watchPoll/2)
		a.observe("/fw/a.txt")
		time.Sleep(2 * watchPoll)
		if told, _ := a.heard(); len(told) != 1 {
			t.Errorf("told of %q", told)
		}
	})
}

// The list of a directory is observed like a file.
func TestDirectoryThatChanges(t *testing.T) {
	watched(t, func(t *testing.T, files *fileTree, a *listeners, dir string) {
		a.observe("/fw/", "/fw/sub/")
		files.register("/fw/")
		files.register("/fw/sub/")
		for what, change := range map[string]func(){
			"a file more": func() { rewrite(t, dir, "z.txt", "") },
			"one larger":  func() { rewrite(t, dir, "a.txt", "hello, hello") },
			"one less":    func() { os.Remove(filepath.Join(dir, "b.json")) },
		} {
			change()
			time.Sleep(2 * watchPoll)
			if told, _ := a.heard(); !slices.Equal(told, []string{"/fw/"}) {
				t.Errorf("%s: told of %q", what, told)
			}
		}
	})
}

// While nobody observes, nobody looks, and what has changed meanwhile is no news
// for who comes then.
func TestFilesNobodyObserves(t *testing.T) {
	watched(t, func(t *testing.T, files *fileTree, a *listeners, dir string) {
		var looks atomic.Int32
		look := files.watch.looks.Beat
		files.watch.looks.Beat = func() bool { looks.Add(1); return look() }
		a.observe("/fw/a.txt")
		files.register("/fw/a.txt")
		time.Sleep(5*watchPoll + watchPoll/2)
		synctest.Wait()
		if n := looks.Load(); n != 5 {
			t.Errorf("%d looks in 5 times %v", n, watchPoll)
		}
		a.observe()
		time.Sleep(10 * watchPoll)
		looks.Store(0)
		time.Sleep(time.Hour)
		if n, m := looks.Load(), files.watch.remembered(); n != 0 || m != 0 {
			t.Errorf("%d looks for nobody, %d files remembered", n, m)
		}
		rewrite(t, dir, "a.txt", "HELLO")
		files.register("/fw/a.txt")
		a.observe("/fw/a.txt")
		time.Sleep(3 * watchPoll)
		if told, _ := a.heard(); len(told) != 0 {
			t.Errorf("told of what was read: %q", told)
		}
	})
}

// Who asks to observe ever new names takes no more memory by it than is bounded, and
// keeps nobody from hearing of what he observes.
func TestFilesThatAreNotThere(t *testing.T) {
	watched(t, func(t *testing.T, files *fileTree, a *listeners, dir string) {
		files.register("/fw/" + strings.Repeat("x", awaitedPath))
		if n := files.watch.remembered(); n != 0 {
			t.Errorf("%d files with long names", n)
		}
		for i := range 2 * filesAwaited {
			if got := files.register(fmt.Sprintf("/fw/no-%d", i)); got.code != coap.NotFound {
				t.Fatal(got.code)
			}
		}
		if n := files.watch.remembered(); n != filesAwaited {
			t.Errorf("%d files remembered, %d are the limit", n, filesAwaited)
		}
		a.observe("/fw/a.txt")
		files.register("/fw/a.txt")
		time.Sleep(5*watchPoll + watchPoll/2)
		if n := files.watch.remembered(); n != 1 {
			t.Errorf("%d files remembered, one is observed", n)
		}
		rewrite(t, dir, "a.txt", "HELLO")
		time.Sleep(watchPoll + 2*settleTime)
		if told, _ := a.heard(); !slices.Equal(told, []string{"/fw/a.txt"}) {
			t.Errorf("told of %q", told)
		}
		for i := range filesAwaited + 1 { // there is room again, for as many
			files.register(fmt.Sprintf("/fw/no-%d", i))
		}
		if n := files.watch.remembered(); n != filesAwaited+1 {
			t.Errorf("%d files remembered besides one", n-1)
		}
	})
}

func (w *fileWatch) remembered() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.files)
}

// With another directory in force its files are compared with what observers have seen.
func TestWatchAfterReload(t *testing.T) {
	watched(t, func(t *testing.T, files *fileTree, a *listeners, dir string) {
		a.observe("/fw/a.txt", "/fw/b.json")
		files.register("/fw/a.txt")
		files.register("/fw/b.json")
		other := t.TempDir()
		rewrite(t, other, "a.txt", "other")
		rewrite(t, other, "b.json", "{}")
		next := must(newFileTree(Files{Path: "/fw/"}, other))
		defer next.root.Close()
		files.watch.use([]*fileTree{next}, watchPoll)
		time.Sleep(3 * watchPoll)
		if told, _ := a.heard(); !slices.Equal(told, []string{"/fw/a.txt"}) {
			t.Errorf("told of %q", told)
		}
		files.watch.use(nil, watchPoll)
		time.Sleep(10 * watchPoll)
		if told, _ := a.heard(); len(told) != 0 {
			t.Errorf("told of %q, which nobody serves", told)
		}
	})
}

// A notification has to say how old it may become; more than a minute is said to
// everybody.
func TestAgeOfFiles(t *testing.T) {
	files, _ := tree(t)
	age := func(a *answer) int {
		if n, ok := a.options.GetUint(coap.MaxAge); ok {
			return int(n)
		}
		return -1
	}
	for _, path := range []string{"/fw/a.txt", "/fw/"} {
		files.age = resource.DefaultAge
		if n, m := age(files.register(path)), age(files.ask(coap.GET, path)); n != 60 || m != -1 {
			t.Errorf("%s: Max-Age %d and %d", path, n, m)
		}
		files.age = time.Hour
		if n, m := age(files.register(path)), age(files.ask(coap.GET, path)); n != 3600 || m != 3600 {
			t.Errorf("%s: Max-Age %d and %d", path, n, m)
		}
	}
}

// A reload says what is not what it was.
func TestChangedPlaces(t *testing.T) {
	places := func(text string) *resources {
		c := must(parseText(leastConfig + "resources: " + text + "\n"))
		r, problems := c.newResources(nil, newLasting(resource.Nobody{}), nil, nil)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return r
	}
	one, two := t.TempDir(), t.TempDir()
	for _, test := range []struct {
		old, now string
		want     []string
	}{
		{"{store: {path: /a/}}", "{store: {path: /a/, total: 5}}", nil},
		{"{store: {path: /a/}}", "{store: {path: /b/}}", []string{"/a/", "/b/"}},
		{"{store: {path: /a/}}", "{time: false}", []string{"/a/", "/time"}},
		{"{files: [{path: /a/, dir: " + one + "}]}", "{files: [{path: /a/, dir: " + one + "}], max-age: 1h}", nil},
		{"{files: [{path: /a/, dir: " + one + "}]}", "{files: [{path: /a/, dir: " + two + "}]}", []string{"/a/"}},
		{"{files: [{path: /a/, dir: " + one + "}]}", "{store: {path: /a/}}", []string{"/a/"}},
		{"{store: {path: /a/}}", "{store: {path: /a/}, files: [{path: /a/b/, dir: " + one + "}]}", []string{"/a/b/"}},
	} {
		changed := places(test.now).changedPlaces(places(test.old))
		slices.Sort(changed)
		if !slices.Equal(changed, test.want) {
			t.Errorf("%s to %s: %q", test.old, test.now, changed)
		}
	}
}
