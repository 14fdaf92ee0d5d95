// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"cmp"
	"crypto/rand"
	"net"
	"net/netip"

	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/udp"
)

// A port is one of a server's addresses: the plain or the secure one. It has one
// or more sockets, among which the system divides the clients, each with an
// event loop of its own.
type port struct {
	server  *Server
	secure  bool
	workers *pool // of its own: who floods the plain port does not slow down the secure one
	loops   int   // how many shards there are, when all are
	shards  []*shard
}

// openPort opens the sockets of a port with an endpoint on each.
func (s *Server) openPort(addr string, policy *policy) (*port, error) {
	conns, err := s.listen(addr)
	if err != nil {
		return nil, err
	}
	workers := cmp.Or(max(s.Workers, 0), DefaultWorkers)
	p := &port{server: s, secure: policy != nil, workers: newPool(workers, workers*handlersWaiting), loops: len(conns)}
	p.workers.rest = p.ring
	for _, conn := range conns {
		if err = p.open(conn, len(conns), policy); err != nil {
			break
		}
	}
	if err != nil {
		for _, conn := range conns {
			conn.Close()
		}
		return nil, err
	}
	s.shards = append(s.shards, p.shards...)
	return p, nil
}

// listen opens the sockets of one address.
func (s *Server) listen(addr string) ([]udp.Conn, error) {
	network := cmp.Or(s.Network, networkOf(addr))
	if s.ListenPacket == nil {
		return listenGroup(network, addr, s.loops)
	}
	conn, err := s.ListenPacket(network, addr)
	if err != nil {
		return nil, err
	}
	return []udp.Conn{conn}, nil
}

// networkOf is "udp4" for 0.0.0.0, which package net would take for all addresses
// of IPv6 as well: who names the addresses of one family gets no port on the other.
func networkOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil && host == "0.0.0.0" {
		return "udp4"
	}
	return "udp"
}

// open makes a shard of a socket, one of n.
func (p *port) open(conn udp.Conn, n int, policy *policy) error {
	s := p.server
	cfg := endpoint.Config{
		Server:  true,
		Request: &request.Config{Params: s.Params},
		Limits:  s.Limits.Share(n),
		Rand:    rand.Reader,
	}
	if policy != nil {
		cfg.DTLS = s.dtlsConfig(policy)
	}
	l, err := newLoop(conn, cfg, s.MTU, serverBatch)
	if err != nil {
		return err
	}
	p.shards = append(p.shards, newShard(p, l, policy))
	return nil
}

// addr is where all sockets of the port listen.
func (p *port) addr() netip.AddrPort { return p.shards[0].conn.LocalAddr() }

// ring wakes the loops that have letters.
func (p *port) ring() {
	for _, s := range p.shards {
		_ = s.mail.ring() // fails only when closed
	}
}
