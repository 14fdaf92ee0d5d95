// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Open takes a record off the network. The payload lies in the record, which
// is decrypted in place; it is only valid with the result Opened. A record
// that fails to authenticate is overwritten, its neighbours in the datagram
// are not.
//
// Nothing but the counter of failures changes before the record has
// authenticated.
func (l *Layer) Open(r *Record) (payload []byte, result Result) {
	if result = r.screen(); result != Opened {
		return nil, result
	}
	if r.Header.Epoch == 0 {
		return l.openPlain(r)
	}
	if result = l.due(&r.Header); result == Held {
		return nil, l.hold(r)
	} else if result != Opened {
		return nil, result
	}
	payload, result = l.authenticate(r)
	if result != Opened {
		return nil, result
	}
	l.read.window.mark(r.Header.Sequence)
	switch {
	case r.Header.Type == wire.ContentChangeCipherSpec:
		return nil, DropCipherChange // there is no epoch 2
	case len(payload) == 0 && r.Header.Type != wire.ContentApplicationData:
		return nil, DropEmpty
	}
	return payload, Opened
}

// openPlain judges a record of epoch 0.
func (l *Layer) openPlain(r *Record) (payload []byte, result Result) {
	switch {
	// "Until the handshake has completed, implementations MUST accept packets
	// from the old epoch" (RFC 6347 §4.1), and not a moment longer.
	case l.complete, r.Header.Type == wire.ContentApplicationData:
		return nil, DropPlaintext
	// RFC 5246 §6.2.1: no zero-length fragments but of application data.
	case r.Header.Length == 0:
		return nil, DropEmpty
	case r.Header.Length > wire.MaxPlaintextLen:
		return nil, DropTooLong
	}
	return r.raw[wire.RecordHeaderLen:], Opened
}

// due says whether a protected record can be opened now, or has to wait.
func (l *Layer) due(h *wire.RecordHeader) Result {
	switch {
	case h.Epoch == l.read.epoch && (l.complete || h.Type != wire.ContentApplicationData):
		return Opened
	case l.complete:
		return DropEpoch
	// "Implementations MUST either discard or buffer all application data
	// packets for the new epoch until they have received the Finished message
	// for that epoch" (RFC 6347 §4.2.4).
	case h.Epoch == l.read.epoch, int(h.Epoch) == int(l.read.epoch)+1:
		return Held
	}
	return DropEpoch
}

// authenticate decrypts a record of the current read epoch in place and
// counts a failure. It does not move the window.
func (l *Layer) authenticate(r *Record) (payload []byte, result Result) {
	s, d, h := l.suite, &l.read, &r.Header
	n := h.Length - s.Overhead()
	switch {
	case n < 0:
		return nil, DropTooShort
	case n > orMax(l.receiveMax):
		return nil, DropTooLong
	case !d.window.fresh(h.Sequence):
		return nil, DropReplay
	case d.left == 0:
		return nil, DropForgeryLimit
	}
	c := d.cipher
	if c == nil {
		c = expand(s, &d.keys)
		d.cipher = c
	}
	c.prepare(h, n)
	fragment := r.raw[wire.RecordHeaderLen:]
	if s.ExplicitNonceLen > 0 {
		// A peer may choose explicit nonces of its own.
		copy(c.nonce[suite.NonceLen-explicitNonceLen:], fragment[:explicitNonceLen])
		fragment = fragment[explicitNonceLen:]
	}
	if _, ok := c.aead.Open(fragment, &c.nonce, c.aad[:]); !ok {
		d.left--
		return nil, DropForged
	}
	return fragment[:n:n], Opened
}

// FailuresLeft is how many more records may fail to authenticate in the
// current read epoch.
func (l *Layer) FailuresLeft() uint64 { return l.read.left }

// ReadExhausted reports whether no more records may fail to authenticate.
// Nothing opens any more, and the session must close.
func (l *Layer) ReadExhausted() bool { return l.read.epoch > 0 && l.read.left == 0 }

// Authenticates reports whether Open would find the record authentic and new.
// Neither the record nor the session changes, but that a failure counts as
// one: with two sessions at one address (RFC 6347 §4.2.8) this is how a
// record finds its own, and a forger must not try for free. It decrypts a
// copy in scratch, which is grown if it is too small.
func (l *Layer) Authenticates(r *Record, scratch []byte) bool {
	if r.screen() != Opened || r.Header.Epoch == 0 || r.Header.Epoch != l.read.epoch {
		return false
	}
	raw := append(scratch[:0], r.raw...)
	_, result := l.authenticate(&Record{r.Header, raw})
	clear(raw)
	return result == Opened
}

// Compact drops the expanded keys of a session that sleeps. The next record
// of each direction expands them again.
func (l *Layer) Compact() { l.write.cipher, l.read.cipher = nil, nil }

// Wipe overwrites the keys and ends both protected epochs: the layer can
// neither seal nor open under them again. Expanded keys are out of reach
// inside the ciphers; they go with the garbage.
func (l *Layer) Wipe() {
	l.write = writeState{}
	l.read = readState{}
	l.suite, l.held, l.complete = nil, nil, true
}
