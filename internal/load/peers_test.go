// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/coaps-go/coaps/security"
)

// need skips the test if a server is missing, or fails it where peers are
// required, as package interop does.
func need(t *testing.T, tool string) {
	t.Helper()
	required := os.Getenv("COAPS_INTEROP") == "required" || os.Getenv("CI") == "true"
	if os.Getenv("COAPS_INTEROP") == "off" || testing.Short() && !required {
		t.Skip("without foreign peers")
	}
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if required {
		t.Fatalf("%s is not installed, and foreign peers are required here", tool)
	}
	t.Skipf("%s is not installed (Debian: apt-get install libcoap3-bin)", tool)
}

// port is one of two free ones in a row: libcoap takes the next for DTLS. Others
// may look for one at the same time.
func port(t *testing.T) uint16 {
	t.Helper()
	for range 500 {
		if p := uint16(31000 + 2*rand.IntN(500)); isFree(p) && isFree(p+1) {
			return p
		}
	}
	t.Fatal("no two free ports in a row")
	return 0
}

func isFree(p uint16) bool {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(p)})
	return err == nil && c.Close() == nil
}

// libcoap starts a server and waits until it has its port.
func libcoap(t *testing.T, tool string, args ...string) (plain, secure netip.AddrPort, pid int) {
	t.Helper()
	need(t, tool)
	p := port(t)
	cmd := exec.Command(tool, append([]string{"-A", "127.0.0.1", "-p", fmt.Sprint(p)}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 500 {
		if !isFree(p) {
			addr := netip.AddrFrom4([4]byte{127, 0, 0, 1})
			return netip.AddrPortFrom(addr, p), netip.AddrPortFrom(addr, p+1), cmd.Process.Pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s does not listen", tool)
	return
}

// The load works against a server of another make.
func TestLibcoap(t *testing.T) {
	plain, _, pid := libcoap(t, "coap-server-notls")
	rep := generate(t, Config{
		Server: plain, Clients: 8, ServerPID: pid, Duration: 300 * time.Millisecond,
		Mix: []Request{{Path: "/time"}, {Path: "/"}},
	})
	whole(t, rep)
	if rep.Codes["2.05"] != rep.Operations || rep.Server == nil || rep.Server.CPUPerOp <= 0 {
		t.Errorf("codes %v, server %+v", rep.Codes, rep.Server)
	}
}

func TestLibcoapSecure(t *testing.T) {
	psk := newPSK(t, "a key of 16 bytes")
	_, secure, pid := libcoap(t, "coap-server-gnutls", "-k", "a key of 16 bytes", "-h", "")
	all := &security.Config{ClientPSK: &psk, AllowNoExtendedMasterSecret: true}
	cfg := Config{
		Server: secure, Secure: true, Security: func(int) *security.Config { return all },
		Clients: 8, ServerPID: pid, Duration: 300 * time.Millisecond, Mix: []Request{{Path: "/time"}},
	}
	rep := generate(t, cfg)
	whole(t, rep)
	if rep.Codes["2.05"] != rep.Operations || rep.Handshakes.Completed != 8 || rep.Config.Suite == "" {
		t.Errorf("codes %v, handshakes %+v, suite %q", rep.Codes, rep.Handshakes, rep.Config.Suite)
	}
	cfg.Kind, cfg.Window = Handshakes, 4
	rep = generate(t, cfg)
	whole(t, rep)
}
