// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
)

// shakeHands carries datagrams between a client and a gate, and then the session
// it admits, until both are established. It returns the server's.
func shakeHands(gate *dtls.Gate, client *dtls.Session, now tick.Time) (*dtls.Session, error) {
	var (
		server *dtls.Session
		addr   = netip.MustParseAddrPort("127.0.0.2:40000")
		buf    = make([]byte, 2048)
		reply  = make([]byte, 2048)
	)
	for range 20 {
		n := client.Transmit(now, buf)
		switch {
		case n > 0 && server != nil:
			hear(server, now, buf[:n])
		case n > 0:
			screening := gate.Screen(now, addr, slices.Clone(buf[:n]), reply)
			if screening.Reply > 0 {
				hear(client, now, reply[:screening.Reply])
			}
			server = screening.Session
		}
		for server != nil {
			drain(server, now)
			if n = server.Transmit(now, buf); n == 0 {
				break
			}
			hear(client, now, buf[:n])
		}
		if server != nil && server.State() == dtls.Established && client.State() == dtls.Established {
			return server, nil
		}
	}
	return nil, errors.New("no session in memory")
}

// hear gives a datagram to a session.
func hear(s *dtls.Session, now tick.Time, datagram []byte) {
	s.Receive(now, slices.Clone(datagram))
	drain(s, now)
}

// drain answers what a session asks.
func drain(s *dtls.Session, now tick.Time) {
	var ev dtls.Event
	for s.Next(now, &ev) {
		if ev.Kind == dtls.EventWantPSK {
			s.ProvidePSK(now, []byte(pskIdentity), []byte(pskKey))
		}
	}
}
