// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// SharedKeys are owners whose pre-shared keys have the same octets.
type SharedKeys struct{ Owners []string }

// SharedKeys looks through all devices and groups for pre-shared keys that more
// than one owner has. "If more than two entities share a specific pre-shared
// key, this key only enables the entities to authenticate as a member of that
// group and not as a specific peer" (RFC 7252 §9): then each of them can pass
// for the others.
func (r *Registry) SharedKeys(ctx context.Context) ([]SharedKeys, error) {
	// Under a key that nobody has, a table of hashes tells nothing.
	var secret [sha256.Size]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	hash := hmac.New(sha256.New, secret[:])
	first := map[[sha256.Size]byte]string{}
	shared := map[[sha256.Size]byte]*SharedKeys{}
	var order []*SharedKeys
	note := func(o owner) {
		list, what := o.credentials(), o.what()
		for i := range list {
			if list[i].PSK == nil {
				continue
			}
			hash.Reset()
			hash.Write(list[i].PSK.Key.Bytes())
			sum := [sha256.Size]byte(hash.Sum(nil))
			other, there := first[sum]
			switch entry := shared[sum]; {
			case !there:
				first[sum] = what
			case entry != nil && entry.Owners[len(entry.Owners)-1] != what:
				entry.Owners = append(entry.Owners, what)
			case entry == nil && other != what:
				shared[sum] = &SharedKeys{[]string{other, what}}
				order = append(order, shared[sum])
			}
		}
	}
	for d, err := range r.Devices(ctx, Filter{}) {
		if err != nil {
			return nil, err
		}
		note(&d)
	}
	for g, err := range r.Groups(ctx) {
		if err != nil {
			return nil, err
		}
		note(&g)
	}
	list := make([]SharedKeys, len(order))
	for i, entry := range order {
		list[i] = *entry
	}
	return list, nil
}
