// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/sha256"
	"fmt"
)

// MinPinBits is the length of the shortest name that is taken as a pin. RFC
// 7252 §9.1.3.2.1 makes 120 bits mandatory and calls shorter ones not
// recommended: a key with a chosen 32-bit name is found in minutes.
const MinPinBits = 120

// Pins is the set of raw public keys that a node believes: the access control
// list of identifiers of RFC 7252 §9.1.3.2.1. Fill it, then use it: Contains
// may be called at the same time, Add may not. The zero Pins is empty.
type Pins struct {
	names map[Name]struct{}
	used  [len(algorithms)]bool // which algorithms occur in names
}

// NewPins returns the set of names. It fails like Add.
func NewPins(names ...Name) (*Pins, error) {
	p := new(Pins)
	for _, n := range names {
		if err := p.Add(n); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Add adds the key that n names. It refuses names of fewer than MinPinBits.
func (p *Pins) Add(n Name) error {
	if n.Bits() < MinPinBits {
		return fmt.Errorf("keys: a name of %d bits is too short to be a pin, at least %d are needed", n.Bits(), MinPinBits)
	}
	if p.names == nil {
		p.names = make(map[Name]struct{})
	}
	p.names[n] = struct{}{}
	p.used[n.alg] = true
	return nil
}

// AddKey adds the public key spki itself, a DER SubjectPublicKeyInfo.
func (p *Pins) AddKey(spki []byte) {
	// The full hash is never too short.
	_ = p.Add(NameOf(spki, SHA256))
}

// Contains reports whether the public key spki, a DER SubjectPublicKeyInfo, is
// in the set. A nil or empty set contains nothing.
func (p *Pins) Contains(spki []byte) bool {
	if p.Len() == 0 {
		return false
	}
	sum := sha256.Sum256(spki)
	for alg := SHA256; alg.known(); alg++ {
		if !p.used[alg] {
			continue
		}
		if _, found := p.names[nameOfHash(sum, alg)]; found {
			return true
		}
	}
	return false
}

// Len returns the number of names in the set.
func (p *Pins) Len() int {
	if p == nil {
		return 0
	}
	return len(p.names)
}
