// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps/udp"
)

func TestParseLoss(t *testing.T) {
	for spec, want := range map[string]lossSpec{
		"10%":        {rate: 0.1, seed: 1},
		"10%,seed=7": {rate: 0.1, seed: 7},
		"seed=7,0%":  {rate: 0, seed: 7},
		"1, 3":       {seed: 1, ordinal: map[uint64]bool{1: true, 3: true}},
	} {
		got, err := parseLoss(spec)
		if err != nil || got.rate != want.rate || got.seed != want.seed || len(got.ordinal) != len(want.ordinal) {
			t.Errorf("%q: %+v, %v", spec, got, err)
		}
	}
	for _, spec := range []string{"", "x", "101%", "-1%", "NaN%", "0", "10%,1", "seed=x", "seed=-1"} {
		if got, err := parseLoss(spec); err == nil {
			t.Errorf("%q was taken for %+v", spec, got)
		}
	}
}

// memoryConn counts what it is given and returns numbered datagrams.
type memoryConn struct {
	udp.Conn
	sent []int
	next int
}

func (c *memoryConn) Send(batch []udp.Datagram) (int, error) {
	for i := range batch {
		c.sent = append(c.sent, int(batch[i].Buf[0]))
	}
	return len(batch), nil
}

func (c *memoryConn) Recv(batch []udp.Datagram) (int, error) {
	for i := range batch {
		batch[i].Buf[0], batch[i].N = byte(c.next), 1
		c.next++
	}
	return len(batch), nil
}

func datagrams(n int) []udp.Datagram {
	batch := make([]udp.Datagram, n)
	for i := range batch {
		batch[i] = udp.Datagram{Buf: []byte{byte(i + 1)}, N: 1}
	}
	return batch
}

func TestLossByOrdinal(t *testing.T) {
	loss, err := parseLoss("1,3")
	if err != nil {
		t.Fatal(err)
	}
	below := &memoryConn{}
	n, err := loss.wrap(below).Send(datagrams(4))
	if n != 4 || err != nil {
		t.Fatalf("Send: %d, %v", n, err)
	}
	if diff := cmp.Diff([]int{2, 4}, below.sent); diff != "" {
		t.Error(diff)
	}
}

// The same seed loses the same datagrams, another seed others.
func TestLossIsSeeded(t *testing.T) {
	run := func(spec string) []int {
		loss, err := parseLoss(spec)
		if err != nil {
			t.Fatal(err)
		}
		below := &memoryConn{}
		conn := loss.wrap(below)
		if _, err := conn.Send(datagrams(200)); err != nil {
			t.Fatal(err)
		}
		return below.sent
	}
	first := run("30%,seed=7")
	if diff := cmp.Diff(first, run("30%,seed=7")); diff != "" {
		t.Errorf("the same seed: %s", diff)
	}
	if cmp.Equal(first, run("30%,seed=8")) {
		t.Error("another seed lost the same datagrams")
	}
	if len(first) < 110 || len(first) > 170 {
		t.Errorf("%d of 200 passed, want about 140", len(first))
	}
}

// Each buffer is still in the batch exactly once, the received ones in front.
func TestLossKeepsBuffers(t *testing.T) {
	loss, err := parseLoss("50%")
	if err != nil {
		t.Fatal(err)
	}
	batch := datagrams(64)
	n, err := loss.wrap(&memoryConn{}).Recv(batch)
	if err != nil || n == 0 || n == 64 {
		t.Fatalf("Recv: %d, %v", n, err)
	}
	seen := map[*byte]bool{}
	last := -1
	for i := range batch {
		seen[&batch[i].Buf[0]] = true
		if i < n && int(batch[i].Buf[0]) <= last {
			t.Errorf("datagram %d is out of order", i)
		}
		last = int(batch[i].Buf[0])
	}
	if len(seen) != 64 {
		t.Errorf("%d buffers are left of 64", len(seen))
	}
}
