// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/tick"
)

// ErrFixed is SetSecurity's error for what cannot change while a server
// listens: whether there is a secure port.
var ErrFixed = errors.New("coaps: a secure port cannot be opened or closed while the server listens")

// SetHandler changes who answers requests, from the next one on; nil answers
// 4.04 to everything. Who observes gets what h shows, if that differs from what he
// was shown last, and an observation ends if h has nothing for it.
//
// Rules that were set before are in force for whatever h answers, so who changes both
// calls SetAccess first: nobody gets from h what only the rules before allowed.
func (s *Server) SetHandler(h Handler) {
	if h == nil {
		h = NewMux()
	}
	s.handler.Store(&h)
	s.review()
}

// SetSecurity changes what the secure port shows and whom it believes, from the
// next handshake on. Sessions stay as they are, with the identity that they have
// proved; Recheck looks at them again. It checks the configuration as Listen
// does, and changes nothing if there is an error: that of Config.Server, of
// dtls.Config, or ErrFixed. Before Listen it sets Security. It waits for the
// event loops, so that an Inline handler must not call it.
func (s *Server) SetSecurity(c *security.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrServerClosed
	case s.plain == nil && s.secure == nil:
		s.Security = c
		return nil
	case c == nil || s.secure == nil:
		return ErrFixed
	}
	p, err := newServerPolicy(c)
	if err != nil {
		return err
	}
	return s.install(p)
}

// install has all shards of the secure port use a policy. If the first can, all
// can: they are configured alike.
func (s *Server) install(p *policy) error {
	for _, one := range s.secure.shards {
		if err := one.install(s, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *shard) install(server *Server, p *policy) error {
	letter := policyLetter{s, p, server.dtlsConfig(p), make(chan error, 1)}
	if !server.serving {
		letter.deliver(0)
		return <-letter.done
	}
	err, ok := ask(context.Background(), s.loop, letter, letter.done)
	if !ok {
		return ErrServerClosed
	}
	return err
}

// dtlsConfig is the configuration of the sessions under a policy.
func (s *Server) dtlsConfig(p *policy) *dtls.Config {
	c := p.DTLS(rand.Reader)
	c.Timers, c.MTU, c.RecordSizeLimit = s.Timers, s.MTU, s.RecordSizeLimit
	return c
}

type policyLetter struct {
	shard  *shard
	policy *policy
	dtls   *dtls.Config
	done   chan error
}

func (l policyLetter) deliver(tick.Time) {
	err := l.shard.ep.SetDTLS(l.dtls)
	if err == nil {
		l.shard.policy = l.policy
	}
	l.done <- err
}
