// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package gateway

import "io/fs"

// ownerOf does not know.
func ownerOf(fs.FileInfo) (uid int, ok bool) { return 0, false }

// writable does not know.
func writable(string) bool { return true }
