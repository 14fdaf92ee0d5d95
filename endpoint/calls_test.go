// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
)

// An endpoint is active while an exchange with anybody is in progress.
func TestActive(t *testing.T) {
	n, server, client, id := pskPair(t)
	server.serve = ignore
	if server.Active() || client.Active() {
		t.Error("active before anything")
	}
	client.get(id, "a long job")
	if !server.Active() || !client.Active() {
		t.Error("not active while a request waits")
	}
	if err := server.Respond(n.now, server.requests[0], request.Outgoing{Code: coap.Content}); err != nil {
		t.Fatal(err)
	}
	n.settle()
	if server.Active() || client.Active() {
		t.Error("active afterwards")
	}
	n.sleep(time.Minute)
	if server.Active() || client.Active() {
		t.Error("active asleep")
	}
}

// A handshake that the caller has no capacity for ends with an alert, and a
// session is not touched by what comes too late for its handshake.
func TestAbort(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	server.keys["device"], server.hold = key1, true
	client := n.client("198.51.100.2:40000")
	client.keys["device"] = key1
	client.connect(server, pskConfig(2))
	server.Abort(n.now, server.held[0].Peer(), dtls.ReasonLimit)
	n.settle()
	server.want(t, "disconnected session limit")
	client.want(t, "disconnected session alert_internal_error")
	server.clear(t, 0)

	server.hold = false
	id := client.connect(server, pskConfig(3))
	server.Abort(n.now, server.anyone(), dtls.ReasonLimit)
	server.ProvidePSK(n.now, server.anyone(), nil, nil)
	server.ProvideVerdict(n.now, server.anyone(), dtls.ReasonLimit)
	server.Complete(n.now, server.anyone(), new(dtls.Job))
	client.get(id, "x")
	client.want(t, "connected", "response 2.05 Content x")
}
