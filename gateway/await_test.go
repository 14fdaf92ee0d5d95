// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/coaps-go/coaps/internal/testlog"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/bolt"
)

// awaiting is a server that has been started and may not be ready.
type awaiting struct {
	testing.TB
	dir    string
	log    *testlog.Buffer
	hangup chan struct{}
	ready  chan netip.AddrPort
	ended  chan error
	cancel context.CancelFunc
}

// begin starts a configuration and does not wait until it is served.
func begin(t testing.TB, dir, config string) *awaiting {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", "")
	ctx, cancel := context.WithCancel(context.Background())
	a := &awaiting{TB: t, dir: dir, log: new(testlog.Buffer), hangup: make(chan struct{}, 1), ready: make(chan netip.AddrPort, 1), ended: make(chan error, 1), cancel: cancel}
	a.write(config)
	go func() {
		a.ended <- Run(ctx, a.path(), Options{Stderr: a.log, Reload: a.hangup, Ready: func(_, secure []netip.AddrPort) error {
			a.ready <- append(secure, netip.AddrPort{})[0]
			return nil
		}})
	}()
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Logf("log:\n%s", a.log)
		}
	})
	return a
}

func (a *awaiting) path() string { return filepath.Join(a.dir, "coaps.yaml") }

func (a *awaiting) write(config string) {
	a.Helper()
	if err := os.WriteFile(a.path(), []byte(config), 0o600); err != nil {
		a.Fatal(err)
	}
}

// says waits for a word in the log.
func (a *awaiting) says(word string) {
	a.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(a.log.String(), word); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			a.Fatalf("the log never says %q", word)
		}
	}
}

// serves waits until clients may come.
func (a *awaiting) serves() {
	a.Helper()
	select {
	case <-a.ready:
	case err := <-a.ended:
		a.Fatalf("ended: %v", err)
	case <-time.After(10 * time.Second):
		a.Fatal("not ready")
	}
}

// ends returns what Run does, which must be soon.
func (a *awaiting) ends() error {
	a.Helper()
	select {
	case err := <-a.ended:
		return err
	case <-time.After(10 * time.Second):
		a.Fatal("it does not end")
		return nil
	}
}

// stop ends it as SIGTERM does.
func (a *awaiting) stop() {
	a.Helper()
	begin := time.Now()
	a.cancel()
	if err := a.ends(); err != nil {
		a.Errorf("stopped: %v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		a.Errorf("it took %v to stop", took)
	}
	if !strings.Contains(a.log.String(), `"msg":"`+LogStopped+`"`) {
		a.Error("the log does not say that it has stopped")
	}
}

// hold has a store's file until it is closed.
func hold(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(dir, "devices.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A server whose store another process has waits for it: it says so once, is not
// ready, tells the service manager to have patience, answers who asks it how it does
// that it is not ready, and serves as soon as the file is free.
func TestStoreIsAwaited(t *testing.T) {
	notified := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notified, Net: "unixgram"})
	if err != nil {
		t.Skip(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", notified)
	dir := t.TempDir()
	other := hold(t, dir)
	a := begin(t, dir, liveConfig)
	a.says(LogStoreAwaited)
	c := must(Load(a.path()))
	client := Dial("test", c.Sockets()...)
	defer client.Close()
	if _, err := client.Status(t.Context()); !errors.Is(err, ErrStarting) || !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("status: %v", err)
	}
	if _, err := client.Reload(t.Context()); !errors.Is(err, ErrStarting) {
		t.Errorf("reload: %v", err)
	}
	through := AdminStore("test", c.Sockets()...)
	defer through.Close()
	if _, err := through.Get(t.Context(), "x"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("its store: %v", err)
	}
	time.Sleep(3 * awaitPause)
	select {
	case <-a.ready:
		t.Error("ready without a store")
	case err := <-a.ended:
		t.Fatalf("ended: %v", err)
	default:
	}
	if n := strings.Count(a.log.String(), LogStoreAwaited); n != 1 {
		t.Errorf("%d lines", n)
	}
	other.Close()
	a.serves()
	a.says(LogStoreUp)
	a.says(LogStarted)
	for status, err := client.Status(t.Context()); ; status, err = client.Status(t.Context()) {
		if err == nil {
			if len(status.Problems) > 0 {
				t.Errorf("problems: %q", status.Problems)
			}
			break
		}
		if !errors.Is(err, ErrStarting) {
			t.Fatal(err)
		}
	}
	a.stop()
	var told []string
	buf := make([]byte, 512)
	for len(told) == 0 || told[len(told)-1] != "STOPPING=1" {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, told)
		}
		told = append(told, string(buf[:n]))
	}
	if !strings.HasPrefix(told[0], "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=waiting for the store: ") || strings.Join(told[len(told)-3:], ",") != "STATUS=,READY=1,STOPPING=1" {
		t.Errorf("told %q", told)
	}
}

// A server that waits ends when it is told to, and in order.
func TestStopWhileAwaiting(t *testing.T) {
	dir := t.TempDir()
	hold(t, dir)
	a := begin(t, dir, liveConfig)
	a.says(LogStoreAwaited)
	a.stop()
	select {
	case <-a.ready:
		t.Error("it was ready")
	default:
	}
}

// What has no patience, or has lost it, does not start.
func TestNoPatience(t *testing.T) {
	for _, wait := range []string{"0s", "300ms"} {
		dir := t.TempDir()
		hold(t, dir)
		begun := time.Now()
		a := begin(t, dir, strings.Replace(liveConfig, "bolt:devices.db", `{url: "bolt:devices.db", wait: `+wait+`}`, 1))
		if err := a.ends(); !errors.Is(err, store.ErrLocked) {
			t.Errorf("%s: %v", wait, err)
		}
		if took := time.Since(begun); (wait == "0s") != (took < 250*time.Millisecond) && took < 250*time.Millisecond {
			t.Errorf("%s: %v", wait, took)
		}
		if told := strings.Contains(a.log.String(), LogStoreAwaited); told != (wait != "0s") {
			t.Errorf("%s: waited %v", wait, told)
		}
	}
}

// A mistake is told at once: time does not mend it. That the store is away as well
// changes nothing about that.
func TestMistakesAreNotAwaited(t *testing.T) {
	own, other := must(age.GenerateX25519Identity()), must(age.GenerateX25519Identity())
	sealed := strings.Replace(liveConfig, "bolt:devices.db", `{url: "bolt:devices.db", key: store.key}`, 1)
	away := strings.Replace(liveConfig, "bolt:devices.db", `{url: "redis://127.0.0.1:1/0"}`, 1)
	for _, test := range []struct {
		what    string
		prepare func(t *testing.T, dir string)
		config  string
		want    string
	}{
		{"a damaged file", func(t *testing.T, dir string) { put(t, dir, "devices.db", strings.Repeat("no database ", 4096)) }, liveConfig, "damaged"},
		{"no directory", nil, strings.Replace(liveConfig, "bolt:devices.db", "bolt:none/devices.db", 1), "no such file"},
		{"no file of devices", nil, strings.Replace(liveConfig, "bolt:devices.db", "file:devices.yaml", 1), "no such file"},
		{"another age identity", func(t *testing.T, dir string) {
			put(t, dir, "store.key", own.String()+"\n")
			s, err := OpenStore(t.Context(), "bolt:"+filepath.Join(dir, "devices.db"), filepath.Join(dir, "store.key"))
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			put(t, dir, "store.key", other.String()+"\n")
		}, sealed, "none of the age identities"},
		{"no age identity", func(t *testing.T, dir string) { put(t, dir, "store.key", own.String()+"\n"); hold(t, dir).Close() }, liveConfig + "x: y\n", `there is no key "x"`},
		{"away, and no certificate", nil, away + "identity: {cert: none.crt, key: none.key}\n", "none.crt"},
		{"away, and no age identity", nil, strings.Replace(away, `"}`, `", key: none.key}`, 1), "none.key"},
		{"away, and a rule that is none", nil, away + "acl: {rules: [\"allow nonsense\"]}\n", "a rule is: "},
		{"locked, no log", func(t *testing.T, dir string) { hold(t, dir) }, liveConfig + "log: {audit: none/audit.log}\n", "none"},
	} {
		dir := t.TempDir() // not under the case's name, which is long: a socket's path must be short
		t.Run(test.what, func(t *testing.T) {
			if test.prepare != nil {
				test.prepare(t, dir)
			}
			a := begin(t, dir, test.config)
			if err := a.ends(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if strings.Contains(a.log.String(), LogStoreAwaited) {
				t.Error("it has waited")
			}
		})
	}
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The address of a store that is awaited can be mended: SIGHUP has the configuration
// read again. One that is worse changes nothing.
func TestAwaitedStoreIsMended(t *testing.T) {
	a := begin(t, t.TempDir(), strings.Replace(liveConfig, "bolt:devices.db", `"redis://127.0.0.1:1/0"`, 1))
	a.says(LogStoreAwaited)
	a.write(liveConfig + "identity: {cert: none.crt, key: none.key}\n")
	a.hangup <- struct{}{}
	a.says(LogReloadFailed)
	a.write(liveConfig)
	a.hangup <- struct{}{}
	a.serves()
	a.says(`"msg":"` + LogReloaded + `"`)
	a.stop()
}

// The log says it again each minute, and no more often.
func TestAwaitedOnceAMinute(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "coaps.yaml", liveConfig)
	c := must(Load(filepath.Join(dir, "coaps.yaml")))
	log := new(testlog.Buffer)
	s := newServer(c, Options{Stderr: log})
	defer s.lasting.close()
	w := &wait{server: s, config: c, began: time.Now()}
	down := &StoreError{Where: "bolt:devices.db", Err: store.ErrLocked}
	for i, want := range []int{1, 1, 2, 2} {
		if i == 2 {
			w.told = w.told.Add(-awaitTold)
		}
		if err := w.tell(t.Context(), down); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(log.String(), LogStoreAwaited); got != want {
			t.Errorf("after %d: %d lines, want %d", i+1, got, want)
		}
	}
}

// To check a configuration whose store is away is to be told so, and no error: a
// service that is checked before it starts is to wait, too.
func TestCheckWithoutTheStore(t *testing.T) {
	for wait, warning := range map[string]bool{"forever": true, "1m": true, "0s": false} {
		dir := t.TempDir()
		put(t, dir, "coaps.yaml", strings.Replace(liveConfig, "bolt:devices.db", `{url: "redis://127.0.0.1:1/0", wait: `+wait+`}`, 1))
		found := false
		for _, p := range must(Load(filepath.Join(dir, "coaps.yaml"))).Check(t.Context()) {
			if p.Key == "store.url" {
				found = true
				if p.Warning != warning {
					t.Errorf("%s: %s", wait, p)
				}
			}
		}
		if !found {
			t.Errorf("%s: not a word", wait)
		}
	}
}
