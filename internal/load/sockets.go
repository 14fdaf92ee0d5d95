// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/coaps-go/coaps/udp"
)

// A socket is what a loop waits on.
type socket interface {
	udp.Conn
	udp.Poller
	// Await waits until Poll may have something, at most d, and reports whether
	// it may. It is as exact as the system can be, and nothing interrupts it.
	Await(d time.Duration) bool
}

// A grained socket is one that waits no better than the runtime does.
type grained struct{ udp.Conn }

func (g grained) Await(d time.Duration) bool {
	return g.SetReadDeadline(time.Now().Add(d)) == nil
}

// Poll waits for what Await was told.
func (g grained) Poll(batch []udp.Datagram) (int, error) {
	n, err := g.Recv(batch)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

// ownSockets is up to how many clients have a socket each without being asked
// for it: as devices do, and as few as cost nothing.
const ownSockets = 64

// maxSockets bounds what a run may take of the system's descriptors.
const maxSockets = 16384

// A share is the clients of one loop and how their datagrams leave.
type share struct {
	first, n int // clients
	conn     socket
	sockets  int
	names    []netip.Addr // Datagram.Local of each client; nil if book says it
	book     *addressBook
}

// local is what client i, counted from 0 in the whole run, sends from.
func (s *share) local(i int) netip.Addr {
	if s.names != nil {
		return s.names[(i-s.first)%len(s.names)]
	}
	return s.book.at(i)
}

// shares divides the clients among the loops and opens their sockets.
func shares(cfg *Config) (all []*share, err error) {
	book, err := newAddressBook(cfg.Sources)
	if err != nil {
		return nil, err
	}
	if len(cfg.Sources) > 0 && uint64(cfg.Clients) > book.total {
		return nil, fmt.Errorf("load: %d clients, and only %d source addresses", cfg.Clients, book.total)
	}
	for i := range cfg.Loops {
		first, end := i*cfg.Clients/cfg.Loops, (i+1)*cfg.Clients/cfg.Loops
		s := &share{first: first, n: end - first, book: book}
		if err := s.open(cfg); err != nil {
			closeAll(all)
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func closeAll(all []*share) {
	for _, s := range all {
		_ = s.conn.Close()
	}
}

// open opens a socket for each client, or one that sends from all of their
// addresses.
func (s *share) open(cfg *Config) error {
	chosen := len(cfg.Sources) > 0
	own := cfg.Clients <= max(ownSockets, cfg.Sockets) || !chosen
	switch {
	case own && cfg.Clients > maxSockets:
		return fmt.Errorf("load: %d clients would need as many sockets; at most %d, or source addresses to choose from", cfg.Clients, maxSockets)
	case own && cfg.Sockets > 0 && cfg.Sockets < cfg.Clients:
		return s.shared(cfg, chosen)
	case own:
		return s.fan(cfg, chosen)
	}
	return s.shared(cfg, chosen)
}

var errShared = errors.New("load: clients without source addresses of their own need a socket each")

// shared opens one socket that sends from any address.
func (s *share) shared(cfg *Config, chosen bool) (err error) {
	if !chosen {
		return errShared
	}
	s.conn, err = listen("udp4", "0.0.0.0:0")
	s.sockets = 1
	return err
}

// fan opens a socket for each client.
func (s *share) fan(cfg *Config, chosen bool) (err error) {
	network, any := "udp6", netip.IPv6Unspecified()
	if cfg.Server.Addr().Unmap().Is4() {
		network, any = "udp4", netip.IPv4Unspecified()
	}
	addrs := make([]netip.AddrPort, s.n)
	for i := range addrs {
		addrs[i] = netip.AddrPortFrom(any, 0)
		if chosen {
			addrs[i] = netip.AddrPortFrom(s.book.at(s.first+i), 0)
		}
	}
	s.conn, s.names, err = listenFan(network, addrs, cfg.Server)
	s.sockets = s.n
	return err
}
