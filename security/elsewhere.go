// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// Hosted reports whether there are virtual hosts, so that a credential may be known
// at another one than that which the client has asked for.
func (p *Policy) Hosted() bool { return len(p.hosts) > 0 }

// Elsewhere lists the virtual hosts, "" for the default one, at which the credential
// of a peer is known although it has asked for another one by facts.ServerName. It is
// for who explains to an operator why a peer is refused, and never for the peer. It
// may block as Question.Fetch does, for each host in turn, until ctx ends, and does
// the public-key operations of Question.Check.
func (p *Policy) Elsewhere(ctx context.Context, facts *dtls.Facts, now time.Time) (hosts []string) {
	if facts.PSKIdentity == nil && len(facts.PeerRawKey) == 0 && len(facts.PeerChain) == 0 {
		return nil
	}
	here := p.For(facts.ServerName)
	for _, name := range append([]string{""}, slices.Sorted(maps.Keys(p.hosts))...) {
		if p.For(name) == here || ctx.Err() != nil {
			continue
		}
		there := *facts
		there.ServerName = name
		question := p.AskPeer(&there)
		if answer := question.Answer(ctx, now); answer.Err == nil || !answer.Principal.IsZero() {
			hosts = append(hosts, name)
		}
	}
	return hosts
}
