// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// handshake is the scratch of a handshake. It is wiped and dropped when that
// ends, well or badly.
type handshake struct {
	cfg      *hs.Config
	state    stateID
	deadline tick.Time // of the whole handshake

	// The peer's messages come in, ours go out.
	in          flight.Reassembler
	message     flight.Message // the one that its step works on
	flightStart uint16         // message_seq with which the peer's current flight begins
	out         flight.Flight
	timer       flight.Timer
	number      int    // of the flight in out (RFC 6347 §4.2.4: 1 to 6)
	tries       int    // the most retransmissions that any flight has needed
	sendSeq     uint16 // message_seq of the next message to send
	ccs         bool   // the peer's ChangeCipherSpec has come
	refused     bool   // something was too large to keep

	transcript                 hs.Transcript
	clientRandom, serverRandom [wire.RandomLen]byte
	creds                      *hs.Credentials
	suite                      *suite.Suite
	schedule                   *suite.Schedule
	writeKeys, readKeys        suite.Keys

	share  *hs.Share   // our ephemeral key
	shared []byte      // the secret agreed on with it, until the keys are derived
	job    *hs.Job     // running somewhere
	peer   *hs.PeerKey // the key that the peer showed

	psk pskScratch

	client clientScratch
	server serverScratch
}

// pskScratch is what a PSK key exchange holds while it waits for the key.
type pskScratch struct {
	hint     []byte // client: from the server, nil for none
	identity []byte // server: from the client
	unknown  bool   // server: no key for the identity; the random one is in use
	forged   bool   // a record under the new keys did not authenticate
	random   [randomKeyLen]byte
}

// randomKeyLen is the length of the key that stands in for an unknown one.
const randomKeyLen = 16

func newHandshake(cfg *hs.Config, now tick.Time, firstSeq uint16) *handshake {
	h := &handshake{
		cfg:         cfg,
		deadline:    now.Add(cfg.HandshakeTimeout),
		flightStart: firstSeq,
		timer:       flight.NewTimer(cfg.Timing),
	}
	h.expect(firstSeq)
	return h
}

// expect makes the message with a number the next to come in, and forgets
// what has come.
func (h *handshake) expect(seq uint16) {
	h.in.Start(flight.Limits{Bytes: h.cfg.MaxHandshakeBytes, MessageLen: h.cfg.MessageLen}, seq)
}

// say adds a message to the outgoing flight and to the transcript.
func (h *handshake) say(epoch uint16, t wire.HandshakeType, body func([]byte) []byte) {
	raw := body(make([]byte, wire.HandshakeHeaderLen, 128))
	n := uint32(len(raw) - wire.HandshakeHeaderLen)
	header := wire.HandshakeHeader{Type: t, Length: n, MessageSeq: h.sendSeq, FragmentLength: n}
	header.Put((*[wire.HandshakeHeaderLen]byte)(raw))
	h.sendSeq++
	h.transcript.Add(raw)
	h.out.AddMessage(epoch, raw)
}

// begin starts an outgoing flight.
func (h *handshake) begin(number int) {
	h.out.Reset()
	h.number = number
}

// sent starts the wait for the answer to the flight that is now in out.
func (h *handshake) sent(now tick.Time) {
	h.flightStart = h.in.NextSeq()
	h.timer.Start(now)
}

// answered stops a server's timer when the first message of the client's
// second flight is here: the client has all of flight 4, and its own timer
// sees to it that the rest arrives.
func (h *handshake) answered() { h.timer.Stop() }

// wipe overwrites the secrets.
func (h *handshake) wipe() {
	if h.schedule != nil {
		h.schedule.Wipe()
	}
	h.writeKeys.Wipe()
	h.readKeys.Wipe()
	clear(h.shared)
	clear(h.psk.random[:])
	// A job that is out belongs to whoever runs it, on any goroutine: it is
	// wiped when it comes back.
}
