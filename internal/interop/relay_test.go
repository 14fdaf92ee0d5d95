// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// relay is a path of our own between a client and a server: it loses
// datagrams with a given probability in both directions and remembers the
// largest of each.
type relay struct {
	conn   *net.UDPConn
	server netip.AddrPort
	loss   float64

	mu                     sync.Mutex
	rand                   *rand.Rand
	back                   map[netip.AddrPort]*net.UDPConn // by client
	lost, passed           int
	largestUp, largestDown int
	cut                    bool
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
		rand:   rand.New(rand.NewPCG(seed, 1)),
		back:   map[netip.AddrPort]*net.UDPConn{},
	}
	go r.up()
	t.Cleanup(func() { r.close(t) })
	return r
}

func (r *relay) port() int { return r.conn.LocalAddr().(*net.UDPAddr).Port }

// up carries datagrams from clients to the server.
func (r *relay) up() {
	buf := make([]byte, 1<<16)
	for {
		n, client, err := r.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		server := r.toServer(client)
		if server != nil && r.passes(n, &r.largestUp) {
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
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.server))
	if err != nil {
		return nil
	}
	r.back[client] = c
	go r.down(client, c)
	return c
}

// down carries datagrams from the server to one client.
func (r *relay) down(client netip.AddrPort, server *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, err := server.Read(buf)
		if err != nil {
			if r.closed() {
				return
			}
			continue // an ICMP error for an earlier datagram
		}
		if r.passes(n, &r.largestDown) {
			_, _ = r.conn.WriteToUDPAddrPort(buf[:n], client)
		}
	}
}

func (r *relay) passes(n int, largest *int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	*largest = max(*largest, n)
	if r.rand.Float64() < r.loss {
		r.lost++
		return false
	}
	r.passed++
	return true
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
	t.Logf("relay: %d passed, %d lost, largest %d up and %d down", r.passed, r.lost, r.largestUp, r.largestDown)
}
