// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"bytes"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
	"pgregory.net/rapid"
)

// TestSchedule follows a Confirmable message that nobody answers, to the
// nanosecond: sent at 0, T, 3T, 7T and 15T after the first time, given up at
// 31T, where T is the initial timeout.
//
// Proves rfc7252 §4.2: "Retransmission is controlled by two things that a CoAP endpoint MUST
// keep track of for each Confirmable message it sends while waiting for an acknowledgement
// (or reset): a timeout and a retransmission counter."
// Proves rfc7252 §4.2: "For a new Confirmable message, the initial timeout is set to a random
// duration (often not an integral number of seconds) between ACK_TIMEOUT and (ACK_TIMEOUT *
// ACK_RANDOM_FACTOR) (see Section 4.8), and the retransmission counter is set to 0."
// Proves rfc7252 §4.2: "When the timeout is triggered and the retransmission counter is less
// than MAX_RETRANSMIT, the message is retransmitted, the retransmission counter is
// incremented, and the timeout is doubled."
// Proves rfc7252 §4.2: "If the retransmission counter reaches MAX_RETRANSMIT on a timeout, or
// if the endpoint receives a Reset message, then the attempt to transmit the message is
// canceled and the application process informed of failure."
func TestSchedule(t *testing.T) {
	for _, p := range []Params{
		{},
		{AckTimeout: 100 * time.Millisecond, AckRandomFactor: 1.1, MaxRetransmit: 7},
		{MaxRetransmit: -1},
		{AckRandomFactor: 1},
	} {
		for seed := range byte(20) {
			checkSchedule(t, p, seed)
		}
	}
}

func checkSchedule(t *testing.T, p Params, seed byte) {
	t.Helper()
	r := newRig(t, p, Limits{})
	r.link.Init(r.mem, seeded(seed))
	p = p.Resolved()
	ref := r.send(get(coap.Confirmable, 0), 42)
	first := r.one()

	timeout := r.link.Deadline().Sub(start)
	if longest := time.Duration(float64(p.AckTimeout) * p.AckRandomFactor); timeout < p.AckTimeout || timeout > longest {
		t.Fatalf("initial timeout %v is not between %v and %v", timeout, p.AckTimeout, longest)
	}
	for n := range p.retransmissions() {
		due := start.Add(timeout * (1<<(n+1) - 1))
		equal(t, "deadline", r.link.Deadline(), due)
		r.now = due - 1
		r.link.Expire(r.now)
		equal(t, "too early", r.transmit(), "")
		r.now = due
		r.link.Expire(r.now)
		again := r.one()
		if again.MessageID != first.MessageID || !bytes.Equal(again.Token, first.Token) {
			t.Fatalf("retransmission %d is another message: %v", n+1, again)
		}
		equal(t, "counter", r.link.Progress(ref).Retransmissions, n+1)
		if _, _, ok := r.link.Lost(); ok {
			t.Fatal("given up too early")
		}
	}
	end := start.Add(timeout * (1<<(p.retransmissions()+1) - 1))
	equal(t, "last deadline", r.link.Deadline(), min(end, r.link.quiet))
	r.now = end
	r.link.Expire(end)
	equal(t, "after the last timeout", r.transmit(), "")
	owner, progress, ok := r.link.Lost()
	equal(t, "given up", ok, true)
	equal(t, "owner", owner, 42)
	equal(t, "progress", progress, Progress{Sent: true, MessageID: first.MessageID, First: start, Retransmissions: p.retransmissions()})
	if end.Sub(start) > p.MaxTransmitWait() {
		t.Errorf("given up after %v, MAX_TRANSMIT_WAIT is %v", end.Sub(start), p.MaxTransmitWait())
	}
	equal(t, "retransmissions counted", r.mem.traffic.Retransmissions, uint64(p.retransmissions()))
	equal(t, "outstanding", r.link.slots, 0)
}

// TestJitter: the initial timeouts differ, and cover their range.
func TestJitter(t *testing.T) {
	r := newRig(t, Params{NStart: 1000}, Limits{PeerQueue: 1000})
	shortest, longest := time.Hour, time.Duration(0)
	for range 1000 {
		d, err := r.link.timeout(coap.Confirmable)
		if err != nil {
			t.Fatal(err)
		}
		shortest, longest = min(shortest, d), max(longest, d)
	}
	if shortest < 2*time.Second || shortest > 2010*time.Millisecond || longest > 3*time.Second || longest < 2990*time.Millisecond {
		t.Errorf("1000 timeouts from %v to %v", shortest, longest)
	}
}

// TestLateExpire: a sender that sleeps keeps to the rules of section 4.2 for
// it, whenever it wakes up and however late the datagram leaves.
//
// Proves rfc7252 §4.2: "However, the minimum spacing before another retransmission is
// ACK_TIMEOUT, and the entire sequence of (re-)transmissions MUST stay in the envelope of
// MAX_TRANSMIT_SPAN (see Section 4.8.2), even if that means a sender may miss an opportunity
// to transmit."
func TestLateExpire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, Params{}, Limits{})
		r.link.Init(r.mem, seeded(rapid.Byte().Draw(t, "seed")))
		r.send(get(coap.Confirmable, 0), 1)
		r.one()
		last, sent := start, 1
		asleep := rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, 100 * time.Second}).Draw(t, "asleep")
		for range 500 {
			pause := time.Duration(rapid.Int64Range(0, int64(asleep)).Draw(t, "late"))
			r.now = max(r.now, r.link.Deadline()).Add(pause)
			r.link.Expire(r.now)
			if _, p, ok := r.link.Lost(); ok {
				if p.Retransmissions != sent-1 || sent > 5 {
					t.Fatalf("given up after %d retransmissions, seen %d", p.Retransmissions, sent-1)
				}
				if r.now < start.Add(31*2*time.Second) {
					t.Fatalf("given up after %v", r.now.Sub(start))
				}
				return
			}
			r.now = r.now.Add(time.Duration(rapid.Int64Range(0, int64(asleep)/4).Draw(t, "blocked")))
			if r.link.Deadline() > start.Add(93*time.Second) {
				t.Fatalf("waits until %v", r.link.Deadline().Sub(start))
			}
			if ms := r.messages(); len(ms) > 1 {
				t.Fatalf("%d messages", len(ms))
			} else if len(ms) == 1 {
				if r.now.Sub(last) < 2*time.Second {
					t.Fatalf("retransmission %v after the last one", r.now.Sub(last))
				}
				if r.now.Sub(start) > 45*time.Second {
					t.Fatalf("retransmission after %v", r.now.Sub(start))
				}
				last, sent = r.now, sent+1
			}
		}
		t.Fatal("it does not end")
	})
}

// TestSettled: what ends the sending of a Confirmable message, at each point of
// its life.
//
// Proves rfc7252 §4.2: "The sender retransmits the Confirmable message at exponentially
// increasing intervals, until it receives an acknowledgement (or Reset message) or runs out
// of attempts."
func TestSettled(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(r *rig, ref Ref, mid uint16) Verdict
		want Verdict
	}{
		{"acknowledged", func(r *rig, _ Ref, mid uint16) Verdict {
			return r.receive(blank(coap.Acknowledgement, mid)).Verdict
		}, Acknowledged},
		{"rejected", func(r *rig, _ Ref, mid uint16) Verdict { return r.receive(blank(coap.Reset, mid)).Verdict }, Rejected},
		{"answered and settled", func(r *rig, _ Ref, mid uint16) Verdict {
			a := r.receive(content(coap.Acknowledgement, mid))
			equal(r.t, "the answer counts only when settled", r.link.Progress(a.Ref).Sent, true)
			r.link.Settle(a.Ref)
			return a.Verdict
		}, Answered},
		{"settled", func(r *rig, ref Ref, _ uint16) Verdict { r.link.Settle(ref); return Nothing }, Nothing},
		{"abandoned", func(r *rig, ref Ref, _ uint16) Verdict { r.link.Abandon(ref); return Nothing }, Nothing},
	} {
		for retransmissions := range 5 {
			r := newRig(t, Params{}, Limits{})
			ref := r.send(get(coap.Confirmable, 0), 42)
			mid := r.one().MessageID
			for range retransmissions {
				r.wait(r.link.Deadline().Sub(r.now))
				equal(t, c.name+": the same message", r.one().MessageID, mid)
			}
			equal(t, c.name, c.end(r, ref, mid), c.want)
			equal(t, c.name+": outstanding", r.link.slots, 0)
			r.wait(100 * time.Second)
			equal(t, c.name+": and nothing more", r.transmit(), "")
			if _, _, ok := r.link.Lost(); ok {
				t.Errorf("%s: reported as lost", c.name)
			}
			equal(t, c.name+": late ACK", r.receive(blank(coap.Acknowledgement, mid)).Verdict, Nothing)
			equal(t, c.name+": late RST", r.receive(blank(coap.Reset, mid)).Verdict, Nothing)
		}
	}
}

// TestNStart: at most NSTART interactions are outstanding, and the next begins
// when one ends, in the order of the calls.
//
// Proves rfc7252 §4.7: "In order not to cause congestion, clients (including proxies) MUST
// strictly limit the number of simultaneous outstanding interactions that they maintain to a
// given server (including proxies) to NSTART."
func TestNStart(t *testing.T) {
	for nstart := 1; nstart <= 4; nstart++ {
		r := newRig(t, Params{NStart: nstart}, Limits{})
		for owner := range uint32(12) {
			typ := coap.Confirmable
			if owner%3 == 0 {
				typ = coap.NonConfirmable
			}
			m := get(typ, 0)
			m.Token = []byte{byte(owner)}
			r.send(m, owner)
		}
		outstanding := r.messages()
		next := byte(0)
		for len(outstanding) > 0 {
			if len(outstanding) > nstart {
				t.Fatalf("%d outstanding, NSTART is %d", len(outstanding), nstart)
			}
			for _, m := range outstanding[max(0, len(outstanding)-1):] {
				equal(t, "nothing more goes out", r.transmit(), "")
				r.receive(blank(coap.Reset, m.MessageID))
			}
			outstanding = append(outstanding[:len(outstanding)-1], r.messages()...)
			next++
		}
		equal(t, "interactions", next, 12)
		// A Non-confirmable response and what answers the peer are not held back.
		r.send(get(coap.Confirmable, 0), 1)
		r.one()
		r.send(content(coap.NonConfirmable, 0), 0)
		r.link.Acknowledge(r.receive(get(coap.Confirmable, 77)).Ref)
		equal(t, "not interactions", len(r.messages()), 2+min(nstart-1, 0))
	}
}

// TestProbingRate: Non-confirmable requests to a peer that does not respond are
// spaced so that PROBING_RATE is kept, whether the caller gives up or not.
//
// Proves rfc7252 §4.7: "Unless this is modified by additional congestion control
// optimizations, it MUST be chosen in such a way that an endpoint does not exceed an average
// data rate of PROBING_RATE in sending to another endpoint that does not respond."
func TestProbingRate(t *testing.T) {
	for _, rate := range []float64{0, 1, 10} {
		r := newRig(t, Params{ProbingRate: rate}, Limits{})
		bytes, end := 0, start.Add(time.Hour)
		for r.now < end {
			m := get(coap.NonConfirmable, 0)
			m.Payload = make([]byte, 20+bytes%100)
			ref := r.send(m, 1)
			for _, m := range r.messages() {
				elapsed := r.now.Sub(start).Seconds() // what went out before has been paid for
				if allowed := elapsed * max(rate, 1); float64(bytes) > allowed+1e-6 {
					t.Fatalf("%d bytes in %v s", bytes, elapsed)
				}
				bytes += m.Size()
			}
			r.wait(7 * time.Second)
			r.link.Abandon(ref)
		}
		if least := 3600 * max(rate, 1) / 20; float64(bytes) < least {
			t.Errorf("only %d bytes in an hour", bytes)
		}
	}
	// An answer frees the slot at once.
	r := newRig(t, Params{}, Limits{})
	ref := r.send(get(coap.NonConfirmable, 0), 1)
	r.send(get(coap.NonConfirmable, 0), 2)
	r.one()
	r.link.Settle(ref)
	r.one()
}

// TestAbandonedNon: the slot of an abandoned request is all that remains.
func TestAbandonedNon(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	r.link.Abandon(r.send(get(coap.NonConfirmable, 0), 1))
	equal(t, "never sent", r.transmit(), "")
	ref := r.send(get(coap.NonConfirmable, 0), 2)
	mid := r.one().MessageID
	r.link.Abandon(ref)
	equal(t, "chunks", r.mem.chunks.Used(), 0)
	r.send(get(coap.Confirmable, 0), 3)
	equal(t, "the next waits", r.transmit(), "")
	equal(t, "RST", r.receive(blank(coap.Reset, mid)).Verdict, Nothing)
	equal(t, "drops", r.drops(), "rst_unmatched 1")
	alive := r.one().MessageID
	r.receive(blank(coap.Acknowledgement, alive))

	// Without an answer the time frees the slot.
	ref = r.send(get(coap.NonConfirmable, 0), 4)
	m := r.one()
	size := m.Size()
	r.link.Abandon(ref)
	r.send(get(coap.Confirmable, 0), 5)
	r.wait(time.Duration(size)*time.Second - 1)
	equal(t, "the next waits", r.transmit(), "")
	r.wait(1)
	r.receive(blank(coap.Acknowledgement, r.one().MessageID))
	equal(t, "nothing remains", r.link.Active(), false)
}

// TestSendRefuses: what is not sent, with the reason.
//
// Proves rfc7252 §4.3: "A Non-confirmable message always carries either a request or response
// and MUST NOT be Empty."
func TestSendRefuses(t *testing.T) {
	r := newRig(t, Params{}, Limits{PeerQueue: 2, MessageBytes: 50})
	for _, c := range []struct {
		name string
		m    coap.Message
		want error
	}{
		{"empty NON", blank(coap.NonConfirmable, 0), ErrType},
		{"ACK", content(coap.Acknowledgement, 0), ErrType},
		{"RST", blank(coap.Reset, 0), ErrType},
		{"reserved class", coap.Message{Code: 0x20}, ErrType},
		{"reserved class NON", coap.Message{Type: coap.NonConfirmable, Code: 0xff}, ErrType},
		{"too large", coap.Message{Code: coap.GET, Payload: make([]byte, 46)}, ErrTooLarge},
		{"token of 9 bytes", coap.Message{Code: coap.GET, Token: make([]byte, 9)}, coap.ErrTokenLength},
		{"options that are none", coap.Message{Code: coap.GET, Options: coap.Options{0xf0}}, coap.ErrOptionDelta},
	} {
		if _, err := r.link.Send(r.now, &c.m, 0); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	equal(t, "in use", r.mem.Bytes(), 0)
	r.send(coap.Message{Code: coap.GET, Payload: make([]byte, 45)}, 0)
	r.send(get(coap.Confirmable, 0), 0)
	_, err := r.link.Send(r.now, &coap.Message{Code: coap.GET}, 0)
	equal(t, "a third", err, ErrQueueFull)
	equal(t, "drops", r.drops(), "queue_full 1, too_large 1")
}

// TestNoRandomness: without it nothing is sent, with it everything is again.
func TestNoRandomness(t *testing.T) {
	mem := NewMemory(Params{}, Limits{})
	var l Link
	l.Init(mem, iotest.ErrReader(errors.New("no entropy")))
	_, err := l.Send(start, &coap.Message{Code: coap.GET}, 0)
	equal(t, "Send", err, ErrRandom)
	equal(t, "in use", mem.Bytes(), 0)
	a := l.Receive(start, datagram(t, get(coap.Confirmable, 1)))
	equal(t, "receiving needs none", a.Verdict, Delivered)
	equal(t, "nor recognizing duplicates", l.Receive(start, datagram(t, get(coap.Confirmable, 1))).Verdict, Nothing)
}

// TestTransmitSpace: a message that does not fit is as if lost.
func TestTransmitSpace(t *testing.T) {
	r := newRig(t, Params{NStart: 5}, Limits{})
	m := get(coap.Confirmable, 0)
	m.Payload = make([]byte, 500)
	r.send(m, 1)
	r.link.Acknowledge(r.receive(get(coap.Confirmable, 7)).Ref)
	equal(t, "no room at all", r.link.Transmit(r.now, make([]byte, 3)), 0)
	equal(t, "drops", r.drops(), "transmit_space 2")
	r.receive(get(coap.Confirmable, 7))
	equal(t, "the peer asks again", r.transmit(), "ACK 7 Empty")
	r.wait(3 * time.Second)
	equal(t, "and so do we", len(r.one().Payload), 500)
}

// TestQueueOrder: what answers the peer first, then retransmissions, then what
// is new.
func TestQueueOrder(t *testing.T) {
	r := newRig(t, Params{NStart: 2}, Limits{})
	r.send(get(coap.Confirmable, 0), 1)
	old := r.one().MessageID
	r.wait(r.link.Deadline().Sub(r.now))
	r.send(get(coap.Confirmable, 0), 2)
	r.send(content(coap.NonConfirmable, 0), 0)
	r.link.Acknowledge(r.receive(get(coap.Confirmable, 7)).Ref)
	r.receive(blank(coap.Confirmable, 9))
	var got []coap.Type
	for _, m := range r.messages() {
		got = append(got, m.Type)
		if len(got) == 3 {
			equal(t, "the retransmission", m.MessageID, old)
		}
	}
	want := []coap.Type{coap.Reset, coap.Acknowledgement, coap.Confirmable, coap.NonConfirmable, coap.Confirmable}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		equal(t, "type", got[i], want[i])
	}
}

// TestDeadlineIsExact: Expire a moment before the deadline changes nothing, and
// at the deadline something.
func TestDeadlineIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, Params{NStart: 3}, Limits{})
		for range rapid.IntRange(1, 5).Draw(t, "messages") {
			r.now = r.now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "pause")))
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				r.send(get(coap.Confirmable, 0), 1)
			case 1:
				r.send(get(coap.NonConfirmable, 0), 1)
			case 2:
				r.link.Acknowledge(r.receive(get(coap.Confirmable, rapid.Uint16().Draw(t, "mid"))).Ref)
			}
			r.messages()
		}
		for range 100 {
			at := r.link.Deadline()
			if at == tick.Never {
				return
			}
			r.now = at - 1
			r.link.Expire(r.now)
			if r.link.Deadline() != at || len(r.messages()) > 0 || r.link.lost.Len > 0 {
				t.Fatalf("something happened before the deadline")
			}
			r.now = at
			r.link.Expire(at)
			r.messages()
			for ok := true; ok; _, _, ok = r.link.Lost() {
			}
			if r.link.Deadline() <= at {
				t.Fatalf("the deadline %v does not move on", at)
			}
		}
		t.Fatal("it does not end")
	})
}
