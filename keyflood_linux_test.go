// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
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
// It is the process's own time that counts: what others take says nothing.
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
			if delayed > requests/2 {
				t.Errorf("%d of %d requests took longer than %v", delayed, requests, late)
			}
		})
	}
}

// Data without end does not keep public-key work from the only processor: each
// turn of the loop gives way to one task.
func TestDataLeavesPublicKeyWorkAlone(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	m := &mill{left: 1 << 30}
	s := &Server{NoSec: true, Addr: "mill", Handler: Inline(says("")), ListenPacket: func(string, string) (udp.Conn, error) { return m, nil }}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	const tasks = 50
	var done atomic.Int32
	for range tasks {
		s.keyWorkers.submit(job(func() { done.Add(1); s.relieve() }))
	}
	for range 2 * tasks {
		s.plain.shards[0].turn()
	}
	s.keyWorkers.close()
	if n := done.Load(); n < tasks {
		t.Errorf("%d of %d tasks in twice as many turns", n, tasks)
	}
	s.keyWorkers.wait()
	s.Close()
}

// A port that always has more to do than it can leaves the other one alone, even
// with one processor: in turns of the busy loop, as a clock would count what
// other processes do, an answer waits for some 30, or for 1,200 if nobody gives
// way.
func TestLoopsGiveWay(t *testing.T) {
	if testing.Short() {
		t.Skip("counts turns that take their usual time")
	}
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	mill := &mill{left: 1 << 40}
	s := newStage(t, Inline(says("")), func(s *Server) {
		s.SecureAddr = "127.0.0.1:0"
		s.ListenPacket = func(network, addr string) (udp.Conn, error) {
			if addr == "plain" {
				return mill, nil
			}
			return ListenPacket(network, addr)
		}
	})
	_, secure := s.server.Addrs()
	client := dialBlocking(t, secure)
	hello := make([]byte, 2048)
	config := must(s.clientConfig(security.PreSharedKey).Client(keys.Authority{})).DTLS(rand.Reader)
	hello = hello[:must(dtls.NewClient(config, 0, "")).Transmit(0, hello)]
	const hellos, late = 100, 600
	delayed := 0
	for range hellos {
		before := mill.turns.Load()
		client.ask(hello)
		if mill.turns.Load()-before > late {
			delayed++
		}
	}
	ended := make(chan struct{})
	s.server.plain.shards[0].mail.post(note(func(tick.Time) { mill.left = 0; close(ended) }), true)
	<-ended
	if delayed > hellos/2 {
		t.Errorf("%d of %d hellos were answered after more than %d turns", delayed, hellos, late)
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

// get makes one request and returns how long the process has worked meanwhile.
func (c *blockingClient) get() time.Duration {
	c.t.Helper()
	c.mid++
	c.message = [4]byte{0x40, 0x01, byte(c.mid >> 8), byte(c.mid)} // RFC 7252 section 3: CON GET
	return c.ask(c.message[:])
}

// ask waits for one datagram in answer to another, and returns as get does.
func (c *blockingClient) ask(question []byte) time.Duration {
	c.t.Helper()
	start := c.worked()
	if _, err := unix.Write(c.fd, question); err != nil {
		c.t.Fatal(err)
	}
	var answer [256]byte
	_, err := unix.Read(c.fd, answer[:])
	for err == unix.EINTR {
		_, err = unix.Read(c.fd, answer[:])
	}
	if err != nil {
		c.t.Fatal("no answer: ", err)
	}
	return c.worked() - start
}

// worked is how much processor time this process has had.
func (c *blockingClient) worked() time.Duration {
	c.t.Helper()
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		c.t.Fatal(err)
	}
	return time.Duration(t.Nano())
}
