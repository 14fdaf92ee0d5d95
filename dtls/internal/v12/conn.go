// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v12 is the handshake of DTLS 1.2 (RFC 6347, RFC 5246) and the
// session that it leaves behind, for both roles.
//
// How it is cut:
//
//	conn.go       the session, and what is known of it
//	receive.go    records come in: data, alerts, ChangeCipherSpec, fragments
//	states.go     the table of states, and the dispatcher that alone rejects
//	client.go     the client's side, one method a message, in wire order
//	server.go     the server's side
//	keys.go       from a premaster secret to the keys of both directions
//	transmit.go   flights, alerts and data go out; timers
//	asleep.go     the session at rest, in few bytes
//	end.go        how sessions end
package v12

import (
	"errors"

	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/pack"
	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// Conn is one association, as client or server. Once it is established it is
// small: what only the handshake needs hangs from hs. It begins with
// StartClient or StartServer, and must not be copied.
type Conn struct {
	counters *hs.Counters
	layer    record.Layer
	input    []byte // what is left of the datagram being read

	facts    *hs.Facts      // nil: only packed
	packed   hs.PackedFacts // nil until they are needed; then final
	exporter exporter

	hs   *handshake   // nil once the handshake is complete
	last *flight.Last // the flight that ended it, while the peer may ask again
	over *ending      // nil while the session lives

	mtu         uint16
	suspicion   hs.Reason    // not yet told
	news        hs.EventKind // likewise; neither takes the other's place
	established bool
	refuse      bool // a no_renegotiation alert is to be sent
	refused     bool // and was; one is enough
}

// exporter is what exported keying material comes from (RFC 5705).
type exporter struct {
	master                     suite.MasterSecret
	clientRandom, serverRandom [wire.RandomLen]byte
}

// start is what both roles begin with. firstSeq is the number of the first
// handshake message to receive.
func (c *Conn) start(cfg *hs.Config, counters *hs.Counters, now tick.Time, firstSeq uint16) {
	c.counters, c.mtu, c.facts = counters, uint16(cfg.MTU), new(hs.Facts)
	c.layer.Limits = &cfg.RecordLimits
	c.hs = newHandshake(cfg, now, firstSeq)
}

// State is where a session stands.
type State uint8

// States.
const (
	Handshaking State = iota
	Established
	Closed
)

// State is where the session stands.
func (c *Conn) State() State {
	switch {
	case c.over != nil:
		return Closed
	case c.established:
		return Established
	}
	return Handshaking
}

// Facts is what the handshake has established so far.
func (c *Conn) Facts() *hs.Facts {
	if c.facts == nil {
		c.facts = c.packed.Facts(wire.VersionDTLS12)
	}
	return c.facts
}

// Err is what ended the session, nil while it lives.
func (c *Conn) Err() *hs.Error {
	if c.over == nil {
		return nil
	}
	return &c.over.err
}

// Counters is where the session counts what it drops.
func (c *Conn) Counters() *hs.Counters { return c.counters }

// Errors of the calls that can fail.
var (
	ErrNotEstablished = errors.New("dtls: session is not established")
	ErrClosed         = errors.New("dtls: session is closed")
	ErrTooLarge       = errors.New("dtls: payload does not fit a record of this session")
	ErrExhausted      = errors.New("dtls: session has used up its keys")
	ErrNoExport       = errors.New("dtls: no exporter without extended master secret")
)

// usable is nil if the session can carry data.
func (c *Conn) usable() error {
	switch c.State() {
	case Closed:
		return ErrClosed
	case Handshaking:
		return ErrNotEstablished
	}
	return nil
}

// Export derives n bytes of keying material (RFC 5705 §4).
func (c *Conn) Export(label string, context []byte, n int) ([]byte, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	// "If a client and server choose to continue a full handshake without the
	// extended master secret extension, ... they MUST NOT export any key
	// material based on the new master secret" (RFC 7627 §5.4).
	if !c.Facts().ExtendedMasterSecret {
		return nil, ErrNoExport
	}
	e := &c.exporter
	out := make([]byte, n)
	err := c.layer.Suite().Export(out, &e.master, e.clientRandom[:], e.serverRandom[:], label, context)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Authenticates reports whether the first protected record of a datagram
// would open under this session's keys. Nothing changes, but that a forgery
// counts against the key as any other.
func (c *Conn) Authenticates(datagram []byte) bool {
	for {
		r, rest, ok := record.Cut(datagram)
		if !ok {
			return false
		}
		if r.Header.Epoch > 0 {
			return c.layer.Authenticates(&r, nil)
		}
		datagram = rest
	}
}

func (e *exporter) pack(k *pack.Coder) {
	k.Fixed(e.master[:])
	k.Fixed(e.clientRandom[:])
	k.Fixed(e.serverRandom[:])
}

// wipe overwrites all secrets.
func (e *exporter) wipe() { *e = exporter{} }
