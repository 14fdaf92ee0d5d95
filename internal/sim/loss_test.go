// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"slices"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
)

// sizes are the MTUs under which the handshakes are tried: the default, in
// which a flight is a datagram or two, and one that cuts certificates.
var sizes = []int{0, 256}

// eachMode runs a test for every mode and size. All randomness is fixed, that
// of the ephemeral keys too.
func eachMode(t *testing.T, f func(t *testing.T, mode *Mode, o Options)) {
	for _, mode := range Modes {
		for _, mtu := range sizes {
			t.Run(fmt.Sprintf("%s/mtu=%d", mode.Name, mtu), func(t *testing.T) {
				cryptotest.SetGlobalRandom(t, 1)
				f(t, mode, Options{MTU: mtu})
			})
		}
	}
}

// run makes a pair, lets it come to rest with the given datagrams lost and
// returns it.
func run(t *testing.T, mode *Mode, o Options, lost ...int) *Pair {
	t.Helper()
	p, err := NewPair(1, mode, o)
	if err != nil {
		t.Fatal(err)
	}
	p.Network.Decide = func(d *Datagram) (Fate, bool) { return nil, slices.Contains(lost, d.Number) }
	if err := p.Settle(); err != nil {
		t.Fatalf("lost %v: %v", lost, err)
	}
	return p
}

// TestNoLoss is the handshake on a good network.
func TestNoLoss(t *testing.T) {
	eachMode(t, func(t *testing.T, mode *Mode, o Options) {
		p := run(t, mode, o)
		if err := p.Complete(); err != nil {
			t.Fatal(err)
		}
		if at := p.Client.EstablishedAt; at > tick.Time(100*time.Millisecond) {
			t.Errorf("established at %v: something waited for a timer", time.Duration(at))
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestEverySingleLoss loses each datagram of the handshake in turn.
//
// Pitfall O21: no loss of a single datagram leads to a deadlock
func TestEverySingleLoss(t *testing.T) {
	eachMode(t, func(t *testing.T, mode *Mode, o Options) {
		count := run(t, mode, o).Network.Sent()
		for i := 1; i <= count; i++ {
			if err := run(t, mode, o, i).Complete(); err != nil {
				t.Errorf("datagram %d of %d lost: %v", i, count, err)
			}
		}
	})
}

// TestEveryPairLost loses each pair of datagrams: the second one may be a
// retransmission that the loss of the first has caused.
//
// Pitfall O21: no loss of two datagrams leads to a deadlock
func TestEveryPairLost(t *testing.T) {
	eachMode(t, func(t *testing.T, mode *Mode, o Options) {
		count := run(t, mode, o).Network.Sent()
		for i := 1; i <= count; i++ {
			more := run(t, mode, o, i).Network.Sent()
			for j := i + 1; j <= more; j++ {
				if err := run(t, mode, o, i, j).Complete(); err != nil {
					t.Errorf("datagrams %d and %d lost: %v", i, j, err)
				}
			}
		}
	})
}

// TestEveryDirectionDead cuts one direction, or both, from each datagram on.
// The handshake ends with a named reason in bounded time.
//
// Pitfall L7: a handshake that nobody answers ends by itself
func TestEveryDirectionDead(t *testing.T) {
	eachMode(t, func(t *testing.T, mode *Mode, o Options) {
		count := run(t, mode, o).Network.Sent()
		for from := 1; from <= count; from++ {
			for _, dead := range [][]bool{{true, false}, {false, true}, {true, true}} {
				deadFrom(t, mode, o, from, dead[0], dead[1])
			}
		}
	})
}

func deadFrom(t *testing.T, mode *Mode, o Options, from int, up, down bool) {
	t.Helper()
	p, err := NewPair(1, mode, o)
	if err != nil {
		t.Fatal(err)
	}
	p.Network.Decide = func(d *Datagram) (Fate, bool) {
		return nil, d.Number >= from && (d.From == ClientAddr && up || d.From == ServerAddr && down)
	}
	if err := p.Settle(); err != nil {
		t.Errorf("dead from %d (up %v, down %v): %v", from, up, down, err)
	}
	if c := p.Client; !c.Established && c.Closed.Reason.Kind() != dtls.ReasonTimeout && c.Closed.Reason != dtls.ReasonMTUSuspected &&
		c.Closed.Reason != dtls.ReasonBadPSKOrUnknownIdentity {
		t.Errorf("dead from %d (up %v, down %v): the client's reason is %v", from, up, down, c.Closed.Reason)
	}
}

// TestSlowApplication gives look-ups, verdicts and public-key operations half
// a second each, with every datagram lost once.
func TestSlowApplication(t *testing.T) {
	eachMode(t, func(t *testing.T, mode *Mode, o Options) {
		o.Latency = 500 * time.Millisecond
		count := run(t, mode, o).Network.Sent()
		for i := 1; i <= count; i++ {
			if err := run(t, mode, o, i).Complete(); err != nil {
				t.Errorf("datagram %d lost: %v", i, err)
			}
		}
	})
}
