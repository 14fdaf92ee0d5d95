// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/coaps-go/coaps/store"
)

var (
	// ErrNoRecipient says that the store is not sealed for such a recipient.
	ErrNoRecipient = errors.New("sealed: the store is not sealed for this recipient")
	// ErrLockOut says that who takes recipients away could then not open the
	// store.
	ErrLockOut = errors.New("sealed: none of the identities at hand could open the store any more")
	// ErrRecipients says that age encrypts nothing for these together, such as
	// post-quantum recipients among others.
	ErrRecipients = errors.New("sealed: age cannot encrypt for these recipients")

	errUnnamed = errors.New("sealed: the store has a recipient that has no text form; SetRecipients replaces all")
)

// unnamed stands for a recipient that has no text form: one of another kind
// than age-keygen makes.
const unnamed = "?"

// textsOf are recipients as age writes them, each once.
func textsOf(to []age.Recipient) []string {
	var texts []string
	for _, one := range to {
		text := unnamed
		switch r := one.(type) {
		case *age.X25519Recipient:
			text = r.String()
		case *age.HybridRecipient:
			text = r.String()
		}
		if text == unnamed || !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// parse is the reverse of textsOf.
func parse(texts []string) ([]age.Recipient, error) {
	if slices.Contains(texts, unnamed) {
		return nil, errUnnamed
	}
	to, err := age.ParseRecipients(strings.NewReader(strings.Join(texts, "\n")))
	if err != nil {
		return nil, fmt.Errorf("%w: recipients: %w", store.ErrCorrupt, err)
	}
	return to, nil
}

// same chooses who is there already.
func same(r *ring) ([]age.Recipient, error) { return parse(r.to) }

// Recipients returns whom the data key is sealed for, in age's text form
// (age1...); "?" is one that has none.
func (s *Store) Recipients(ctx context.Context) ([]string, error) {
	if err := s.writable(ctx); err != nil {
		return nil, err
	}
	return slices.Clone(s.ring.Load().to), nil
}

// AddRecipients has these open the store too, with all that is in it. Those who
// are there already are no error.
func (s *Store) AddRecipients(ctx context.Context, more ...age.Recipient) error {
	return s.rewrap(ctx, func(old *ring) ([]age.Recipient, error) {
		to, err := parse(old.to)
		if err != nil {
			return nil, err
		}
		return parse(textsOf(append(to, more...)))
	}, func(*ring) {})
}

// RemoveRecipients takes recipients away and, as they have had the data key,
// does what Rotate does for the others. One who is not there is
// ErrNoRecipient. If nobody is left whose identity this Store was opened with
// it is ErrLockOut. Either way nothing has changed.
func (s *Store) RemoveRecipients(ctx context.Context, gone ...age.Recipient) (int, error) {
	return s.rotate(ctx, func(old *ring) ([]age.Recipient, error) {
		left := slices.Clone(old.to)
		for _, text := range textsOf(gone) {
			at := slices.Index(left, text)
			if at < 0 {
				return nil, fmt.Errorf("%w: %s", ErrNoRecipient, text)
			}
			left = slices.Delete(left, at, at+1)
		}
		if len(left) == 0 {
			return nil, ErrLockOut
		}
		to, err := parse(left)
		if err != nil {
			return nil, err
		}
		return to, s.opensFor(to)
	})
}

// opensFor checks that an identity at hand opens what is sealed for these.
func (s *Store) opensFor(to []age.Recipient) error {
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to...)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecipients, err)
	}
	if err := w.Close(); err != nil {
		return err
	}
	if _, err := age.Decrypt(&b, s.keys.Identities...); err != nil {
		return ErrLockOut
	}
	return nil
}
