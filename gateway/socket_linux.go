// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel who has connected.
func peerOf(conn net.Conn) (caller, error) {
	unknown := caller{uid: -1, pid: -1}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return unknown, nil
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return unknown, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return unknown, err
	}
	return caller{uid: int(cred.Uid), pid: int(cred.Pid)}, nil
}
