// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/coaps-go/coaps/coap"
)

// TestTokensAreNeverReused, and look random: no bit is biased, differences do
// not repeat.
//
// Pitfall A15: no token comes twice from one table
// Pitfall A20: consecutive tokens have nothing in common
func TestTokensAreNeverReused(t *testing.T) {
	g, err := newTokens(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	const n = 1 << 18
	seen := make([]uint64, n)
	steps := make([]uint64, n)
	var ones [64]int
	last, changed := uint64(0), 0
	for i := range seen {
		tok := g.next()
		equal(t, "length", tok.len, 8)
		v := binary.BigEndian.Uint64(tok.bytes[:])
		seen[i], steps[i] = v, v-last
		changed += bits.OnesCount64(v ^ last)
		for bit := range ones {
			ones[bit] += int(v >> bit & 1)
		}
		last = v
	}
	slices.Sort(seen)
	equal(t, "different tokens", len(slices.Compact(seen)), n)
	slices.Sort(steps)
	equal(t, "different steps", len(slices.Compact(steps)), n)
	limit := 6 * math.Sqrt(n) / 2 // six standard deviations
	for bit, count := range ones {
		if math.Abs(float64(count)-n/2) > limit {
			t.Errorf("bit %d is set in %d of %d tokens", bit, count, n)
		}
	}
	if mean := float64(changed) / n; mean < 31.9 || mean > 32.1 {
		t.Errorf("consecutive tokens differ in %.2f bits", mean)
	}
}

// TestTokensArePermuted: the cipher is a permutation by construction; undoing it
// gives the sequence back.
func TestTokensArePermuted(t *testing.T) {
	g, err := newTokens(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, count := range []uint64{0, 1, 2, 1 << 32, 1<<64 - 1} {
		g.count = count
		tok := g.next()
		left, right := binary.BigEndian.Uint32(tok.bytes[:]), binary.BigEndian.Uint32(tok.bytes[4:])
		for round := tokenRounds - 1; round >= 0; round-- {
			left, right = right^g.scramble(uint8(round), left), left
		}
		equal(t, "count", uint64(left)<<32|uint64(right), count)
	}
}

// TestTokensDependOnTheKey: two tables have nothing in common, and the same
// randomness gives the same tokens.
func TestTokensDependOnTheKey(t *testing.T) {
	first := func(seed byte) token {
		g, err := newTokens(seeded(seed))
		if err != nil {
			t.Fatal(err)
		}
		return g.next()
	}
	equal(t, "same seed", first(1), first(1))
	if first(1) == first(2) {
		t.Error("another seed gives the same token")
	}
}

// TestFreshTokenAvoidsCallersOwn: a caller who chose what comes next does not
// get two requests with one token.
func TestFreshTokenAvoidsCallersOwn(t *testing.T) {
	guess, _ := newTokens(seeded(3))
	r := newRig(t, Config{})
	r.table.mem.tokens, _ = newTokens(seeded(3))
	next, after := guess.next(), guess.next()
	if _, err := r.table.Request(r.now, Outgoing{Code: coap.GET, Token: next.slice()}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.table.Request(r.now, Outgoing{Code: coap.GET}); err != nil {
		t.Fatal(err)
	}
	equal(t, "the second request has the token after", r.table.conversation.at(r.table.conversation.ours.Last).token, after)
}

// TestTokensDifferByLength: what is padding in one token is content in another.
//
// Pitfall R9: no token, one zero byte and eight zero bytes are three tokens
func TestTokensDifferByLength(t *testing.T) {
	seen := map[token]bool{}
	for n := range 9 {
		seen[tokenOf(make([]byte, n))] = true
	}
	equal(t, "tokens of zeros", len(seen), 9)
}

func BenchmarkToken(b *testing.B) {
	g, _ := newTokens(seeded(1))
	b.ReportAllocs()
	for b.Loop() {
		g.next()
	}
}
