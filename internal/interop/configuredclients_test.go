// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package interop

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// visitor is a foreign client of a configured server.
type visitor struct {
	name  string
	tool  string
	modes []string
	coap  bool // speaks CoAP; the others are given octets to send
	// dial starts it. Of those that do not speak CoAP sni is the name that they
	// ask for; path is what those ask that do.
	dial func(ctx context.Context, t *testing.T, p *plant, d *device, port int, sni, path string, more ...string) *process
}

func (v *visitor) knows(mode string) bool { return slices.Contains(v.modes, mode) }

var visitors = []*visitor{
	{name: "libcoap-gnutls", tool: "coap-client-gnutls", modes: []string{"psk", "rpk", "x509"}, coap: true, dial: dialLibcoap("coap-client-gnutls")},
	{name: "libcoap-openssl", tool: "coap-client-openssl", modes: []string{"psk", "x509"}, coap: true, dial: dialLibcoap("coap-client-openssl")},
	{name: "openssl", tool: "openssl", modes: []string{"psk", "x509"}, dial: dialOpenSSL},
	{name: "gnutls", tool: "gnutls-cli", modes: []string{"psk", "rpk", "x509"}, dial: dialGnuTLS},
}

func dialLibcoap(tool string) func(context.Context, *testing.T, *plant, *device, int, string, string, ...string) *process {
	return func(ctx context.Context, t *testing.T, p *plant, d *device, port int, _, path string, more ...string) *process {
		args := []string{"-B", "30", "-w"}
		switch d.mode {
		case "psk":
			args = append(args, "-u", d.name, "-k", string(d.key))
		case "rpk":
			args = append(args, "-M", d.side.rpkFile)
		case "x509":
			args = append(args, "-c", d.side.certFile, "-j", d.side.keyFile, "-C", p.caFile)
		}
		if len(more) == 0 {
			more = []string{"-m", "get"}
		}
		args = append(append(args, more...), fmt.Sprintf("coaps://127.0.0.1:%d%s", port, path))
		return start(ctx, t, libcoapEnv(p.files), tool, args...)
	}
}

func dialOpenSSL(ctx context.Context, t *testing.T, p *plant, d *device, port int, sni, _ string, _ ...string) *process {
	args := []string{"s_client", "-dtls1_2", "-connect", fmt.Sprintf("127.0.0.1:%d", port)}
	if d.mode == "psk" {
		args = append(args, "-psk", hex.EncodeToString(d.key), "-psk_identity", d.name, "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0")
	} else {
		args = append(args, "-cert", d.side.certFile, "-key", d.side.keyFile, "-CAfile", p.caFile, "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
	}
	if sni == "" {
		args = append(args, "-noservername")
	} else {
		args = append(args, "-servername", sni)
	}
	return start(ctx, t, nil, "openssl", args...)
}

func dialGnuTLS(ctx context.Context, t *testing.T, p *plant, d *device, port int, sni, _ string, _ ...string) *process {
	m := mode{psk: d.mode == "psk"}
	if d.mode == "rpk" {
		m.client, m.server = dtls.CertRawPublicKey, dtls.CertRawPublicKey
	}
	args := []string{"-p", strconv.Itoa(port), "--udp", "--priority=" + gnutlsPriority(m)}
	switch d.mode {
	case "psk":
		args = append(args, "--pskusername="+d.name, "--pskkey="+hex.EncodeToString(d.key))
	case "rpk":
		args = append(args, "--insecure", "--rawpkkeyfile="+d.side.pkcs8File, "--rawpkfile="+d.side.pubFile)
	case "x509":
		args = append(args, "--x509keyfile="+d.side.pkcs8File, "--x509certfile="+d.side.certFile, "--x509cafile="+p.caFile, "--verify-hostname=localhost")
	}
	if sni != "" {
		args = append(args, "--sni-hostname="+sni)
	}
	return start(ctx, t, nil, "gnutls-cli", append(args, "127.0.0.1")...)
}

// putOctets is a PUT of one digit to /telemetry/NAME (RFC 7252 §3), for programs
// that send a line: it has no octet that is zero or ends the line but the last,
// which belongs to the payload. The Message ID is two letters, and the name has
// 11 or 12.
func putOctets(name, id string) string {
	return "\x40\x03" + id + "\xB9telemetry" + string([]byte{byte(len(name))}) + name + "\xFF7"
}

// putRaw has a client that knows no CoAP send a request, and waits for the
// answer with the code.
func putRaw(ctx context.Context, t *testing.T, proc *process, name, id string, codes ...byte) {
	t.Helper()
	proc.say(putOctets(name, id))
	for {
		text := proc.text()
		for _, code := range codes {
			if strings.Contains(text, string([]byte{0x60, code})+id) {
				return
			}
		}
		if !proc.runs(ctx) {
			t.Errorf("%s: no answer of %x to %s:\n%q", proc.name, codes, name, proc.text())
			return
		}
	}
}

// runs waits a moment, and reports whether there is something to wait for.
func (p *process) runs(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-p.exited:
		return false
	case <-time.After(20 * time.Millisecond):
		return true
	}
}
