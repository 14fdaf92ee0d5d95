// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// Guests are those who connect to a server that has room for 8 sessions, and that
// also lets in who shows no credential.
type guests struct {
	*network
	t      *testing.T
	server *party
	came   int
}

func newGuests(t *testing.T) *guests {
	n := newNetwork(t)
	own := *rawKeyConfig(t, 1).Credentials("")
	own.PSK, own.RequirePeerKey = true, false
	cfg := rawKeyConfig(t, 1)
	cfg.CipherSuites = []dtls.CipherSuite{suitePSK, suiteECC}
	cfg.Credentials = func(string) *dtls.Credentials { return &own }
	c := &guests{network: n, t: t, server: n.server("192.0.2.1:5684", cfg, Limits{Sessions: 8, EvictAfter: time.Minute})}
	c.server.keys["device"] = key1
	return c
}

// join connects one more client.
func (c *guests) join(cfg *dtls.Config) (*party, PeerID) {
	c.came++
	p := c.client(address(c.came).String())
	p.keys["device"] = key1
	return p, p.connect(c.server, cfg)
}

func (c *guests) device() *party {
	p, _ := c.join(pskConfig(byte(10 + c.came)))
	return p
}

func (c *guests) stranger() (*party, PeerID) {
	cfg := rawKeyConfig(c.t, byte(10+c.came))
	cfg.Credentials = func(string) *dtls.Credentials { return &dtls.Credentials{AcceptRawKeys: true} }
	return c.join(cfg)
}

func (c *guests) wants(devices, strangers int) {
	c.t.Helper()
	if d, s := c.server.count(secure), c.server.count(stranger); d != devices || s != strangers || c.server.Stats().Sessions != d+s {
		c.t.Fatalf("%d devices and %d strangers, want %d and %d", d, s, devices, strangers)
	}
	c.server.check(c.t)
}

// However many come without a credential, they do not close the sessions of devices
// that sleep: they take each other's places.
func TestStrangersTakeStrangersPlaces(t *testing.T) {
	c := newGuests(t)
	for range 7 {
		c.device()
	}
	c.sleep(2 * time.Minute)
	for range 30 {
		c.stranger()
	}
	c.wants(6, 2)
	if got := c.server.Stats().Drops; got[DropSessions] != 0 {
		t.Errorf("%d strangers found no room", got[DropSessions])
	}
}

// Who shows a credential finds room as long as there is a stranger.
func TestStrangersGiveWay(t *testing.T) {
	c := newGuests(t)
	for range 8 {
		c.stranger()
	}
	c.wants(0, 8)
	for range 8 {
		c.device().want(t, "connected")
	}
	c.wants(8, 0)
	c.device().want(t, "connected", "disconnected session peer_closed")
	c.wants(8, 0)
}

// A few strangers are let in although all places are taken, since one of them may
// have something to say by which he proves himself. Then he is none of them any
// more.
func TestVouch(t *testing.T) {
	c := newGuests(t)
	for range 8 {
		c.device()
	}
	c.sleep(2 * time.Minute)
	guest, _ := c.stranger()
	guest.want(t, "connected")
	c.wants(7, 1)
	i := c.server.oldest(stranger)
	id := PeerID{i, c.server.slots.At(i).generation}
	c.server.Vouch(c.now, id)
	c.wants(8, 0)
	for range 30 {
		c.stranger()
	}
	c.wants(6, 2)
	guest.want(t)
	c.server.Vouch(c.now, PeerID{id.index, id.generation + 1}) // is gone
	c.wants(6, 2)
}
