// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/internal/sim"
)

// relay is a path of our own between a client and a server: it loses
// datagrams with a given probability in both directions, and the second one of
// each direction in any case, so that no handshake is spared; and it remembers
// the largest of each.
type relay struct {
	conn   *net.UDPConn
	server netip.AddrPort
	loss   float64
	from   net.IP // towards the server; nil: any
	began  time.Time

	mu                     sync.Mutex
	rand                   *rand.Rand
	back                   map[netip.AddrPort]*net.UDPConn // by client
	lost, up, down         int
	most                   int             // of them lost; 0: any number
	sure                   map[string]bool // to lose the next, by direction
	largestUp, largestDown int
	cut                    bool
	log                    []string
	flow                   []string // the same without times, with sizes
}

// newRelay starts a relay to a port of 127.0.0.1.
func newRelay(t *testing.T, server int, loss float64, seed uint64) *relay {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{
		conn:   conn,
		server: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(server)),
		loss:   loss,
		began:  time.Now(),
		rand:   rand.New(rand.NewPCG(seed, 1)),
		back:   map[netip.AddrPort]*net.UDPConn{},
		sure:   map[string]bool{},
	}
	go r.carryUp()
	t.Cleanup(func() { r.close(t) })
	return r
}

func (r *relay) port() int { return r.conn.LocalAddr().(*net.UDPAddr).Port }

// carryUp carries datagrams from clients to the server.
func (r *relay) carryUp() {
	buf := make([]byte, 1<<16)
	for {
		n, client, err := r.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		server := r.toServer(client)
		if server != nil && r.passes("up", buf[:n], &r.up, &r.largestUp) {
			_, _ = server.Write(buf[:n])
		}
	}
}

// toServer returns the socket by which a client's datagrams go on.
func (r *relay) toServer(client netip.AddrPort) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.back[client]; c != nil {
		return c
	}
	c, err := net.DialUDP("udp4", &net.UDPAddr{IP: r.from}, net.UDPAddrFromAddrPort(r.server))
	if err != nil {
		return nil
	}
	r.back[client] = c
	go r.carryDown(client, c)
	return c
}

// carryDown carries datagrams from the server to one client.
func (r *relay) carryDown(client netip.AddrPort, server *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, err := server.Read(buf)
		if err != nil {
			if r.closed() {
				return
			}
			continue // an ICMP error for an earlier datagram
		}
		if r.passes("down", buf[:n], &r.down, &r.largestDown) {
			_, _ = r.conn.WriteToUDPAddrPort(buf[:n], client)
		}
	}
}

func (r *relay) passes(way string, datagram []byte, count, largest *int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	*count++
	*largest = max(*largest, len(datagram))
	line := fmt.Sprintf("%7.3fs %-4s %s", time.Since(r.began).Seconds(), way, sim.Describe(datagram))
	lost := r.rand.Float64() < r.loss || r.loss > 0 && *count == 2 || r.sure[way]
	lost = lost && (r.most == 0 || r.lost < r.most)
	r.sure[way] = false
	if lost {
		r.lost++
		line += "   lost"
	}
	r.log = append(r.log, line)
	r.flow = append(r.flow, fmt.Sprintf("%s %d %s", way, len(datagram), sim.Describe(datagram)))
	return !lost
}

// lose has it lose from now on, the next of each direction in any case, and no more
// than most. Something confirmable is sent five times (RFC 7252 section 4.8), so
// three of them, or of what acknowledges them, cannot keep it from arriving.
func (r *relay) lose(loss float64, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most = r.lost + most
	r.loss, r.sure = loss, map[string]bool{"up": loss > 0, "down": loss > 0}
}

func (r *relay) closed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cut
}

func (r *relay) close(t *testing.T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = true
	r.conn.Close()
	for _, c := range r.back {
		c.Close()
	}
	t.Logf("relay: %d up, %d down, %d of them lost, largest %d and %d bytes", r.up, r.down, r.lost, r.largestUp, r.largestDown)
	if r.loss > 0 && r.lost < 2 {
		t.Error("nothing was lost on a lossy path")
	}
	if t.Failed() {
		t.Log("relay:\n" + strings.Join(r.log, "\n"))
	}
}
