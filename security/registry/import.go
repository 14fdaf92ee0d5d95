// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"iter"
)

// ImportOptions say what becomes of devices whose name is there already. By
// default they are conflicts.
type ImportOptions struct {
	Replace bool // the new one takes the place of the old one
	Skip    bool // the old one stays
}

// ImportResult counts devices.
type ImportResult struct{ Added, Replaced, Skipped int }

// ImportError says which device of an import is wrong.
type ImportError struct {
	Index int // in the sequence, from 0
	Err   error
}

func (e *ImportError) Error() string { return fmt.Sprintf("device %d: %v", e.Index+1, e.Err) }

// Unwrap returns what is wrong with it.
func (e *ImportError) Unwrap() error { return e.Err }

// Import adds all devices of a sequence, or none.
func (r *Registry) Import(ctx context.Context, devices iter.Seq2[Device, error], o ImportOptions) (ImportResult, error) {
	panic("todo")
}
