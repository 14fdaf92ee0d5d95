// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Put writes the value under key, whatever was there.
func Put(ctx context.Context, s Store, key string, value []byte) error {
	return s.Apply(ctx, Op{Key: key, Value: value})
}

// Create writes the value under key if there is none: else it returns a
// *ConflictError.
func Create(ctx context.Context, s Store, key string, value []byte) error {
	return s.Apply(ctx, Op{Key: key, Value: value, IfVersion: Absent})
}

// Delete removes the record under key, if there is one.
func Delete(ctx context.Context, s Store, key string) error {
	return s.Apply(ctx, Op{Key: key, Delete: true})
}

// GetAll returns the records under the keys as BatchGetter.GetAll does, by the
// store's own if it has one, else one after the other.
func GetAll(ctx context.Context, s Store, keys []string) ([]Record, error) {
	if b, ok := s.(BatchGetter); ok {
		return b.GetAll(ctx, keys)
	}
	records := make([]Record, len(keys))
	for i, key := range keys {
		var err error
		if records[i], err = s.Get(ctx, key); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return records, nil
}

// Load does all the ops or none, however many they are, by the store's own
// Loader if it has one. Else all of them must fit into memory, and the store
// must take them in one Apply.
func Load(ctx context.Context, s Store, ops iter.Seq2[Op, error]) (int, error) {
	if l, ok := s.(Loader); ok {
		return l.Load(ctx, ops)
	}
	all, err := Collect(ops)
	if err != nil {
		return 0, err
	}
	if err := s.Apply(ctx, all...); err != nil {
		return 0, err
	}
	return len(all), nil
}

// Collect returns the ops of a sequence, or its first error, or what is wrong
// with one of them: see Op.Check and Loader. Keys and values are as the
// sequence gave them, so it must not reuse their memory.
func Collect(ops iter.Seq2[Op, error]) ([]Op, error) {
	var all []Op
	seen := map[string]struct{}{}
	for op, err := range ops {
		if err == nil {
			err = op.Check()
		}
		if err != nil {
			return nil, err
		}
		if _, twice := seen[op.Key]; twice {
			return nil, fmt.Errorf("%w: %q comes twice", ErrInvalid, op.Key)
		}
		seen[op.Key] = struct{}{}
		all = append(all, op)
	}
	return all, nil
}

// Ops makes a sequence of ops for Load.
func Ops(ops ...Op) iter.Seq2[Op, error] {
	return func(yield func(Op, error) bool) {
		for _, op := range ops {
			if !yield(op, nil) {
				return
			}
		}
	}
}

// Pages is what a back end needs for Scan if it reads a few records at a time,
// so that the loop's body holds up nobody. It calls page with from, and then with
// what page said last, as long as there is more. The records of a page come
// before its error.
func Pages(from string, page func(from string) (records []Record, next string, more bool, err error)) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for from, more := from, true; more; {
			var records []Record
			var err error
			records, from, more, err = page(from)
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
		}
	}
}
