// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// crowdSizes are how many sessions sleep beside what is measured. A million is
// for those who wait for it: COAPS_SESSIONS=1000000.
func crowdSizes() []int {
	if n, err := strconv.Atoi(os.Getenv("COAPS_SESSIONS")); err == nil {
		return []int{0, n}
	}
	return []int{0, 20_000}
}

// asleep makes a crowd of which all but the clients returned sleep.
func asleep(b *testing.B, sleepers, clients int) (*crowd, []*dtls.Session) {
	c := newCrowd(b, pskConfig(1), pskConfig(2), Limits{})
	c.grow(sleepers)
	c.wait(10 * time.Second)
	sessions := make([]*dtls.Session, clients)
	for i := range sessions {
		sessions[i] = c.join(client(i))
	}
	c.transmit(nil)
	return c, sessions
}

func client(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), 5683)
}

// cpu reports the processor time of an operation, which others on the machine
// disturb less than the clock.
func cpu(b *testing.B) func() {
	runtime.LockOSThread()
	began := threadTime()
	return func() {
		b.ReportMetric(float64(threadTime()-began)/float64(b.N), "cpu-ns/op")
		runtime.UnlockOSThread()
	}
}

// A request costs the same beside any number of sleeping sessions. 64 clients
// ask in turn.
func BenchmarkRequestBesideSleepers(b *testing.B) {
	for _, sleepers := range crowdSizes() {
		b.Run(fmt.Sprintf("sleepers=%d", sleepers), func(b *testing.B) {
			c, sessions := asleep(b, sleepers, 64)
			requests := newRequests()
			defer cpu(b)()
			for i := 0; b.Loop(); i++ {
				c.now = c.now.Add(time.Millisecond)
				if c.ask(sessions[i%64], client(i%64), requests.next()) != 1 {
					b.Fatal("no answer")
				}
			}
		})
	}
}

// requests are messages with ever new Message IDs.
type requests struct {
	message []byte
	mid     uint16
}

func newRequests() *requests {
	return &requests{message: []byte("\x44\x01\x00\x00tokn\xb4time\xffpayload")}
}

func (r *requests) next() []byte {
	r.mid++
	binary.BigEndian.PutUint16(r.message[2:], r.mid)
	return r.message
}

// The first request of a session that sleeps, with what it takes to put another
// to sleep for it.
func BenchmarkRequestWakes(b *testing.B) {
	const clients = 2000
	c := newCrowd(b, pskConfig(1), pskConfig(2), Limits{Awake: 16})
	var sessions []*dtls.Session
	for i := range clients {
		sessions = append(sessions, c.join(client(i)))
	}
	requests := newRequests()
	wakes := c.server.Stats().Wakes
	b.ReportAllocs()
	n := 0
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		c.now = c.now.Add(time.Millisecond)
		if c.ask(sessions[i%clients], client(i%clients), requests.next()) != 1 {
			b.Fatal("no answer")
		}
		n++
	}
	if got := c.server.Stats().Wakes - wakes; int(got) < n {
		b.Fatalf("%d wakes for %d requests", got, n)
	}
}

// What a datagram costs that somebody else sends from the address of a session:
// one that wakes it, one that does not even that, and one to a session that is
// awake.
func BenchmarkForged(b *testing.B) {
	record := func(epoch byte) []byte {
		d := append([]byte{23, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 99, 0, 40}, make([]byte, 40)...)
		return d
	}
	for _, bm := range []struct {
		name     string
		datagram []byte
		awake    bool
	}{
		{"asleep/record", record(1), false}, {"asleep/plaintext", record(0), false},
		{"asleep/junk", slices.Repeat([]byte{0xAB}, 53), false}, {"awake/record", record(1), true},
	} {
		b.Run(bm.name, func(b *testing.B) {
			c := newCrowd(b, pskConfig(1), pskConfig(2), Limits{SleepAfter: 1000 * time.Hour})
			const victims = 1000
			for i := range victims {
				c.join(client(i))
			}
			for !bm.awake && c.server.recent.n > 0 {
				c.server.tire(c.server.recent.head)
			}
			b.ReportAllocs()
			defer cpu(b)()
			for i := 0; b.Loop(); i++ {
				c.in.N, c.in.Remote = copy(c.in.Buf, bm.datagram), client(i%victims)
				c.server.Receive(c.now, &c.in)
				c.drain()
				if c.transmit(nil) != 0 {
					b.Fatal("a forged record was answered")
				}
			}
		})
	}
}
