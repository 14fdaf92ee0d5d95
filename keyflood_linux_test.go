// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A burn is what a key worker does for a signature, without the signature.
type burn struct {
	server *Server
	enough *atomic.Bool
}

func (b burn) run() {
	for start := time.Now(); time.Since(start) < 200*time.Microsecond && !b.enough.Load(); {
	}
	b.server.relieve()
}

// Public-key work without end holds up data for the length of a task or two, on
// one processor and on two. Without relieve it is 10 ms, after which the runtime
// takes a processor away from who does not give it up and looks at the sockets.
func TestPublicKeyWorkLeavesTheLoopsAlone(t *testing.T) {
	for _, processors := range []int{1, 2} {
		t.Run(fmt.Sprintf("processors=%d", processors), func(t *testing.T) {
			before := runtime.GOMAXPROCS(processors)
			defer runtime.GOMAXPROCS(before)
			s := newGroup(t, 0, Inline(says("")), nil)
			var enough atomic.Bool
			defer enough.Store(true)
			client := newBlockingClient(t, s)
			const requests, late = 100, 5 * time.Millisecond
			delayed := 0
			for range requests {
				for s.server.keyWorkers.submit(burn{s.server, &enough}) { // 200 ms of work
				}
				if client.get() > late {
					delayed++
				}
			}
			if delayed > requests/2 { // a busy machine delays some
				t.Errorf("%d of %d requests took longer than %v", delayed, requests, late)
			}
		})
	}
}

// A blockingClient waits in system calls and not in Go's poller, which may have
// no processor.
type blockingClient struct {
	t       *testing.T
	fd      int
	message [4]byte
	mid     uint16
}

func newBlockingClient(t *testing.T, s *stage) *blockingClient {
	plain, _ := s.server.Addrs()
	return dialBlocking(t, plain)
}

func dialBlocking(t *testing.T, server netip.AddrPort) *blockingClient {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())})
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &blockingClient{t: t, fd: fd}
}

// get makes one request and returns how long it took.
func (c *blockingClient) get() time.Duration {
	c.t.Helper()
	c.mid++
	c.message = [4]byte{0x40, 0x01, byte(c.mid >> 8), byte(c.mid)} // RFC 7252 section 3: CON GET
	start := time.Now()
	if _, err := unix.Write(c.fd, c.message[:]); err != nil {
		c.t.Fatal(err)
	}
	var answer [64]byte
	_, err := unix.Read(c.fd, answer[:])
	for err == unix.EINTR {
		_, err = unix.Read(c.fd, answer[:])
	}
	if err != nil {
		c.t.Fatal("no answer: ", err)
	}
	return time.Since(start)
}
