// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// Secret holds bytes that must not be seen: it prints as "[redacted]" under
// every verb of fmt and in slog, and does not go into JSON. The bytes hang from
// two pointers, because fmt follows one when it walks into the unexported
// fields of something else, and shows an address instead of the second. The
// zero Secret is empty.
type Secret struct{ bytes **[]byte }

const redacted = "[redacted]"

// NewSecret returns a Secret with a copy of b. The caller may wipe b.
func NewSecret(b []byte) Secret {
	copied := slices.Clone(b)
	pointer := &copied
	return Secret{&pointer}
}

// Bytes returns the secret itself, not a copy: do not change, keep or print
// it. After Wipe the slice is all zero.
func (s Secret) Bytes() []byte {
	if s.bytes == nil {
		return nil
	}
	return **s.bytes
}

// Len returns the number of bytes.
func (s Secret) Len() int { return len(s.Bytes()) }

// Equal reports whether s and t hold the same bytes, in time that depends on
// the lengths alone.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare(s.Bytes(), t.Bytes()) == 1
}

// Wipe overwrites the bytes with zeros and empties the secret, in all copies
// of the Secret value at once.
func (s Secret) Wipe() {
	if s.bytes == nil {
		return
	}
	clear(**s.bytes)
	**s.bytes = nil
}

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// Format prints a placeholder for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText fails: a secret is written to a file by a function that says so
// in its name, never because it sat in some structure.
func (Secret) MarshalText() ([]byte, error) {
	return nil, errors.New("keys: a Secret is not for marshalling")
}
