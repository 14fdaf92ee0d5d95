// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
	"pgregory.net/rapid"
)

// TestDuplicateConfirmable: whatever the reply was, each duplicate gets the
// same bytes, and the layer above sees none, until EXCHANGE_LIFETIME is over.
//
// Proves rfc7252 §4.5: "The recipient SHOULD acknowledge each duplicate copy of a
// Confirmable message using the same Acknowledgement or Reset message but SHOULD process any
// request or response in the message only once."
// Proves rfc7252 §5.2.2: "If a retransmitted request is received (perhaps because the
// original Acknowledgement was delayed), another Empty Acknowledgement is sent, and any
// response MUST be sent as a separate response."
func TestDuplicateConfirmable(t *testing.T) {
	long := content(coap.Acknowledgement, 0)
	long.Payload = bytes.Repeat([]byte("0123456789"), 100) // nine chunks
	for _, c := range []struct {
		name  string
		reply func(*Link, Ref)
		want  string
	}{
		{"empty", func(l *Link, ref Ref) { l.Acknowledge(ref) }, "ACK 7 Empty"},
		{"reset", func(l *Link, ref Ref) { l.Reject(ref) }, "RST 7 Empty"},
		{"response", func(l *Link, ref Ref) { l.Reply(ref, &long) }, fmt.Sprintf("ACK 7 2.05 Content [cd] %q", long.Payload)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Params{}, Limits{})
			request := get(coap.Confirmable, 7)
			a := r.receive(request)
			equal(t, "first: verdict", a.Verdict, Delivered)
			equal(t, "a duplicate before the reply", r.receive(request).Verdict, Nothing)
			equal(t, "is not answered", r.transmit(), "")
			c.reply(r.link, a.Ref)
			r.receive(request) // a duplicate before the reply is sent
			equal(t, "one reply", r.transmit(), c.want)
			for range 5 {
				r.wait(49 * time.Second)
				equal(t, "duplicate: verdict", r.receive(request).Verdict, Nothing)
				equal(t, "duplicate: reply", r.transmit(), c.want)
			}
			r.wait(2*time.Second - 1) // 247 s since the first, but for a nanosecond
			equal(t, "last duplicate: verdict", r.receive(request).Verdict, Nothing)
			equal(t, "last duplicate: reply", r.transmit(), c.want)
			equal(t, "drops", r.drops(), "duplicate_con 8")
			equal(t, "repeated", r.mem.traffic.RepeatedReplies, 6)
			r.wait(1)
			equal(t, "after EXCHANGE_LIFETIME: verdict", r.receive(request).Verdict, Delivered)
		})
	}
}

// TestDuplicateIsFoundWithoutExpire: the lifetime is exact even if nobody calls
// Expire, also for a record that does not stand in the order of its age.
func TestDuplicateIsFoundWithoutExpire(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	for mid := range uint16(3) {
		r.now = start.Add(time.Duration(mid) * time.Second)
		r.link.Acknowledge(r.receive(get(coap.Confirmable, mid)).Ref)
	}
	r.transmit()
	r.receive(get(coap.Confirmable, 0)) // its reply is repeated: last in the list now
	r.transmit()
	r.now = start.Add(247*time.Second - 1)
	equal(t, "before", r.receive(get(coap.Confirmable, 0)).Verdict, Nothing)
	r.transmit()
	r.now = start.Add(247 * time.Second)
	equal(t, "after", r.receive(get(coap.Confirmable, 0)).Verdict, Delivered)
}

// TestDuplicateNonConfirmable: silence for NON_LIFETIME.
//
// Proves rfc7252 §4.5: "the recipient SHOULD silently ignore any duplicated
// Non-confirmable message and SHOULD process any request or response in the message only
// once."
func TestDuplicateNonConfirmable(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	request := get(coap.NonConfirmable, 7)
	equal(t, "first: verdict", r.receive(request).Verdict, Delivered)
	for range 5 {
		r.wait(29*time.Second - 1)
		equal(t, "duplicate: verdict", r.receive(request).Verdict, Nothing)
		equal(t, "duplicate: reply", r.transmit(), "")
	}
	equal(t, "drops", r.drops(), "duplicate_non 5")
	r.wait(5)
	equal(t, "after NON_LIFETIME: verdict", r.receive(request).Verdict, Delivered)
}

// TestOneNumberSpace: "This Message ID is drawn from the same number space as
// the Message IDs for Confirmable messages" (section 4.3), so the same ID in
// the other type is no new message. The IDs of the two directions and of two
// peers have nothing to do with each other.
func TestOneNumberSpace(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	r.receive(get(coap.NonConfirmable, 7))
	equal(t, "CON after NON", r.receive(get(coap.Confirmable, 7)).Verdict, Nothing)
	equal(t, "there is no reply to repeat", r.transmit(), "")
	r.link.Acknowledge(r.receive(get(coap.Confirmable, 8)).Ref)
	r.transmit()
	equal(t, "NON after CON", r.receive(get(coap.NonConfirmable, 8)).Verdict, Nothing)
	equal(t, "it is not acknowledged", r.transmit(), "")

	r.send(get(coap.Confirmable, 0), 1)
	ours := r.one().MessageID
	equal(t, "our own ID from the peer", r.receive(get(coap.Confirmable, ours)).Verdict, Delivered)

	var other Link
	other.Init(r.mem, seeded(2))
	equal(t, "from another peer", other.Receive(r.now, datagram(t, get(coap.Confirmable, 8))).Verdict, Delivered)
}

// TestEvictionByPeer: a peer that sends more than its share loses its own
// oldest, and nobody else does.
func TestEvictionByPeer(t *testing.T) {
	r := newRig(t, Params{}, Limits{PeerMessages: 10})
	var other Link
	other.Init(r.mem, seeded(2))
	other.Acknowledge(other.Receive(r.now, datagram(t, get(coap.Confirmable, 1))).Ref)
	other.Transmit(r.now, make([]byte, 100))
	for mid := range uint16(15) {
		r.link.Acknowledge(r.receive(get(coap.Confirmable, mid)).Ref)
		r.transmit()
	}
	equal(t, "drops", r.drops(), "evicted_by_peer 5")
	for mid := range uint16(15) {
		want := Nothing
		if mid < 5 {
			continue // asking would evict another
		}
		equal(t, fmt.Sprint("duplicate of ", mid), r.receive(get(coap.Confirmable, mid)).Verdict, want)
		r.transmit()
	}
	equal(t, "the oldest is new again", r.receive(get(coap.Confirmable, 0)).Verdict, Delivered)
	equal(t, "the other peer's", other.Receive(r.now, datagram(t, get(coap.Confirmable, 1))).Verdict, Nothing)
}

// TestRepliesOfEachLength: a duplicate gets the very bytes of the first reply,
// wherever they are kept.
func TestRepliesOfEachLength(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	for n := range 3*chunkLen + 2 {
		request := get(coap.Confirmable, uint16(n))
		reply := content(coap.Acknowledgement, 0)
		for i := range n {
			reply.Payload = append(reply.Payload, byte(n+i))
		}
		if err := r.link.Reply(r.receive(request).Ref, &reply); err != nil {
			t.Fatal(err)
		}
		first := r.transmit()
		equal(t, "a duplicate", r.receive(request).Verdict, Nothing)
		equal(t, fmt.Sprintf("reply of %d bytes", n), r.transmit(), first)
	}
}

// TestEvictionByPeerBytes bounds the stored replies of one peer.
func TestEvictionByPeerBytes(t *testing.T) {
	r := newRig(t, Params{}, Limits{PeerBytes: 5000})
	m := content(coap.Acknowledgement, 0)
	m.Payload = make([]byte, 1000)
	for mid := range uint16(20) {
		if err := r.link.Reply(r.receive(get(coap.Confirmable, mid)).Ref, &m); err != nil {
			t.Fatal(err)
		}
		r.transmit()
		if r.link.kept > 5000 {
			t.Fatalf("%d bytes are kept", r.link.kept)
		}
	}
	equal(t, "messages remembered", r.link.known.Len, 4)
	equal(t, "drops", r.drops(), "evicted_by_peer 16")
}

// TestEvictionByMemory: when the memory is full, the oldest answered message of
// all peers gives way, whoever sent it; what is in use does not.
func TestEvictionByMemory(t *testing.T) {
	const room = 20
	r := newRig(t, Params{}, Limits{Bytes: room * (recordBytes + chunkBytes), PeerQueue: 100})
	links := make([]Link, 5)
	for i := range links {
		links[i].Init(r.mem, seeded(byte(i)))
	}
	buf := make([]byte, 100)
	receive := func(link, mid int) Verdict {
		l := &links[link]
		a := l.Receive(r.now, datagram(t, get(coap.Confirmable, uint16(mid))))
		l.Acknowledge(a.Ref)
		for l.Transmit(r.now, buf) > 0 {
		}
		return a.Verdict
	}
	for n := range 30 {
		equal(t, "new", receive(n%5, n/5), Delivered)
	}
	equal(t, "drops", r.drops(), "evicted_by_memory 10")
	for n := 10; n < 30; n++ { // 0 to 9 were the oldest
		equal(t, fmt.Sprint("duplicate of ", n), receive(n%5, n/5), Nothing)
	}
	equal(t, "the oldest is new again", receive(0, 0), Delivered)

	// Twenty messages that wait for their reply fill the memory: what comes then
	// is ignored, so that the peer's retransmission finds it new.
	for mid := range 25 {
		want := Delivered
		if mid >= room {
			want = Nothing
		}
		equal(t, "waiting", r.receive(get(coap.Confirmable, uint16(mid))).Verdict, want)
	}
	equal(t, "refused", r.mem.drops[DropMemory], 5)
	if _, err := r.link.Send(r.now, &coap.Message{Code: coap.GET}, 0); err != ErrMemoryFull {
		t.Errorf("Send: %v", err)
	}
	equal(t, "in use", r.mem.records.Used(), room)
}

// TestReplyWithoutMemory: chunks can run out before records do.
func TestReplyWithoutMemory(t *testing.T) {
	r := newRig(t, Params{}, Limits{Bytes: 1, MessageBytes: 2000})
	a := r.receive(get(coap.Confirmable, 1))
	equal(t, "verdict", a.Verdict, Delivered)
	m := content(coap.Acknowledgement, 0)
	m.Payload = make([]byte, 1900)
	if err := r.link.Reply(a.Ref, &m); err != nil {
		t.Errorf("the largest message: %v", err)
	}
	b := r.receive(get(coap.Confirmable, 2))
	equal(t, "no record is left", b.Verdict, Nothing)
	r.transmit()
	b = r.receive(get(coap.Confirmable, 2))
	equal(t, "the answered one gives way", b.Verdict, Delivered)
	m.Payload = make([]byte, 1998)
	equal(t, "too large", r.link.Reply(b.Ref, &m), ErrTooLarge)
	m.Payload = nil
	equal(t, "a smaller one", r.link.Reply(b.Ref, &m), nil)
	equal(t, "drops", r.drops(), "memory_in 1, evicted_by_memory 1, too_large 1")
}

// TestOpenMessagesAreBounded: a peer cannot pile up work.
func TestOpenMessagesAreBounded(t *testing.T) {
	r := newRig(t, Params{}, Limits{PeerQueue: 3})
	for mid := range uint16(5) {
		r.receive(get(coap.Confirmable, mid))
	}
	equal(t, "waiting for a reply", r.link.open.Len, 3)
	equal(t, "drops", r.drops(), "open_queue 2")
}

// TestIndexAgainstMap runs random messages of many links against a map: with
// everything remembered, a message is delivered if and only if it is new.
func TestIndexAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := NewMemory(Params{}, Limits{PeerMessages: 1 << 16})
		links := make([]Link, 100)
		for i := range links {
			links[i].Init(mem, seeded(byte(i)))
		}
		type key struct {
			link int
			mid  uint16
		}
		until := map[key]tick.Time{}
		now := start
		for range rapid.IntRange(1, 400).Draw(t, "n") {
			k := key{rapid.IntRange(0, len(links)-1).Draw(t, "link"), rapid.Uint16Range(0, 3).Draw(t, "mid")}
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Second)).Draw(t, "pause")))
			b, _ := (&coap.Message{Type: coap.NonConfirmable, Code: coap.GET, MessageID: k.mid}).AppendTo(nil)
			got := links[k.link].Receive(now, b).Verdict == Delivered
			if want := now >= until[k]; got != want {
				t.Fatalf("%v at %v: delivered %v, want %v", k, now, got, want)
			}
			if got {
				until[k] = now.Add(145 * time.Second)
			}
		}
	})
}
