// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"testing"
)

func TestPlainExchange(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5683", nil, Limits{})
	client := n.client("198.51.100.2:40000")
	id := client.connect(server, nil)
	client.get(id, "hello")
	server.want(t, "request GET hello")
	client.want(t, "response 2.05 Content hello")
}

func TestSecureExchange(t *testing.T) {
	_, server, client, id := pskPair(t)
	client.get(id, "hello")
	server.want(t, "request GET hello")
	client.want(t, "response 2.05 Content hello")
}
