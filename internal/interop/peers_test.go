// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/coaps-go/coaps/dtls"
)

// peer is a foreign implementation.
type peer struct {
	name  string
	modes []string // that it knows
	tools []string
	coap  bool // speaks CoAP; the others echo lines

	// serve starts it as a server and returns its DTLS port; dial starts it
	// as a client of a port of ours.
	serve func(ctx context.Context, t *testing.T, f *files, m mode, c condition) (*process, int)
	dial  func(ctx context.Context, t *testing.T, f *files, m mode, c condition, port int) *process
}

func (p *peer) knows(m mode) bool { return slices.Contains(p.modes, m.name) }

var peers = []*peer{
	{
		name:  "openssl",
		modes: []string{"psk", "x509"},
		tools: []string{"openssl"},
		serve: opensslServer,
		dial:  opensslClient,
	},
	{
		name:  "gnutls",
		modes: []string{"psk", "x509", "rpk", "rpk_server", "rpk_client", "rpk_anonymous"},
		tools: []string{"gnutls-serv", "gnutls-cli"},
		serve: gnutlsServer,
		dial:  gnutlsClient,
	},
	libcoap("gnutls", "psk", "x509", "rpk"),
	libcoap("openssl", "psk", "x509"),
}

func peerNamed(name string) *peer {
	for _, p := range peers {
		if p.name == name {
			return p
		}
	}
	panic("no peer " + name)
}

// OpenSSL. Its CCM_8 suites need security level 0; 3.0 has no raw public keys.

func opensslArgs(f *files, m mode, c condition, server bool) []string {
	me := f.client
	if server {
		me = f.server
	}
	args := []string{"-dtls1_2"}
	if m.psk {
		args = append(args, "-psk", pskHex, "-psk_identity", pskIdentity, "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0")
	} else {
		args = append(args, "-cert", me.certFile, "-key", me.keyFile, "-CAfile", f.caFile, "-verify_return_error",
			"-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
	}
	if c.mtu > 0 {
		args = append(args, "-mtu", strconv.Itoa(c.mtu))
	}
	if c.loss > 0 {
		args = append(args, "-timeout")
	}
	return args
}

func opensslServer(ctx context.Context, t *testing.T, f *files, m mode, c condition) (*process, int) {
	port := freePort(t)
	args := append([]string{"s_server", "-quiet", "-accept", fmt.Sprintf("127.0.0.1:%d", port)}, opensslArgs(f, m, c, true)...)
	if m.psk {
		args = append(args, "-nocert")
	} else {
		args = append(args, "-Verify", "1")
	}
	p := start(ctx, t, nil, "openssl", args...)
	awaitPort(ctx, t, p, port)
	return p, port
}

func opensslClient(ctx context.Context, t *testing.T, f *files, m mode, c condition, port int) *process {
	args := append([]string{"s_client", "-connect", fmt.Sprintf("127.0.0.1:%d", port)}, opensslArgs(f, m, c, false)...)
	return start(ctx, t, nil, "openssl", append(args, "-servername", "localhost")...)
}

// GnuTLS, the reference for raw public keys.

func gnutlsPriority(m mode) string {
	if m.psk {
		return "NONE:+VERS-DTLS1.2:+PSK:+AES-128-CCM-8:+AEAD:+SIGN-ALL:+COMP-NULL"
	}
	types := map[dtls.CertType]string{dtls.CertX509: "X509", dtls.CertRawPublicKey: "RAWPK"}
	return "NONE:+VERS-DTLS1.2:+ECDHE-ECDSA:+AES-128-CCM-8:+AEAD:+SIGN-ECDSA-SHA256:+GROUP-SECP256R1:+COMP-NULL" +
		":+CTYPE-SRV-" + types[m.server] + ":+CTYPE-CLI-" + types[m.client]
}

func gnutlsArgs(f *files, m mode, c condition, server bool) []string {
	args := []string{"--udp", "--priority=" + gnutlsPriority(m)}
	if c.mtu > 0 {
		args = append(args, "--mtu="+strconv.Itoa(c.mtu))
	}
	if m.psk {
		return args
	}
	me, mine, theirs := f.client, m.client, m.server
	if server {
		me, mine, theirs = f.server, m.server, m.client
	}
	switch {
	case m.anonymous && !server:
		return args
	case mine == dtls.CertRawPublicKey:
		args = append(args, "--rawpkkeyfile="+me.pkcs8File, "--rawpkfile="+me.pubFile)
	default:
		args = append(args, "--x509keyfile="+me.pkcs8File, "--x509certfile="+me.certFile)
	}
	if theirs == dtls.CertX509 && !m.anonymous {
		args = append(args, "--x509cafile="+f.caFile)
	}
	return args
}

func gnutlsServer(ctx context.Context, t *testing.T, f *files, m mode, c condition) (*process, int) {
	port := freePort(t)
	args := append([]string{"--echo", "-p", strconv.Itoa(port)}, gnutlsArgs(f, m, c, true)...)
	switch {
	case m.psk:
		args = append(args, "--pskpasswd="+f.pskFile)
	case m.anonymous:
		args = append(args, "--disable-client-cert")
	case m.client == dtls.CertX509:
		args = append(args, "--require-client-cert", "--verify-client-cert")
	default:
		args = append(args, "--require-client-cert")
	}
	p := start(ctx, t, nil, "gnutls-serv", args...)
	awaitPort(ctx, t, p, port)
	return p, port
}

func gnutlsClient(ctx context.Context, t *testing.T, f *files, m mode, c condition, port int) *process {
	args := append([]string{"-p", strconv.Itoa(port)}, gnutlsArgs(f, m, c, false)...)
	host := "localhost"
	switch {
	case m.psk:
		args = append(args, "--pskusername="+pskIdentity, "--pskkey="+pskHex)
		host = "127.0.0.1"
	case m.server == dtls.CertRawPublicKey:
		args = append(args, "--insecure") // it can pin no raw key from a file
		host = "127.0.0.1"
	}
	return start(ctx, t, nil, "gnutls-cli", append(args, host)...)
}

// libcoap on one of its TLS libraries. It prefers other suites; the GnuTLS
// build is narrowed by a configuration, the OpenSSL build cannot be and takes
// what we offer.

func libcoap(library string, modes ...string) *peer {
	server, client := "coap-server-"+library, "coap-client-"+library
	return &peer{
		name:  "libcoap-" + library,
		modes: modes,
		tools: []string{server, client},
		coap:  true,
		serve: func(ctx context.Context, t *testing.T, f *files, m mode, _ condition) (*process, int) {
			port := freePort(t)
			args := []string{"-p", strconv.Itoa(port), "-A", "127.0.0.1", "-d", "10"}
			p := start(ctx, t, libcoapEnv(f), server, append(args, libcoapArgs(f, m, true)...)...)
			awaitPort(ctx, t, p, port+1)
			return p, port + 1
		},
		dial: func(ctx context.Context, t *testing.T, f *files, m mode, _ condition, port int) *process {
			args := append([]string{"-B", "40", "-m", "get"}, libcoapArgs(f, m, false)...)
			return start(ctx, t, libcoapEnv(f), client, append(args, fmt.Sprintf("coaps://127.0.0.1:%d/whoami", port))...)
		},
	}
}

func libcoapEnv(f *files) []string { return []string{"GNUTLS_SYSTEM_PRIORITY_FILE=" + f.gnutlsConfig} }

func libcoapArgs(f *files, m mode, server bool) []string {
	me := f.client
	if server {
		me = f.server
	}
	switch {
	case m.psk && server:
		return []string{"-k", pskText, "-h", "hint"}
	case m.psk:
		return []string{"-u", pskIdentity, "-k", pskText}
	case m.server == dtls.CertRawPublicKey:
		return []string{"-M", me.rpkFile}
	}
	return []string{"-c", me.certFile, "-j", me.keyFile, "-C", f.caFile}
}
