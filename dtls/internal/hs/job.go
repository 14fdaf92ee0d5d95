// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"crypto"
	"fmt"
	"io"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Job is the public-key operations of one step of a handshake, cut out so
// that they can run away from the goroutine that receives. A job owns, or
// shares unchanged, all that it needs, and touches nothing of the session.
//
// Its parts are done in this order, and the first that fails ends it: verify
// the peer's signature, generate an ephemeral key, agree on a secret, sign.
type Job struct {
	Verification *Verification
	Share        *Share // generated if it is not yet
	PeerPoint    []byte // nil: nothing to agree on
	Signing      *Signing

	// Failure is ReasonNone if all parts were done well.
	Failure Reason
	// Secret is the shared secret of the ephemeral keys.
	Secret []byte
	// Signature is what Signing made.
	Signature []byte

	done bool
}

// Verification is a peer's signature to verify.
type Verification struct {
	Key       crypto.PublicKey
	Scheme    wire.SignatureScheme
	Message   []byte
	Signature []byte
}

// Signing is a message to sign. If Params is set, the curve part of a
// ServerKeyExchange for the job's share follows the message.
type Signing struct {
	Signer  crypto.Signer
	Scheme  wire.SignatureScheme
	Rand    io.Reader
	Message []byte
	Params  bool
}

// Run does the work. It must be called once, and may be called on any
// goroutine.
func (j *Job) Run() {
	if j.done {
		return
	}
	j.Failure = j.run()
	j.done = true
}

// Done reports whether Run has finished.
func (j *Job) Done() bool { return j.done }

func (j *Job) run() Reason {
	if v := j.Verification; v != nil && !Verify(v.Key, v.Scheme, v.Message, v.Signature) {
		return ReasonBadSignature
	}
	if j.Share != nil && j.Share.private == nil {
		j.Share.generate()
	}
	if j.PeerPoint != nil {
		secret, ok := j.Share.agree(j.PeerPoint)
		if !ok {
			return ReasonIllegalParameter
		}
		j.Secret = secret
	}
	if j.Signing != nil {
		return j.sign()
	}
	return ReasonNone
}

func (j *Job) sign() Reason {
	s := j.Signing
	message := s.Message
	if s.Params {
		message = wire.AppendECParams(message[:len(message):len(message)], j.Share.Group(), j.Share.Public())
	}
	signature, err := Sign(s.Rand, s.Signer, s.Scheme, message)
	if err != nil {
		return ReasonInternal
	}
	j.Signature = signature
	return ReasonNone
}

// Wipe overwrites the shared secret.
func (j *Job) Wipe() {
	clear(j.Secret)
	j.Secret = nil
}

// Format prints no secrets, whatever the verb.
func (Job) Format(f fmt.State, _ rune) { io.WriteString(f, "dtls.Job") }
