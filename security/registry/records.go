// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import "github.com/coaps-go/coaps/store"

// Records reads a whole file and returns the records of a store that has its
// content, in no order.
func Records(doc []byte) ([]store.Record, error) { panic("todo") }
