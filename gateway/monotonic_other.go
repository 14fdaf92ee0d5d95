// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package gateway

// monotonicMicroseconds: there is no systemd to tell.
func monotonicMicroseconds() int64 { return 0 }
