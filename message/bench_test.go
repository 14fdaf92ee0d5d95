// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
)

// server is the path of a request through a Link, with a limit so low that
// each request evicts an older one once the memory is warm.
type server struct {
	link  Link
	now   tick.Time
	mid   uint16
	in    []byte
	out   [1200]byte
	reply coap.Message
}

func newServer(tb testing.TB, payload int) *server {
	s := &server{now: start}
	s.link.Init(NewMemory(Params{}, Limits{}), seeded(1))
	s.in = datagram(tb, get(coap.Confirmable, 0))
	s.reply = content(coap.Acknowledgement, 0)
	s.reply.Payload = make([]byte, payload)
	for range 1000 {
		s.serve(tb)
	}
	return s
}

func (s *server) serve(tb testing.TB) {
	s.mid++
	s.now = s.now.Add(time.Millisecond)
	s.in[2], s.in[3] = byte(s.mid>>8), byte(s.mid)
	a := s.link.Receive(s.now, s.in)
	if a.Verdict != Delivered || s.link.Reply(a.Ref, &s.reply) != nil || s.link.Transmit(s.now, s.out[:]) == 0 {
		tb.Fatal("not served")
	}
}

// TestServerPathDoesNotAllocate: receive, reply, keep the reply, send it, and
// send it again.
func TestServerPathDoesNotAllocate(t *testing.T) {
	for _, payload := range []int{0, 64, 1100} {
		s := newServer(t, payload)
		n := testing.AllocsPerRun(1000, func() {
			s.serve(t)
			s.link.Receive(s.now, s.in)
			if s.link.Transmit(s.now, s.out[:]) == 0 {
				t.Fatal("not repeated")
			}
			s.link.Deadline()
			s.link.Expire(s.now)
		})
		if n != 0 {
			t.Errorf("payload of %d: %v allocations", payload, n)
		}
	}
}

// TestClientPathDoesNotAllocate: send, retransmit, acknowledge.
func TestClientPathDoesNotAllocate(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	request, ack := get(coap.Confirmable, 0), datagram(t, blank(coap.Acknowledgement, 0))
	var out [1200]byte
	run := func() {
		if _, err := r.link.Send(r.now, &request, 1); err != nil {
			t.Fatal(err)
		}
		r.link.Transmit(r.now, out[:])
		r.now = r.link.Deadline()
		r.link.Expire(r.now)
		r.link.Transmit(r.now, out[:])
		copy(ack[2:], out[2:4])
		if r.link.Receive(r.now, ack).Verdict != Acknowledged {
			t.Fatal("not acknowledged")
		}
	}
	run()
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkServe(b *testing.B) {
	s := newServer(b, 64)
	b.ReportAllocs()
	for b.Loop() {
		s.serve(b)
	}
}

// BenchmarkServeManyPeers spreads the requests over 100,000 links, of which
// each remembers a few.
func BenchmarkServeManyPeers(b *testing.B) {
	mem := NewMemory(Params{}, Limits{Bytes: 256 << 20})
	s := newServer(b, 64)
	links := make([]Link, 100_000)
	for i := range links {
		links[i].Init(mem, seeded(1))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l := &links[i*7919%len(links)]
		s.mid++
		s.now = s.now.Add(time.Microsecond)
		s.in[2], s.in[3] = byte(s.mid>>8), byte(s.mid)
		a := l.Receive(s.now, s.in)
		if a.Verdict == Delivered {
			l.Reply(a.Ref, &s.reply)
		}
		l.Transmit(s.now, s.out[:])
	}
}
