// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/request"
)

// check fails if what an endpoint keeps of its peers does not fit together.
func (e *Endpoint) check(t testing.TB) {
	t.Helper()
	keys, cells := 0, 0
	gone := e.checkUse(t)
	for c := ended + 1; c < numClasses; c++ {
		heard, n := e.now.Add(-1000*time.Hour), uint32(0)
		for i := e.oldest(c); i != 0; i = e.slots.Next(i) {
			at := e.slots.At(i)
			if at.class != c || at.generation == 0 || at.heard < heard {
				t.Fatalf("slot %d: class %d in the list of %d, generation %d, heard %d after %d", i, at.class, c, at.generation, at.heard, heard)
			}
			heard = at.heard
			n++
			e.checkPeer(t, i, at)
			e.checkKey(t, i, at)
			if at.indexed {
				keys++
			}
			for _, first := range []uint32{at.asleep, at.note} {
				for j := first; j != 0; j = e.dormitory.cells.Next(j) {
					cells++
				}
			}
		}
		if n != e.byAge[c].Len {
			t.Fatalf("class %d: %d of %d", c, n, e.byAge[c].Len)
		}
	}
	if keys != int(e.index.Len()) || cells+gone != e.dormitory.cells.Used() {
		t.Fatalf("%d keys of %d, %d cells and %d of %d", keys, e.index.Len(), cells, gone, e.dormitory.cells.Used())
	}
}

// checkPeer compares a slot with its peer: a session is awake or asleep, never
// both or neither.
func (e *Endpoint) checkPeer(t testing.TB, i uint32, at *slot) {
	t.Helper()
	p := e.awake(at)
	switch {
	case p == nil:
		if at.class == halfOpen || at.class == secure && at.asleep == 0 {
			t.Fatalf("slot %d has neither peer nor session", i)
		}
	case p.id != PeerID{i, at.generation} || p.at != at || p.secure != (at.class != plain) || (p.phase == open) != (at.class != halfOpen):
		t.Fatalf("slot %d has peer %+v", i, p.id)
	case at.asleep != 0 && (at.note != 0 || p.session != nil || p.rival != nil || e.recent.has(p) || p.tag != nil):
		t.Fatalf("slot %d sleeps and does not", i)
	case at.asleep == 0 && at.class == secure && (p.session == nil || !e.recent.has(p) && !p.drowsy):
		t.Fatalf("slot %d is awake, and not among the recent", i)
	}
}

// checkKey looks for a slot by its key: all are found but candidates, in whose
// place it is their rival.
func (e *Endpoint) checkKey(t testing.TB, i uint32, at *slot) {
	t.Helper()
	k := at.key
	found := e.index.find(&e.slots, &k)
	if at.indexed {
		if found != i {
			t.Fatalf("slot %d: its key finds %d", i, found)
		}
		return
	}
	if p := e.awake(at); p == nil || !p.candidate || p.rival == nil || p.rival.id.index != found || p.rival.rival != p {
		t.Fatalf("slot %d is not found, and no candidate of %d", i, found)
	}
}

// checkUse counts what is in use, and looks for what ought not to be. It returns
// how many cells hold notes of peers that have ended.
func (e *Endpoint) checkUse(t testing.TB) (gone int) {
	t.Helper()
	slots, awake := 0, 0
	for i := range uint32(e.slots.Made()) {
		at := e.slots.At(i + 1)
		if at.generation == 0 {
			continue
		}
		slots++
		p := e.awake(at)
		if p != nil {
			awake++
		}
		for j := at.note; at.class == ended && j != 0; j = e.dormitory.cells.Next(j) {
			gone++ // until its last event has been taken
		}
		if at.class == ended && (p == nil || p.phase != closing || at.indexed) {
			t.Fatalf("slot %d has ended and stays", i+1)
		}
	}
	if slots != e.slots.Used() || awake != e.peers.Used() {
		t.Fatalf("%d slots of %d, %d peers of %d", slots, e.slots.Used(), awake, e.peers.Used())
	}
	for _, b := range e.dormitory.scratch[:cap(e.dormitory.scratch)] {
		if b != 0 {
			t.Fatal("a session's bytes were left in the scratch")
		}
	}
	return gone
}

// Devices come, ask, sleep, lose their memory, begin anew and leave it, are
// forged, thrown out and called, in any order: what the server keeps of them
// fits together at each step, and nobody is answered in another's session.
func TestWhatIsKeptFitsTogether(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomLife(t, rand.New(rand.NewPCG(seed, 7)), 600) })
	}
}

type device struct {
	*party
	id PeerID
}

func randomLife(t *testing.T, random *rand.Rand, steps int) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{
		Awake: 3, Sessions: 8, EvictAfter: 20 * time.Second, HalfOpen: 3, SessionIdle: 2 * time.Hour,
	})
	server.keys["device"] = key1
	devices := make([]device, 12)
	notes := map[PeerID][]byte{}
	join := func(i int, hold bool) {
		fresh := n.client(address(i).String())
		fresh.keys["device"], fresh.hold = key1, hold
		devices[i] = device{fresh, fresh.connect(server, pskConfig(byte(random.Uint32())))}
	}
	forged := append([]byte{23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 99, 0, 30}, make([]byte, 30)...)
	for step := range steps {
		i := random.IntN(len(devices))
		d := &devices[i]
		switch what := random.IntN(11); {
		case d.party == nil || what == 0:
			if d.party != nil {
				n.forget(d.party)
			}
			join(i, random.IntN(4) == 0) // some stop in the middle
		case what < 4:
			question := fmt.Sprint(step)
			d.take()
			if _, err := d.Request(n.now, d.id, crowdQuestion(question)); err == nil {
				n.settle()
				for _, got := range d.take() {
					if len(got) > 8 && got[:8] == "response" && got != "response 2.05 Content "+question {
						t.Fatalf("asked %s, got %s", question, got)
					}
				}
			}
		case what == 4:
			n.inject(address(i), server, forged)
		case what == 5:
			n.sleep(time.Duration(random.IntN(10_000)) * time.Millisecond)
		case what == 6 && random.IntN(5) == 0:
			n.sleep(time.Duration(random.IntN(90)) * time.Minute)
		case what == 7:
			server.Disconnect(n.now, server.peerAt(address(i)))
		case what == 8:
			if facts := server.Facts(server.peerAt(address(i))); facts != nil && facts.Version != dtls.VersionDTLS12 {
				t.Fatalf("facts %+v", facts)
			}
		case what == 9 && random.IntN(2) == 0:
			id := server.peerAt(address(i))
			note := bytes.Repeat([]byte{byte(step) | 1}, random.IntN(250))
			if server.SetNote(n.now, id, note) != nil {
				break
			}
			if got := server.Note(id); !bytes.Equal(got, note) {
				t.Fatalf("note %x is %x", note, got)
			}
			notes[id] = note
		case what == 10:
			notifySome(server, random)
		case what == 9:
			_, _ = server.Request(n.now, server.peerAt(address(i)), crowdQuestion("from the server"))
		}
		server.check(t)
		for id, note := range notes {
			if got := server.Note(id); server.slotOf(id) != nil && !bytes.Equal(got, note) {
				t.Fatalf("note %x has become %x", note, got)
			}
		}
		if random.IntN(3) > 0 {
			n.settle()
			server.check(t)
		}
		if got := server.Stats(); got.Sessions > 8 || got.HalfOpen > 3 {
			t.Fatalf("%d sessions, %d half-open", got.Sessions, got.HalfOpen)
		}
	}
	server.Close(n.now)
	n.settle()
	server.check(t)
	server.clear(t, 0)
}

// notifySome sends notifications to sessions that have not asked for any, or do not
// hear it, and replaces some.
func notifySome(server *party, random *rand.Rand) {
	n := server.net
	if random.IntN(2) == 0 {
		n.lose = func(from, _ *party, _ []byte) bool { return from != server }
	}
	for range 1 + random.IntN(3) {
		out := request.Outgoing{Type: coap.Type(random.IntN(2)), Code: coap.Content, Options: observeOptions(1)}
		x, err := server.Notify(n.now, server.peerAt(address(random.IntN(12))), []byte("none"), out)
		if err == nil && random.IntN(2) == 0 {
			_ = server.Supersede(n.now, x, out)
		}
	}
	n.sleep(time.Duration(random.IntN(40_000)) * time.Millisecond)
	n.lose = nil
}

// forget takes a party off the network.
func (n *network) forget(old *party) {
	for i, p := range n.order {
		if p == old {
			n.order = append(n.order[:i:i], n.order[i+1:]...)
			return
		}
	}
}
