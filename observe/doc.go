// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package observe is what RFC 7641 asks of those who observe resources and of
// those who are observed, as data: who observes what, what is due, and in which
// order notifications were sent. It sends nothing, asks no clock, and knows neither
// messages nor sessions.
package observe
