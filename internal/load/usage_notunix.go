// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package load

import "time"

// ownCPU is not known.
func ownCPU() time.Duration { return 0 }
