// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store/bolt"
)

// A server as an operator has it: the command, a configuration file, a store of
// devices with rights of their own, and clients that others wrote.

// plant is such a server with its devices.
type plant struct {
	*files
	command       string // coaps
	config        string
	server        *process
	plain, secure int // ports
	devices       []*device
	refusals      sync.Mutex
	clients       atomic.Int32

	timesLock sync.Mutex
	times     []time.Duration // that things took
}

// device is a device and what its client shows.
type device struct {
	name   string
	mode   string // psk, rpk or x509
	what   string // is wrong with it, "" nothing
	reason string // why it is refused
	key    []byte // its client's PSK
	side   side   // its client's key and certificate

	revoked bool
	change  func(*registry.Device) // makes it bad in the store
	absent  bool                   // it is not in the store
}

const virtualHost = "gw2.example"

// Good devices are used once: the first by the clients that show what they may,
// one each; then those to be disabled, and two for virtual hosts.
const (
	forDisabling = 4
	forHosts     = 8
)

var (
	hourAgo = time.Now().Add(-time.Hour)
	inAHour = time.Now().Add(time.Hour)
)

// The ways in which what a store knows makes a device bad, whatever its mode.
var badInStore = []device{
	{what: "unknown", reason: "unknown_identity", absent: true},
	{what: "expired", reason: "credential_expired", change: func(d *registry.Device) { d.Credentials[0].NotAfter = hourAgo }},
	{what: "not yet valid", reason: "credential_not_yet_valid", change: func(d *registry.Device) { d.Credentials[0].NotBefore = inAHour }},
	{what: "credential disabled", reason: "credential_disabled", change: func(d *registry.Device) { d.Credentials[0].Disabled = true }},
	{what: "device disabled", reason: "device_disabled", change: func(d *registry.Device) { d.Disabled = true }},
	{what: "device's time over", reason: "credential_expired", change: func(d *registry.Device) { d.NotAfter = hourAgo }},
}

// badCertificates are those that no store has to be asked about.
var badCertificates = map[string]string{
	"certificate expired":       "cert_expired",
	"certificate not yet valid": "cert_not_yet_valid",
	"certificate revoked":       "cert_revoked",
	"certificate of another CA": "cert_unknown_ca",
}

// newPlant makes credentials, store and configuration, and starts the server.
func newPlant(t *testing.T) *plant {
	t.Helper()
	p := &plant{files: newFiles(t)}
	p.build(t)
	p.newSide(t, "otherhost")
	for _, mode := range []string{"psk", "rpk", "x509"} {
		for range forHosts + 2 {
			p.add(t, device{mode: mode})
		}
		for _, bad := range badInStore {
			bad.mode = mode
			if mode == "rpk" && bad.absent {
				bad.reason = "rpk_not_pinned"
			}
			p.add(t, bad)
		}
	}
	p.add(t, device{mode: "psk", what: "wrong key", reason: "bad_psk", key: []byte("another key of16")})
	p.add(t, device{mode: "psk", what: "other node", reason: "wrong_node", change: func(d *registry.Device) { d.Credentials[0].PSK.Nodes = []string{"gw-9"} }})
	for what, reason := range badCertificates {
		p.add(t, device{mode: "x509", what: what, reason: reason, revoked: reason == "cert_revoked"})
	}
	p.fillStore(t)
	p.configure(t)
	p.serve(t)
	return p
}

// add makes a device. All names are of one length, so that datagrams can be
// compared.
func (p *plant) add(t *testing.T, d device) *device {
	t.Helper()
	d.name = fmt.Sprintf("unit-%s-%02d", d.mode, len(p.devices))
	switch d.mode {
	case "psk":
		if d.key == nil {
			d.key = []byte(pskText)
		}
	default:
		d.side = p.sideOf(t, &d)
	}
	p.devices = append(p.devices, &d)
	return &d
}

// sideOf makes the key and the certificate of a device.
func (p *plant) sideOf(t *testing.T, d *device) side {
	t.Helper()
	s := p.newSide(t, d.name)
	signer, parent := p.caKey, p.ca
	from, to := hourAgo, inAHour
	switch d.what {
	case "certificate expired":
		from, to = hourAgo.Add(-time.Hour), hourAgo
	case "certificate not yet valid":
		from, to = inAHour, inAHour.Add(time.Hour)
	case "certificate of another CA":
		signer = newECKey(t)
		parent = issue(t, "interop CA", signer, nil, signer)
	}
	s.cert = deviceCertificate(t, d.name, s.key.Signer, parent, signer, from, to)
	s.certFile = p.write(t, d.name+".pem", keys.MarshalCertificates(s.cert))
	return s
}

// deviceCertificate makes a device's certificate.
func deviceCertificate(t *testing.T, name string, key crypto.Signer, parent *x509.Certificate, signer *ecdsa.PrivateKey, from, to time.Time) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return certify(t, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs: []*url.URL{{Scheme: "urn", Opaque: "dev:" + name}},
	}, parent, key, signer)
}

// stored is what the store has of a device.
func (d *device) stored() registry.Device {
	c := registry.Credential{ID: "1"}
	switch d.mode {
	case "psk":
		c.PSK = &registry.PSK{Identity: []byte(d.name), Key: keys.NewSecret([]byte(pskText))}
	case "rpk":
		c.RPK = &registry.RPK{Name: keys.NameOf(d.side.key.SPKI, keys.SHA256)}
	case "x509":
		c.Certificate = &registry.Certificate{URI: "urn:dev:" + d.name}
	}
	r := registry.Device{Name: d.name, Groups: []string{"sensors"}, Credentials: []registry.Credential{c}}
	if d.change != nil {
		d.change(&r)
	}
	return r
}

// fillStore writes the devices into a file. One identity belongs to
// another device, with another key, at the virtual host.
func (p *plant) fillStore(t *testing.T) {
	t.Helper()
	first, second := p.good("psk", forHosts), p.good("psk", forHosts+1)
	p.importDevices(t, func(d *device, r *registry.Device) {
		if d == second {
			r.Credentials = append(r.Credentials, registry.Credential{ID: "2", Host: virtualHost,
				PSK: &registry.PSK{Identity: []byte(first.name), Key: keys.NewSecret([]byte("the second's key"))}})
		}
	})
}

// importDevices writes the devices into a file; more may add to them.
func (p *plant) importDevices(t *testing.T, more func(*device, *registry.Device)) {
	t.Helper()
	s, err := bolt.Open(filepath.Join(p.dir, "devices.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = registry.New(s).Import(t.Context(), func(yield func(registry.Device, error) bool) {
		for _, d := range p.devices {
			r := d.stored()
			more(d, &r)
			if !d.absent && !yield(r, nil) {
				return
			}
		}
	}, registry.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// build makes the command.
func (p *plant) build(t *testing.T) {
	t.Helper()
	p.command = filepath.Join(p.dir, "coaps")
	if out, err := exec.Command("go", "build", "-o", p.command, "github.com/coaps-go/coaps/cmd/coaps").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

// good is the nth device of a mode with which nothing is wrong.
func (p *plant) good(mode string, n int) *device {
	for _, d := range p.devices {
		if d.mode != mode || d.what != "" {
			continue
		}
		if n--; n < 0 {
			return d
		}
	}
	panic("no such device")
}

// bad are the devices of a mode that are to be refused.
func (p *plant) bad(mode string) []*device {
	return slices.DeleteFunc(slices.Clone(p.devices), func(d *device) bool { return d.mode != mode || d.what == "" })
}

func (p *plant) configure(t *testing.T) {
	t.Helper()
	var revoked []x509.RevocationListEntry
	for _, d := range p.devices {
		if d.revoked {
			revoked = append(revoked, x509.RevocationListEntry{SerialNumber: d.side.cert.SerialNumber, RevocationTime: hourAgo})
		}
	}
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: hourAgo, NextUpdate: inAHour, RevokedCertificateEntries: revoked}, p.ca, p.caKey)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "ca.crl", crl)
	p.config = p.write(t, "coaps.yaml", []byte(`name: gw-1
listen:
  - {addr: "127.0.0.1:0", security: dtls}
  - {addr: "127.0.0.1:0", security: nosec}
identity: {cert: server.pem, key: server.key, rpk: server.key}
clients: {ca: [ca.pem], crl: [ca.crl], crl-policy: hard, require-known: true}
store: bolt:devices.db
hosts:
  `+virtualHost+`: {identity: {cert: otherhost.pem, key: otherhost.key}, clients: {ca: [ca.pem], require-known: true}}
acl:
  rules:
    - allow group:sensors GET,PUT,OBSERVE /telemetry/{device}
    - allow anonymous GET /hello
resources:
  store: {path: /telemetry/}
log: {format: json, audit: audit.log}
admin: {socket: admin.sock}
limits: {prefix-handshakes: 0}
`))
}

// serve starts the command.
func (p *plant) serve(t *testing.T) {
	t.Helper()
	ready := filepath.Join(p.dir, "ready")
	// Not t.Context(), which ends before the cleanups: the server is told to stop.
	p.server = start(context.Background(), t, nil, p.command, "serve", "--config", p.config, "--ready-file", ready)
	t.Cleanup(func() {
		_ = p.server.cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-p.server.exited:
			if code := p.server.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("the server ended with %d", code)
			}
		case <-time.After(10 * time.Second):
			t.Error("the server does not end")
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if text, err := os.ReadFile(ready); err == nil {
			p.plain, p.secure = portNamed(t, text, "PLAIN"), portNamed(t, text, "SECURE")
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the server is not ready:\n%s", p.server.text())
		case <-p.server.exited:
			t.Fatalf("the server ended:\n%s", p.server.text())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// portNamed reads NAME=127.0.0.1:5684.
func portNamed(t *testing.T, text []byte, name string) int {
	t.Helper()
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key != name {
			continue
		}
		a, err := net.ResolveUDPAddr("udp", strings.Trim(value, "'"))
		if err != nil {
			t.Fatal(err)
		}
		return a.Port
	}
	t.Fatalf("no %s in %s", name, text)
	return 0
}

// run runs a coaps command on the plant.
func (p *plant) run(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), p.command, append(args, "--config", p.config)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("coaps %v: %v\n%s", args, err, &stderr)
	}
	return stdout.String()
}

// entry is a line of the log.
type entry struct {
	Time                                        time.Time
	Msg, Peer, Reason, Identity, Device, Action string
	Mode, Path, Code, Rule                      string
}

// logged waits for a line of the audit file.
func (p *plant) logged(ctx context.Context, t *testing.T, what string, match func(*entry) bool) *entry {
	t.Helper()
	for {
		if e := p.find(t, match); e != nil {
			return e
		}
		select {
		case <-ctx.Done():
			t.Errorf("not in the log: %s", what)
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *plant) find(t *testing.T, match func(*entry) bool) *entry {
	t.Helper()
	f, err := os.Open(filepath.Join(p.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && match(&e) {
			return &e
		}
	}
	return nil
}
