// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of pre-shared keys. RFC 4279 §5.3 asks for identities of up to 128
// and keys of up to 64 octets at least; the wire has room for 65,535.
const (
	MinPSKLen         = 16    // bytes; a shorter key is refused unless the configuration says otherwise
	MaxPSKLen         = 65535 // bytes
	MaxPSKIdentityLen = 65535 // bytes
)

// PSK is one pre-shared key and the identity it goes by (RFC 4279). The
// identity is a byte string: it may hold NUL, be empty, or not be UTF-8.
type PSK struct {
	Identity []byte
	Key      Secret
}

// NewPSK returns a PSK with copies of identity and key. It fails when one is
// longer than the wire can carry or the key is empty; how long a key must be
// is the configuration's question, see CheckStrength.
func NewPSK(identity, key []byte) (PSK, error) {
	switch {
	case len(identity) > MaxPSKIdentityLen:
		return PSK{}, fmt.Errorf("keys: PSK identity of %d bytes, at most %d fit", len(identity), MaxPSKIdentityLen)
	case len(key) == 0:
		return PSK{}, errors.New("keys: empty pre-shared key")
	case len(key) > MaxPSKLen:
		return PSK{}, fmt.Errorf("keys: pre-shared key of %d bytes, at most %d fit", len(key), MaxPSKLen)
	}
	return PSK{Identity: slices.Clone(identity), Key: NewSecret(key)}, nil
}

// RandomPSK draws a key of MinPSKLen bytes from rand for identity.
func RandomPSK(rand io.Reader, identity []byte) (PSK, error) {
	var key [MinPSKLen]byte
	defer clear(key[:])
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return PSK{}, fmt.Errorf("keys: drawing a pre-shared key: %w", err)
	}
	return NewPSK(identity, key[:])
}

// WeakPSKError reports a pre-shared key that is too short to withstand
// guessing: whoever records one handshake can test guesses against it at
// leisure (RFC 7252 §9.1.3.1, RFC 4279 §7.2).
type WeakPSKError struct {
	Identity []byte
	Len      int // of the key in bytes
}

func (e *WeakPSKError) Error() string {
	return fmt.Sprintf("pre-shared key of %s has %d bytes, at least %d are needed to withstand guessing",
		PrintableIdentity(e.Identity), e.Len, MinPSKLen)
}

// CheckStrength returns a *WeakPSKError if the key has fewer than MinPSKLen
// bytes.
func (p PSK) CheckStrength() error {
	if p.Key.Len() < MinPSKLen {
		return &WeakPSKError{Identity: p.Identity, Len: p.Key.Len()}
	}
	return nil
}

// String names the identity, never the key.
func (p PSK) String() string { return "PSK " + PrintableIdentity(p.Identity) }

// PrintableIdentity returns identity as it can be shown: as it stands if it is
// printable UTF-8 that could not be mistaken for the other form, else as
// "0x" and hexadecimal digits. Different identities never look the same.
func PrintableIdentity(identity []byte) string {
	s := string(identity)
	if s == "" || strings.HasPrefix(s, "0x") || !printable(s) {
		return "0x" + hex.EncodeToString(identity)
	}
	return s
}

// printable reports whether s is UTF-8 made of graphic characters and single
// inner spaces of the ASCII kind.
func printable(s string) bool {
	if !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// PSKSource is where a server finds pre-shared keys. serverName is what the
// client asked for by SNI, "" if it did not; identity is what it sent, any
// byte string. LookupPSK must not block for long and must not keep identity.
// The key it returns is read, not kept or changed.
type PSKSource interface {
	LookupPSK(serverName string, identity []byte) (key []byte, ok bool)
}

// PSKMap is a PSKSource in memory. Fill it, then use it: lookups may run at
// the same time, additions may not. The zero PSKMap is empty and usable.
type PSKMap struct {
	keys map[pskIndex]Secret
}

// pskIndex holds the identity as a Go string, which is a byte string: NUL does
// not end it and nothing is folded.
type pskIndex struct{ serverName, identity string }

// NewPSKMap returns a map of psks, each valid for every server name.
func NewPSKMap(psks ...PSK) (*PSKMap, error) {
	m := new(PSKMap)
	for _, p := range psks {
		if err := m.Add(p); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Add adds a key for every server name. It fails if the identity is there.
func (m *PSKMap) Add(p PSK) error { return m.AddFor("", p) }

// AddFor adds a key for the server name alone, so that virtual servers can use
// the same identity for different keys (RFC 7252 §9.1.3). It fails if the
// identity is there already for that name.
func (m *PSKMap) AddFor(serverName string, p PSK) error {
	index := pskIndex{normalServerName(serverName), string(p.Identity)}
	if _, found := m.keys[index]; found {
		return fmt.Errorf("keys: PSK identity %s given twice", PrintableIdentity(p.Identity))
	}
	if m.keys == nil {
		m.keys = make(map[pskIndex]Secret)
	}
	m.keys[index] = p.Key
	return nil
}

// LookupPSK finds the key of identity: first among those for serverName alone,
// then among those for every name.
func (m *PSKMap) LookupPSK(serverName string, identity []byte) (key []byte, ok bool) {
	if m == nil {
		return nil, false
	}
	found, ok := m.keys[pskIndex{normalServerName(serverName), string(identity)}]
	if !ok {
		found, ok = m.keys[pskIndex{"", string(identity)}]
	}
	return found.Bytes(), ok
}

// Len returns the number of keys.
func (m *PSKMap) Len() int {
	if m == nil {
		return 0
	}
	return len(m.keys)
}

// Weakest returns the error of a key that is shorter than MinPSKLen, nil if
// there is none.
func (m *PSKMap) Weakest() error {
	if m == nil {
		return nil
	}
	var weak *WeakPSKError
	for index, key := range m.keys {
		shorter := weak == nil && key.Len() < MinPSKLen || weak != nil && key.Len() < weak.Len
		if shorter {
			weak = &WeakPSKError{Identity: []byte(index.identity), Len: key.Len()}
		}
	}
	if weak == nil {
		return nil
	}
	return weak
}

// normalServerName folds what DNS does not distinguish.
func normalServerName(s string) string { return lowerASCII(strings.TrimSuffix(s, ".")) }
