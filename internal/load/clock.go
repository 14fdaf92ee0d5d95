// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"time"

	"github.com/coaps-go/coaps/tick"
)

// clock is the engine's time: nanoseconds since the run began. All loops share
// it.
type clock struct{ origin time.Time }

func (c clock) now() tick.Time { return tick.Time(time.Since(c.origin)) }

// wall is a time as the net package wants it, zero for never.
func (c clock) wall(t tick.Time) time.Time {
	if t == tick.Never {
		return time.Time{}
	}
	return c.origin.Add(time.Duration(t))
}
