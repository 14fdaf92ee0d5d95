// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
	"pgregory.net/rapid"
)

// TestMessageIDsAreNotReused draws IDs at random moments, in bursts and after
// pauses, and compares each with the last use of the same ID.
//
// Proves rfc7252 §4.4: "The same Message ID MUST NOT be reused (in communicating with the
// same endpoint) within the EXCHANGE_LIFETIME (Section 4.8.2)."
func TestMessageIDsAreNotReused(t *testing.T) {
	const lifetime = 247 * time.Second
	rapid.Check(t, func(t *rapid.T) {
		var ids messageIDs
		ids.start(rapid.Uint16().Draw(t, "first"))
		var last [1 << 16]tick.Time
		var used [1 << 16]bool
		now := start
		refused := 0
		for range rapid.IntRange(1, 12).Draw(t, "bursts") {
			gap := time.Duration(rapid.Int64Range(0, int64(10*time.Millisecond)).Draw(t, "gap"))
			for range rapid.IntRange(1, 30000).Draw(t, "burst") {
				now = now.Add(gap)
				mid, ok := ids.take(now, lifetime)
				if !ok {
					refused++
					if ids.rests(lifetime) <= now {
						t.Fatalf("refused, and yet free from %v on", ids.rests(lifetime))
					}
					continue
				}
				if used[mid] && now.Sub(last[mid]) < lifetime {
					t.Fatalf("ID %d again after %v", mid, now.Sub(last[mid]))
				}
				used[mid], last[mid] = true, now
			}
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(300*time.Second)).Draw(t, "pause")))
		}
		t.Logf("refused %d", refused)
	})
}

// TestMessageIDsCapacity: at least seven eighths of the IDs are usable in a
// lifetime, and all come back when it is over.
func TestMessageIDsCapacity(t *testing.T) {
	const lifetime = 247 * time.Second
	for _, first := range []uint16{0, 1, 8191, 8192, 40000, 65535} {
		var ids messageIDs
		ids.start(first)
		for round, now := range []tick.Time{start, start.Add(lifetime), start.Add(2 * lifetime)} {
			n := 0
			for {
				if _, ok := ids.take(now, lifetime); !ok {
					break
				}
				n++
			}
			if n < 57344 || n > 65536 {
				t.Errorf("from %d, round %d: %d IDs", first, round, n)
			}
			equal(t, "free again", ids.rests(lifetime), now.Add(lifetime))
		}
	}
}

// TestMessageIDsExhausted: with all IDs taken a Confirmable message is refused
// or waits, a Non-confirmable response is dropped, each counted.
func TestMessageIDsExhausted(t *testing.T) {
	r := newRig(t, Params{NStart: 1 << 20}, Limits{PeerQueue: 1 << 20})
	sent := 0
	for {
		// Two are queued at a time, so that one waits when the IDs end.
		_, err1 := r.link.Send(r.now, &coap.Message{Type: coap.Confirmable, Code: coap.GET}, 7)
		_, err2 := r.link.Send(r.now, &coap.Message{Type: coap.NonConfirmable, Code: coap.Content}, 0)
		if err1 != nil || err2 != nil {
			equal(t, "error", err1, ErrMessageIDs)
			break
		}
		for _, m := range r.messages() {
			sent++
			if m.Type == coap.Confirmable {
				r.receive(blank(coap.Acknowledgement, m.MessageID))
			}
		}
	}
	if sent < 57344 {
		t.Errorf("only %d messages", sent)
	}
	if r.mem.drops[DropMessageIDs] == 0 {
		t.Error("not counted")
	}

	// What was queued before the end waits, with a deadline.
	r.link.sender().ids.next-- // back to before the last
	ref := r.send(get(coap.Confirmable, 0), 9)
	r.send(get(coap.Confirmable, 0), 10)
	r.one() // the last ID
	equal(t, "the other waits", r.transmit(), "")
	r.link.Settle(ref)
	equal(t, "until an ID is free", r.link.Deadline(), start.Add(247*time.Second))
	r.wait(247 * time.Second)
	r.one()

	// A Non-confirmable response does not wait.
	before := r.mem.drops[DropMessageIDs]
	r.send(content(coap.NonConfirmable, 0), 0)
	r.link.sender().ids.next = 0
	r.link.sender().ids.used, r.link.sender().ids.last[0] = 1, r.now
	equal(t, "nothing is sent", r.transmit(), "")
	equal(t, "counted", r.mem.drops[DropMessageIDs], before+1)
	equal(t, "forgotten", r.link.ready.Len, 0)
}

// TestFirstMessageIDIsRandom: two links do not begin alike.
func TestFirstMessageIDIsRandom(t *testing.T) {
	seen := map[uint16]bool{}
	mem := NewMemory(Params{}, Limits{})
	for i := range 50 {
		var l Link
		l.Init(mem, seeded(byte(i)))
		if _, err := l.Send(start, &coap.Message{Type: coap.Confirmable, Code: coap.GET}, 0); err != nil {
			t.Fatal(err)
		}
		var b [64]byte
		m, err := coap.Parse(b[:l.Transmit(start, b[:])])
		if err != nil {
			t.Fatal(err)
		}
		seen[m.MessageID] = true
	}
	if len(seen) < 48 {
		t.Errorf("50 links begin with %d different Message IDs", len(seen))
	}
}
