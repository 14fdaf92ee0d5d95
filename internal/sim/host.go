// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"io"
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// Host is an endpoint with all layers and an application on top that answers
// its sessions' questions from the test's parties.
type Host struct {
	Endpoint *endpoint.Endpoint
	// News is given the events that are not questions of a session. It may
	// call the endpoint.
	News func(now tick.Time, ev *endpoint.Event)

	server bool
	local  netip.Addr
	in     udp.Datagram
	out    udp.Datagram
	todo   agenda
}

// NewHost makes a host. cfg is the DTLS configuration of a server, nil for
// NoSec and for clients.
func NewHost(now tick.Time, local netip.Addr, server bool, cfg *dtls.Config, limits endpoint.Limits, rand io.Reader) (*Host, error) {
	e, err := endpoint.New(endpoint.Config{Server: server, DTLS: cfg, Request: &request.Config{}, Limits: limits, Rand: rand}, now)
	if err != nil {
		return nil, err
	}
	return &Host{Endpoint: e, server: server, local: local, out: udp.Datagram{Buf: make([]byte, udp.MaxDatagram)}}, nil
}

// Receive implements Node.
func (h *Host) Receive(now tick.Time, from netip.AddrPort, datagram []byte) {
	h.in = udp.Datagram{Buf: datagram, N: len(datagram), Remote: from, Local: h.local}
	h.Endpoint.Receive(now, &h.in)
	h.drain(now)
}

// Transmit implements Node.
func (h *Host) Transmit(now tick.Time, dst []byte) (int, netip.AddrPort) {
	if !h.Endpoint.Transmit(now, &h.out) {
		return 0, netip.AddrPort{}
	}
	return copy(dst, h.out.Payload()), h.out.Remote
}

// Deadline implements Node.
func (h *Host) Deadline() tick.Time {
	return tick.First(h.Endpoint.Deadline(), h.todo.deadline())
}

// Expire implements Node.
func (h *Host) Expire(now tick.Time) {
	for _, t := range h.todo.takeDue(now) {
		t.do(now)
	}
	if h.Endpoint.Deadline() <= now {
		h.Endpoint.Expire(now)
	}
	h.drain(now)
}

// After has the application do something later.
func (h *Host) After(now tick.Time, d time.Duration, do func(now tick.Time)) {
	h.todo.add(now.Add(d), do)
}

// Ask sends a Confirmable POST.
func (h *Host) Ask(now tick.Time, peer endpoint.PeerID, payload string) (endpoint.ExchangeID, error) {
	return h.Endpoint.Request(now, peer, request.Outgoing{Type: coap.Confirmable, Code: coap.POST, Payload: []byte(payload)})
}

// Answer sends a response.
func (h *Host) Answer(now tick.Time, x endpoint.ExchangeID, payload string) error {
	return h.Endpoint.Respond(now, x, request.Outgoing{Code: coap.Changed, Payload: []byte(payload)})
}

func (h *Host) drain(now tick.Time) {
	var ev endpoint.Event
	for h.Endpoint.Next(&ev) {
		switch ev.Kind {
		case endpoint.EventWantPSK:
			h.providePSK(now, &ev)
		case endpoint.EventWantVerdict:
			h.Endpoint.ProvideVerdict(now, ev.Peer(), TestParties().Judge(ev.Facts, h.server))
		case endpoint.EventNeedJob:
			ev.DTLS.Job.Run()
			h.Endpoint.Complete(now, ev.Peer(), ev.DTLS.Job)
		default:
			if h.News != nil {
				h.News(now, &ev)
			}
		}
	}
}

// providePSK gives every identity the same key: the sim has many devices.
func (h *Host) providePSK(now tick.Time, ev *endpoint.Event) {
	identity := TestParties().Identity
	if h.server {
		identity = ev.DTLS.Identity
	}
	h.Endpoint.ProvidePSK(now, ev.Peer(), identity, TestParties().PSK)
}
