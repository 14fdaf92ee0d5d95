// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// defaultHost is how a log calls the host of clients that ask for none.
const defaultHost = "default"

// A refusal is a line about a refused handshake that waits for one more word: at
// which other virtual host the credential is known. A client that was given the
// wrong name, or sends none, is what operators look for longest.
type refusal struct {
	server *Server
	policy *security.Policy
	facts  dtls.Facts
	line   slog.Record
}

// refused logs a handshake that was refused. Only the log hears of other hosts.
func (s *shard) refused(ev *endpoint.Event, detail error) {
	log := s.server.log
	line, ok := log.refusal(ev, detail)
	switch {
	case !ok:
	case ev.Facts == nil || !s.policy.Hosted() || !unknown(detail):
		log.write(line)
	case s.server.refusals.Add(1) > elsewhereAtOnce:
		s.server.refusals.Add(-1)
		log.write(line)
	default:
		s.server.unseen.Add(1)
		go (&refusal{s.server, s.policy.Policy, *ev.Facts, line}).run()
	}
}

// unknown reports whether a credential was refused because nobody knows it here.
func unknown(err error) bool {
	switch keys.ReasonOf(err) {
	case dtls.ReasonUnknownIdentity, dtls.ReasonRPKNotPinned, dtls.ReasonCertUnknownCA:
		return true
	}
	return false
}

// run asks at a moment that nobody can tell from outside, so that the server is not
// busy for longer, right after a handshake, if an identity is unknown.
func (r *refusal) run() {
	s := r.server
	defer s.unseen.Done()
	defer s.refusals.Add(-1)
	defer func() { s.log.write(r.line) }()
	select {
	case <-s.ctx.Done():
		return
	case <-time.After(rand.N(elsewhereSpread)):
	}
	ctx, cancel := context.WithTimeout(s.ctx, min(s.lookupTime(), elsewhereSpread))
	defer cancel()
	hosts := r.policy.Elsewhere(ctx, &r.facts, time.Now())
	for i, host := range hosts {
		if host == "" {
			hosts[i] = defaultHost
		}
	}
	if len(hosts) > 0 {
		r.line.Add("elsewhere", clip(strings.Join(hosts, ",")))
	}
}
