// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package portable

import (
	"testing"

	"github.com/coaps-go/coaps/udp/udptest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConn(t *testing.T) { udptest.Run(t, Listen) }

func BenchmarkRoundTrip(b *testing.B) { udptest.BenchmarkRoundTrip(b, Listen) }
