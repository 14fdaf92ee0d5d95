// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/url"

	"github.com/coaps-go/coaps/store"
)

// Keys are any octets, JSON is UTF-8: a key crosses the socket percent-encoded.

func toWireKey(key string) string { return url.PathEscape(key) }

// fromWireKey takes what is not percent-encoded as it is.
func fromWireKey(text string) string {
	key, err := url.PathUnescape(text)
	if err != nil {
		return text
	}
	return key
}

func toWireRecord(r store.Record) *store.Record {
	r.Key = toWireKey(r.Key)
	return &r
}
