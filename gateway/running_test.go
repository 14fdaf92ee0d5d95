// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/testlog"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
)

// running is a gateway that serves a configuration in a directory of its own.
type running struct {
	testing.TB
	dir    string
	log    *testlog.Buffer
	secure netip.AddrPort
	plain  netip.AddrPort
	hangup chan struct{}
	stop   func() error
	client *Client // of the admin socket
	store  store.Store
	*registry.Registry
}

const liveConfig = `name: gw-1
listen:
  - {addr: "127.0.0.1:0", security: dtls}
store: bolt:devices.db
limits: {loops: 1}
`

// start serves the configuration; files are others beside it.
func start(t testing.TB, config string, files map[string]string) *running {
	t.Helper()
	r := &running{TB: t, dir: t.TempDir(), log: new(testlog.Buffer), hangup: make(chan struct{})}
	for name, content := range files {
		r.write(name, content)
	}
	r.write("coaps.yaml", config)
	t.Setenv("XDG_RUNTIME_DIR", "")
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, r.path("coaps.yaml"), Options{Stderr: r.log, Verbose: true, Reload: r.hangup, Ready: func(plain, secure []netip.AddrPort) error {
			if len(plain) > 0 {
				r.plain = plain[0]
			}
			if len(secure) > 0 {
				r.secure = secure[0]
			}
			close(ready)
			return nil
		}})
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("%v\n%s", err, r.log)
	}
	r.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", r.log)
		}
	})
	c, err := Load(r.path("coaps.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.client = Dial("test", c.Sockets()...)
	t.Cleanup(r.client.Close)
	r.store = AdminStore("test", c.Sockets()...)
	t.Cleanup(func() { r.store.Close() })
	r.Registry = registry.New(r.store)
	return r
}

func (r *running) path(name string) string { return filepath.Join(r.dir, name) }

// write replaces a file at once.
func (r *running) write(name, content string) {
	r.Helper()
	part := r.path(name + ".part")
	if err := os.MkdirAll(filepath.Dir(part), 0o700); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(part, []byte(content), 0o600); err != nil {
		r.Fatal(err)
	}
	if err := os.Rename(part, r.path(name)); err != nil {
		r.Fatal(err)
	}
}

func (r *running) remove(name string) {
	r.Helper()
	if err := os.Remove(r.path(name)); err != nil {
		r.Fatal(err)
	}
}

// pskOf is the key of a test device.
func pskOf(name string) keys.PSK {
	psk, err := keys.NewPSK([]byte(name), []byte("the key of "+name+" is this"))
	if err != nil {
		panic(err)
	}
	return psk
}

// addDevice adds a device with a key.
func (r *running) addDevice(name string, groups ...string) {
	r.Helper()
	psk := pskOf(name)
	_, err := r.AddDevice(r.Context(), registry.Device{Name: name, Groups: groups,
		Credentials: []registry.Credential{{PSK: &registry.PSK{Identity: psk.Identity, Key: psk.Key}}}})
	if err != nil {
		r.Fatal(err)
	}
}

func (r *running) allow(rule string) string {
	r.Helper()
	parsed, err := acl.ParseRule(rule)
	if err != nil {
		r.Fatal(err)
	}
	added, err := r.AddRule(r.Context(), parsed)
	if err != nil {
		r.Fatal(err)
	}
	return added.ID
}

// peer is a client with the key of a device.
func (r *running) peer(name string) *peer {
	psk := pskOf(name)
	return r.with(&security.Config{ClientPSK: &psk})
}

// quick gives up after some five seconds.
var quick = message.Params{AckTimeout: 300 * time.Millisecond, MaxRetransmit: 3}

func (r *running) with(config *security.Config) *peer {
	c := &coaps.Client{Security: config, Params: quick}
	r.Cleanup(func() { c.Close() })
	return &peer{running: r, client: c}
}

type peer struct {
	*running
	client *coaps.Client
}

// get asks for a path: the code, or the error as text.
func (p *peer) get(path string) string { return p.do(coap.GET, path, nil) }

func (p *peer) do(method coap.Code, path string, payload []byte) string {
	ctx, cancel := context.WithTimeout(p.Context(), 3*time.Second)
	defer cancel()
	response, err := p.client.Do(ctx, &coaps.Request{Method: method, URI: "coaps://" + p.secure.String() + path, Payload: payload})
	if err != nil {
		return err.Error()
	}
	return response.Code.Dotted()
}

func (p *peer) want(path, code string) {
	p.Helper()
	if got := p.get(path); got != code {
		p.Errorf("GET %s: %s, want %s", path, got, code)
	}
}

// busier is how much longer things may take on a machine that has other things
// to do than on one that has not.
const busier = 10

// within waits for a condition. A second is what is promised of changes.
func (r *running) within(d time.Duration, what string, holds func() bool) {
	r.Helper()
	begin := time.Now()
	for !holds() {
		if time.Since(begin) > busier*d {
			r.Fatalf("%s: not within %v", what, busier*d)
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.Logf("%s: after %v", what, time.Since(begin).Round(time.Millisecond))
}

func (r *running) sessions(filter SessionFilter) (all []Session) {
	r.Helper()
	for s, err := range r.client.Sessions(r.Context(), filter) {
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func (r *running) status() *Status {
	r.Helper()
	s, err := r.client.Status(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return s
}

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

// seeded is a source of the same bytes each time.
func seeded(n byte) io.Reader { return rand.NewChaCha8([32]byte{n}) }

// answer is a ResponseWriter that remembers.
type answer struct {
	code    coap.Code
	options coap.OptionList
	payload []byte
}

func (a *answer) SetCode(code coap.Code)                  { a.code = code }
func (a *answer) SetOption(n coap.OptionNumber, v []byte) { a.options.Set(n, v) }
func (a *answer) SetUint(n coap.OptionNumber, v uint32)   { a.options.Set(n, coap.AppendUint(nil, v)) }
func (a *answer) SetContentFormat(f coap.ContentFormat) {
	a.SetUint(coap.ContentFormatOption, uint32(f))
}
func (a *answer) Write(p []byte) (int, error) {
	a.payload = append(a.payload, p...)
	return len(p), nil
}
