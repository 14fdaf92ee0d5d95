// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package hs is what handshakes of every version share: the resolved
// configuration, credentials, the facts a handshake establishes, the reasons
// for which one fails with the alert of each, the names of what is dropped,
// the pure choices of a hello, and the public-key operations as jobs.
package hs
