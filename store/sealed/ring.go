// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sealed

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/coaps-go/coaps/store"
)

// Keys open and seal a store.
type Keys struct {
	// Identities open the data key: one that fits is enough.
	Identities []age.Identity
	// Recipients are whom a new data key is sealed for. Empty: those that
	// belong to the Identities.
	Recipients []age.Recipient
}

// ErrNoIdentity says that a file is none of age identities.
var ErrNoIdentity = errors.New("not a file of age identities (AGE-SECRET-KEY-1...)")

// ReadKeys reads a file of age identities, as age-keygen writes it.
func ReadKeys(path string) (Keys, error) {
	f, err := os.Open(path)
	if err != nil {
		return Keys{}, err
	}
	defer func() { _ = f.Close() }()
	identities, err := age.ParseIdentities(io.LimitReader(f, 1<<20))
	if err != nil {
		// The message of age might have a part of the line.
		return Keys{}, fmt.Errorf("%s: %w", path, ErrNoIdentity)
	}
	return Keys{Identities: identities}, nil
}

var errNobody = errors.New("sealed: no recipient is known for these identities")

// With returns keys whose new data keys are sealed for these recipients too.
func (k Keys) With(more ...age.Recipient) (Keys, error) {
	own, err := k.recipients()
	if err != nil {
		return Keys{}, err
	}
	k.Recipients = append(slices.Clip(own), more...)
	return k, nil
}

// Opens reports whether an identity of the keys is that of the recipient, in
// age's text form.
func (k Keys) Opens(recipient string) bool {
	own, err := Keys{Identities: k.Identities}.recipients()
	return err == nil && slices.Contains(textsOf(own), recipient)
}

// recipients returns whom a data key is to be sealed for.
func (k Keys) recipients() ([]age.Recipient, error) {
	if len(k.Recipients) > 0 {
		return k.Recipients, nil
	}
	var all []age.Recipient
	for _, identity := range k.Identities {
		switch i := identity.(type) {
		case *age.X25519Identity:
			all = append(all, i.Recipient())
		case *age.HybridIdentity:
			all = append(all, i.Recipient())
		}
	}
	if len(all) == 0 {
		return nil, errNobody
	}
	return all, nil
}

// A ring has the data keys of a store, the newest last: the others are of
// values that were not yet sealed again.
//
// Its record is an age file of ringHead, a line for each recipient, an empty
// line and, for each data key, 4 octets of number and 32 of key.
type ring struct {
	version uint64 // of the record
	to      []string
	keys    []dataKey
}

type dataKey struct {
	id   uint32
	key  [chacha20poly1305.KeySize]byte
	aead cipher.AEAD
}

const (
	ringHead = "coaps ring 1\n"
	dataSize = 4 + chacha20poly1305.KeySize
	// maxRing is the most octets of a ring: room for 500 post-quantum recipients.
	maxRing = 1 << 20
)

func newDataKey() dataKey {
	var b [dataSize]byte
	_, _ = rand.Read(b[:]) // it never fails
	return toDataKey(b[:])
}

func toDataKey(b []byte) dataKey {
	k := dataKey{id: binary.BigEndian.Uint32(b)}
	copy(k.key[:], b[4:])
	k.aead, _ = chacha20poly1305.NewX(k.key[:]) // the size is right
	return k
}

// newRing returns a ring of one new data key, and its record's value.
func newRing(keys Keys) (*ring, []byte, error) {
	r := &ring{keys: []dataKey{newDataKey()}}
	to, err := keys.recipients()
	if err != nil {
		return nil, nil, err
	}
	value, err := r.sealed(to)
	return r, value, err
}

// sealed returns the value of the ring's record.
func (r *ring) sealed(to []age.Recipient) ([]byte, error) {
	if len(to) == 0 {
		return nil, errNobody
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecipients, err)
	}
	r.to = textsOf(to)
	plain := r.plain()
	defer clear(plain)
	if len(plain) > maxRing {
		return nil, fmt.Errorf("%w: too many recipients", store.ErrInvalid)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// plain returns what is in the age file.
func (r *ring) plain() []byte {
	plain := []byte(ringHead + strings.Join(r.to, "\n") + "\n\n")
	plain = slices.Grow(plain, len(r.keys)*dataSize) // no copies of keys left behind
	for _, k := range r.keys {
		plain = binary.BigEndian.AppendUint32(plain, k.id)
		plain = append(plain, k.key[:]...)
	}
	return plain
}

// openRing opens the ring's record.
func openRing(record store.Record, keys Keys) (*ring, error) {
	src, err := age.Decrypt(bytes.NewReader(record.Value), keys.Identities...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none) || len(keys.Identities) == 0:
		return nil, ErrWrongKey
	case err != nil:
		return nil, fmt.Errorf("%w: the record with the data key: %w", store.ErrCorrupt, err)
	}
	plain, err := io.ReadAll(io.LimitReader(src, maxRing+1))
	defer clear(plain)
	rest, ok := bytes.CutPrefix(plain, []byte(ringHead))
	to, rest, whole := bytes.Cut(rest, []byte("\n\n"))
	if err != nil || !ok || !whole || len(rest) == 0 || len(rest)%dataSize != 0 {
		return nil, fmt.Errorf("%w: the record with the data key is not in its form", store.ErrCorrupt)
	}
	r := &ring{version: record.Version, to: strings.Split(string(to), "\n")}
	for ; len(rest) > 0; rest = rest[dataSize:] {
		r.keys = append(r.keys, toDataKey(rest[:dataSize]))
	}
	return r, nil
}

// A sealed value is
//
//	magic    3 octets: no JSON, no UTF-8
//	data key 4
//	nonce    24
//	value    sealed, with a tag of 16; additional data is all before and the key
const (
	magic    = "\xe5c\x01"
	atNonce  = len(magic) + 4
	atSealed = atNonce + chacha20poly1305.NonceSizeX
	overhead = atSealed + chacha20poly1305.Overhead
	// maxValue is how long a value may be before it is sealed.
	maxValue = store.MaxValue - 64
)

// errOtherKey says that a value is sealed under a data key that is not in the
// ring.
var errOtherKey = errors.New("sealed under an unknown data key")

func (r *ring) newest() *dataKey { return &r.keys[len(r.keys)-1] }

// seal seals a value for its key in the store.
func (r *ring) seal(key string, value []byte) []byte {
	k := r.newest()
	b := make([]byte, atSealed, overhead+len(value))
	copy(b, magic)
	binary.BigEndian.PutUint32(b[len(magic):], k.id)
	_, _ = rand.Read(b[atNonce:])
	return k.aead.Seal(b, b[atNonce:atSealed], value, additional(b, key))
}

// open opens a value that stands under key.
func (r *ring) open(key string, b []byte) ([]byte, error) {
	if !isSealed(b) {
		return nil, fmt.Errorf("%w: %w: %q", store.ErrCorrupt, ErrPlain, key)
	}
	id := binary.BigEndian.Uint32(b[len(magic):])
	for i := range r.keys {
		k := &r.keys[i]
		if k.id != id {
			continue
		}
		value, err := k.aead.Open(nil, b[atNonce:atSealed], b[atSealed:], additional(b, key))
		if err != nil {
			return nil, fmt.Errorf("%w: %q does not open: changed, or moved from another key", store.ErrCorrupt, key)
		}
		return value, nil
	}
	return nil, fmt.Errorf("%w: %q is %w", store.ErrCorrupt, key, errOtherKey)
}

// additional is what is sealed with a value: its head, up to the nonce, and its
// key.
func additional(b []byte, key string) []byte {
	return append(append(make([]byte, 0, atNonce+len(key)), b[:atNonce]...), key...)
}

func isSealed(b []byte) bool { return len(b) >= overhead && bytes.HasPrefix(b, []byte(magic)) }

// sealOp is the op for the inner store.
func (r *ring) sealOp(op store.Op) (store.Op, error) {
	if err := op.Check(); err != nil {
		return op, err
	}
	if op.Key == ringKey || len(op.Value) > maxValue {
		return op, fmt.Errorf("%w: %q: the record of the data key, or too large to be sealed", store.ErrInvalid, op.Key)
	}
	if !op.Delete {
		op.Value = r.seal(op.Key, op.Value)
	}
	return op, nil
}
