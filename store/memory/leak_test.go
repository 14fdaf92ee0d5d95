// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing runs on after Close.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
