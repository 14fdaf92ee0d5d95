// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package flight

import (
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/tick"
)

const second = tick.Time(time.Second)

// run lets a timer expire exactly at its deadlines until it stops, and
// returns the seconds at which it resent, and the one at which it gave up.
func run(t *testing.T, timer *Timer) (resent []float64, gaveUp float64) {
	t.Helper()
	for range 1000 {
		now := timer.Deadline()
		if timer.Expire(now-1) != Wait || timer.Deadline() != now {
			t.Fatalf("expired a nanosecond before %v", now)
		}
		at := time.Duration(now).Seconds()
		switch timer.Expire(now) {
		case Resend:
			resent = append(resent, at)
		case GiveUp:
			if timer.Deadline() != tick.Never || timer.Expire(now+1000*second) != Wait {
				t.Error("the timer runs on after giving up")
			}
			return resent, at
		default:
			t.Fatal("nothing is due at the deadline")
		}
	}
	t.Fatal("the timer never gives up")
	return nil, 0
}

// Proves rfc6347 §4.2.4.1: "Implementations SHOULD use an initial timer value
// of 1 second (the minimum defined in RFC 6298 [RFC6298]) and double
// the value at each retransmission, up to no less than the RFC 6298
// maximum of 60 seconds."
//
// Proves rfc7925 §11: "An initial timer value of 9 seconds with exponential back off up to
// no less then 60 seconds is therefore RECOMMENDED."
//
// Pitfall L7: an unanswered flight ends
func TestTimerSchedules(t *testing.T) {
	tests := []struct {
		name   string
		timing Timing
		resent []float64
		gaveUp float64
	}{
		{"default", Timing{}, []float64{1, 3, 7, 15, 31, 63}, 123},
		{"constrained", Constrained(), []float64{9, 27, 63}, 123},
		{"capped", Timing{Initial: time.Second, Cap: 3 * time.Second, Retransmissions: 5}, []float64{1, 3, 6, 9, 12}, 15},
		{"cap below initial", Timing{Initial: 2 * time.Second, Cap: time.Second, Retransmissions: 2}, []float64{2, 4}, 6},
		{"none", Timing{Retransmissions: -1}, nil, 1},
	}
	for _, test := range tests {
		timer := NewTimer(test.timing)
		if timer.Deadline() != tick.Never {
			t.Errorf("%s: runs before it is started", test.name)
		}
		timer.Start(0)
		resent, gaveUp := run(t, &timer)
		if !slices.Equal(resent, test.resent) || gaveUp != test.gaveUp {
			t.Errorf("%s: resent at %v, gave up at %v, want %v, %v", test.name, resent, gaveUp, test.resent, test.gaveUp)
		}
	}
}

// A call that comes late resends once and counts from then on.
func TestTimerLateExpiry(t *testing.T) {
	timer := NewTimer(Timing{})
	timer.Start(0)
	if timer.Expire(100*second) != Resend || timer.Deadline() != 102*second || timer.Retransmissions() != 1 {
		t.Errorf("deadline %v after %d retransmissions", timer.Deadline(), timer.Retransmissions())
	}
	if timer.Expire(100*second) != Wait {
		t.Error("resent twice for one deadline")
	}
}

// Proves rfc6347 §4.2.4.1: "Implementations SHOULD retain the current timer value until a
// transmission without loss occurs, at which time the value may be
// reset to the initial value."
func TestTimerKeepsItsValueAfterLoss(t *testing.T) {
	timer := NewTimer(Timing{})
	timer.Start(0)
	timer.Expire(1 * second)
	timer.Expire(3 * second) // interval is now 4 s
	timer.Stop()
	if timer.Deadline() != tick.Never {
		t.Error("Stop did not stop it")
	}
	timer.Start(10 * second)
	if timer.Deadline() != 14*second || timer.Retransmissions() != 0 {
		t.Errorf("after loss: deadline %v", timer.Deadline())
	}
	timer.Stop()
	timer.Start(20 * second)
	if timer.Deadline() != 21*second {
		t.Errorf("after a flight without loss: deadline %v", timer.Deadline())
	}
}

// Proves rfc6347 §4.2.4: "The implementation reads a retransmitted flight from the peer: the
// implementation transitions to the SENDING state, where it
// retransmits the flight, resets the retransmit timer, and returns
// to the WAITING state."
//
// Pitfall L8, E3: a burst of repetitions, genuine or forged, prompts one answer
func TestPrompt(t *testing.T) {
	timer := NewTimer(Timing{})
	timer.Start(0)
	prompted := 0
	for now := tick.Time(0); now < second; now += second / 1000 {
		if timer.Prompt(now) {
			prompted++
		}
	}
	if prompted != 3 { // at 250, 500 and 750 ms
		t.Errorf("a second of repetitions prompted %d answers, want 3", prompted)
	}
	if timer.Deadline() != 3*second/4+second {
		t.Errorf("deadline %v, want one interval after the last answer", timer.Deadline())
	}
	for now := second; now < 100*second; now += second {
		if timer.Prompt(now) {
			prompted++
		}
	}
	if prompted != maxPrompts {
		t.Errorf("repetitions without end prompted %d answers, want %d", prompted, maxPrompts)
	}
	timer.Start(200 * second)
	if !timer.Prompt(201 * second) {
		t.Error("the next flight is not prompted at all")
	}
}
