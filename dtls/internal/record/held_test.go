// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// released opens all records that are due and returns their payloads.
func released(l *Layer) (payloads []string) {
	for {
		r, ok := l.NextHeld()
		if !ok {
			return payloads
		}
		payload, result := l.Open(&r)
		if result != Opened {
			payload = []byte(result.String())
		}
		payloads = append(payloads, string(payload))
	}
}

// Proves rfc6347 §4.1: "Implementations MAY either buffer
// or discard such packets, though when DTLS is used over reliable
// transports (e.g., SCTP), they SHOULD be buffered and processed once
// the handshake completes."
//
// Proves rfc6347 §4.2.4: "Implementations MUST either
// discard or buffer all application data packets for the new epoch
// until they have received the Finished message for that epoch."
//
// Pitfall O13, S7: Finished and application data before their time wait, and come out in order of arrival
func TestEarlyRecordsWait(t *testing.T) {
	client, _ := pair(t, ccm8)
	clientKeys, serverKeys := keyBlock(ccm8, 1)
	server := new(Layer)
	early := [][]byte{
		seal(t, client, 1, data, "request 1"),
		seal(t, client, 1, handshake, "finished"),
		seal(t, client, 1, data, "request 2"),
	}
	for _, raw := range early {
		expect(t, server, raw, Held)
		clear(raw) // the datagram's buffer is used again
	}
	if got := released(server); got != nil {
		t.Errorf("without keys: %q", got)
	}
	setKeys(t, server, ccm8, serverKeys, clientKeys)
	if got := released(server); !slices.Equal(got, []string{"finished"}) {
		t.Errorf("with keys: %q, want finished", got)
	}
	expect(t, server, seal(t, client, 1, data, "request 3"), Held)
	expect(t, server, seal(t, client, 1, alert, "\x02\x28"), Opened)
	server.Complete()
	if got := released(server); !slices.Equal(got, []string{"request 1", "request 2", "request 3"}) {
		t.Errorf("after completion: %q", got)
	}
	if server.held != nil {
		t.Error("the buffer outlived the handshake")
	}
}

// Pitfall O2, O16: what is held is bounded in records and bytes, and nothing is held after the handshake
//
// Pitfall O14: a million repetitions of an early record cost nothing
func TestHeldIsBounded(t *testing.T) {
	client, _ := pair(t, ccm8)
	l := &Layer{Limits: &Limits{HeldRecords: 3, HeldBytes: 100}}
	first := seal(t, client, 1, data, "x")
	expect(t, l, first, Held)
	r, _, _ := Cut(first)
	allocs := testing.AllocsPerRun(1_000_000, func() {
		if _, result := l.Open(&r); result != DropHeldTwice {
			t.Fatal(result)
		}
	})
	if allocs != 0 || l.HeldLen() != len(first) {
		t.Errorf("repetitions: %v allocations, %d bytes held", allocs, l.HeldLen())
	}
	expect(t, l, seal(t, client, 1, data, strings.Repeat("x", 50)), DropHeldFull) // bytes
	expect(t, l, seal(t, client, 1, data, "y"), Held)
	expect(t, l, seal(t, client, 1, data, "z"), Held)
	expect(t, l, seal(t, client, 1, data, ""), DropHeldFull) // records

	defaults := new(Layer)
	for range DefaultHeldRecords {
		expect(t, defaults, seal(t, client, 1, data, "x"), Held)
	}
	expect(t, defaults, seal(t, client, 1, data, "x"), DropHeldFull)
	expect(t, new(Layer), seal(t, client, 1, data, strings.Repeat("x", DefaultHeldBytes)), DropHeldFull)

	_, server := pair(t, ccm8)
	next := bytes.Clone(first)
	next[4] = 2
	expect(t, server, next, DropEpoch)
	if server.held != nil {
		t.Error("an established session holds a record")
	}
}

// Held records are not authenticated when they are held. A forged one is
// dropped when its time comes and does not keep the others from opening.
func TestForgedHeldRecord(t *testing.T) {
	client, _ := pair(t, ccm8)
	clientKeys, serverKeys := keyBlock(ccm8, 1)
	server := new(Layer)
	forged := seal(t, client, 1, handshake, "forged")
	forged[len(forged)-1] ^= 1
	expect(t, server, forged, Held)
	expect(t, server, seal(t, client, 1, handshake, "finished"), Held)
	setKeys(t, server, ccm8, serverKeys, clientKeys)
	if got := released(server); !slices.Equal(got, []string{DropForged.String(), "finished"}) {
		t.Errorf("released %q", got)
	}
}
