// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package load

import "errors"

// sampleOf cannot tell anything where there is no /proc.
func sampleOf(int) (sample, error) { return sample{}, errors.ErrUnsupported }
