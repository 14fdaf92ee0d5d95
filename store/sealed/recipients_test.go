// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sealed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"filippo.io/age"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
	"github.com/coaps-go/coaps/store/storetest"
)

func wantRecipients(t *testing.T, s *Store, to ...*age.X25519Identity) {
	t.Helper()
	var texts []string
	for _, one := range to {
		texts = append(texts, one.Recipient().String())
	}
	if got, err := s.Recipients(context.Background()); err != nil || !slices.Equal(got, texts) {
		t.Errorf("%q, %v, want %q", got, err, texts)
	}
}

// Who is added opens all; who is taken away opens nothing, and what is written
// from then on is not under a data key that he has.
func TestAddAndRemove(t *testing.T) {
	ctx := context.Background()
	inner := memory.New()
	mine, other, stranger := identity(t), identity(t), identity(t)
	s := opened(t, inner, keysOf(mine))
	put(t, s, "k", "secret")
	wantRecipients(t, s, mine)
	for range 2 { // the second time changes nothing
		if err := s.AddRecipients(ctx, other.Recipient(), other.Recipient()); err != nil {
			t.Fatal(err)
		}
	}
	wantRecipients(t, s, mine, other)
	theirs := opened(t, inner, keysOf(other))
	want(t, theirs, "k", "secret")
	if n, err := theirs.Rotate(ctx); err != nil || n != 1 {
		t.Errorf("%d, %v, want 1", n, err)
	}
	wantRecipients(t, s, mine, other)

	before, _ := inner.Get(ctx, ringKey)
	if _, err := s.RemoveRecipients(ctx, stranger.Recipient()); !errors.Is(err, ErrNoRecipient) {
		t.Errorf("%v, want ErrNoRecipient", err)
	}
	for _, gone := range [][]age.Recipient{{mine.Recipient()}, {other.Recipient(), mine.Recipient()}} {
		if _, err := s.RemoveRecipients(ctx, gone...); !errors.Is(err, ErrLockOut) {
			t.Errorf("%v, want ErrLockOut", err)
		}
	}
	if after, _ := inner.Get(ctx, ringKey); after.Version != before.Version {
		t.Error("what was refused has changed something")
	}
	had := len(s.ring.Load().keys)
	if n, err := s.RemoveRecipients(ctx, other.Recipient()); err != nil || n != 1 {
		t.Fatalf("%d, %v, want 1", n, err)
	}
	wantRecipients(t, s, mine)
	if _, err := Open(ctx, inner, keysOf(other)); !errors.Is(err, ErrWrongKey) {
		t.Errorf("%v, want ErrWrongKey", err)
	}
	put(t, s, "k", "new")
	r, _ := inner.Get(ctx, "k")
	if _, err := theirs.ring.Load().open("k", r.Value); !errors.Is(err, errOtherKey) {
		t.Errorf("%v, of %d data keys, want errOtherKey", err, had)
	}
}

// Two administrators at once: neither undoes what the other has done.
func TestTwoAdministrators(t *testing.T) {
	ctx := context.Background()
	inner := memory.New()
	mine, one, two := identity(t), identity(t), identity(t)
	first, second := opened(t, inner, keysOf(mine)), opened(t, inner, keysOf(mine))
	if err := first.AddRecipients(ctx, one.Recipient()); err != nil {
		t.Fatal(err)
	}
	if err := second.AddRecipients(ctx, two.Recipient()); err != nil {
		t.Fatal(err)
	}
	wantRecipients(t, first, mine, one, two)
	if _, err := first.RemoveRecipients(ctx, two.Recipient()); err != nil {
		t.Fatal(err)
	}
	wantRecipients(t, second, mine, one)
}

// A removal that breaks at the first step has done nothing; one that breaks
// later has taken the recipient away, and Rotate completes it.
func TestRemoveBreaks(t *testing.T) {
	ctx := context.Background()
	faulty := storetest.NewFaulty(memory.New())
	mine, other := identity(t), identity(t)
	s := opened(t, faulty, keysOf(mine))
	for i := range 2 * resealBatch {
		put(t, s, fmt.Sprintf("k%05d", i), "v")
	}
	if err := s.AddRecipients(ctx, other.Recipient()); err != nil {
		t.Fatal(err)
	}
	faulty.Set(storetest.Fault{On: storetest.Apply, Err: store.ErrUnavailable})
	if _, err := s.RemoveRecipients(ctx, other.Recipient()); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	faulty.Heal()
	wantRecipients(t, s, mine, other)
	want(t, opened(t, faulty, keysOf(other)), "k00001", "v")
	faulty.Set(storetest.Fault{On: storetest.Apply, Every: 2, Err: store.ErrUnavailable})
	if _, err := s.RemoveRecipients(ctx, other.Recipient()); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	faulty.Heal()
	wantRecipients(t, s, mine)
	if n, err := s.Rotate(ctx); err != nil || n != 2*resealBatch {
		t.Errorf("%d, %v", n, err)
	}
}

// Recipients that age does not write down keep to SetRecipients.
func TestUnnamedRecipient(t *testing.T) {
	ctx := context.Background()
	mine := identity(t)
	s := opened(t, memory.New(), Keys{Identities: []age.Identity{mine}, Recipients: []age.Recipient{mine.Recipient(), hidden{identity(t).Recipient()}}})
	if got, err := s.Recipients(ctx); err != nil || len(got) != 2 || got[1] != unnamed {
		t.Errorf("%q, %v", got, err)
	}
	if err := s.AddRecipients(ctx, identity(t).Recipient()); !errors.Is(err, errUnnamed) {
		t.Error(err)
	}
	if err := s.SetRecipients(ctx, mine.Recipient()); err != nil {
		t.Fatal(err)
	}
	wantRecipients(t, s, mine)
}

// hidden is a recipient of a kind that this package does not know.
type hidden struct{ age.Recipient }

// Post-quantum recipients cannot be mixed with others: age refuses that, and
// nothing has changed.
func TestMixedRecipients(t *testing.T) {
	ctx := context.Background()
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	mine := identity(t)
	s := opened(t, memory.New(), keysOf(mine))
	if err := s.AddRecipients(ctx, hybrid.Recipient()); !errors.Is(err, ErrRecipients) {
		t.Errorf("%v, want ErrRecipients", err)
	}
	wantRecipients(t, s, mine)
}
