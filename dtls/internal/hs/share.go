// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"crypto/ecdh"
	"crypto/sha512"
	"io"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// groupRow is one group: its curve, and the length of a private key.
type groupRow struct {
	group wire.Group
	curve ecdh.Curve
	size  int
}

var groups = [...]groupRow{
	{wire.GroupSecp256r1, ecdh.P256(), 32},
	{wire.GroupSecp384r1, ecdh.P384(), 48},
	{wire.GroupX25519, ecdh.X25519(), 32},
}

func groupByID(g wire.Group) *groupRow {
	for i := range groups {
		if groups[i].group == g {
			return &groups[i]
		}
	}
	return nil
}

// KnownGroup reports whether a group is implemented.
func KnownGroup(g wire.Group) bool { return groupByID(g) != nil }

// Share is an ephemeral key of one handshake. Its randomness is drawn when it
// is made; its arithmetic is done in a Job.
type Share struct {
	row     *groupRow
	seed    [48]byte
	private *ecdh.PrivateKey
}

// NewShare draws the randomness of an ephemeral key.
func NewShare(rand io.Reader, g wire.Group) (*Share, error) {
	s := &Share{row: groupByID(g)}
	_, err := io.ReadFull(rand, s.seed[:s.row.size])
	return s, err
}

// Group is the group of the key.
func (s *Share) Group() wire.Group { return s.row.group }

// generate makes the private key. A seed that is not a scalar of the group,
// which happens once in 2^32 for secp256r1, is hashed to the next one.
func (s *Share) generate() {
	for s.private == nil {
		key, err := s.row.curve.NewPrivateKey(s.seed[:s.row.size])
		if err != nil {
			s.seed = sha512.Sum384(s.seed[:])
			continue
		}
		s.private = key
	}
	clear(s.seed[:])
}

// Public is the encoding of the public key, uncompressed, once it is made.
func (s *Share) Public() []byte { return s.private.PublicKey().Bytes() }

// agree computes the shared secret with a peer's public key. It fails for
// encodings that are not an uncompressed point of the group, and for points
// that yield nothing (RFC 8422 §5.11).
func (s *Share) agree(peer []byte) ([]byte, bool) {
	key, err := s.row.curve.NewPublicKey(peer)
	if err != nil {
		return nil, false
	}
	secret, err := s.private.ECDH(key)
	return secret, err == nil
}
