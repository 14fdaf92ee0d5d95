// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/dtls"
)

// listener is one port that is open.
type listener struct {
	Listener
	number int // never used again
	server *coaps.Server
	done   chan struct{} // closed when it has ended
	err    error         // why, before done
}

// newListener opens a port, so that datagrams wait there.
func (s *server) newListener(l Listener, g *generation) (*listener, error) {
	c := g.config
	one := &coaps.Server{
		Handler: g.resources.mux, Limits: c.Limits.Limits, Workers: c.Limits.Workers, Loops: c.Limits.Loops, MTU: c.DTLS.MTU,
		Observers: c.Limits.Observers, ObserversPerPeer: c.Limits.ObserversPerPeer,
		Access: g.access, RevealMissing: c.ACL.RevealMissing, AnonymousTime: c.anonymousTime(), LookupTime: c.Store.Timeout,
		Logger: s.log, LogRequests: c.Log.Requests, ListenPacket: s.options.ListenPacket,
	}
	if c.DTLS.Constrained {
		one.Timers = dtls.ProfileConstrained()
	}
	if err := one.OnRevoke.UnmarshalText([]byte(c.ACL.OnRevoke)); err != nil {
		return nil, err
	}
	if l.Security == securityNoSec {
		one.NoSec, one.Addr = true, l.Addr
	} else {
		one.Security, one.SecureAddr = g.material.config, l.Addr
	}
	if err := one.Listen(); err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", l.Addr, err)
	}
	s.numbers++
	return &listener{Listener: l, number: s.numbers, server: one, done: make(chan struct{})}, nil
}

// addr is where it listens.
func (l *listener) addr() netip.AddrPort {
	plain, secure := l.server.Addrs()
	if l.Security == securityNoSec {
		return plain
	}
	return secure
}

// serve answers until stop; failed is told when it ends by itself.
func (l *listener) serve(failed chan<- error) {
	go func() {
		defer close(l.done)
		err := l.server.Serve(context.Background())
		if err != nil && !errors.Is(err, coaps.ErrServerClosed) {
			l.err = fmt.Errorf("%s: %w", l.Addr, err)
			select {
			case failed <- l.err:
			default:
			}
		}
	}()
}

// shutdownTime is how long requests at work may take to end.
const shutdownTime = 5 * time.Second

// stop ends it in order.
func (l *listener) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	_ = l.server.Shutdown(ctx)
	<-l.done
}
