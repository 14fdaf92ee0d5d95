// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
)

// What the caller leaves with a session stays with it while it sleeps, of any
// length that is allowed, and is in its events.
func TestNote(t *testing.T) {
	for _, size := range []int{0, 1, cellLen - 2, cellLen - 1, cellLen, 127, 128, 3 * cellLen, MaxNote} {
		n, server, client, id := pskPair(t)
		note := bytes.Repeat([]byte("note"), MaxNote)[:size]
		serverID := server.anyone()
		var seen []byte
		server.serve = func(p *party, ev *Event) {
			seen = append([]byte("seen "), ev.Note...)
			echo(p, ev)
		}
		if err := server.SetNote(n.now, serverID, note); err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			client.get(id, fmt.Sprint(round))
			client.wantIn(t, fmt.Sprint("response 2.05 Content ", round))
			if got := string(seen); got != "seen "+string(note) {
				t.Errorf("%d bytes: %q in the event", size, got)
			}
			n.sleep(10 * time.Minute)
			server.asleep(t, 1)
			server.check(t)
			if got := server.Note(serverID); !bytes.Equal(got, note) {
				t.Errorf("%d bytes: %q of one that sleeps", size, got)
			}
			server.asleep(t, 1)
		}
		if err := server.SetNote(n.now, serverID, append(note, 'x')); (err == nil) != (size < MaxNote) {
			t.Errorf("%d bytes and one more: %v", size, err)
		}
		server.asleep(t, 1)
		server.check(t)
		server.Disconnect(n.now, serverID)
		n.settle()
		server.clear(t, 0)
		if server.Note(serverID) != nil || !errors.Is(server.SetNote(n.now, serverID, note), ErrGone) {
			t.Error("a session that has ended has a note")
		}
	}
}

// A note can be left while the handshake lasts, and belongs to the session of
// that handshake alone: not to the one that it replaces.
func TestNoteDuringTheHandshake(t *testing.T) {
	n, server, client, _ := pskPair(t)
	old := server.anyone()
	server.take()
	var notes []string
	if err := server.SetNote(n.now, old, []byte("the old one")); err != nil {
		t.Fatal(err)
	}
	server.hold = true
	n.forget(client)
	again := n.client(client.addr.String())
	again.keys["device"] = key1
	again.connect(server, pskConfig(9))
	if len(server.held) != 1 {
		t.Fatalf("%d questions", len(server.held))
	}
	if err := server.SetNote(n.now, server.held[0].Peer(), []byte("the new one")); err != nil {
		t.Fatal(err)
	}
	if got := string(server.Note(old)); got != "the old one" {
		t.Errorf("old note %q", got)
	}
	server.hold = false
	server.answer(&server.held[0])
	for range 10 { // by hand, to see the notes in the events
		var ev Event
		for server.Next(&ev) {
			notes = append(notes, ev.Kind.String()+" "+string(ev.Note))
			server.act(&ev)
		}
		for server.Transmit(n.now, &n.buf) {
			n.inject(server.addr, again, n.buf.Payload())
		}
		for again.Transmit(n.now, &n.buf) {
			d := n.buf
			d.Buf = slices.Clone(n.buf.Buf)
			d.Remote, d.Local = again.addr, server.addr.Addr()
			server.Receive(n.now, &d)
			for server.Next(&ev) {
				notes = append(notes, ev.Kind.String()+" "+string(ev.Note))
				server.act(&ev)
			}
		}
	}
	for _, want := range []string{"connected the new one", "disconnected the old one"} {
		if !slices.Contains(notes, want) {
			t.Errorf("no %q in %q", want, notes)
		}
	}
	server.check(t)
}

// Only sessions have notes: an address can be forged.
func TestNoNoteWithoutASession(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5683", nil, Limits{})
	client := n.client("198.51.100.2:40000")
	client.get(client.connect(server, nil), "hello")
	if err := server.SetNote(n.now, server.requests[0].Peer, []byte("note")); !errors.Is(err, ErrGone) {
		t.Errorf("error %v", err)
	}
	if err := server.SetDTLS(pskConfig(1)); err == nil {
		t.Error("a plain server takes a configuration for sessions")
	}
}

// A walk shows every session once, as it is, and wakes nobody; and it does no
// more at a time than it was allowed.
func TestWalk(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	const sessions = 40
	for i := range sessions {
		name := fmt.Sprint("device ", i)
		server.keys[name] = key1
		client := n.client(address(i).String())
		client.keys[name] = key1
		client.connect(server, pskConfig(byte(i)))
		if err := server.SetNote(n.now, server.peerAt(address(i)), []byte(name)); err != nil {
			t.Fatal(err)
		}
		if i == sessions/2 {
			n.sleep(time.Minute)
		}
	}
	before := server.Stats()
	if before.Awake == 0 || before.Awake == sessions {
		t.Fatalf("%d awake", before.Awake)
	}
	order := ages(server.Endpoint)
	shown, asleep, calls := map[PeerID]string{}, 0, 0
	for from, more := 0, true; more; more = from != 0 {
		looked := 0
		from = server.Walk(from, 7, func(at *Resident) bool {
			looked++
			facts := at.Facts()
			if string(facts.PSKIdentity) != string(at.Note) || facts.CipherSuite != suitePSK || facts.Version != dtls.VersionDTLS12 {
				t.Errorf("%v: facts %+v, note %q", at.ID, facts, at.Note)
			}
			shown[at.ID] += string(at.Note)
			if at.Asleep {
				asleep++
			}
			if one, ok := server.Look(at.ID); !ok || one.ID != at.ID || PeerIDOf(at.ID.Number()) != at.ID {
				t.Errorf("%v is not found", at.ID)
			}
			return looked < 3
		})
		if calls++; looked > 3 {
			t.Fatalf("%d shown", looked)
		}
	}
	if len(shown) != sessions || asleep != sessions-before.Awake || calls < sessions/3 {
		t.Errorf("%d of %d shown, %d asleep, %d calls", len(shown), sessions, asleep, calls)
	}
	for id, name := range shown {
		if name != string(server.Note(id)) {
			t.Errorf("%v was shown as %q", id, name)
		}
	}
	if after := server.Stats(); after.Wakes != before.Wakes || after.Awake != before.Awake || !slices.Equal(order, ages(server.Endpoint)) {
		t.Errorf("%d wakes, %d awake, before %d and %d", after.Wakes, after.Awake, before.Wakes, before.Awake)
	}
	server.check(t)
}

// ages lists the sessions, the one silent longest first.
func ages(e *Endpoint) (order []uint32) {
	for i := e.oldest(secure); i != 0; i = e.slots.Next(i) {
		order = append(order, i)
	}
	return order
}

// During a walk sessions may end and get other notes, and none of it wakes the
// others.
func TestWalkThatChangesThings(t *testing.T) {
	n := newNetwork(t)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{})
	server.keys["device"] = key1
	for i := range 30 {
		client := n.client(address(i).String())
		client.keys["device"] = key1
		client.connect(server, pskConfig(byte(i)))
	}
	n.sleep(time.Minute)
	i := 0
	server.Walk(0, 1000, func(at *Resident) bool {
		if i++; i%3 == 0 {
			server.Disconnect(n.now, at.ID)
		} else if err := server.SetNote(n.now, at.ID, []byte("seen")); err != nil {
			t.Error(err)
		}
		return true
	})
	if i != 30 {
		t.Errorf("%d shown", i)
	}
	n.settle()
	server.check(t)
	server.asleep(t, 20)
	server.Walk(0, 1000, func(at *Resident) bool {
		if string(at.Note) != "seen" {
			t.Errorf("note %q", at.Note)
		}
		return true
	})
	if _, ok := server.Look(PeerID{}); ok {
		t.Error("nobody is there")
	}
}

// A server takes another configuration for sessions to come: those that there are
// stay, and cookies stay good.
func TestSetDTLS(t *testing.T) {
	n, server, client, id := pskPair(t)
	if err := server.SetDTLS(&dtls.Config{}); err == nil {
		t.Error("a configuration without randomness is taken")
	}
	if err := server.SetDTLS(rawKeyConfig(t, 5)); err != nil {
		t.Fatal(err)
	}
	client.take()
	client.get(id, "still")
	client.want(t, "response 2.05 Content still")
	other := n.client("198.51.100.3:40000")
	other.connect(server, rawKeyConfig(t, 6))
	other.wantIn(t, "connected")
}

// Nobody's note costs anything where there is none, and one of the usual length
// finds room in the cells that a session with a pre-shared key needs anyway.
func TestNoteTakesLittle(t *testing.T) {
	for _, test := range []struct {
		config func(seed byte) *dtls.Config
		cells  int
		note   int
	}{
		{pskConfig, 3, 38},
		{func(seed byte) *dtls.Config { return rawKeyConfig(t, seed) }, 4, 36},
	} {
		n := newNetwork(t)
		server := n.server("192.0.2.1:5684", test.config(1), Limits{})
		server.keys["sensor-7"] = key1
		client := n.client("198.51.100.2:40000")
		client.keys["sensor-7"] = key1
		client.connect(server, test.config(2))
		for _, note := range []int{0, test.note} {
			if err := server.SetNote(n.now, server.anyone(), bytes.Repeat([]byte("n"), note)); err != nil {
				t.Fatal(err)
			}
			n.sleep(10 * time.Minute)
			if got := server.dormitory.cells.Used(); got != test.cells {
				t.Errorf("%d cells with a note of %d bytes, want %d", got, note, test.cells)
			}
		}
		for room := test.note; ; room++ {
			server.SetNote(n.now, server.anyone(), bytes.Repeat([]byte("n"), room))
			n.sleep(10 * time.Minute)
			if server.dormitory.cells.Used() > test.cells {
				t.Logf("room for a note of %d bytes", room-1)
				break
			}
		}
	}
}

func BenchmarkWalk(b *testing.B) {
	n := newNetwork(b)
	server := n.server("192.0.2.1:5684", pskConfig(1), Limits{HandshakeRate: -1, PrefixHandshakeRate: -1})
	server.keys["device"] = key1
	const sessions = 2000
	for i := range sessions {
		client := n.client(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1000).String())
		client.keys["device"] = key1
		client.connect(server, pskConfig(byte(i)))
		n.forget(client)
		if err := server.SetNote(n.now, server.peerAt(client.addr), bytes.Repeat([]byte("n"), 30)); err != nil {
			b.Fatal(err)
		}
	}
	n.sleep(time.Minute)
	b.ResetTimer()
	for b.Loop() {
		server.Walk(0, sessions+1, func(at *Resident) bool { return len(at.Note) == 30 })
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/sessions, "ns/session")
}
