// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/coaps-go/coaps/store"
)

// Socket is where the admin socket of a server with this configuration is.
func (c *Config) Socket() string { panic("todo") }

// AdminStore is the store that a running server has open, by its admin socket:
// so commands work although the server holds the file. command is what the
// server's audit log says was done, such as "psk rotate sensor-7"; it must hold
// no secret. Calls fail with store.ErrUnavailable if no server is there.
func AdminStore(socket, command string) store.Store { panic("todo") }
