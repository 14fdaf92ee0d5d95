// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The blocks are a sorted set, whatever is added and taken away.
func TestOrderIsASortedSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o order
		model := map[string]bool{}
		key := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00\u00ff")), 1, 6, -1)
		for range rapid.IntRange(0, 3*blockSize).Draw(t, "steps") {
			k := key.Draw(t, "key")
			switch {
			case !model[k]:
				o.insert(k)
				model[k] = true
			case rapid.Bool().Draw(t, "remove"):
				o.remove(k)
				delete(model, k)
			}
		}
		prefix, after := key.Draw(t, "prefix")[:1], key.Draw(t, "after")
		var want []string
		for k := range model {
			if strings.HasPrefix(k, prefix) && k > after {
				want = append(want, k)
			}
		}
		slices.Sort(want)
		if got := o.page(prefix, after, len(model)+1); !slices.Equal(got, want) {
			t.Fatalf("page(%q, %q) = %q, want %q", prefix, after, got, want)
		}
	})
}

// Keys that come in order, and in the opposite order, split blocks; none may
// be lost and none empty.
func TestOrderSplits(t *testing.T) {
	const n = 5 * blockSize
	keys := make([]string, n)
	for i := range keys {
		keys[i] = string([]byte{byte(i >> 8), byte(i)})
	}
	down := slices.Clone(keys)
	slices.Reverse(down)
	for name, in := range map[string][]string{"up": keys, "down": down} {
		var o order
		for _, k := range in {
			o.insert(k)
		}
		if got := o.page("", "", n+1); !slices.Equal(got, keys) {
			t.Errorf("%s: %d keys of %d, or not in order", name, len(got), n)
		}
		for _, k := range in {
			o.remove(k)
		}
		if len(o.blocks) != 0 {
			t.Errorf("%s: %d blocks are left", name, len(o.blocks))
		}
	}
}
