// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package insecure holds what only a test or a person at a keyboard may do.
// No program that runs unattended should import it.
package insecure

import (
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/internal/unverified"
)

// AcceptAnyServer makes clients of c believe any raw public key and any
// certificate: whoever sits on the path can read and change everything. The
// handshake still proves that the server holds the private key, and pre-shared
// keys are checked as ever. Identities of such servers are marked as not
// verified. c cannot be used for a server any more.
func AcceptAnyServer(c *security.Config) { c.ServerCheck = unverified.AnyServer() }
