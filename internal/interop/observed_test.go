// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package interop

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// Clients that others wrote observe a configured server (RFC 7641), until
// something ends that. Each has a device with a path that is its own alone.

// An ending is what puts an end to an observation.
type ending struct {
	end    func(ctx context.Context, t *testing.T, f *follower)
	plain  bool   // also for who is nobody
	reason string // in the log, of the observation or of the session
	rule   string // likewise
	code   string // that the client is told; "": it loses its session
}

var endings = map[string]ending{
	"denied": {plain: true, reason: "access", rule: "rule [0-9]+", code: `4\.0[13]`, end: func(_ context.Context, t *testing.T, f *follower) {
		f.run(t, "acl", "deny", f.who, "OBSERVE", f.path)
	}},
	"right taken back": {plain: true, reason: "access", rule: "no rule", code: `4\.0[13]`, end: func(_ context.Context, t *testing.T, f *follower) {
		f.run(t, "acl", "remove", f.right)
	}},
	"deleted": {plain: true, reason: "failed", code: `4\.04`, end: func(ctx context.Context, t *testing.T, f *follower) {
		f.ask(ctx, t, coap.DELETE, "")
	}},
	"disabled": {reason: "device_disabled", end: func(_ context.Context, t *testing.T, f *follower) {
		f.run(t, "device", "disable", f.device.name)
	}},
	"removed": {reason: "unknown_identity|rpk_not_pinned", end: func(_ context.Context, t *testing.T, f *follower) {
		f.run(t, "device", "remove", f.device.name)
	}},
	"expired": {reason: "credential_expired", end: expire},
}

// expire has the credential of a client end, and waits for that moment.
func expire(ctx context.Context, t *testing.T, f *follower) {
	s := gateway.AdminStore("test", filepath.Join(f.dir, "admin.sock"))
	defer s.Close()
	end := time.Now().Add(2 * time.Second)
	_, err := registry.New(s).UpdateDevice(ctx, "", f.device.name, func(d *registry.Device) error {
		d.Credentials[0].NotAfter = end
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(end))
}

// An observation is one that is to end.
type observation struct {
	ending
	by     *visitor // nil: without DTLS
	device *device
	loss   float64
}

// TestConfiguredObserve is libcoap's client that observes in each of the four modes,
// and each way in which that ends.
//
// Proves rfc7641 §7: "Resources can be observed over DTLS-secured CoAP using any of the
// security modes described in Section 9 of RFC 7252."
func TestConfiguredObserve(t *testing.T) {
	t.Parallel()
	need(t, "go", "coap-client-gnutls", "coap-client-openssl", "coap-client-notls")
	p := &plant{files: newFiles(t)}
	p.build(t)
	observations := map[string]observation{}
	for what, e := range endings {
		for name, by := range map[string]*visitor{"psk": visitors[0], "rpk": visitors[0], "x509": visitors[0], "x509 openssl": visitors[1], "psk lossy": visitors[0]} {
			o := observation{ending: e, by: by}
			mode, rest, _ := strings.Cut(name, " ")
			if rest == "lossy" {
				o.loss = 0.2
			}
			o.device = p.add(t, device{mode: mode})
			observations[what+"/"+name] = o
		}
		if e.plain {
			observations[what+"/nosec"] = observation{ending: e}
		}
	}
	writer := p.add(t, device{mode: "psk"})
	p.add(t, device{mode: "psk"}) // for testRestart
	p.add(t, device{mode: "psk"})
	p.importDevices(t, func(*device, *registry.Device) {})
	p.config = p.write(t, "coaps.yaml", []byte(`name: gw-1
listen:
  - {addr: "127.0.0.1:0", security: dtls}
  - {addr: "127.0.0.1:0", security: nosec}
identity: {cert: server.pem, key: server.key, rpk: server.key}
clients: {ca: [ca.pem], require-known: true}
store: bolt:devices.db
acl: {rules: ["allow device:`+writer.name+` PUT,DELETE /telemetry/**"]}
resources: {store: {path: /telemetry/}}
log: {format: json, audit: audit.log}
admin: {socket: admin.sock}
limits: {prefix-handshakes: 0}
`))
	p.serve(t)
	other := p.other(t, writer)
	t.Run("ends", func(t *testing.T) {
		for name, o := range observations {
			t.Run(name, func(t *testing.T) { p.testEnding(parallel(t), t, other, o) })
		}
	})
	if took := p.median(); took > soon {
		t.Errorf("half of the observations ended more than %v after the command", took)
	}
	t.Run("restart", func(t *testing.T) { p.testRestart(t, other) })
}

// other is the device that changes what is observed.
func (p *plant) other(t *testing.T, d *device) *coaps.Client {
	t.Helper()
	psk, err := keys.NewPSK([]byte(d.name), d.key)
	if err != nil {
		t.Fatal(err)
	}
	c := &coaps.Client{Network: "udp4", Security: &security.Config{ClientPSK: &psk}}
	t.Cleanup(func() { c.Close() })
	return c
}

// A follower is a foreign client that observes.
type follower struct {
	*plant
	*relay
	observation
	other *coaps.Client
	path  string
	who   string // as rules name it
	right string // the rule that lets it
	proc  *process
}

// ask has the other device change the resource.
func (f *follower) ask(ctx context.Context, t *testing.T, method coap.Code, payload string) {
	t.Helper()
	r, err := f.other.Do(ctx, &coaps.Request{Method: method, URI: fmt.Sprintf("coaps://127.0.0.1:%d%s", f.secure, f.path), Payload: []byte(payload)})
	if err != nil || r.Code.Class() != 2 {
		t.Fatalf("%v %s: %v, %v", method, f.path, r, err)
	}
}

// follow gives a client the right to observe, and has it begin.
func (p *plant) follow(ctx context.Context, t *testing.T, other *coaps.Client, o observation) *follower {
	t.Helper()
	f := &follower{plant: p, observation: o, other: other}
	n := p.clients.Add(1)
	args := []string{"-v", "7", "-B", "140", "-s", "130", "-m", "get"}
	if o.by == nil {
		f.who, f.path, f.relay = "mode:nosec", fmt.Sprintf("/telemetry/public-%d", n), newRelay(t, p.plain, 0, uint64(n))
	} else {
		f.who, f.path, f.relay = "device:"+o.device.name, "/telemetry/"+o.device.name, newRelay(t, p.secure, 0, uint64(n))
	}
	f.from = net.IPv4(127, 0, byte(1+n>>8), byte(n)) // the log has five lines a minute about one address
	f.ask(ctx, t, coap.PUT, "first value")
	added := f.run(t, "acl", "allow", f.who, "GET,OBSERVE", f.path, "--json")
	if _, id, found := strings.Cut(added, `"id":"`); found {
		f.right, _, _ = strings.Cut(id, `"`)
	}
	if o.by == nil {
		f.proc = start(ctx, t, nil, "coap-client-notls", append(args, fmt.Sprintf("coap://127.0.0.1:%d%s", f.port(), f.path))...)
	} else {
		f.proc = o.by.dial(ctx, t, p, o.device, f.port(), "", f.path, args...)
	}
	if !f.proc.await(ctx, "first value") {
		t.Fatalf("it does not begin: %s", f.proc.text())
	}
	f.lose(o.loss, 3) // not before: libcoap gives handshakes up early
	return f
}

// soon is how long a change may take to be seen by who observes, where nothing is
// lost. Other programs may keep this one from a processor for longer: half of the
// observations have to end in that time, and all of them within late.
const soon, late = time.Second, 10 * time.Second

// lasted notes how long something took, and reports whether that was too long.
func (p *plant) lasted(took time.Duration) bool {
	p.timesLock.Lock()
	defer p.timesLock.Unlock()
	p.times = append(p.times, took)
	return took > late
}

func (p *plant) median() time.Duration {
	p.timesLock.Lock()
	defer p.timesLock.Unlock()
	slices.Sort(p.times)
	return p.times[len(p.times)/2]
}

// testEnding: the client gets what another device PUTs, until the observation ends:
// then it is told, the log says why, and nothing comes any more.
func (p *plant) testEnding(ctx context.Context, t *testing.T, other *coaps.Client, o observation) {
	f := p.follow(ctx, t, other, o)
	for _, value := range []string{"second value", "third value"} {
		began := time.Now()
		f.ask(ctx, t, coap.PUT, value)
		if !f.proc.await(ctx, value) {
			t.Fatalf("%s did not come: %s", value, f.proc.text())
		}
		if took := time.Since(began); o.loss == 0 && p.lasted(took) {
			t.Errorf("%s came after %v", value, took)
		}
	}
	if o.by != nil {
		if shown := p.run(t, "session", "show", o.device.name); !strings.Contains(shown, `"observes":1`) {
			t.Errorf("session show: %s", shown)
		}
	}
	p.refusals.Lock() // ten a second are logged
	before := time.Now()
	o.end(ctx, t, f)
	told := time.Now()
	time.Sleep(110 * time.Millisecond)
	p.refusals.Unlock()
	f.ended(ctx, t, before, told)
	if o.code == "" {
		if list := p.run(t, "session", "list", "--json", "--device", o.device.name); list != "" {
			t.Errorf("the session is still there: %s", list)
		}
		return
	}
	f.ask(ctx, t, coap.PUT, "last value")
	time.Sleep(300 * time.Millisecond)
	if f.proc.shows("last value") {
		t.Errorf("it is still notified: %s", f.proc.text())
	}
}

// ended looks at both sides of an observation that is over.
func (f *follower) ended(ctx context.Context, t *testing.T, before, told time.Time) {
	t.Helper()
	what := "observation ended"
	if f.code == "" {
		what = "session revoked" // and all that it observes with it
	}
	e := f.logged(ctx, t, what+" "+f.path, func(e *entry) bool { return e.Msg == what && f.carries(e.Peer) })
	if e == nil {
		return
	}
	took := e.Time.Sub(told)
	if e.Time.Before(before) || f.observation.loss == 0 && f.lasted(took) {
		t.Errorf("it ended %v after the command", took)
	}
	if !matches(f.reason, e.Reason) || f.code != "" && (e.Path != f.path || !matches(f.rule, e.Rule)) {
		t.Errorf("logged as %+v", e)
	}
	sign := cmp.Or(f.code, sessionGone)
	if f.code == "" && f.observation.loss > 0 {
		return // the alert may be lost
	}
	if !f.proc.await(ctx, sign) {
		t.Fatalf("the client is not told: %s", f.proc.text())
	}
	heard := time.Since(told)
	if f.observation.loss == 0 && f.lasted(heard) {
		t.Errorf("the client was told after %v", heard)
	}
	t.Logf("ended in the log after %v, at the client after %v", took.Round(time.Millisecond), heard.Round(time.Millisecond))
}

func matches(pattern, text string) bool {
	return regexp.MustCompile("^(" + pattern + ")$").MatchString(text)
}

// testRestart: a server that ends tells those who observe, by ending their sessions,
// and does not wait for one that does not answer.
func (p *plant) testRestart(t *testing.T, other *coaps.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d := p.devices[len(p.devices)-2:]
	awake := p.follow(ctx, t, other, observation{by: visitors[0], device: d[0]})
	deaf := p.follow(ctx, t, other, observation{by: visitors[0], device: d[1]})
	if err := deaf.proc.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	deaf.ask(ctx, t, coap.PUT, "second value")
	began := time.Now()
	if err := p.server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if !awake.proc.await(ctx, sessionGone) {
		t.Errorf("the client does not know that its session is gone: %s", awake.proc.text())
	}
	<-p.server.exited
	if took := time.Since(began); took > shutdownTime {
		t.Errorf("the server ended after %v", took)
	}
}

// shutdownTime is how long a server waits at most for what is under way.
const shutdownTime = 7 * time.Second

// sessionGone is what libcoap says of a session that was closed.
const sessionGone = "DTLS_CLOSED|EVENT_DTLS_ERROR|session disconnected"
