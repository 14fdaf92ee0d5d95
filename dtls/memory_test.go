// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"runtime"
	"testing"
	"time"
)

// An idle session, established and with its last flight forgotten, holds
// little: itself, its peer's identity, and two ciphers, or none if it is
// compacted.
//
// Pitfall O16: nothing of the handshake is left in memory after it
func TestIdleSessionMemory(t *testing.T) {
	t.Run("ciphers", func(t *testing.T) { idleMemory(t, 2150, false) })
	t.Run("compacted", func(t *testing.T) { idleMemory(t, 512, true) })
}

func idleMemory(t *testing.T, limit int, compact bool) {
	const sessions = 2000
	psk := with(Credentials{PSK: true})
	client := &Config{Credentials: psk, CipherSuites: []CipherSuite{pskSuite}}
	p := newPair(t, client, &Config{Credentials: psk, CipherSuites: []CipherSuite{pskSuite}})
	kept := make([]*Session, 0, sessions)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	one := func() *Session {
		p.server = peer{key: []byte("0123456789abcdef")}
		p.restart(client)
		p.establish()
		p.echo()
		s := p.server.Session
		s.Expire(p.now.Add(time.Hour))
		if compact {
			s.Compact()
		}
		return s
	}
	one()
	before := heap()
	for range sessions {
		kept = append(kept, one())
	}
	last := p.client
	p.client, p.server = peer{}, peer{}
	each := int(heap()-before) / sessions
	t.Logf("%d bytes for an idle session", each)
	if each > limit {
		t.Errorf("an idle session has %d bytes, the limit is %d", each, limit)
	}
	// A compacted session works as before, from the next record on.
	p.server.Session = kept[len(kept)-1]
	p.client = last
	p.echo()
	runtime.KeepAlive(kept)
}
