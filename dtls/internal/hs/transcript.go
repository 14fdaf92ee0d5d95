// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"crypto"
	"hash"
)

// Transcript is the handshake messages so far, each with its header as if it
// had not been fragmented (RFC 6347 §4.2.6). Before the suite is known it
// keeps them as they are; then it keeps a running hash, and the messages
// beside it only as long as a CertificateVerify may need them: that signs
// with a hash of its own, or none at all (Ed25519, RFC 8422 §5.10).
type Transcript struct {
	raw     []byte
	running hash.Hash
	keep    bool
	sum     [maxSum]byte
}

// maxSum is the length of the longest hash of a suite, SHA-384.
const maxSum = 48

// Reset forgets everything: the first ClientHello and HelloVerifyRequest "are
// not included in the calculation of the handshake_messages" (RFC 6347
// §4.2.1).
func (t *Transcript) Reset() { *t = Transcript{} }

// Add appends a message.
func (t *Transcript) Add(message []byte) {
	if t.running == nil || t.keep {
		t.raw = append(t.raw, message...)
	}
	if t.running != nil {
		t.running.Write(message)
	}
}

// Start begins the running hash. With keepRaw the messages are kept too.
func (t *Transcript) Start(h crypto.Hash, keepRaw bool) {
	t.running, t.keep = h.New(), keepRaw
	t.running.Write(t.raw)
	t.DropRaw(keepRaw)
}

// DropRaw forgets the messages, unless keep says not to.
func (t *Transcript) DropRaw(keep bool) {
	if !keep {
		t.raw, t.keep = nil, false
	}
}

// Sum is the hash of all messages so far. It is valid until Sum is called
// again.
func (t *Transcript) Sum() []byte { return t.running.Sum(t.sum[:0]) }

// Raw is all messages so far. What is added later does not change it.
func (t *Transcript) Raw() []byte { return t.raw[:len(t.raw):len(t.raw)] }
