// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package endpoint
package endpoint

// Limits
type Limits struct{}

// Stats
type Stats struct{}
