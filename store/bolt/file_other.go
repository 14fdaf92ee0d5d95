// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package bolt

import "os"

// likeOwner does nothing: the new file has the owner that its folder gives.
func likeOwner(_, _ *os.File) error { return nil }

// closeToOthers does nothing: the folder says who may.
func closeToOthers(*os.File) error { return nil }

// abandon closes a file that is still mapped and cannot be unmapped.
func abandon(file *os.File) { _ = file.Close() }
