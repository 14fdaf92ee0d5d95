// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"crypto/subtle"

	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// keyLogLabel is the label of a TLS 1.2 master secret in the key log format.
const keyLogLabel = "CLIENT_RANDOM"

// form is the shape of a suite's key exchange messages.
func form(s *suite.Suite) wire.KeyExchangeForm {
	kx := s.KeyExchange
	return wire.KeyExchangeForm{PSK: kx.UsesPSK(), ECDHE: kx.UsesECDHE(), Signed: !kx.UsesPSK()}
}

// pskPremaster is the premaster secret of a suite with a PSK, which the
// caller wipes. shared is the ephemeral secret, nil if there is none.
func pskPremaster(s *suite.Suite, shared, key []byte) ([]byte, bool) {
	if s.KeyExchange.UsesECDHE() {
		return suite.ECDHEPSKPremaster(shared, key)
	}
	return suite.PSKPremaster(key)
}

// derive makes the keys of the session from its premaster secret, which it
// wipes. It must be called with ClientKeyExchange as the last message of the
// transcript.
func (c *Conn) derive(premaster []byte, client bool) {
	h := c.hs
	if c.facts.ExtendedMasterSecret {
		h.schedule = h.suite.ExtendedMasterSecret(premaster, h.transcript.Sum())
	} else {
		h.schedule = h.suite.MasterSecret(premaster, h.clientRandom[:], h.serverRandom[:])
	}
	clear(premaster)
	h.readKeys, h.writeKeys = h.schedule.KeyBlock(h.clientRandom[:], h.serverRandom[:])
	if client {
		h.readKeys, h.writeKeys = h.writeKeys, h.readKeys
	}
	if c.hs.cfg.KeyLog != nil {
		c.hs.cfg.KeyLog(keyLogLabel, h.clientRandom[:], h.schedule.Master()[:])
	}
}

// changeReadKeys begins the peer's protected epoch: when Finished is due, and
// with it everything before is verified, and ChangeCipherSpec has come.
func (c *Conn) changeReadKeys() {
	h := c.hs
	due := h.state == clientFinished || h.state == serverFinished
	if !due || !h.ccs || c.layer.ReadEpoch() > 0 {
		return
	}
	if err := c.layer.SetReadKeys(h.suite, &h.readKeys); err != nil {
		c.end(hs.ReasonInternal)
	}
}

// changeWriteKeys begins our protected epoch, with Finished.
func (c *Conn) changeWriteKeys() hs.Reason {
	if err := c.layer.SetWriteKeys(c.hs.suite, &c.hs.writeKeys); err != nil {
		return hs.ReasonInternal
	}
	return hs.ReasonNone
}

// finishedMatches compares a Finished in constant time.
func finishedMatches(body []byte, want [suite.VerifyDataLen]byte) bool {
	return subtle.ConstantTimeCompare(body, want[:]) == 1
}

// complete ends the handshake well: both Finished are verified or on their
// way. What only the handshake needed is wiped and dropped.
func (c *Conn) complete() {
	h := c.hs
	c.exporter = exporter{master: *h.schedule.Master(), clientRandom: h.clientRandom, serverRandom: h.serverRandom}
	c.facts.PeerMaxFragment = c.layer.MaxPlaintext(c.layer.WriteEpoch())
	c.layer.Complete()
	c.established = true
	c.news = hs.EventEstablished
	h.wipe()
	c.hs = nil
}

// keepLast keeps the flight that ends the handshake, before complete: it is
// now sent for the first time.
func (c *Conn) keepLast(now tick.Time, verifyData [suite.VerifyDataLen]byte) {
	h := c.hs
	c.last = flight.NewLast(h.cfg.Timing, now, h.cfg.LastFlight, c.layer.WriteEpoch(), h.sendSeq, verifyData)
}
