// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"net/netip"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/mmsg"
	"github.com/coaps-go/coaps/udp/portable"
)

// listen opens a socket.
func listen(network, addr string) (udp.Conn, error) {
	conn, err := mmsg.Listen(network, addr)
	if errors.Is(err, errors.ErrUnsupported) {
		return portable.Listen(network, addr)
	}
	return conn, err
}

// listenFan opens a socket on each of addrs and returns the names by which
// datagrams choose among them.
func listenFan(network string, addrs []netip.AddrPort) (udp.Conn, []netip.Addr, error) {
	fan, err := mmsg.ListenFan(network, addrs)
	if err != nil {
		return nil, nil, err
	}
	return fan, fan.Names(), nil
}
