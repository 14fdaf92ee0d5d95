// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package coaps

import (
	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/portable"
)

// openSocket is what opens sockets when the application does not.
func openSocket(network, addr string) (udp.Conn, error) { return portable.Listen(network, addr) }
