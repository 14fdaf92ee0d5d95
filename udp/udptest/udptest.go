// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package udptest is what every udp.Conn must do, as a test that each package
// of sockets runs on its own.
package udptest

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
)

// Listen opens a socket of the kind under test.
type Listen func(network, addr string) (udp.Conn, error)

// Run runs all tests.
func Run(t *testing.T, listen Listen) {
	s := suite{listen}
	for _, tt := range append(sources, tests...) {
		t.Run(tt.name, func(t *testing.T) { tt.test(s, t) })
	}
}

// RunOneSource runs all tests but those of a socket that is bound to all
// addresses. One that is opened for them may be bound to 127.0.0.1 alone.
func RunOneSource(t *testing.T, listen Listen) {
	s := suite{listen}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(s, t) })
	}
}

type test struct {
	name string
	test func(suite, *testing.T)
}

var sources = []test{
	{"AnswerLeavesFromTheAddressAsked", suite.answerLeavesFromTheAddressAsked},
	{"LinkLocalAddressesHaveZones", suite.linkLocalAddressesHaveZones},
	{"BoundToOneAddress", suite.boundToOneAddress},
	{"RandomBatches", suite.randomBatches},
}

var tests = []test{
	{"BatchKeepsOrderAndBounds", suite.batchKeepsOrderAndBounds},
	{"ShortBufferCutsOff", suite.shortBufferCutsOff},
	{"UnsendableIsNamed", suite.unsendableIsNamed},
	{"NothingToDo", suite.nothingToDo},
	{"RefusedNamesTheDestination", suite.refusedNamesTheDestination},
	{"RefusedAlone", suite.refusedAlone},
	{"RefusedAmongOthers", suite.refusedAmongOthers},
	{"RefusedInMasses", suite.refusedInMasses},
	{"RefusedDoNotStarveOthers", suite.refusedDoNotStarveOthers},
	{"DeadlineIsTheDoorbell", suite.deadlineIsTheDoorbell},
	{"DeadlineLosesNothing", suite.deadlineLosesNothing},
	{"BellRingsUnderLoad", suite.bellRingsUnderLoad},
	{"CloseEndsRecv", suite.closeEndsRecv},
	{"ClosedStaysClosed", suite.closedStaysClosed},
	{"NoAllocs", suite.noAllocs},
}

type suite struct{ open Listen }

// patience is how long a datagram on the loopback may take.
const patience = 5 * time.Second

func onlyLinux(t *testing.T, why string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux " + why)
	}
}

// listen opens a socket that is closed with the test. A system without the
// family of addresses skips it.
func (s suite) listen(t testing.TB, network, addr string) udp.Conn {
	t.Helper()
	c, err := s.open(network, addr)
	if err != nil {
		t.Skipf("no %s socket on %s: %v", network, addr, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// local opens a socket on the loopback.
func (s suite) local(t testing.TB) udp.Conn {
	t.Helper()
	return s.listen(t, "udp4", "127.0.0.1:0")
}

// loopback is where a socket bound to all addresses is reached on this machine.
func loopback(c udp.Conn) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), c.LocalAddr().Port())
}

// to makes a datagram.
func to(remote netip.AddrPort, payload string) udp.Datagram {
	return udp.Datagram{Buf: []byte(payload), N: len(payload), Remote: remote}
}

// buffers makes a batch to receive with.
func buffers(n, size int) []udp.Datagram {
	batch := make([]udp.Datagram, n)
	for i := range batch {
		batch[i].Buf = make([]byte, size)
	}
	return batch
}

// send sends all of batch.
func send(t testing.TB, c udp.Conn, batch ...udp.Datagram) {
	t.Helper()
	if n, err := c.Send(batch); n != len(batch) || err != nil {
		t.Fatalf("Send = %d, %v, want %d", n, err, len(batch))
	}
}

// recv receives one datagram.
func recv(t testing.TB, c udp.Conn) udp.Datagram {
	t.Helper()
	return recvAll(t, c, 1)[0]
}

// recvAll receives n datagrams, in batches as they come.
func recvAll(t testing.TB, c udp.Conn, n int) (all []udp.Datagram) {
	t.Helper()
	deadline(t, c, time.Now().Add(patience))
	for len(all) < n {
		batch := buffers(n-len(all), 9000)
		got, err := c.Recv(batch)
		if got == 0 || err != nil {
			t.Fatalf("Recv = %d, %v after %d of %d datagrams", got, err, len(all), n)
		}
		all = append(all, batch[:got]...)
	}
	return all
}

func deadline(t testing.TB, c udp.Conn, when time.Time) {
	t.Helper()
	if err := c.SetReadDeadline(when); err != nil {
		t.Fatal("SetReadDeadline:", err)
	}
}
