// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package unverified holds the one value that takes the check of a server's
// key out of a configuration. It is internal to security, so that no program
// can come by that value but through the package named insecure.
package unverified

// Check says whether a client checks the key of its server. The zero Check
// checks; there is no way to make another one but AnyServer.
type Check struct{ skip bool }

// AnyServer returns the Check that believes any server.
func AnyServer() Check { return Check{skip: true} }

// Skipped reports whether any server is believed.
func (c Check) Skipped() bool { return c.skip }
