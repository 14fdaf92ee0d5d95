// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
	"pgregory.net/rapid"
)

// resource is a number that a server has and a client observes, over a network that
// loses, repeats and reorders. The server tells each change as RFC 7641 wants it
// done: one notification at a time, the newest state in it, and one that is
// Confirmable when the number does not change any more.
type resource struct {
	world  *world
	server *end
	client *end

	value uint32 // which is its own sequence number
	last  uint32 // the value that it stops at
	non   func() bool

	token    []byte // of the relation, nil when it is over
	told     uint32 // in the notification that was sent last
	reliably bool   // which is Confirmable
	id       ID     // of it, 0 when it is over

	observing bool // the client believes so
	seen      uint32
	received  int
	ended     []string // why the server ended the relation
}

func newResource(w *world, last uint32, non func() bool) *resource {
	o := &resource{world: w, server: w.ends[1], client: w.ends[0], last: last, non: non, observing: true}
	o.server.news, o.client.news = o.atServer, o.atClient
	_, err := o.client.table.Request(w.now, Outgoing{Code: coap.GET, Options: register()})
	if err != nil {
		w.t.Fatal(err)
	}
	o.client.turn()
	return o
}

// state is the representation of the resource.
func (o *resource) state() Outgoing {
	var list coap.OptionList
	list.AddUint(coap.Observe, o.value)
	return Outgoing{Code: coap.Content, Options: list.Encode(nil), Payload: binary.BigEndian.AppendUint32(nil, o.value)}
}

func (o *resource) change() {
	if o.value == o.last {
		return
	}
	o.value++
	o.tell()
}

// tell brings the present state on its way.
func (o *resource) tell() {
	now := o.world.now
	if o.token == nil || o.told == o.value && o.reliably {
		return
	}
	out := o.state()
	if o.non() && o.value != o.last {
		out.Type = coap.NonConfirmable
	}
	if o.id != 0 {
		if err := o.server.table.Supersede(now, o.id, out); err == nil {
			// One that is under way stays Confirmable.
			o.told, o.reliably = o.value, o.server.table.conversation.find(&o.server.table.conversation.deliveries, o.id) != 0
			o.server.turn()
			return
		}
	}
	id, err := o.server.table.Notify(now, o.token, out)
	if err != nil {
		o.world.t.Fatal(err)
	}
	o.id, o.told, o.reliably = id, o.value, out.Type == coap.Confirmable
	o.server.turn()
}

func (o *resource) atServer(ev *Event) {
	switch ev.Kind {
	case RequestReceived:
		if o.token == nil && len(o.ended) == 0 {
			o.token = append([]byte{}, ev.Message.Token...)
		}
		if err := o.server.table.Respond(o.world.now, ev.ID, o.state()); err != nil {
			o.world.t.Fatal(err)
		}
		o.told, o.reliably = o.value, false
		o.tell()
	case Notified:
		if ev.ID != o.id {
			o.world.t.Fatalf("notification %d was acknowledged, %d is under way", ev.ID, o.id)
		}
		o.id = 0
		o.tell()
	case Undelivered:
		o.ended = append(o.ended, ev.Reason.String())
		o.token, o.id = nil, 0
	}
}

func (o *resource) atClient(ev *Event) {
	switch ev.Kind {
	case ResponseReceived:
		o.received++
		o.observing = ev.More
		if v := binary.BigEndian.Uint32(ev.Message.Payload); v > o.seen {
			o.seen = v
		}
	case Failed:
		o.observing = false
	}
}

// TestEventualConsistency: whatever the network does, in the end the client knows the
// newest state, or the server has given it up because nothing of it came for as long
// as that takes; it is never told anything that was not sent, and nothing is left.
//
// Proves rfc7641 §4.5: "However, above all, the server MUST ensure that a client in the list of
// observers of a resource eventually observes the latest state if the resource does not undergo
// a new change in state."
// Pitfall A13: what is late, repeated or lost does no harm
func TestEventualConsistency(t *testing.T) {
	consistent, ended := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64Range(0, 1<<20).Draw(rt, "seed")
		loss := rapid.Float64Range(0, 0.4).Draw(rt, "loss")
		repeat := rapid.Float64Range(0, 0.4).Draw(rt, "repeat")
		slow := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(20*time.Second)).Draw(rt, "latency"))
		nonShare := rapid.Float64Range(0, 1).Draw(rt, "non")
		changes := rapid.IntRange(1, 60).Draw(rt, "changes")
		span := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(10*time.Minute)).Draw(rt, "span"))

		w := newWorld(t, seed, Config{Params: message.Params{NStart: rapid.IntRange(1, 2).Draw(rt, "nstart")}})
		w.rnd = rand.New(rand.NewPCG(seed, 9))
		lost := map[int]bool{}
		w.lost = func(n int) bool {
			if _, known := lost[n]; !known {
				lost[n] = w.rnd.Float64() < loss
			}
			return lost[n]
		}
		w.repeated = func() bool { return w.rnd.Float64() < repeat }
		w.latency = func() time.Duration { return time.Duration(w.rnd.Int64N(int64(slow))) }
		o := newResource(w, uint32(changes), func() bool { return w.rnd.Float64() < nonShare })
		for range changes {
			w.at(time.Duration(w.rnd.Int64N(int64(span))), o.change)
		}
		runObservation(rt, w, o)
		if len(o.ended) == 0 && o.token != nil {
			consistent++
		} else {
			ended++
		}
	})
	t.Logf("%d consistent, %d ended", consistent, ended)
	if consistent < ended {
		t.Error("the networks are too bad to prove something")
	}
}

// runObservation lets a story end and looks at its end.
func runObservation(t *rapid.T, w *world, o *resource) {
	for range 100_000 {
		at := min(w.ends[0].table.Deadline(), w.ends[1].table.Deadline())
		if len(w.queue) == 0 && at == tick.Never {
			break
		}
		if len(w.queue) > 0 && w.queue[0].at <= at {
			next := w.queue[0]
			w.queue, w.now = w.queue[1:], next.at
			next.do()
			continue
		}
		w.now = at
		for _, e := range w.ends {
			if e.table.Deadline() <= w.now {
				e.table.Expire(w.now)
			}
			e.turn()
		}
	}
	switch {
	case w.ends[0].table.Active() || w.ends[1].table.Active():
		t.Fatalf("it does not end")
	case o.seen > o.value || o.value != o.last:
		t.Fatalf("the client knows %d, the server has %d of %d", o.seen, o.value, o.last)
	case len(o.ended) > 1:
		t.Fatalf("the relation ended %v", o.ended)
	case o.token != nil && o.seen != o.value:
		t.Fatalf("the client is on the list and knows %d, not %d\n%s", o.seen, o.value, w.story())
	case o.token != nil && !o.observing:
		t.Fatalf("the client does not know that it is on the list")
	}
	for _, e := range w.ends {
		if n := e.mem.Bytes(); n > 0 {
			t.Fatalf("end %d holds %d bytes", e.me, n)
		}
	}
	if left := w.ends[1].mem.exchanges.Used() + w.ends[1].mem.conversations.Used(); left > 0 {
		t.Fatalf("the server is not idle")
	}
}

func (w *world) story() (s string) {
	for _, line := range w.log {
		s += line + "\n"
	}
	return s
}
