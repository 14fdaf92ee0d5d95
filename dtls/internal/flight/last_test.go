// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package flight

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/pack"
	"github.com/coaps-go/coaps/tick"
)

// The last flight is sent once, and again for the peer's repetitions: not for
// each of a burst, not without end, and every other time in datagrams apart.
//
// Pitfall L8, E3: a burst of repetitions of Finished prompts one answer
func TestLastIsSentAgain(t *testing.T) {
	layer, _ := layers(testSuites[0])
	l := NewLast(Timing{}, second, 100*time.Second, 1, 3, [12]byte{1, 2, 3})
	datagrams := func() (n int) {
		for ; l.Pending(); n++ {
			if got, err := l.Transmit(layer, make([]byte, 200), 200); got == 0 || err != nil {
				t.Fatalf("%d bytes, %v", got, err)
			}
		}
		return n
	}
	if l.Sent() || datagrams() != 1 || !l.Sent() || l.Deadline() != 101*second {
		t.Errorf("sent %v, kept until %v", l.Sent(), l.Deadline())
	}
	l.Prompt(second + second/8)
	if l.Pending() {
		t.Error("sent again an eighth of a second later")
	}
	var counts []int
	for i := range 20 {
		l.Prompt(second * tick.Time(2+i))
		l.Prompt(second * tick.Time(2+i))
		if n := datagrams(); n > 0 {
			counts = append(counts, n)
		}
	}
	if want := []int{1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2}; !reflect.DeepEqual(counts, want) {
		t.Errorf("sent again in %v datagrams, want %v", counts, want)
	}
}

// Every field comes back, each at its largest.
func TestPackLastForgetsNothing(t *testing.T) {
	l := Last{
		seq: 0xffff, epoch: 0xffff, verify: [12]byte{0: 1, 11: 2}, sentOnce: true,
		prompts:  prompts{sent: math.MaxInt64, gap: math.MaxInt64, count: maxPrompts},
		deadline: tick.Never,
	}
	for v, i := reflect.ValueOf(l), 0; i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "flight" {
			t.Fatalf("%s is not tried", name)
		}
	}
	c := pack.Into(nil)
	l.Pack(&c)
	if len(c.Bytes()) > PackedLen {
		t.Errorf("%d bytes, announced %d", len(c.Bytes()), PackedLen)
	}
	var got Last
	c = pack.From(c.Bytes())
	if got.Pack(&c); !reflect.DeepEqual(got, l) {
		t.Errorf("%+v came back as %+v", l, got)
	}
}
