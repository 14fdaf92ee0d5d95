// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
)

// token is a token as a comparable value. The empty token is one like any
// other. To compare two costs the same wherever they differ.
type token struct {
	bytes [coap.MaxTokenLength]byte
	len   uint8
}

// tokenOf returns b, which must not be longer than a token, as a token.
func tokenOf(b []byte) (t token) {
	t.len = uint8(copy(t.bytes[:], b))
	return t
}

func (t *token) slice() []byte { return t.bytes[:t.len:t.len] }

// tokens makes tokens of 8 bytes of which each is unpredictable and none comes
// twice. They are a sequence number, as RFC 9175 section 4.2 advises, so that a
// response never meets a request other than its own; and the number is
// encrypted, so that whoever can forge datagrams cannot guess a token in use
// (RFC 7252 section 5.3.1).
//
// The cipher is a Feistel network of 10 rounds on 64 bits with AES as round
// function, the shape of FF1 in NIST SP 800-38G: a permutation, hence no
// repetition before the number wraps.
type tokens struct {
	aes   cipher.Block
	count uint64
	block [aes.BlockSize]byte
}

const tokenRounds = 10

func newTokens(rand io.Reader) (*tokens, error) {
	var key [16]byte
	defer clear(key[:])
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return nil, message.ErrRandom
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return &tokens{aes: block}, nil
}

// next returns the next token.
func (g *tokens) next() (t token) {
	left, right := uint32(g.count>>32), uint32(g.count)
	g.count++
	for round := range uint8(tokenRounds) {
		left, right = right, left^g.scramble(round, right)
	}
	binary.BigEndian.PutUint32(t.bytes[:], left)
	binary.BigEndian.PutUint32(t.bytes[4:], right)
	t.len = uint8(len(t.bytes))
	return t
}

// scramble is the round function.
func (g *tokens) scramble(round uint8, half uint32) uint32 {
	g.block = [aes.BlockSize]byte{0: round}
	binary.BigEndian.PutUint32(g.block[12:], half)
	g.aes.Encrypt(g.block[:], g.block[:])
	return binary.BigEndian.Uint32(g.block[:])
}
