// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
)

// A session whose handler hangs is in use, and does not keep newcomers from the
// place of one that is not.
func TestSessionLimitPassesOverTheBusy(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{Sessions: 3, EvictAfter: time.Minute})
	server.keys["device"] = key1
	server.serve = ignore
	var clients []*party
	connect := func(i int) *party {
		c := n.client(address(i).String())
		c.keys["device"] = key1
		if id := c.connect(server, pskConfig(byte(10+i))); i == 0 {
			c.get(id, "hang")
		}
		return c
	}
	for i := range 3 {
		clients = append(clients, connect(i))
		clients[i].want(t, "connected")
	}
	n.sleep(3 * time.Minute)
	connect(3).want(t, "connected")
	clients[1].want(t, "disconnected session peer_closed")
	if got := server.Stats(); got.Sessions != 3 || got.Drops[DropSessionEvicted] != 1 || got.Drops[DropSessions] != 0 {
		t.Errorf("%d sessions, %d evicted, %d refused", got.Sessions, got.Drops[DropSessionEvicted], got.Drops[DropSessions])
	}
}

// Who has only to acknowledge a notification, and does not, does not hold its place
// by that.
func TestSessionLimitTakesTheDeaf(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{Sessions: 1, EvictAfter: 30 * time.Second})
	server.keys["device"] = key1
	deaf, other := n.client(address(0).String()), n.client(address(1).String())
	deaf.keys["device"], other.keys["device"] = key1, key1
	id := deaf.connect(server, pskConfig(10))
	deaf.wantIn(t, "connected")
	server.wantIn(t, "connected")
	o := observe(t, server, deaf, id)
	n.lose = func(from, _ *party, _ []byte) bool { return from == deaf }
	o.notify(coap.Confirmable, "state")
	n.sleep(31 * time.Second)
	other.connect(server, pskConfig(11))
	other.want(t, "connected")
	if got := server.Stats(); got.Sessions != 1 || got.Drops[DropSessionEvicted] != 1 || got.Drops[DropSessions] != 0 {
		t.Errorf("%d sessions, %d evicted, %d refused", got.Sessions, got.Drops[DropSessionEvicted], got.Drops[DropSessions])
	}
}

// Sessions are bounded by what they keep, too: a certificate's owner can show a
// long chain.
func TestSessionBytesLimit(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{SessionBytes: 1000, EvictAfter: time.Minute, SleepAfter: time.Second})
	server.keys["device"] = key1
	for i := range 10 {
		c := n.client(address(i).String())
		c.keys["device"] = key1
		c.connect(server, pskConfig(byte(10+i)))
		c.want(t, "connected")
		n.sleep(2 * time.Minute)
	}
	got := server.Stats()
	if evicted := got.Drops[DropSessionEvicted]; evicted == 0 || got.Sessions+int(evicted) != 10 || got.Sessions > 6 || got.Sessions < 3 {
		t.Errorf("%d sessions of some 300 bytes in 1,000 bytes, %d evicted", got.Sessions, evicted)
	}
}
