// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
)

func (r *rig) post(owner uint32, payload string) Ref {
	r.t.Helper()
	ref, err := r.link.Post(r.now, &coap.Message{Type: coap.NonConfirmable, Code: coap.Content, Token: []byte{0xcd}, Payload: []byte(payload)}, owner)
	if err != nil {
		r.t.Fatal(err)
	}
	return ref
}

// TestPostPace: without a round-trip time one notification leaves every 3 seconds,
// with one as fast as the peer could have answered.
//
// Proves rfc7641 §4.5.1: "In order not to cause congestion, servers MUST strictly limit the
// number of simultaneous outstanding notifications/responses that they transmit to a given
// client to NSTART (1 by default; see Section 4.7 of RFC 7252 [RFC7252])."
// Proves rfc7641 §4.5.1: "The server SHOULD NOT send more than one non-confirmable notification
// per round-trip time (RTT) to a client on average. If the server cannot maintain an RTT
// estimate for a client, it SHOULD NOT send more than one non-confirmable notification every 3
// seconds"
func TestPostPace(t *testing.T) {
	for _, c := range []struct {
		name string
		rtt  time.Duration // 0: not known
		each time.Duration
	}{
		{"unknown", 0, 3 * time.Second},
		{"200 ms", 200 * time.Millisecond, 200 * time.Millisecond},
		{"longer than 3 s", 3500 * time.Millisecond, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Params{AckTimeout: 4 * time.Second}, Limits{})
			if c.rtt > 0 {
				r.send(content(coap.Confirmable, 0), 1)
				mid := r.one().MessageID
				r.now = r.now.Add(c.rtt)
				r.receive(blank(coap.Acknowledgement, mid))
			}
			for i := range uint32(5) {
				r.post(i, string(rune('a'+i)))
			}
			for i := range 5 {
				equal(t, "payload", string(r.one().Payload), string(rune('a'+i)))
				if i == 4 {
					break
				}
				equal(t, "deadline", r.link.Deadline(), r.now.Add(c.each))
				r.wait(c.each - 1)
				equal(t, "too early", r.transmit(), "")
				r.now++
				r.link.Expire(r.now)
			}
			equal(t, "deadline without anything that waits", r.link.Deadline(), r.link.quiet)
		})
	}
}

// TestRoundTripTime: what grows counts at once, what shrinks by and by, and what was
// retransmitted not at all.
func TestRoundTripTime(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	for _, c := range []struct {
		took, want time.Duration
	}{
		{time.Second, time.Second},
		{200 * time.Millisecond, 900 * time.Millisecond},
		{1500 * time.Millisecond, 1500 * time.Millisecond},
		{10 * time.Second, 1500 * time.Millisecond}, // of which copy, nobody knows
	} {
		r.send(content(coap.Confirmable, 0), 1)
		mid := r.one().MessageID
		for end := r.now.Add(c.took); r.now < end; r.messages() {
			r.wait(min(end.Sub(r.now), 500*time.Millisecond))
		}
		equal(t, "verdict", r.receive(blank(coap.Acknowledgement, mid)).Verdict, Acknowledged)
		equal(t, "round-trip time", r.link.sender().rtt, c.want)
	}
}

// TestPostSharesSlots: a Confirmable message waits for a notification and the other
// way round.
func TestPostSharesSlots(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	r.post(1, "non")
	r.send(content(coap.Confirmable, 0), 2)
	equal(t, "first", r.one().Type, coap.NonConfirmable)
	r.wait(3 * time.Second)
	con := r.one()
	equal(t, "after 3 s", con.Type, coap.Confirmable)
	r.post(3, "non")
	equal(t, "while a CON is outstanding", r.transmit(), "")
	r.receive(blank(coap.Acknowledgement, con.MessageID))
	equal(t, "after its ACK", r.one().Type, coap.NonConfirmable)
}

// TestPostedIsForgotten: what was sent is 64 bytes, for NON_LIFETIME, and the link is
// not active: nobody stays awake for it.
//
// Proves rfc7641 §4.5: "To properly process a Reset message that rejects a non-confirmable
// notification, a server needs to remember the message IDs of the non-confirmable
// notifications it sends."
func TestPostedIsForgotten(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	r.post(1, "a notification that is longer than what fits into one chunk of the memory by far")
	equal(t, "waits: active", r.link.Active(), true)
	r.one()
	equal(t, "sent: active", r.link.Active(), false)
	equal(t, "sent: idle", r.link.Idle(), false)
	equal(t, "sent: bytes", r.mem.Bytes(), recordBytes)
	r.wait(247 * time.Second)
	equal(t, "idle", r.link.Idle(), true)
	equal(t, "bytes", r.mem.Bytes(), 0)
	equal(t, "slots", r.link.slots, 0)
}

// TestResetOfPosted: a Reset message is told once, within NON_LIFETIME, of the last
// ones; an acknowledgement means nothing.
//
// Pitfall A13: what does not match has no effect
func TestResetOfPosted(t *testing.T) {
	sent := func(t *testing.T, n uint32) (*rig, []uint16) {
		r := newRig(t, Params{}, Limits{})
		var mids []uint16
		for owner := range n {
			r.post(100+owner, "x")
			mids = append(mids, r.one().MessageID)
			r.wait(3 * time.Second)
		}
		return r, mids
	}
	t.Run("told once", func(t *testing.T) {
		r, mids := sent(t, 3)
		equal(t, "ACK", r.receive(blank(coap.Acknowledgement, mids[1])).Verdict, Nothing)
		equal(t, "another Message ID", r.receive(blank(coap.Reset, mids[0]-1)).Verdict, Nothing)
		equal(t, "RST with a code", r.receive(content(coap.Reset, mids[1])).Verdict, Nothing)
		a := r.receive(blank(coap.Reset, mids[1]))
		equal(t, "verdict", a.Verdict, Unwanted)
		equal(t, "owner", a.Owner, 101)
		equal(t, "progress", a.Sent, Progress{Sent: true, MessageID: mids[1], First: start.Add(3 * time.Second)})
		equal(t, "again", r.receive(blank(coap.Reset, mids[1])).Verdict, Nothing)
		equal(t, "nothing is sent", r.transmit(), "")
		equal(t, "drops", r.drops(), "rst_not_empty 1, ack_unmatched 1, rst_unmatched 2")
	})
	t.Run("within its lifetime", func(t *testing.T) {
		r, mids := sent(t, 1)
		r.now = start.Add(145*time.Second - 1)
		equal(t, "before", r.receive(blank(coap.Reset, mids[0])).Verdict, Unwanted)
		r, mids = sent(t, 1)
		r.now = start.Add(145 * time.Second)
		equal(t, "after", r.receive(blank(coap.Reset, mids[0])).Verdict, Nothing)
	})
	t.Run("the last ones", func(t *testing.T) {
		r, mids := sent(t, maxNoted+1)
		equal(t, "the first", r.receive(blank(coap.Reset, mids[0])).Verdict, Nothing)
		equal(t, "the second", r.receive(blank(coap.Reset, mids[1])).Verdict, Unwanted)
		equal(t, "the last", r.receive(blank(coap.Reset, mids[maxNoted])).Verdict, Unwanted)
	})
	t.Run("frees the slot", func(t *testing.T) {
		r := newRig(t, Params{}, Limits{})
		r.post(1, "a")
		r.post(2, "b")
		r.receive(blank(coap.Reset, r.one().MessageID))
		equal(t, "the next", string(r.one().Payload), "b")
	})
}

// TestPostedGivesWay: what is remembered of notifications gives way when the memory
// is full, like answered requests.
func TestPostedGivesWay(t *testing.T) {
	r := newRig(t, Params{NStart: 100}, Limits{Bytes: 8 * (recordBytes + chunkBytes)})
	for i := range uint32(50) {
		r.post(i, "x")
		r.one()
	}
	equal(t, "remembered", r.link.sender().noted.Len, 8)
	equal(t, "slots", r.link.slots, 8)
	equal(t, "drops", r.drops(), "evicted_by_memory 42")
	r.link.Release()
	equal(t, "bytes", r.mem.Bytes(), 0)
}

// TestPostRefuses: what is no notification, and what is too much.
//
// Proves rfc7252 §4.3: "A Non-confirmable message always carries either a request or response
// and MUST NOT be Empty."
func TestPostRefuses(t *testing.T) {
	r := newRig(t, Params{}, Limits{PeerQueue: 2, MessageBytes: 100})
	for _, c := range []struct {
		m    coap.Message
		want error
	}{
		{content(coap.Confirmable, 0), ErrType},
		{get(coap.NonConfirmable, 0), ErrType},
		{blank(coap.NonConfirmable, 0), ErrType},
		{coap.Message{Type: coap.NonConfirmable, Code: coap.Content, Payload: make([]byte, 100)}, ErrTooLarge},
		{content(coap.NonConfirmable, 0), nil},
		{content(coap.NonConfirmable, 0), nil},
		{content(coap.NonConfirmable, 0), ErrQueueFull},
	} {
		_, err := r.link.Post(r.now, &c.m, 1)
		equal(t, c.m.Code.String(), err, c.want)
	}
	equal(t, "in use", r.mem.records.Used(), 2)
	equal(t, "unpost", r.link.Unpost(1), true)
	equal(t, "unpost the other", r.link.Unpost(1), true)
	equal(t, "unpost what is not there", r.link.Unpost(1), false)
	equal(t, "nothing is sent", r.transmit(), "")
	equal(t, "bytes", r.mem.Bytes(), 0)
}

// TestToken of what waits.
func TestToken(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	for _, token := range []string{"", "a", "12345678"} {
		m := content(coap.NonConfirmable, 0)
		m.Token = []byte(token)
		ref, _ := r.link.Post(r.now, &m, 5)
		equal(t, "token", string(r.link.Token(ref)), token)
		equal(t, "posted", r.link.Posted(5), ref)
		equal(t, "posted for another", r.link.Posted(6), 0)
		r.link.Unpost(5)
	}
	equal(t, "of nothing", r.link.Token(0) == nil, true)
	equal(t, "deadline", r.link.Deadline(), tick.Never)
}
