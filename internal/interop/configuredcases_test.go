// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package interop

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/security/keys"
)

// TestConfigured is foreign clients of each mode with a server that a
// configuration file describes and devices that have rights of their own.
//
// Proves rfc7252 §9: "At the end of the provisioning phase, the device will be in one of four security modes with the
// following information for the given mode."
func TestConfigured(t *testing.T) {
	t.Parallel()
	need(t, "go", "openssl", "gnutls-cli", "coap-client-gnutls", "coap-client-openssl", "coap-client-notls")
	p := newPlant(t)
	t.Run("NoSec", p.testNoSec)
	t.Run("virtual hosts", p.testHosts)
	t.Run("line for the other side", p.testLines)
	t.Run("rights", func(t *testing.T) { p.eachMode(t, 0, p.testRights) })
	t.Run("disabled while connected", func(t *testing.T) { p.eachMode(t, forDisabling, p.testDisable) })
	for _, mode := range []string{"psk", "rpk", "x509"} {
		t.Run("refused/"+mode, func(t *testing.T) { p.testRefused(t, mode) })
	}
	t.Run("administrators at once", p.testAdministrators)
	t.Run("full disk", p.testFullDisk)
	t.Run("lost file", p.testLostFile)
	t.Run("wrong age key", p.testWrongAgeKey)
	t.Run("frozen store", p.testFrozenStore)
}

// eachMode runs a test with each client in each mode and a device of its own, one
// after the other: the log has no more than ten lines of one kind in a second.
func (p *plant) eachMode(t *testing.T, first int, test func(*testing.T, *visitor, *device)) {
	t.Parallel()
	for i, v := range visitors {
		for _, mode := range v.modes {
			t.Run(mode+"/"+v.name, func(t *testing.T) { test(t, v, p.good(mode, first+i)) })
			time.Sleep(150 * time.Millisecond)
		}
	}
}

// testNoSec: who has proved nothing gets what is for anybody, and 4.01.
func (p *plant) testNoSec(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	for path, want := range map[string]string{"/hello": "Hello", "/telemetry/" + p.good("psk", 0).name: "4.01"} {
		proc := start(ctx, t, nil, "coap-client-notls", "-B", "30", "-m", "get", fmt.Sprintf("coap://127.0.0.1:%d%s", p.plain, path))
		if !proc.await(ctx, want) {
			t.Errorf("%s: %s, want %s", path, proc.text(), want)
		}
	}
	p.logged(ctx, t, "denied NoSec", func(e *entry) bool {
		return e.Msg == "request denied" && e.Mode == "NoSec" && strings.HasPrefix(e.Code, "4.01") && strings.HasPrefix(e.Path, "/telemetry/")
	})
}

// testRights: a device has its own path, and no other's.
func (p *plant) testRights(t *testing.T, v *visitor, d *device) {
	need(t, v.tool)
	ctx, r := p.approach(t)
	other := p.good(d.mode, forHosts).name
	if v.coap {
		proc := v.dial(ctx, t, p, d, r.port(), "", "/telemetry/"+d.name, "-m", "put", "-e", "on "+v.name)
		<-proc.exited
		if proc = v.dial(ctx, t, p, d, r.port(), "", "/telemetry/"+d.name); !proc.await(ctx, "on "+v.name) {
			t.Errorf("its own path: %s", proc.text())
		}
		if proc = v.dial(ctx, t, p, d, r.port(), "", "/telemetry/"+other); !proc.await(ctx, "4.03") {
			t.Errorf("another's path: %s", proc.text())
		}
	} else {
		proc := v.dial(ctx, t, p, d, r.port(), "", "")
		putRaw(ctx, t, proc, d.name, "aa", 0x41, 0x44)
		putRaw(ctx, t, proc, other, "bb", 0x83)
	}
	p.logged(ctx, t, "denied "+d.name, func(e *entry) bool {
		return e.Msg == "request denied" && r.carries(e.Peer) && e.Device == d.name && strings.HasPrefix(e.Code, "4.03") && e.Path == "/telemetry/"+other
	})
}

// testDisable: a device that is disabled while it is connected loses its session
// within a second, and is told.
func (p *plant) testDisable(t *testing.T, v *visitor, d *device) {
	need(t, v.tool)
	ctx, r := p.approach(t)
	var proc *process
	if v.coap {
		proc = v.dial(ctx, t, p, d, r.port(), "", "/telemetry/"+d.name, "-m", "put", "-e", "21", "-G", "60")
	} else {
		proc = v.dial(ctx, t, p, d, r.port(), "", "")
	}
	accepted := p.logged(ctx, t, "accepted "+d.name, func(e *entry) bool { return e.Msg == "handshake accepted" && r.carries(e.Peer) })
	if accepted == nil {
		return
	}
	if list := p.run(t, "session", "list", "--json"); !strings.Contains(list, d.name) {
		t.Errorf("%s is not among the sessions:\n%s", d.name, list)
	}
	began := time.Now()
	p.run(t, "device", "disable", d.name)
	told := time.Now()
	revoked := p.logged(ctx, t, "revoked "+d.name, func(e *entry) bool { return e.Msg == "session revoked" && r.carries(e.Peer) })
	if revoked == nil {
		return
	}
	if took := revoked.Time.Sub(told); revoked.Time.Before(began) || took > time.Second {
		t.Errorf("the session ended %v after the command", took)
	}
	if revoked.Reason != "device_disabled" || revoked.Action != "close" || revoked.Peer != accepted.Peer {
		t.Errorf("%+v", revoked)
	}
	if !proc.await(ctx, map[string]string{
		"gnutls": "Peer has closed|closed the GnuTLS connection", "openssl": "(?m)^closed",
	}[v.name]) && !v.coap {
		t.Errorf("the client was not told: %s", proc.text())
	}
	if list := p.run(t, "session", "list", "--json", "--device", d.name); strings.Contains(list, accepted.Peer) {
		t.Errorf("the session is still there:\n%s", list)
	}
}

// testRefused: the log says why and who it claimed to be; the wire does not tell
// what a store knows of a credential.
func (p *plant) testRefused(t *testing.T, mode string) {
	t.Parallel()
	var visits []visit
	for _, v := range visitors {
		for _, d := range p.bad(mode) {
			if v.knows(mode) {
				visits = append(visits, p.refuse(t, v, d))
			}
		}
	}
	if mode == "psk" {
		time.Sleep(settle)
	}
	first := map[*visitor]visit{}
	for _, one := range visits {
		if one.proc.shows(`(?m)^[245]\.\d\d\b|Handshake was completed`) {
			t.Errorf("%s, %s: the client thinks otherwise: %s", one.by.name, one.device.what, one.proc.text())
		}
		if _, tells := badCertificates[one.device.what]; tells {
			continue // of its own certificate a client may know
		}
		if _, seen := first[one.by]; !seen {
			first[one.by] = one
		}
		what, flow, other := one.device.what, one.relay.fromServer(), first[one.by].relay.fromServer()
		if !slices.Equal(flow, other) {
			t.Errorf("%s can tell %q from %q:\n%q\n%q", one.by.name, what, first[one.by].device.what, flow, other)
		}
	}
}

// visit is one of a client that is refused.
type visit struct {
	by     *visitor
	device *device
	proc   *process
	relay  *relay
}

// settle is how long clients with a pre-shared key are watched, which hear
// nothing: within it each repeats its last flight.
const settle = 2 * time.Second

// refuse has a client come, and waits until the log says why it may not.
func (p *plant) refuse(t *testing.T, v *visitor, d *device) visit {
	t.Helper()
	p.refusals.Lock() // ten a second are logged
	defer p.refusals.Unlock()
	ctx, r := p.approach(t)
	proc := v.dial(t.Context(), t, p, d, r.port(), "", "/telemetry/"+d.name)
	e := p.logged(ctx, t, v.name+" "+d.what, func(e *entry) bool { return e.Msg == "handshake refused" && r.carries(e.Peer) })
	if e != nil && (e.Reason != d.reason || e.Identity != d.identity()) {
		t.Errorf("%s, %s: reason %q of %q, want %q of %q", v.name, d.what, e.Reason, e.Identity, d.reason, d.identity())
	}
	if d.mode != "psk" && !proc.await(ctx, "(?i)alert") { // with a key that it has shown, it is told
		t.Errorf("%s, %s: the client is not told", v.name, d.what)
	}
	time.Sleep(110 * time.Millisecond)
	return visit{v, d, proc, r}
}

// identity is what a device claims to be.
func (d *device) identity() string {
	switch d.mode {
	case "rpk":
		return keys.NameOf(d.side.key.SPKI, keys.SHA256_120).String()
	case "x509":
		return keys.CertificateName(d.side.cert)
	}
	return d.name
}

// approach is the way of a client whom the server knows by an address of its own:
// the log has five lines a minute about one address.
func (p *plant) approach(t *testing.T) (context.Context, *relay) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	t.Cleanup(cancel)
	r := newRelay(t, p.secure, 0, 0)
	n := p.clients.Add(1)
	r.from = net.IPv4(127, 0, byte(1+n>>8), byte(n))
	return ctx, r
}

// carries reports whether an address is one of the relay's towards the server.
func (r *relay) carries(peer string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.back {
		if c.LocalAddr().String() == peer {
			return true
		}
	}
	return false
}

// fromServer is what came from the server, without times and repetitions; and
// without the size where a signature is in it, which has one of three lengths.
func (r *relay) fromServer() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, line := range r.flow {
		if what, ok := strings.CutPrefix(line, "down "); ok {
			if _, names, _ := strings.Cut(what, " "); strings.Contains(names, "ServerKeyExchange") {
				what = names
			}
			if !slices.Contains(lines, what) {
				lines = append(lines, what)
			}
		}
	}
	return lines
}

// testHosts: one identity is another device at another host, with another key;
// certificates are those of the host.
func (p *plant) testHosts(t *testing.T) {
	first, second := p.good("psk", forHosts), p.good("psk", forHosts+1)
	there := &device{name: first.name, mode: "psk", key: []byte("the second's key")}
	for _, v := range visitors {
		if v.coap {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			need(t, v.tool)
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			proc := v.dial(ctx, t, p, there, p.secure, virtualHost, "")
			putRaw(ctx, t, proc, second.name, "aa", 0x41, 0x44)
			putRaw(ctx, t, proc, first.name, "bb", 0x83)
			proc = v.dial(ctx, t, p, first, p.secure, "other.example", "")
			putRaw(ctx, t, proc, first.name, "cc", 0x41, 0x44)
			for sni, name := range map[string]string{virtualHost: "otherhost", "": "server"} {
				// Devices have their certificates at the default host only.
				proc := v.dial(ctx, t, p, p.good("x509", forHosts), p.secure, sni, "")
				if !proc.await(ctx, "CN ?= ?"+name) {
					t.Errorf("%q shows another certificate: %s", sni, proc.text())
				}
			}
		})
	}
}

// testLines runs what the command prints for the device's side, as it is.
func (p *plant) testLines(t *testing.T) {
	d := p.good("psk", 0)
	for tool, as := range map[string]string{"coap-client-gnutls": "libcoap", "coap-client-openssl": "libcoap", "openssl": "openssl"} {
		t.Run(tool, func(t *testing.T) {
			need(t, tool)
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			line := p.run(t, "psk", "show", d.name, "--as", as, "--server", fmt.Sprintf("coaps://127.0.0.1:%d/telemetry/%s", p.secure, p.good("psk", forHosts).name))
			// Distributions have coap-client under several names.
			bin := t.TempDir()
			path, err := exec.LookPath(tool)
			if err != nil {
				t.Fatal(err)
			}
			if as == "libcoap" {
				if err := os.Symlink(path, filepath.Join(bin, "coap-client")); err != nil {
					t.Fatal(err)
				}
			}
			proc := start(ctx, t, []string{"PATH=" + bin + ":" + os.Getenv("PATH")}, "sh", "-c", "exec "+line)
			if as == "libcoap" {
				if !proc.await(ctx, "4.03") {
					t.Errorf("%s: %s", line, proc.text())
				}
				return
			}
			if !proc.await(ctx, "Verify return code|Verification") {
				t.Errorf("%s: %s", line, proc.text())
			}
			putRaw(ctx, t, proc, d.name, "dd", 0x41, 0x44)
		})
	}
}
