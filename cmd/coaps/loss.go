// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/coaps-go/coaps/udp"
)

// lossForms is the help text of --loss.
const lossForms = "lose datagrams on purpose: `SPEC` is 10%, 10%,seed=7, or 1,3 for the first and third sent"

// lossSpec says which datagrams to lose.
type lossSpec struct {
	rate    float64         // of both directions, 0 to 1
	seed    uint64          // of the generator; the same seed loses the same datagrams
	ordinal map[uint64]bool // of those sent, counted from 1
}

// parseLoss reads a specification: a percentage with an optional seed, or, as in
// libcoap, the numbers of the outgoing datagrams to lose.
func parseLoss(spec string) (*lossSpec, error) {
	loss := &lossSpec{seed: 1, ordinal: map[uint64]bool{}}
	for part := range strings.SplitSeq(spec, ",") {
		if err := loss.add(strings.TrimSpace(part)); err != nil {
			return nil, err
		}
	}
	if loss.rate > 0 && len(loss.ordinal) > 0 {
		return nil, fmt.Errorf("%q names both a percentage and single datagrams", spec)
	}
	return loss, nil
}

func (l *lossSpec) add(part string) error {
	var err error
	switch {
	case strings.HasPrefix(part, "seed="):
		l.seed, err = strconv.ParseUint(part[len("seed="):], 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a seed: a whole number is", part)
		}
	case strings.HasSuffix(part, "%"):
		l.rate, err = strconv.ParseFloat(strings.TrimSuffix(part, "%"), 64)
		if err != nil || !(l.rate >= 0 && l.rate <= 100) {
			return fmt.Errorf("%q is not a percentage between 0%% and 100%%", part)
		}
		l.rate /= 100
	default:
		var number uint64
		number, err = strconv.ParseUint(part, 10, 64)
		if err != nil || number == 0 {
			return fmt.Errorf("%q is neither a percentage (10%%), nor seed=N, nor the number of a datagram", part)
		}
		l.ordinal[number] = true
	}
	return nil
}

// lossyConn loses datagrams between the program and its socket. Each direction
// has its own generator, so that what is lost going out does not depend on when
// something comes in.
type lossyConn struct {
	udp.Conn
	spec *lossSpec

	up, down *rand.Rand
	sent     uint64
}

// wrap puts the loss around a socket.
func (l *lossSpec) wrap(conn udp.Conn) udp.Conn {
	return &lossyConn{Conn: conn, spec: l,
		up:   rand.New(rand.NewPCG(l.seed, 1)),
		down: rand.New(rand.NewPCG(l.seed, 2)),
	}
}

// Recv returns what is left of a batch, and waits on when nothing is.
func (c *lossyConn) Recv(batch []udp.Datagram) (int, error) {
	for {
		n, err := c.Conn.Recv(batch)
		kept := 0
		for i := range n {
			if c.down.Float64() >= c.spec.rate {
				batch[kept], batch[i] = batch[i], batch[kept]
				kept++
			}
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
}

// Send claims success for what it loses, as the network does.
func (c *lossyConn) Send(batch []udp.Datagram) (int, error) {
	for i := range batch {
		if c.loseUp() {
			continue
		}
		if n, err := c.Conn.Send(batch[i : i+1]); n == 0 || err != nil {
			return i, err
		}
	}
	return len(batch), nil
}

func (c *lossyConn) loseUp() bool {
	c.sent++
	return c.spec.ordinal[c.sent] || c.up.Float64() < c.spec.rate
}
