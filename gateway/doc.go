// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package gateway is the server that a configuration file describes: listeners,
// identities, virtual hosts, stores of devices, access rules and resources, with
// reload, an admin socket and an audit log. It is what `coaps serve --config` runs.
//
// Load reads a file, Check looks at all that it refers to, Run serves. What a
// running server knows is asked over its admin socket: Dial makes a client of it,
// and AdminStore the store that the server has open.
package gateway
