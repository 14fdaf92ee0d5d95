// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package gateway

import "os"

// lockFile takes no lock: whether a server lives is seen when the socket is tried.
func lockFile(path string) (*os.File, error) { return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) }
