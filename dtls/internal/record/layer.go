// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Limits bound what a peer can cost. They are shared by many layers and must
// not change. A zero field means its default.
type Limits struct {
	// Failures is how many records may fail to authenticate under one key;
	// the default is the suite's own limit, and no more than that counts.
	Failures uint64
	// HeldRecords and HeldBytes bound the records of the next epoch that wait
	// for its keys, and the application data that waits for Finished.
	HeldRecords, HeldBytes int
}

// Defaults of Limits: enough for a Finished and a window of small requests
// that overtook it.
const (
	DefaultHeldRecords = 8
	DefaultHeldBytes   = 4096
)

// Layer is the record layer of one session: plaintext in epoch 0, and the
// keys of the current epoch of each direction once there are any. The zero
// value is ready for a handshake. It must not be copied.
type Layer struct {
	// Limits may be set before the first record; nil means the defaults. When
	// the handshake is complete nothing depends on them any more.
	Limits *Limits

	suite *suite.Suite // of both directions, nil while there are no keys
	// plainNext is the next sequence number in epoch 0. "Sequence numbers are
	// maintained separately for each epoch", RFC 6347 §4.1.
	plainNext uint64
	write     writeState
	read      readState

	// Largest plaintext, 0 for 2^14: of the peer, in protected records and in
	// plain ones, and our own.
	sendMax, sendPlainMax, receiveMax uint16

	complete bool
	held     *held
}

// writeState is the current write epoch. Epoch 0 is not in it.
type writeState struct {
	keys   suite.Keys
	epoch  uint16
	next   uint64 // sequence number of the next record, and how many were sealed
	cipher *expanded
}

// readState is the current read epoch. Epoch 0 has no replay window: it
// could only be moved by records that anyone can forge. The handshake's
// message_seq sorts duplicates out there.
type readState struct {
	keys   suite.Keys
	epoch  uint16
	window window
	left   uint64 // records that may still fail to authenticate under these keys
	cipher *expanded
}

// expanded is a direction's AEAD with its scratch. It follows from the keys,
// so a session that sleeps can do without it: see Compact.
type expanded struct {
	aead  suite.AEAD
	iv    [suite.NonceLen]byte
	nonce [suite.NonceLen]byte
	aad   [aadLen]byte
	whole bool // the nonce comes from all of the IV
}

// aadLen is the length of the additional data (RFC 5246 §6.2.3.3): epoch and
// sequence number, type, version, length.
const aadLen = 8 + 1 + 2 + 2

// Format prints no keys, whatever the verb.
func (l Layer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "record.Layer{write epoch %d, read epoch %d}", l.write.epoch, l.read.epoch)
}

// SetWriteKeys begins the next write epoch. It copies the keys, and wipes
// what it was given. The keys of the epoch before, if it had any, are wiped.
// ErrExhausted: the epoch would wrap, and "implementations MUST NOT allow the
// epoch to wrap" (RFC 6347 §4.1).
func (l *Layer) SetWriteKeys(s *suite.Suite, keys *suite.Keys) error {
	if l.write.epoch == wire.MaxEpoch {
		return ErrExhausted
	}
	l.suite = s
	l.write = writeState{keys: *keys, epoch: l.write.epoch + 1}
	keys.Wipe()
	return nil
}

// SetReadKeys begins the next read epoch, as SetWriteKeys does for writing.
// Records of the new epoch that came too early are now due: see NextHeld.
func (l *Layer) SetReadKeys(s *suite.Suite, keys *suite.Keys) error {
	if l.read.epoch == wire.MaxEpoch {
		return ErrExhausted
	}
	l.suite = s
	l.read = readState{keys: *keys, epoch: l.read.epoch + 1, left: l.Limits.failures(s)}
	keys.Wipe()
	return nil
}

// failures is how many records may fail to authenticate under one key of a
// suite.
func (l *Limits) failures(s *suite.Suite) uint64 {
	if l == nil || l.Failures == 0 {
		return s.OpenLimit
	}
	return min(l.Failures, s.OpenLimit)
}

// Complete says that the peer's Finished was verified. From now on no
// plaintext is accepted and nothing is held; application data that was held
// is due: see NextHeld.
func (l *Layer) Complete() { l.complete, l.Limits = true, nil }

// SetPlainSequence sets the sequence number of the next record of epoch 0. A
// server that answered a ClientHello without state continues with that
// record's own number (RFC 6347 §4.2.2, for HelloVerifyRequest and
// ServerHello).
func (l *Layer) SetPlainSequence(seq uint64) { l.plainNext = seq }

// SetSendLimit sets the largest plaintext the peer takes, in bytes: in
// protected records (RFC 8449 §4) and in plain ones ("Unprotected messages
// are not subject to this limit", but RFC 6066 §4 binds them too). 0 means
// 2^14, as does anything above it.
func (l *Layer) SetSendLimit(protected, plain int) {
	l.sendMax, l.sendPlainMax = sizeLimit(protected), sizeLimit(plain)
}

// SetReceiveLimit sets the largest plaintext we told the peer that we take in
// protected records. 0 means 2^14.
func (l *Layer) SetReceiveLimit(protected int) { l.receiveMax = sizeLimit(protected) }

func sizeLimit(n int) uint16 {
	if n <= 0 || n > wire.MaxPlaintextLen {
		return 0
	}
	return uint16(n)
}

func orMax(limit uint16) int {
	if limit == 0 {
		return wire.MaxPlaintextLen
	}
	return int(limit)
}

// MaxPlaintext is the largest payload of one record of an epoch.
func (l *Layer) MaxPlaintext(epoch uint16) int {
	if epoch == 0 {
		return orMax(l.sendPlainMax)
	}
	return orMax(l.sendMax)
}

// Headroom is the number of bytes before the payload of a record.
func (l *Layer) Headroom(epoch uint16) int {
	if epoch == 0 || l.suite == nil {
		return wire.RecordHeaderLen
	}
	return wire.RecordHeaderLen + l.suite.ExplicitNonceLen
}

// Overhead is the number of bytes that a record of an epoch has beyond its
// payload: header, explicit nonce and tag.
func (l *Layer) Overhead(epoch uint16) int {
	if epoch == 0 || l.suite == nil {
		return wire.RecordHeaderLen
	}
	return wire.RecordHeaderLen + l.suite.Overhead()
}

// Suite is the suite of both directions, nil while there are no keys.
func (l *Layer) Suite() *suite.Suite { return l.suite }

// WriteEpoch is the current write epoch.
func (l *Layer) WriteEpoch() uint16 { return l.write.epoch }

// ReadEpoch is the current read epoch.
func (l *Layer) ReadEpoch() uint16 { return l.read.epoch }

// Seal appends one record to dst: of epoch 0, or of the current write epoch.
// It allocates only if dst has no room. The payload may lie where it will
// stand, at Headroom behind the end of dst.
//
// Errors: ErrTooLarge; ErrEpoch if the epoch has no keys, or for application
// data in plaintext; ErrExhausted when the keys may protect no further
// record. One alert can be sealed after that, so that the session can say
// close_notify.
func (l *Layer) Seal(dst []byte, epoch uint16, typ wire.ContentType, payload []byte) ([]byte, error) {
	switch {
	case len(payload) > l.MaxPlaintext(epoch):
		return dst, ErrTooLarge
	case epoch == 0:
		return l.sealPlain(dst, typ, payload)
	case epoch != l.write.epoch:
		return dst, ErrEpoch
	case l.writeExhausted(typ):
		return dst, ErrExhausted
	}
	w, s := &l.write, l.suite
	h := &wire.RecordHeader{
		Type: typ, Version: wire.VersionDTLS12, Epoch: epoch, Sequence: w.next,
		Length: len(payload) + s.Overhead(),
	}
	w.next++

	start := len(dst)
	dst = slices.Grow(dst, wire.RecordHeaderLen+h.Length)[:start+wire.RecordHeaderLen+h.Length]
	fragment := dst[start+wire.RecordHeaderLen:]
	// First the payload, as it may stand where header and nonce will.
	copy(fragment[s.ExplicitNonceLen:], payload)
	h.Put((*[wire.RecordHeaderLen]byte)(dst[start:]))

	c := w.cipher
	if c == nil {
		c = expand(s, &w.keys)
		w.cipher = c
	}
	c.prepare(h, len(payload))
	if s.ExplicitNonceLen > 0 {
		copy(fragment[:explicitNonceLen], c.nonce[suite.NonceLen-explicitNonceLen:])
		fragment = fragment[explicitNonceLen:]
	}
	c.aead.Seal(fragment, len(payload), &c.nonce, c.aad[:])
	return dst, nil
}

func (l *Layer) sealPlain(dst []byte, typ wire.ContentType, payload []byte) ([]byte, error) {
	if typ == wire.ContentApplicationData {
		return dst, ErrEpoch
	}
	if l.plainNext > wire.MaxSequence {
		return dst, ErrExhausted
	}
	h := wire.RecordHeader{
		Type: typ, Version: wire.VersionDTLS12, Sequence: l.plainNext, Length: len(payload),
	}
	l.plainNext++
	start := len(dst)
	dst = slices.Grow(dst, wire.RecordHeaderLen+h.Length)[:start+wire.RecordHeaderLen+h.Length]
	copy(dst[start+wire.RecordHeaderLen:], payload)
	h.Put((*[wire.RecordHeaderLen]byte)(dst[start:]))
	return dst, nil
}

// writeExhausted reports whether a record of this type may no longer be
// sealed: "implementations MUST either abandon an association or rehandshake
// prior to allowing the sequence number to wrap" (RFC 6347 §4.1). The last
// number is kept for an alert.
func (l *Layer) writeExhausted(typ wire.ContentType) bool {
	if typ == wire.ContentAlert {
		return l.write.next > wire.MaxSequence
	}
	return l.write.next >= min(l.suite.SealLimit, wire.MaxSequence)
}

// explicitNonceLen is the length of the explicit nonce of those suites that
// have one.
const explicitNonceLen = 8

func expand(s *suite.Suite, keys *suite.Keys) *expanded {
	c := &expanded{aead: s.AEAD(keys.Key(s)), whole: s.ExplicitNonceLen == 0}
	copy(c.iv[:], keys.IV(s))
	c.nonce = c.iv
	binary.BigEndian.PutUint16(c.aad[9:], uint16(wire.VersionDTLS12))
	return c
}

// prepare computes nonce and additional data for a record of n bytes of
// plaintext. The explicit nonce is the epoch and the sequence number, never
// random, so that it cannot come twice (RFC 6655 §3, RFC 5288 §3).
func (c *expanded) prepare(h *wire.RecordHeader, n int) {
	number := uint64(h.Epoch)<<48 | h.Sequence
	tail := number
	if c.whole {
		// RFC 7905 §2: the number, padded on the left, XORed with the IV.
		tail ^= binary.BigEndian.Uint64(c.iv[suite.NonceLen-8:])
	}
	binary.BigEndian.PutUint64(c.nonce[suite.NonceLen-8:], tail)
	binary.BigEndian.PutUint64(c.aad[:], number)
	c.aad[8] = byte(h.Type)
	binary.BigEndian.PutUint16(c.aad[11:], uint16(n))
}
