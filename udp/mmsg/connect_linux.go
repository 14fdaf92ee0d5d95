// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Connect gives all sockets one remote, which must be that of every datagram
// sent from then on, and is that of every one received. The kernel then looks up
// the way once and not for each datagram, a tenth of what sending one costs.
func (f *Fan) Connect(remote netip.AddrPort) error {
	for i := range f.sockets {
		if err := unix.Connect(f.sockets[i].fd, f.sockaddr(i, remote)); err != nil {
			return os.NewSyscallError("connect", err)
		}
	}
	f.out.connected = true
	for i := range f.out.messages {
		f.out.messages[i].header.Name, f.out.messages[i].header.Namelen = nil, 0
	}
	return nil
}

func (f *Fan) sockaddr(i int, remote netip.AddrPort) unix.Sockaddr {
	if !f.sockets[i].v6 {
		return &unix.SockaddrInet4{Port: int(remote.Port()), Addr: remote.Addr().As4()}
	}
	zone := f.zones.Index(remote.Addr().Zone())
	return &unix.SockaddrInet6{Port: int(remote.Port()), Addr: remote.Addr().As16(), ZoneId: zone}
}
