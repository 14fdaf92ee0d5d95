// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// split cuts a fuzzer's input into datagrams, each with a length of two bytes.
func split(input []byte) (datagrams [][]byte) {
	for len(input) > 2 && len(datagrams) < 20 {
		n := min(int(binary.BigEndian.Uint16(input)), len(input)-2)
		datagrams = append(datagrams, input[2:2+n])
		input = input[2+n:]
	}
	return datagrams
}

func join(datagrams ...[]byte) (input []byte) {
	for _, d := range datagrams {
		input = binary.BigEndian.AppendUint16(input, uint16(len(d)))
		input = append(input, d...)
	}
	return input
}

// Whatever comes, in whatever state, a session neither panics nor is
// established, and one that was established before notices nothing.
//
// Pitfall O1, T5, G4, P5, P6: random datagrams in every state of both roles
// Pitfall O15: one listener, several clients, random errors
func FuzzSession(f *testing.F) {
	// The flights of true handshakes are the seeds.
	record := func(id CipherSuite) (fromClient, fromServer [][]byte) {
		p, _ := newServerUnderTest(f, id)
		p.sent = func(c bool, d []byte) bool {
			if c {
				fromClient = append(fromClient, bytes.Clone(d))
			} else {
				fromServer = append(fromServer, bytes.Clone(d))
			}
			return true
		}
		p.restart(&Config{
			Credentials: with(Credentials{PSK: true, RawKey: rawKey(testKeys().p256), AcceptRawKeys: true}),
			Rand:        p.gate.cfg.Rand, CipherSuites: []CipherSuite{id},
		})
		p.establish()
		return fromClient, fromServer
	}
	for i, id := range []CipherSuite{rpkSuite, pskSuite} {
		c, s := record(id)
		for state := range uint8(3) {
			f.Add(state*2+uint8(i), join(c...))
			f.Add(state*2+uint8(i), join(s...))
		}
	}
	f.Add(uint8(0), join(plainRecord(wire.ContentHandshake, 0, 0, rawMessage(wire.HandshakeServerHello, 0, make([]byte, 38)))))
	f.Add(uint8(1), join(plainRecord(wire.ContentHandshake, 0, 0, rawMessage(wire.HandshakeHelloVerifyRequest, 0, []byte{254, 253, 1, 1}))))
	old := established(f)
	f.Fuzz(func(t *testing.T, state uint8, input []byte) {
		id := []CipherSuite{rpkSuite, pskSuite}[state%2]
		var p *pair
		var e *peer
		switch state / 2 % 3 {
		case 0:
			p, _ = newClientUnderTest(t, id)
			e = &p.client
		case 1:
			var u *puppet
			p, u = newServerUnderTest(t, id)
			u.greet()
			e = &p.server
		case 2:
			old.t = t
			for _, d := range split(input) {
				if len(d)%2 == 0 {
					old.nap(&old.server)
				}
				before := snapshot(&old.server)
				old.server.Receive(old.now, bytes.Clone(d))
				old.pump(&old.server)
				if old.server.Transmit(old.now, old.buf) != 0 || snapshot(&old.server) != before {
					t.Fatalf("datagram %x has an effect", d)
				}
			}
			old.echo()
			return
		}
		for _, d := range split(input) {
			e.Receive(p.now, bytes.Clone(d))
			p.take(e)
			p.now = p.now.Add(time.Second)
			e.Expire(p.now)
			p.take(e)
		}
		if e.established {
			t.Fatal("established by a stranger")
		}
	})
}
