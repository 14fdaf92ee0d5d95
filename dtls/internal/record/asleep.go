// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"github.com/coaps-go/coaps/dtls/internal/pack"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Packable reports whether Pack packs all there is: the handshake is complete,
// and no record is held.
func (l *Layer) Packable() bool { return l.complete && l.suite != nil && l.held == nil }

// PackedLen is the most bytes that Pack takes: suite, two keys and IVs, the
// window, and nine numbers of up to 48 bits, or of 16.
const PackedLen = 3 + 2*(32+suite.NonceLen) + 2*8 + 9*7

// Pack packs a layer that is Packable, or unpacks one into the zero layer.
// Nothing but the expanded keys is lost.
func (l *Layer) Pack(c *pack.Coder) {
	l.packSuite(c)
	w, r := &l.write, &l.read
	c.Fixed(w.keys.Key(l.suite))
	c.Fixed(w.keys.IV(l.suite))
	c.Fixed(r.keys.Key(l.suite))
	c.Fixed(r.keys.IV(l.suite))
	pack.Uint(c, &w.epoch)
	pack.Uint(c, &w.next)
	pack.Uint(c, &r.epoch)
	pack.Uint(c, &r.left)
	r.window.pack(c)
	// Epoch 0 has no records but those of the last flight.
	pack.Uint(c, &l.plainNext)
	pack.Uint(c, &l.sendMax)
	pack.Uint(c, &l.sendPlainMax)
	pack.Uint(c, &l.receiveMax)
}

func (l *Layer) packSuite(c *pack.Coder) {
	if l.suite != nil {
		id := l.suite.ID
		pack.Uint(c, &id)
		return
	}
	var id wire.CipherSuite
	pack.Uint(c, &id)
	l.suite, l.complete = suite.ByID(id), true
}
