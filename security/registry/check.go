// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/coaps-go/coaps/security/keys"
)

// SharedKeys are owners whose pre-shared keys have the same octets.
type SharedKeys struct{ Owners []string }

// SharedKeys looks through all devices and groups for pre-shared keys that more
// than one owner has. "If more than two entities share a specific pre-shared
// key, this key only enables the entities to authenticate as a member of that
// group and not as a specific peer" (RFC 7252 §9): then each of them can pass
// for the others.
func (r *Registry) SharedKeys(ctx context.Context) ([]SharedKeys, error) {
	seen, err := newKeyOwners()
	if err != nil {
		return nil, err
	}
	for d, err := range r.Devices(ctx, Filter{}) {
		if err != nil {
			return nil, err
		}
		seen.note(&d)
	}
	for g, err := range r.Groups(ctx) {
		if err != nil {
			return nil, err
		}
		seen.note(&g)
	}
	list := make([]SharedKeys, len(seen.order))
	for i, entry := range seen.order {
		list[i] = *entry
	}
	return list, nil
}

// keyOwners are the owners of pre-shared keys, by hashes of these under a key
// that nobody has: such a table tells nothing.
type keyOwners struct {
	hash   hash.Hash
	first  map[[sha256.Size]byte]string
	shared map[[sha256.Size]byte]*SharedKeys
	order  []*SharedKeys
}

func newKeyOwners() (*keyOwners, error) {
	var secret [sha256.Size]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	return &keyOwners{
		hash:   hmac.New(sha256.New, secret[:]),
		first:  map[[sha256.Size]byte]string{},
		shared: map[[sha256.Size]byte]*SharedKeys{},
	}, nil
}

// note takes down the keys of one owner.
func (k *keyOwners) note(o owner) {
	list, what := o.credentials(), o.what()
	for i := range list {
		if list[i].PSK != nil {
			k.add(list[i].PSK.Key, what)
		}
	}
}

func (k *keyOwners) add(key keys.Secret, what string) {
	k.hash.Reset()
	k.hash.Write(key.Bytes())
	sum := [sha256.Size]byte(k.hash.Sum(nil))
	other, there := k.first[sum]
	switch entry := k.shared[sum]; {
	case !there:
		k.first[sum] = what
	case entry != nil && entry.Owners[len(entry.Owners)-1] != what:
		entry.Owners = append(entry.Owners, what)
	case entry == nil && other != what:
		k.shared[sum] = &SharedKeys{[]string{other, what}}
		k.order = append(k.order, k.shared[sum])
	}
}
