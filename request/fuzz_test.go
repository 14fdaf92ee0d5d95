// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

// FuzzTableReceive takes the input as a script: what the application does, what
// time passes, and which datagrams come in. Whatever it says, nothing panics or
// loops, limits hold, each datagram causes at most one answer, and in the end
// everything is given back.
//
// Pitfall R5, R6, R8: any bytes in any order at any time
func FuzzTableReceive(f *testing.F) {
	for _, m := range []coap.Message{
		get(coap.Confirmable, 1), get(coap.NonConfirmable, 2), blank(coap.Confirmable, 3),
		content(coap.Acknowledgement, 4, []byte{1}), content(coap.Confirmable, 5, nil), blank(coap.Reset, 6),
		{Type: coap.Confirmable, Code: 0xe0, MessageID: 7},
		{Type: coap.Confirmable, Code: coap.GET, Options: coap.AppendOption(nil, 0, 65001, nil)},
	} {
		b := datagram(f, m)
		f.Add(append([]byte{9, byte(len(b))}, b...))
		f.Add(append([]byte{0, 0, 10, 9, byte(len(b))}, b...))
	}
	f.Add([]byte{0, 1, 2, 8, 200, 8, 200, 8, 255, 8, 255})
	f.Add([]byte{0, 10, 11, 0, 5, 10, 12, 1, 3, 0, 4, 0})
	// Notifications, observations, and what replaces and ends them.
	f.Add([]byte{4, 200, 4, 201, 4, 202, 4, 210, 8, 3, 4, 211, 12, 0, 13, 0, 8, 200, 8, 200})
	f.Add([]byte{5, 200, 15, 0, 15, 1, 14, 2, 6, 0, 15, 3})
	f.Fuzz(func(t *testing.T, script []byte) {
		s := newScript(t)
		for len(script) > 0 {
			script = s.step(script)
			s.settle()
		}
		s.finish()
	})
}

// script runs a fuzzer's input.
type script struct {
	t     *testing.T
	mem   *Memory
	table Table
	now   tick.Time
	last  [4]byte // header of what was sent last
	token []byte
	heard bool // the step was a datagram
	ids   []ID
	open  map[ID]bool // our requests without an outcome
}

func newScript(t *testing.T) *script {
	s := &script{t: t, now: start, open: map[ID]bool{}}
	s.mem = NewMemory(&Config{
		Params:       message.Params{NStart: 2},
		MaxRequests:  5,
		MaxPending:   3,
		MaxExchanges: 7,

		MaxObservations: 2,
		Limits:          message.Limits{Bytes: 4000, PeerMessages: 6, PeerBytes: 500, PeerQueue: 6, MessageBytes: 300},
	})
	s.table.Init(s.mem, seeded(1))
	return s
}

// step does what the first byte says and returns the rest of the script.
func (s *script) step(in []byte) []byte {
	op, in := in[0], in[1:]
	arg := byte(0)
	if len(in) > 0 && op%16 > 2 {
		arg, in = in[0], in[1:]
	}
	switch op % 16 {
	case 0, 1:
		s.ask(s.table.Request(s.now, Outgoing{Type: coap.Type(op % 2), Code: coap.GET}))
	case 2:
		s.ask(s.table.Ping(s.now))
	case 3:
		s.table.Respond(s.now, s.id(arg), Outgoing{Code: coap.Content, Payload: make([]byte, int(arg)+100)})
	case 4:
		s.acceptOrNotify(arg)
	case 5:
		s.rejectOrObserve(arg)
	case 6:
		s.table.Cancel(s.id(arg))
	case 7:
		s.now = max(s.now, min(s.table.Deadline(), s.now.Add(time.Hour)))
		s.table.Expire(s.now)
	case 8:
		s.now = s.now.Add(time.Duration(arg) * time.Second)
		s.table.Expire(s.now)
	case 9:
		n := min(int(arg), len(in))
		s.receive(in[:n])
		in = in[n:]
	default:
		s.reply(op%16-10, arg)
	}
	return in
}

func (s *script) ask(id ID, err error) {
	if err == nil {
		s.open[id] = true
	}
}

func (s *script) id(arg byte) ID {
	if len(s.ids) == 0 {
		return ID(arg)
	}
	return s.ids[int(arg)%len(s.ids)]
}

// acceptOrNotify accepts a request, or sends a notification or replaces one.
func (s *script) acceptOrNotify(arg byte) {
	out := notice(coap.Type(arg%3), string(make([]byte, arg)))
	switch {
	case arg < 200:
		s.table.Accept(s.id(arg))
	case arg < 210:
		if id, err := s.table.Notify(s.now, []byte{arg}, out); err == nil {
			s.ids = append(s.ids, id)
		}
	default:
		s.table.Supersede(s.now, s.id(arg), out)
	}
}

// rejectOrObserve rejects a request, or makes one to observe.
func (s *script) rejectOrObserve(arg byte) {
	if arg < 200 {
		s.table.Reject(s.id(arg))
		return
	}
	id, err := s.table.Request(s.now, Outgoing{Type: coap.Type(arg % 2), Code: coap.GET, Options: register()})
	s.ask(id, err)
}

// reply lets something come in that fits what was sent last.
func (s *script) reply(kind, arg byte) {
	typ := coap.Type(kind % 4)
	mid := uint16(s.last[2])<<8 | uint16(s.last[3])
	m := blank(typ, mid)
	if kind > 3 || typ == coap.NonConfirmable {
		m = content(typ, mid+uint16(arg), s.token)
		if arg%2 == 1 {
			m.Options = register(arg)
		}
	}
	s.receive(datagram(s.t, m))
}

func (s *script) receive(b []byte) {
	s.heard = true
	s.table.Receive(s.now, b)
}

// settle takes the events and messages and checks the limits.
func (s *script) settle() {
	var ev Event
	for n := 0; s.table.Next(&ev); n++ {
		if n > 20 {
			s.t.Fatal("events do not end")
		}
		s.ids = append(s.ids, ev.ID)
		switch ev.Kind {
		case ResponseReceived, Failed, Pong:
			if !s.open[ev.ID] {
				s.t.Fatalf("%v of %d, which is not open", ev.Kind, ev.ID)
			}
			if !ev.More {
				delete(s.open, ev.ID)
			}
		}
	}
	var out [300]byte
	answers := 0
	for n := 0; ; n++ {
		size := s.table.Transmit(s.now, out[:])
		if size == 0 {
			break
		}
		if n > 20 {
			s.t.Fatal("messages do not end")
		}
		m, err := coap.Parse(out[:size])
		if err != nil {
			s.t.Fatalf("sent % x: %v", out[:size], err)
		}
		if m.Type >= coap.Acknowledgement {
			answers++
		}
		copy(s.last[:], out[:4])
		s.token = append(s.token[:0], m.Token...)
	}
	if s.heard && answers > 1 {
		s.t.Fatalf("%d answers to a datagram", answers)
	}
	s.heard = false
	if s.mem.Bytes() > 4000 || s.mem.exchanges.Used() > 7 {
		s.t.Fatalf("%d bytes, %d exchanges", s.mem.Bytes(), s.mem.exchanges.Used())
	}
	if c := s.table.conversation; c != nil && (c.theirs.Len > 3 || c.ours.Len > 5 || c.observed.Len > 2) {
		s.t.Fatalf("%d requests of the peer, %d of ours, %d observations", c.theirs.Len, c.ours.Len, c.observed.Len)
	}
	if s.table.Deadline() <= s.now {
		s.t.Fatalf("deadline %v is not after now", s.table.Deadline().Sub(s.now))
	}
}

// finish lets time pass: all of ours must end, observations by Cancel, and once the
// peer's requests are rejected, nothing remains.
func (s *script) finish() {
	for s.table.conversation != nil && s.table.conversation.observed.First != 0 {
		s.table.Cancel(s.table.conversation.at(s.table.conversation.observed.First).id)
	}
	s.settle()
	for range 1000 {
		at := s.table.Deadline()
		if at == tick.Never {
			break
		}
		s.now = at
		s.table.Expire(at)
		s.settle()
	}
	if len(s.open) > 0 {
		s.t.Fatalf("%d requests without an outcome", len(s.open))
	}
	for s.table.conversation != nil && s.table.conversation.theirs.First != 0 {
		s.table.Reject(s.table.conversation.at(s.table.conversation.theirs.First).id)
	}
	s.settle()
	for s.table.Deadline() != tick.Never {
		s.now = s.table.Deadline()
		s.table.Expire(s.now)
		s.settle()
	}
	if !s.table.Idle() || s.mem.Bytes() != 0 || s.mem.exchanges.Used()+s.mem.conversations.Used() != 0 {
		s.t.Fatalf("not idle: %d bytes, %d exchanges, %d conversations", s.mem.Bytes(), s.mem.exchanges.Used(), s.mem.conversations.Used())
	}
}
