// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"

	"github.com/coaps-go/coaps/store"
)

// Counts is how many records of each kind a store has. Groups are those with a
// record of their own, for a key or a label: a device can be in others.
type Counts struct{ Devices, Groups, Rules int }

// Count counts by the keys of the records alone, so that it does so for the
// store inside a sealed one too, without its key.
func Count(ctx context.Context, s store.Store) (Counts, error) {
	var c Counts
	for prefix, n := range map[string]*int{devicePrefix: &c.Devices, groupPrefix: &c.Groups, rulePrefix: &c.Rules} {
		for _, err := range s.Scan(ctx, prefix, "") {
			if err != nil {
				return Counts{}, err
			}
			*n++
		}
	}
	return c, nil
}
