// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"io"
	"net/netip"
)

// Options are what a configuration file does not say.
type Options struct {
	Stderr   io.Writer // where the log goes
	Terminal bool      // Stderr is one
	Ready    func(plain, secure []netip.AddrPort) error
	Reload   <-chan struct{} // SIGHUP
}

// Run serves a configuration until the context ends.
func Run(ctx context.Context, path string, o Options) error { panic("todo") }
