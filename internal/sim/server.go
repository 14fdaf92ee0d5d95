// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"net/netip"
	"slices"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
)

// Server is a gate and the sessions behind it. Package endpoint is what does
// this in earnest; here is the least that a session needs around it.
type Server struct {
	Gate     *dtls.Gate
	Sessions []*Party // in the order of their beginning, closed ones too
	// OnSession prepares a new session's party.
	OnSession func(p *Party)

	replies []reply
}

type reply struct {
	to   netip.AddrPort
	data []byte
}

// NewServer makes a server.
func NewServer(now tick.Time, cfg *dtls.Config) (*Server, error) {
	gate, err := dtls.NewGate(cfg, now)
	if err != nil {
		return nil, err
	}
	return &Server{Gate: gate}, nil
}

// Receive implements Node.
func (s *Server) Receive(now tick.Time, from netip.AddrPort, datagram []byte) {
	at := s.at(from)
	if dtls.IsClientHello(datagram) && !slices.ContainsFunc(at, func(p *Party) bool { return p.Session.RepeatsHello(datagram) }) || len(at) == 0 {
		s.screen(now, from, datagram)
		return
	}
	p := at[len(at)-1]
	if len(at) > 1 && at[0].Session.Authenticates(datagram) {
		p = at[0]
	}
	p.Receive(now, from, datagram)
	if p.Established && p == at[len(at)-1] {
		// The newcomer has proved itself (RFC 6347 §4.2.8); what the old
		// session would say now is not for it.
		for _, old := range at[:len(at)-1] {
			old.abandoned = true
		}
	}
}

func (s *Server) screen(now tick.Time, from netip.AddrPort, datagram []byte) {
	var buf [256]byte
	screening := s.Gate.Screen(now, from, datagram, buf[:])
	if screening.Reply > 0 {
		s.replies = append(s.replies, reply{from, slices.Clone(buf[:screening.Reply])})
	}
	if screening.Session == nil {
		return
	}
	p := &Party{Session: screening.Session, Remote: from, server: true}
	if s.OnSession != nil {
		s.OnSession(p)
	}
	s.Sessions = append(s.Sessions, p)
	p.drain(now)
}

// at returns the sessions with an address that are not over, the oldest
// first.
func (s *Server) at(remote netip.AddrPort) []*Party {
	var found []*Party
	for _, p := range s.Sessions {
		if p.Remote == remote && !p.over() {
			found = append(found, p)
		}
	}
	return found
}

// Transmit implements Node.
func (s *Server) Transmit(now tick.Time, dst []byte) (int, netip.AddrPort) {
	if len(s.replies) > 0 {
		r := s.replies[0]
		s.replies = s.replies[1:]
		return copy(dst, r.data), r.to
	}
	for _, p := range s.Sessions {
		if p.abandoned {
			continue
		}
		if n, to := p.Transmit(now, dst); n > 0 {
			return n, to
		}
	}
	return 0, netip.AddrPort{}
}

// Deadline implements Node.
func (s *Server) Deadline() tick.Time {
	first := tick.Never
	for _, p := range s.Sessions {
		if !p.abandoned {
			first = tick.First(first, p.Deadline())
		}
	}
	return first
}

// Expire implements Node.
func (s *Server) Expire(now tick.Time) {
	for _, p := range s.Sessions {
		if !p.abandoned && p.Deadline() <= now {
			p.Expire(now)
		}
	}
}
