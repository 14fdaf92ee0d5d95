// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
	"pgregory.net/rapid"
)

func state7(payload string) *coap.Message {
	return &coap.Message{Type: coap.Confirmable, Code: coap.Content, Token: []byte{7}, Payload: []byte(payload)}
}

func (r *rig) supersede(ref Ref, payload string) {
	r.t.Helper()
	if err := r.link.Supersede(ref, state7(payload)); err != nil {
		r.t.Fatal(err)
	}
}

// TestSupersedeSchedule: a notification that is replaced again and again while
// nobody answers is transmitted when the first would have been and given up when
// it would have been; each transmission is of the newest state, has a Message ID of
// its own if that has changed, and is no retransmission then.
//
// Proves rfc7641 §4.5.2: "The new notification is transmitted with a new Message ID and the
// following transmission parameters: If the previous (re-)transmission attempt timed out,
// retain its transmission parameters, increment the retransmission counter and double the
// timeout"
// Proves rfc7641 §4.5.2: "Should the resource have changed its state more than once in the
// meantime, the notifications for the intermediate states are silently skipped."
func TestSupersedeSchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, Params{}, Limits{})
		ref := r.send(*state7("0"), 42)
		mids, want, changes := []uint16{r.one().MessageID}, "0", uint64(0)
		timeout := r.link.Deadline().Sub(start)
		for n := range 4 {
			changed := rapid.IntRange(0, 2).Draw(t, "changes")
			for i := range changed {
				want = fmt.Sprint(n, i)
				r.supersede(ref, want)
			}
			equal(t, "too early", r.transmit(), "")
			r.now = start.Add(timeout * (1<<(n+1) - 1))
			equal(t, "deadline", r.link.Deadline(), r.now)
			r.link.Expire(r.now)
			m := r.one()
			equal(t, "state", string(m.Payload), want)
			equal(t, "token", string(m.Token), "\x07")
			if isNew := !slices.Contains(mids, m.MessageID); isNew != (changed > 0) {
				t.Fatalf("Message ID %d after %v, %d changes", m.MessageID, mids, changed)
			}
			if changed > 0 {
				changes++
			}
			mids = append(mids, m.MessageID)
			equal(t, "progress", r.link.Progress(ref), Progress{Sent: true, MessageID: m.MessageID, First: start, Retransmissions: n + 1})
		}
		equal(t, "retransmissions counted", r.mem.traffic.Retransmissions, 4-changes)
		if rapid.Bool().Draw(t, "too late") {
			r.supersede(ref, "never sent")
		}
		r.now = start.Add(31 * timeout)
		r.link.Expire(r.now)
		owner, p, lost := r.link.Lost()
		equal(t, "given up", lost, true)
		equal(t, "owner", owner, 42)
		equal(t, "retransmissions", p.Retransmissions, 4)
		equal(t, "bytes", r.mem.Bytes(), 0)
		equal(t, "slots", r.link.slots, 0)
	})
}

// TestSupersedeBeforeSending replaces what waits.
func TestSupersedeBeforeSending(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	r.send(*state7("first"), 1)
	first := r.one()
	con, non := r.send(*state7("old"), 2), r.post(3, "old")
	for _, ref := range []Ref{con, non} {
		r.supersede(ref, "a state that takes more than a chunk, and so is longer than the one that it replaces")
		r.supersede(ref, "new")
	}
	equal(t, "too early", r.transmit(), "")
	r.receive(blank(coap.Acknowledgement, first.MessageID))
	equal(t, "CON", r.transmit(), fmt.Sprintf("CON %d 2.05 Content [07] \"new\"", first.MessageID+1))
	r.receive(blank(coap.Acknowledgement, first.MessageID+1))
	equal(t, "NON", r.transmit(), fmt.Sprintf("NON %d 2.05 Content [07] \"new\"", first.MessageID+2))
	equal(t, "bytes", r.mem.Bytes(), recordBytes)
}

// TestSupersededIsAnswered: what the peer says to any of the messages that one
// notification has become.
//
// Proves rfc7641 §4.5.2: "Wait for the current (re-)transmission attempt to be acknowledged,
// rejected or to time out (confirmable transmission)"
// Proves rfc7641 §4.5.2: "If the transmission is rejected or it was the last attempt to
// retransmit a notification, remove the associated entry from the list of observers of the
// observed resource."
// Proves rfc7641 §4.5.2: "It is possible that the server later receives an acknowledgement for
// a confirmable notification that it superseded this way."
// Proves rfc7641 §4.5.2: "The server therefore should avoid inadvertently removing the
// associated entry from the list of observers."
func TestSupersededIsAnswered(t *testing.T) {
	// three has sent a, then b, and has c ready.
	three := func(t *testing.T) (r *rig, ref Ref, a, b uint16) {
		r = newRig(t, Params{}, Limits{})
		ref = r.send(*state7("a"), 42)
		a = r.one().MessageID
		r.supersede(ref, "b")
		r.wait(3 * time.Second)
		b = r.one().MessageID
		r.supersede(ref, "c")
		return r, ref, a, b
	}
	t.Run("ACK of the current one", func(t *testing.T) {
		r, ref, _, b := three(t)
		equal(t, "verdict", r.receive(blank(coap.Acknowledgement, b)).Verdict, Nothing)
		m := r.one()
		equal(t, "the next at once", string(m.Payload), "c")
		if timeout := r.link.Deadline().Sub(r.now); timeout < 2*time.Second || timeout > 3*time.Second {
			t.Errorf("timeout %v is not an initial one", timeout)
		}
		equal(t, "progress", r.link.Progress(ref), Progress{Sent: true, MessageID: m.MessageID, First: r.now})
		answer := r.receive(blank(coap.Acknowledgement, m.MessageID))
		equal(t, "verdict", answer.Verdict, Acknowledged)
		equal(t, "owner", answer.Owner, 42)
		equal(t, "bytes", r.mem.Bytes(), 0)
	})
	t.Run("ACK of an old one", func(t *testing.T) {
		r, ref, a, _ := three(t)
		for range 2 {
			equal(t, "verdict", r.receive(blank(coap.Acknowledgement, a)).Verdict, Nothing)
		}
		equal(t, "nothing is sent for it", r.transmit(), "")
		lives := 0
		for first := tick.Time(0); r.link.Progress(ref) != (Progress{}); r.wait(time.Second) {
			r.messages()
			if _, _, lost := r.link.Lost(); lost {
				break
			}
			if p := r.link.Progress(ref); p.Sent && p.First != first {
				first, lives = p.First, lives+1
			}
		}
		equal(t, "initial transmissions", lives, 2)
		equal(t, "bytes", r.mem.Bytes(), 0)
	})
	for _, name := range []string{"RST of the current one", "RST of an old one"} {
		t.Run(name, func(t *testing.T) {
			r, _, a, b := three(t)
			mid := a
			if name == "RST of the current one" {
				mid = b
			}
			answer := r.receive(blank(coap.Reset, mid))
			equal(t, "verdict", answer.Verdict, Rejected)
			equal(t, "owner", answer.Owner, 42)
			equal(t, "bytes", r.mem.Bytes(), 0)
			equal(t, "slots", r.link.slots, 0)
			equal(t, "nothing is sent", r.transmit(), "")
		})
	}
	t.Run("neither", func(t *testing.T) {
		r, ref, a, b := three(t)
		for _, mid := range []uint16{a - 1, b + 1} {
			equal(t, "ACK", r.receive(blank(coap.Acknowledgement, mid)).Verdict, Nothing)
			equal(t, "RST", r.receive(blank(coap.Reset, mid)).Verdict, Nothing)
		}
		equal(t, "goes on", r.link.Progress(ref).MessageID, b)
	})
}

// TestSupersedingRests: the Message ID of each transmission rests for EXCHANGE_LIFETIME,
// also when the notification is over.
//
// Proves rfc7252 §4.4: "The same Message ID MUST NOT be reused (in communicating with the same
// endpoint) within the EXCHANGE_LIFETIME (Section 4.8.2)."
func TestSupersedingRests(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	ref := r.send(*state7("a"), 1)
	r.one()
	r.supersede(ref, "b")
	r.wait(3 * time.Second)
	sent := r.now
	r.receive(blank(coap.Acknowledgement, r.one().MessageID))
	equal(t, "deadline", r.link.Deadline(), sent.Add(247*time.Second))
}

// TestSupersedeRefuses leaves everything as it was.
func TestSupersedeRefuses(t *testing.T) {
	r := newRig(t, Params{}, Limits{Bytes: 4 * (recordBytes + chunkBytes), MessageBytes: 1000})
	ref := r.send(*state7("a"), 1)
	waits := r.send(*state7("b"), 2)
	r.one()
	large := string(make([]byte, 900))
	equal(t, "none", r.link.Supersede(0, state7("x")), ErrUnknown)
	equal(t, "too large", r.link.Supersede(ref, state7(large+large)), ErrTooLarge)
	before := r.mem.Bytes()
	r.mem.limits.MessageBytes = 1 << 15
	for range 3 {
		equal(t, "no memory, flying", r.link.Supersede(ref, state7(large+large+large)), ErrMemoryFull)
		equal(t, "no memory, waiting", r.link.Supersede(waits, state7(large+large+large)), ErrMemoryFull)
		equal(t, "bytes", r.mem.Bytes(), before)
	}
	r.wait(3 * time.Second)
	equal(t, "retransmitted", string(r.one().Payload), "a")

	ask := r.send(get(coap.NonConfirmable, 0), 3)
	equal(t, "a request is none", r.link.Supersede(ask, state7("x")), ErrUnknown)
	r.link.Abandon(waits)
	equal(t, "over", r.link.Supersede(waits, state7("x")), ErrUnknown)
}

// TestSupersedeWithoutMessageIDs misses an opportunity to transmit rather than to
// send again what was replaced, which the peer may not be allowed to see any more.
func TestSupersedeWithoutMessageIDs(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	ref := r.send(*state7("a"), 1)
	mid := r.one().MessageID
	ids := &r.link.sender().ids
	ids.next, ids.used, ids.last[0] = 0, 1, r.now // the next one rests
	r.supersede(ref, "b")
	r.wait(3 * time.Second)
	equal(t, "sent in its place", r.transmit(), "")
	equal(t, "retransmissions", r.mem.traffic.Retransmissions, 0)
	equal(t, "missed", r.mem.Drops()[DropMessageIDs], 1)
	r.receive(blank(coap.Acknowledgement, mid))
	equal(t, "nothing to send it with", r.transmit(), "")
	r.now = start.Add(247 * time.Second)
	r.link.Expire(r.now)
	equal(t, "later", string(r.one().Payload), "b")
}
