// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package endpoint

import "time"

var start = time.Now()

// threadTime is the clock, where the thread's own cannot be asked.
func threadTime() time.Duration { return time.Since(start) }
