// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package coaps is secure CoAP in the manner of net/http: a Server, a Client
// and a Mux for RFC 7252 with all four security modes of its section 9.
package coaps
