// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package gateway

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"syscall"
)

// identityOf tells one directory from another at the same path.
func identityOf(info fs.FileInfo) digest {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return digest{}
	}
	return sha256.Sum256(fmt.Append(nil, "directory ", stat.Dev, stat.Ino))
}
