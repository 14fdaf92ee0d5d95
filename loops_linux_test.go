// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// newGroup starts a server with several loops a port, on sockets of its own.
// prepare may change it before it listens.
func newGroup(t testing.TB, loops int, handler Handler, prepare func(*Server)) *stage {
	t.Helper()
	s := newStage(t, handler, func(s *Server) {
		s.ListenPacket, s.Addr, s.SecureAddr, s.Loops = nil, "127.0.0.1:0", "127.0.0.1:0", loops
		if prepare != nil {
			prepare(s)
		}
	})
	plain, secure := s.server.Addrs()
	s.plain, s.secure = "coap://"+plain.String(), "coaps://"+secure.String()
	return s
}

// The clients of a port are spread over its loops, each is served by one, and
// the statistics are those of all.
func TestLoops(t *testing.T) {
	const loops, clients, requests = 4, 32, 5
	s := newGroup(t, loops, whoami, nil)
	addr, _ := s.server.Addrs()
	for _, shard := range s.server.plain.shards {
		if got := shard.conn.LocalAddr(); got != addr {
			t.Errorf("a socket at %v, want %v", got, addr)
		}
	}
	var wg sync.WaitGroup
	for i := range clients {
		mode := []security.Mode{security.NoSec, security.PreSharedKey}[i%2]
		c := s.client(mode)
		c.Params, c.Timers = patient, unhurried
		wg.Go(func() {
			for range requests {
				if _, err := c.Get(timeout(t), s.uri(mode)+"/"); err != nil {
					t.Errorf("%v: %v", mode, err)
				}
			}
		})
	}
	wg.Wait()
	for _, p := range s.server.ports() {
		busy := 0
		for _, shard := range p.shards {
			if shard.stats().Requests > 0 {
				busy++
			}
		}
		if len(p.shards) != loops || busy < 2 { // chance leaves 16 clients on one loop of 4 once in 4^15 times
			t.Errorf("%d of %d loops had requests", busy, len(p.shards))
		}
	}
	got := s.server.Stats()
	if got.Requests != clients*requests || got.Sessions != clients/2 || got.PlainPeers != clients/2 || got.Handshakes != clients/2 {
		t.Errorf("%d requests, %d sessions, %d plain peers, %d handshakes", got.Requests, got.Sessions, got.PlainPeers, got.Handshakes)
	}
}

// A loop alone is what one has who asks for it, and who opens the socket.
func TestLoopsNeedSocketsOfTheirOwn(t *testing.T) {
	if s := newGroup(t, 1, whoami, nil); len(s.server.plain.shards) != 1 {
		t.Error("more than one loop")
	}
	if s := newStage(t, whoami, nil); len(s.server.secure.shards) != 1 {
		t.Error("more than one loop on a socket of the application's")
	}
	s := &Server{NoSec: true, Addr: "127.0.0.1:0", Loops: 2, ListenPacket: ListenPacket}
	if err := s.Listen(); err == nil {
		s.Close()
		t.Error("one socket for two loops")
	}
}

// The limits of a port are divided; what bounds one client is not.
func TestLimitsAreShared(t *testing.T) {
	got := endpoint.Limits{Sessions: 10, HandshakeRate: -1, PeerRequests: 7}.Share(4)
	if got.Sessions != 3 || got.HandshakeRate != -1 || got.PeerRequests != 7 || got.HalfOpen != 1<<12 {
		t.Errorf("%+v", got)
	}
}

// A port that is taken is taken, for the next server with as many loops, in this
// process and in another.
func TestPortIsTaken(t *testing.T) {
	s := newGroup(t, 3, whoami, nil)
	plain, _ := s.server.Addrs()
	second := &Server{NoSec: true, Addr: plain.String(), Loops: 3}
	if err := second.Listen(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second server: %v", err)
		second.Close()
	}
	if got := listenElsewhere(t, plain); got != "in use" {
		t.Errorf("a second process: %s", got)
	}
}

// A socket that was there before, with SO_REUSEPORT, would get some of the
// clients. It does not go unnoticed.
func TestPortIsNotShared(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(bound.(*unix.SockaddrInet4).Port))
	s := &Server{NoSec: true, Addr: addr.String(), Loops: 2}
	if err := s.Listen(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Listen: %v", err)
		s.Close()
	}
}

// listenElsewhere lets another process open a server at addr and tells what
// became of it.
func listenElsewhere(t *testing.T, addr netip.AddrPort) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), listenElsewhereAt+"="+addr.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(out))
}

// A server of several loops ends as one does: sessions are closed, requests at
// work answered, and nothing stays behind.
func TestLoopsEnd(t *testing.T) {
	leavesNothing(t, "Shutdown", func(t *testing.T) {
		s := newGroup(t, 3, whoami, nil)
		for range 6 {
			if _, err := s.client(security.PreSharedKey).Get(timeout(t), s.secure+"/"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if n := s.server.Stats().Sessions; n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// What changes for one loop changes for all, and their sessions are one list.
func TestChangesReachAllLoops(t *testing.T) {
	const loops, n = 3, 24
	d := newDirectory()
	s := newGroup(t, loops, say, func(s *Server) { s.Security.Directory = d })
	clients := make([]*Client, n)
	for i := range clients {
		clients[i] = s.with(d.add(fmt.Sprint("device-", i)))
		_ = get(t, clients[i], s.secure+"/")
	}
	seen, shards := map[SessionID]bool{}, map[int]bool{}
	for session := range s.server.Sessions(timeout(t)) {
		seen[session.ID], shards[session.ID.shard] = true, true
	}
	if len(seen) != n || len(shards) < 2 {
		t.Errorf("%d sessions on %d loops", len(seen), len(shards))
	}
	s.server.SetAccess(rules("allow group:none * /**"))
	for _, c := range clients {
		if got := get(t, c, s.secure+"/"); got != "4.03 Forbidden" {
			t.Errorf("got %s", got)
		}
	}
	if err := s.server.SetSecurity(&security.Config{PSK: must(keys.NewPSKMap(s.psk))}); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if got := get(t, s.client(security.PreSharedKey), s.secure+"/"); got != "4.03 Forbidden" {
			t.Errorf("got %s", got)
		}
	}
	s.server.Recheck(nil)
	eventually(t, "the end of those that are known no more", func() bool { return s.server.Stats().Sessions == 8 })
}
