// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	crand "crypto/rand"
	"io"
	"math/rand/v2"

	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/internal/ring"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// newLoop makes a loop that is ready to serve its share of the clients.
func newLoop(r *run, s *share, number int) (*loop, error) {
	made, err := newMix(&r.cfg)
	if err != nil {
		return nil, err
	}
	l := &loop{
		run: r, share: s, number: number, conn: s.conn, mix: made,
		rng:    rand.NewPCG(r.cfg.Seed, 1<<32+uint64(number)),
		window: r.cfg.slots(),
		step:   step{latency: newHistogram(stepDigits)}, outcome: newOutcome(),
		in: datagrams(batchSize), out: datagrams(batchSize),
		since: tick.Never, done: make(chan struct{}),
	}
	if r.cfg.Loss > 0 || r.cfg.Reorder > 0 {
		l.air = newAir(s.conn, &r.cfg, r.clock, number)
		l.conn = l.air
	}
	l.clients = make([]client, s.n)
	l.flights = make([]flight, s.n*l.window)
	l.waiting, l.free, l.echoes = ring.New[uint32](s.n), ring.New[uint32](len(l.flights)), ring.New[uint32](len(l.flights))
	if r.cfg.Kind == Echo {
		return l, nil
	}
	random, err := newRandom()
	if err != nil {
		return nil, err
	}
	l.profiles = profiles{cfg: &r.cfg, rand: random, known: make(map[*security.Config]uint32)}
	l.ep, err = endpoint.New(r.cfg.endpoint(s.n, random), r.clock.now())
	return l, err
}

// newRandom is a generator that is as good as the system's for keys, and that
// costs no system call. It is for one goroutine.
func newRandom() (io.Reader, error) {
	var seed [32]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(crand.Reader, seed[:]); err != nil {
		return nil, err
	}
	return rand.NewChaCha8(seed), nil
}

// Limits of the endpoint of a loop, so that it is not what refuses.
const (
	bytesPerFlight = 512      // for retransmission
	leastBytes     = 64 << 20 // the default
	leastExchanges = 1 << 18  // likewise
	mostAwake      = 1 << 16  // sessions that do not sleep between requests
	leastAwake     = 1 << 12  // the default

	// probing is PROBING_RATE in bytes a second. The default of 1 would let a
	// client whose Non-confirmable request was lost rest for half a minute.
	probing = 1e6
)

// endpoint is the configuration for n clients.
func (c *Config) endpoint(n int, random io.Reader) endpoint.Config {
	params := c.Params
	params.NStart = c.slots()
	if params.ProbingRate == 0 {
		params.ProbingRate = probing
	}
	flights := n * c.slots()
	awake := leastAwake
	if c.Kind == Requests {
		awake = min(max(n, leastAwake), mostAwake)
	}
	return endpoint.Config{
		Rand: random,
		Request: &request.Config{
			Params:       params,
			Limits:       message.Limits{PeerQueue: maxWindow},
			MaxRequests:  maxWindow,
			MaxExchanges: max(leastExchanges, flights+flights/8),
		},
		Limits: endpoint.Limits{
			Sessions: n, HalfOpen: n, PlainPeers: n, PeerQueue: maxWindow,
			Awake: awake,
			Bytes: max(leastBytes, bytesPerFlight*flights),
		},
	}
}

func datagrams(n int) []udp.Datagram {
	batch := make([]udp.Datagram, n)
	all := make([]byte, n*receiveSize)
	for i := range batch {
		batch[i].Buf = all[i*receiveSize : (i+1)*receiveSize : (i+1)*receiveSize]
	}
	return batch
}
