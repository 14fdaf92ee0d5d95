// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"

	"github.com/coaps-go/coaps/security"
)

// tracedClient returns a client and what its Trace has heard of handshakes.
func (s *stage) tracedClient(config *security.Config) (*Client, chan *Handshake) {
	heard := make(chan *Handshake, 8)
	c := s.client(security.NoSec)
	c.Security, c.Trace = config, &Trace{Handshake: func(h *Handshake) { heard <- h }}
	return c, heard
}

// The Trace hears of the end of each handshake once: of one that succeeds, of
// one that the client ends, with the key that the server showed, and of one
// that nobody waits for any more.
func TestTraceHandshake(t *testing.T) {
	s := newStage(t, NewMux(), nil)
	good, heard := s.tracedClient(s.clientConfig(security.RawPublicKey))
	if _, err := good.Connect(timeout(t), s.secure); err != nil {
		t.Fatal(err)
	}
	h := <-heard
	if h.Err != nil || h.Facts == nil || len(h.Flights) != 6 || h.Took <= 0 || "coaps://"+h.Addr.String() != s.secure {
		t.Errorf("success: %+v", h)
	}

	wrong := s.clientConfig(security.RawPublicKey)
	wrong.Pins = pin(s.clientKey)
	bad, heard := s.tracedClient(wrong)
	_, err := bad.Connect(timeout(t), s.secure)
	wantReason(t, err, "rpk_not_pinned")
	h = <-heard
	wantReason(t, h.Err, "rpk_not_pinned")
	if h.Facts == nil || !bytes.Equal(h.Facts.PeerRawKey, s.serverKey.SPKI) {
		t.Errorf("the key that was refused is not known: %+v", h.Facts)
	}
	if len(h.Flights) < 4 || h.Flights[3].Bytes == 0 {
		t.Errorf("flights: %+v", h.Flights)
	}

	silent := socket(t)
	defer silent.Close()
	lost, heard := s.tracedClient(s.clientConfig(security.PreSharedKey))
	ctx := newDeadline(t)
	over := sync.OnceFunc(func() { close(ctx.over) })
	lost.Trace.DatagramSent = func(netip.AddrPort, int) { over() }
	if _, err := lost.Connect(ctx, "coaps://"+silent.LocalAddr().String()); err == nil {
		t.Fatal("somebody answered")
	}
	if h = <-heard; h.Err == nil || len(h.Flights) != 1 || !h.Flights[0].Sent {
		t.Errorf("silence: %+v", h)
	}
	if len(heard) != 0 {
		t.Error("an end was told twice")
	}
}
