// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/coaps-go/coaps/tick"
)

// maxOrders bounds how many orders of one flight are tried; up to six
// datagrams that is all of them.
const maxOrders = 720

// flight is the numbers of the datagrams that one side sent at one time.
type flight []int

// flights runs a handshake and returns its flights of two or more datagrams.
func flights(t *testing.T, mode *Mode, o Options, recut *Recut) []flight {
	t.Helper()
	var all []flight
	var at tick.Time
	var from netip.AddrPort
	p := start(t, mode, o, recut)
	p.Network.Tap = func(d *Datagram, _ Fate) {
		if len(all) == 0 || d.Sent != at || d.From != from {
			all = append(all, nil)
		}
		at, from = d.Sent, d.From
		all[len(all)-1] = append(all[len(all)-1], d.Number)
	}
	if err := p.Settle(); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(f flight) bool { return len(f) < 2 })
}

func start(t *testing.T, mode *Mode, o Options, recut *Recut) *Pair {
	t.Helper()
	p, err := NewPair(1, mode, o)
	if err != nil {
		t.Fatal(err)
	}
	if recut != nil {
		p.Network.Rewrite = (&Recut{Fragment: recut.Fragment, Datagram: recut.Datagram}).Rewrite
	}
	return p
}

// inOrder runs a handshake in which the datagrams of one flight arrive in the
// given order, a millisecond apart.
func inOrder(t *testing.T, mode *Mode, o Options, recut *Recut, f flight, order []int) {
	t.Helper()
	p := start(t, mode, o, recut)
	p.Network.Decide = func(d *Datagram) (Fate, bool) {
		i := slices.Index(f, d.Number)
		if i < 0 {
			return nil, false
		}
		return Fate{time.Duration(10+order[i]) * time.Millisecond}, true
	}
	if err := p.Settle(); err != nil {
		t.Errorf("flight %v in order %v: %v", f, order, err)
	} else if err := p.Complete(); err != nil {
		t.Errorf("flight %v in order %v: %v", f, order, err)
	}
	if at := p.Client.EstablishedAt; at > tick.Time(500*time.Millisecond) {
		t.Errorf("flight %v in order %v: established at %v: something waited for a timer", f, order, time.Duration(at))
	}
}

// TestEveryOrder lets the datagrams of each flight arrive in every order,
// once as the engine makes them under a small MTU and once with each message
// in a datagram of its own. Nothing has to be sent again for it.
//
// Pitfall S7: every order of the client's second flight completes
// Pitfall LC13: Certificate and CertificateRequest in the wrong order on the way are put right
//
// Proves rfc6347 §4.2.2: "If the sequence number is greater than next_receive_seq, the implementation SHOULD
// queue the message but MAY discard it."
func TestEveryOrder(t *testing.T) {
	for _, mode := range Modes {
		for name, cut := range map[string]struct {
			o     Options
			recut *Recut
		}{
			"mtu=256":  {Options{MTU: 256}, nil},
			"messages": {Options{}, &Recut{}},
		} {
			t.Run(mode.Name+"/"+name, func(t *testing.T) {
				cryptotest.SetGlobalRandom(t, 1)
				tried := 0
				for _, f := range flights(t, mode, cut.o, cut.recut) {
					for _, order := range orders(len(f)) {
						inOrder(t, mode, cut.o, cut.recut, f, order)
						tried++
					}
				}
				t.Logf("%d orders", tried)
			})
		}
	}
}

// orders returns all orders of n things, or maxOrders random ones if there
// are more.
func orders(n int) [][]int {
	var all [][]int
	if n > 6 {
		r := rand.New(rand.NewPCG(1, uint64(n)))
		for range maxOrders {
			all = append(all, r.Perm(n))
		}
		return all
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	permute(order, 0, func() { all = append(all, slices.Clone(order)) })
	return all
}

func permute(order []int, fixed int, f func()) {
	if fixed == len(order) {
		f()
		return
	}
	for i := fixed; i < len(order); i++ {
		order[fixed], order[i] = order[i], order[fixed]
		permute(order, fixed+1, f)
		order[fixed], order[i] = order[i], order[fixed]
	}
}

// TestOneByteFragments cuts the plaintext handshake messages into fragments
// of one byte: in order, shuffled, doubled, and with a fifth of them lost, so
// that retransmissions fill the gaps. One handshake in so many must not be
// unlucky with its Finished, which the meddler cannot cut.
//
// Pitfall T5: fragments at every offset of every message
//
// Proves rfc6347 §4.2.3: "When a DTLS implementation receives a handshake message fragment, it MUST
// buffer it until it has the entire handshake message."
func TestOneByteFragments(t *testing.T) {
	for _, mode := range Modes {
		for name, faults := range map[string]Faults{
			"in order": {Delay: 10 * time.Millisecond},
			"shuffled": {Delay: 10 * time.Millisecond, Jitter: 50 * time.Millisecond},
			"doubled":  {Delay: 10 * time.Millisecond, Jitter: 50 * time.Millisecond, Duplicate: 0.5},
			"lossy":    {Delay: 10 * time.Millisecond, Jitter: 50 * time.Millisecond, Loss: 0.2},
		} {
			for _, size := range []int{0, 1200} {
				t.Run(mode.Name+"/"+name, func(t *testing.T) {
					cryptotest.SetGlobalRandom(t, 1)
					p := start(t, mode, Options{}, &Recut{Fragment: 1, Datagram: size})
					p.Network.Faults = faults
					p.Network.Decide = func(d *Datagram) (Fate, bool) {
						sealed := strings.Contains(Describe(d.Data), "ChangeCipherSpec") || d.Data[4] > 0
						return Fate{10 * time.Millisecond}, sealed
					}
					if err := p.Settle(); err != nil {
						t.Fatal(err)
					}
					if err := p.Complete(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}
