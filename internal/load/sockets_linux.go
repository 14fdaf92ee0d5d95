// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"net/netip"

	"github.com/coaps-go/coaps/udp/mmsg"
	"github.com/coaps-go/coaps/udp/portable"
)

// A watched socket waits to the microsecond.
type watched struct {
	*mmsg.Conn
	*mmsg.Watch
}

// A watchedFan is many of them.
type watchedFan struct {
	*mmsg.Fan
	*mmsg.Watch
}

// listen opens a socket.
func listen(network, addr string) (socket, error) {
	conn, err := mmsg.Config{}.Listen(network, addr)
	if errors.Is(err, errors.ErrUnsupported) {
		conn, err := portable.Listen(network, addr)
		return grained{conn}, err
	}
	if err != nil {
		return nil, err
	}
	return watched{conn, conn.Watch()}, nil
}

// listenFan opens a socket on each of addrs, all of which talk to one server,
// and returns the names by which datagrams choose among them.
func listenFan(network string, addrs []netip.AddrPort, server netip.AddrPort) (socket, []netip.Addr, error) {
	fan, err := mmsg.ListenFan(network, addrs)
	if err != nil {
		return nil, nil, err
	}
	_ = fan.Connect(server) // where there is no way, sending will say so
	return watchedFan{fan, fan.Watch()}, fan.Names(), nil
}
