// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"time"

	"github.com/coaps-go/coaps/security"
)

// Who looks up in the store itself whose a credential is at a time, as a
// Directory would, for commands that explain.
func (r *Registry) Who(ctx context.Context, c *security.Claim, now time.Time) security.Entry {
	f, err := look(ctx, r.store, c)
	switch {
	case err != nil:
		return unavailable(err)
	case f == nil:
		return nobody
	}
	return f.at(now)
}
