// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import "context"

// Run does what cfg says and reports. It returns an error only if it could not
// begin; a server that is not there, or refuses, is in Report.Failures. When
// ctx ends, the report is about what was done until then.
func Run(ctx context.Context, cfg Config) (*Report, error) { panic("todo") }
