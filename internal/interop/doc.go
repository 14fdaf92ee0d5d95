// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package interop tests this project against software that others wrote:
// OpenSSL, GnuTLS and libcoap (on both of them) in both roles, with tshark as
// the judge of captures. All of it comes from Debian's packages
//
//	libcoap3-bin gnutls-bin openssl tshark redis-server
//
// The environment variable COAPS_INTEROP says what happens where a peer is
// missing: "required" fails the test, as does CI=true, "off" skips all of
// them, and otherwise each test skips with its reason.
package interop
