// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain wants every goroutine ended that the tests have begun.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}
