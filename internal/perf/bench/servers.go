// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A contestant is a server that is measured.
type contestant struct {
	name string // as the results call it
	mode string // what it is started for: a security mode, or "" for all that it can at once

	// command is the environment and the arguments to listen on loopback, plain
	// on port and secure on the next. It fails if the program is not there.
	command func(b *bench, port int) (env, argv []string, err error)
	secure  bool // listens on the secure port
	plain   bool // and on the plain one
}

var (
	echoServer  = &contestant{name: "echo", plain: true, command: ours("echo", "-addr", "127.0.0.1:$PORT")}
	coapsServer = &contestant{name: "coaps", plain: true, secure: true, command: coapsCommand("-fleet")}
	careful     = &contestant{name: "coaps with its default limits", plain: true, secure: true, command: coapsCommand()}

	libcoapPlain   = &contestant{name: "libcoap", plain: true, command: libcoap("notls", "")}
	gnutlsPSK      = &contestant{name: "libcoap-gnutls", mode: modePSK, plain: true, secure: true, command: libcoap("gnutls", modePSK)}
	gnutlsRPK      = &contestant{name: "libcoap-gnutls", mode: modeRPK, plain: true, secure: true, command: libcoap("gnutls", modeRPK)}
	gnutlsCert     = &contestant{name: "libcoap-gnutls", mode: modeCert, plain: true, secure: true, command: libcoap("gnutls", modeCert)}
	opensslPSK     = &contestant{name: "libcoap-openssl", mode: modePSK, plain: true, secure: true, command: libcoap("openssl", modePSK)}
	opensslCert    = &contestant{name: "libcoap-openssl", mode: modeCert, plain: true, secure: true, command: libcoap("openssl", modeCert)}
	pionPSK        = &contestant{name: "pion", mode: modePSK, secure: true, command: pion("-key", pskKey)}
	pionCert       = &contestant{name: "pion", mode: modeCert, secure: true, command: pion("-cert", "$DIR/"+serverChain, "-cert-key", "$DIR/"+serverKey, "-ca", "$DIR/"+caFile)}
	allContestants = []*contestant{echoServer, coapsServer, libcoapPlain, gnutlsPSK, gnutlsRPK, gnutlsCert, opensslPSK, opensslCert, pionPSK, pionCert}
)

// expand puts ports and the folder of keys into arguments.
func expand(args []string, dir string, port int) []string {
	r := strings.NewReplacer("$DIR", dir, "$PORT", fmt.Sprint(port), "$SECURE", fmt.Sprint(port+1))
	var expanded []string
	for _, a := range args {
		expanded = append(expanded, r.Replace(a))
	}
	return expanded
}

// ours is a command of this program.
func ours(args ...string) func(*bench, int) ([]string, []string, error) {
	return func(b *bench, port int) ([]string, []string, error) {
		return nil, append([]string{b.self}, expand(args, b.dir, port)...), nil
	}
}

func coapsCommand(more ...string) func(*bench, int) ([]string, []string, error) {
	return ours(append([]string{"serve", "-dir", "$DIR", "-plain", "127.0.0.1:$PORT", "-secure", "127.0.0.1:$SECURE"}, more...)...)
}

// libcoap is coap-server of Debian's libcoap3-bin. It has suites that it
// prefers, but takes the one that the client offers; the GnuTLS build is
// confined to it besides.
func libcoap(library, mode string) func(*bench, int) ([]string, []string, error) {
	return func(b *bench, port int) ([]string, []string, error) {
		program, err := exec.LookPath("coap-server-" + library)
		if err != nil {
			return nil, nil, fmt.Errorf("coap-server-%s is not installed (Debian: libcoap3-bin)", library)
		}
		args := []string{"-A", "127.0.0.1", "-p", "$PORT"}
		switch mode {
		case modePSK:
			args = append(args, "-k", pskKey)
		case modeRPK:
			args = append(args, "-M", "$DIR/"+serverKeyFile)
		case modeCert:
			args = append(args, "-c", "$DIR/"+serverChain, "-j", "$DIR/"+serverKey, "-C", "$DIR/"+caFile)
		}
		env := []string{"GNUTLS_SYSTEM_PRIORITY_FILE=" + filepath.Join(b.dir, gnutlsConfig)}
		return env, append([]string{program}, expand(args, b.dir, port)...), nil
	}
}

// pion is the small server of tools/peers/pion, which was built beforehand.
func pion(args ...string) func(*bench, int) ([]string, []string, error) {
	return func(b *bench, port int) ([]string, []string, error) {
		if b.noPion != nil {
			return nil, nil, fmt.Errorf("tools/peers/pion could not be built: %w", b.noPion)
		}
		args := append([]string{b.pion, "-addr", "127.0.0.1:$SECURE"}, args...)
		return nil, expand(args, b.dir, port), nil
	}
}

// buildPion builds it. It is a module of its own, which may have to be fetched.
func (b *bench) buildPion() {
	cmd := exec.Command("go", "build", "-C", "tools/peers/pion", "-o", b.pion, ".")
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.noPion = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
}

// A running is a contestant at work.
type running struct {
	*process
	plain, secure netip.AddrPort
}

// begin starts a contestant on the servers' core.
func (b *bench) begin(c *contestant) (*running, error) {
	for b.port += 2; isBound(b.port) || isBound(b.port+1); b.port += 2 {
	}
	env, argv, err := c.command(b, b.port)
	if err != nil {
		return nil, err
	}
	p, err := start(b.results.Machine.ServerCore, env, argv...)
	if err != nil {
		return nil, err
	}
	var ports []int
	if c.plain {
		ports = append(ports, b.port)
	}
	if c.secure {
		ports = append(ports, b.port+1)
	}
	if err := p.ready(ports...); err != nil {
		p.stop()
		return nil, err
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	return &running{p, netip.AddrPortFrom(loopback, uint16(b.port)), netip.AddrPortFrom(loopback, uint16(b.port+1))}, nil
}
