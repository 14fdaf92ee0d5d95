// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
)

func TestPSK(t *testing.T) {
	c := &Config{Credentials: with(Credentials{PSK: true})}
	s := &Config{Credentials: with(Credentials{PSK: true})}
	p := newPair(t, c, s)
	p.establish()
	p.echo()
	_ = suite.PSK
}

func TestRPK(t *testing.T) {
	k := testKeys()
	c := &Config{Credentials: with(Credentials{RawKey: rawKey(k.p256), AcceptRawKeys: true})}
	s := &Config{Credentials: with(Credentials{RawKey: rawKey(k.p256b), AcceptRawKeys: true})}
	p := newPair(t, c, s)
	p.establish()
	p.echo()
	t.Logf("%+v", p.server.Facts())
}
