// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

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
	for i, v := range visitors {
		for _, mode := range v.modes {
			t.Run("rights/"+mode+"/"+v.name, func(t *testing.T) { p.testRights(t, v, p.good(mode, i)) })
			t.Run("disabled while connected/"+mode+"/"+v.name, func(t *testing.T) { p.testDisable(t, v, p.good(mode, forDisabling+i)) })
		}
	}
	for _, mode := range []string{"psk", "rpk", "x509"} {
		t.Run("refused/"+mode, func(t *testing.T) { p.testRefused(t, mode) })
	}
	t.Run("virtual hosts", p.testHosts)
	t.Run("line for the other side", p.testLines)
	t.Run("administrators at once", p.testAdministrators)
	t.Run("full disk", p.testFullDisk)
	t.Run("frozen store", p.testFrozenStore)
}

// testNoSec: who has proved nothing gets what is for anybody, and 4.01.
func (p *plant) testNoSec(t *testing.T) {
	ctx, _ := p.approach(t)
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
	flows := make(chan flow, 100)
	t.Run("all", func(t *testing.T) {
		for _, v := range visitors {
			for _, d := range p.bad(mode) {
				if v.knows(mode) {
					t.Run(v.name+"/"+d.what, func(t *testing.T) { p.testBad(t, v, d, flows) })
				}
			}
		}
	})
	close(flows)
	first := map[string]flow{}
	for f := range flows {
		if _, tells := badCertificates[f.what]; tells {
			continue // of its own certificate a client may know
		}
		one, ok := first[f.visitor]
		if !ok {
			first[f.visitor] = f
		} else if !slices.Equal(one.lines, f.lines) {
			t.Errorf("%s can tell %q from %q:\n%s\n%s", f.visitor, f.what, one.what, strings.Join(f.lines, "\n"), strings.Join(one.lines, "\n"))
		}
	}
}

// flow is what the server sent in a handshake that it refused.
type flow struct {
	visitor, what string
	lines         []string
}

// settle is how long a client with a pre-shared key is watched, which hears
// nothing: within it each repeats its last flight once (after one second) and not
// yet twice.
const settle = 2 * time.Second

func (p *plant) testBad(t *testing.T, v *visitor, d *device, flows chan<- flow) {
	need(t, v.tool)
	ctx, r := p.approach(t)
	proc := v.dial(ctx, t, p, d, r.port(), "", "/telemetry/"+d.name)
	e := p.logged(ctx, t, d.what, func(e *entry) bool { return e.Msg == "handshake refused" && r.carries(e.Peer) })
	if e == nil {
		return
	}
	if e.Reason != d.reason || e.Identity != d.identity() {
		t.Errorf("reason %q of %q, want %q of %q", e.Reason, e.Identity, d.reason, d.identity())
	}
	if d.mode == "psk" {
		time.Sleep(time.Until(e.Time.Add(settle)))
	} else {
		proc.await(ctx, "(?i)alert") // with a key that it has shown, it is told
	}
	flows <- flow{v.name, d.what, r.fromServer()}
	if proc.shows(`(?m)^[245]\.\d\d\b|Handshake was completed`) {
		t.Errorf("the client thinks otherwise: %s", proc.text())
	}
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

// approach is parallel for a client that the server knows by an address of its
// own: the log has five lines a minute about one address.
func (p *plant) approach(t *testing.T) (context.Context, *relay) {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	r := newRelay(t, p.secure, 0, 0)
	p.pace.Lock()
	defer p.pace.Unlock()
	time.Sleep(130 * time.Millisecond) // and no more than ten of one kind in a second
	p.clients++
	r.from = net.IPv4(127, 0, byte(1+p.clients>>8), byte(p.clients))
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

// fromServer is what came from the server, without times; and without the size
// where a signature is in it, which has one of three lengths.
func (r *relay) fromServer() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, line := range r.flow {
		if what, ok := strings.CutPrefix(line, "down "); ok {
			if _, names, _ := strings.Cut(what, " "); strings.Contains(names, "ServerKeyExchange") {
				what = names
			}
			lines = append(lines, what)
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
			ctx, _ := p.approach(t)
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
			ctx, _ := p.approach(t)
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
			proc := start(ctx, t, []string{"PATH=" + bin + ":" + os.Getenv("PATH")}, "sh", "-c", line)
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
