// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package echo sends datagrams back as they came, and does nothing else: the
// limit that servers are compared with.
package echo

import (
	"errors"
	"net"

	"github.com/coaps-go/coaps/udp"
)

// Batch is how many datagrams a server moves at once, as package coaps does.
const Batch = 64

// size is what a datagram can have in bytes.
const size = 2048

// Serve sends back what conn receives until conn is closed, batch by batch. The
// error is nil then.
func Serve(conn udp.Conn) error {
	batch := make([]udp.Datagram, Batch)
	all := make([]byte, Batch*size)
	for i := range batch {
		batch[i].Buf = all[i*size:][:size:size]
	}
	for {
		n, err := conn.Recv(batch)
		if err == nil {
			sendAll(conn, batch[:n])
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if _, gone := errors.AsType[*udp.Unreachable](err); !gone { // a client's end is its own affair
			return err
		}
	}
}

// sendAll passes over what cannot be sent.
func sendAll(conn udp.Conn, batch []udp.Datagram) {
	for len(batch) > 0 {
		n, err := conn.Send(batch)
		if err == nil {
			return
		}
		batch = batch[n+1:]
	}
}
