// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"time"

	"github.com/coaps-go/coaps/security"
)

// Who looks up in the store itself whose a credential is, for commands that
// explain.
func (r *Registry) Who(ctx context.Context, c *security.Claim, now time.Time) security.Entry {
	panic("todo")
}
