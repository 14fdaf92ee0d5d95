// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/tick"
)

// tb is what the helpers need of *testing.T, *testing.B and *rapid.T.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// rig is a Link with a clock that the test moves.
type rig struct {
	t    tb
	mem  *Memory
	link *Link
	now  tick.Time
}

const start = tick.Time(1000 * time.Second)

// seeded is a source of randomness that always gives the same.
func seeded(n byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{n}) }

func newRig(t tb, p Params, l Limits) *rig {
	r := &rig{t: t, mem: NewMemory(p, l), link: new(Link), now: start}
	r.link.Init(r.mem, seeded(1))
	return r
}

// datagram encodes a message.
func datagram(t tb, m coap.Message) []byte {
	t.Helper()
	b, err := m.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (r *rig) receive(m coap.Message) Arrival {
	r.t.Helper()
	return r.link.Receive(r.now, datagram(r.t, m))
}

// transmit returns all messages that are due now, one a line, such as "CON 7
// GET [ab]".
func (r *rig) transmit() string {
	r.t.Helper()
	var lines []string
	for _, m := range r.messages() {
		line := fmt.Sprintf("%v %d %v", m.Type, m.MessageID, m.Code)
		if len(m.Token) > 0 {
			line += fmt.Sprintf(" [%x]", m.Token)
		}
		if len(m.Payload) > 0 {
			line += fmt.Sprintf(" %q", m.Payload)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (r *rig) messages() (ms []coap.Message) {
	r.t.Helper()
	for len(ms) < 1000 {
		b := make([]byte, 2048)
		n := r.link.Transmit(r.now, b)
		if n == 0 {
			return ms
		}
		m, err := coap.Parse(b[:n])
		if err != nil {
			r.t.Fatalf("transmitted % x: %v", b[:n], err)
		}
		ms = append(ms, m)
	}
	r.t.Fatal("Transmit does not end")
	return nil
}

// one returns the only message due now.
func (r *rig) one() coap.Message {
	r.t.Helper()
	ms := r.messages()
	if len(ms) != 1 {
		r.t.Fatalf("%d messages due, want 1", len(ms))
	}
	return ms[0]
}

// wait lets d pass, with Expire at each deadline on the way.
func (r *rig) wait(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for range 1000 {
		at := r.link.Deadline()
		if at > end {
			r.now = end
			return
		}
		r.now = max(r.now, at)
		r.link.Expire(r.now)
	}
	r.t.Fatal("the deadlines do not end")
}

func (r *rig) send(m coap.Message, owner uint32) Ref {
	r.t.Helper()
	ref, err := r.link.Send(r.now, &m, owner)
	if err != nil {
		r.t.Fatal(err)
	}
	return ref
}

// drops returns what was counted, such as "header 1, format 2".
func (r *rig) drops() string {
	var out []string
	for d, n := range r.mem.drops {
		if n > 0 {
			out = append(out, fmt.Sprintf("%v %d", Drop(d), n))
		}
	}
	return strings.Join(out, ", ")
}

func get(t coap.Type, mid uint16) coap.Message {
	return coap.Message{Type: t, Code: coap.GET, MessageID: mid, Token: []byte{0xab}}
}

func content(t coap.Type, mid uint16) coap.Message {
	return coap.Message{Type: t, Code: coap.Content, MessageID: mid, Token: []byte{0xcd}, Payload: []byte("22.3 C")}
}

// blank is an Empty message.
func blank(t coap.Type, mid uint16) coap.Message { return coap.Message{Type: t, MessageID: mid} }

func equal[T comparable](t tb, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestDropNames(t *testing.T) {
	seen := map[string]bool{}
	for d := range Drop(NumDrops) {
		if name := d.String(); name == "" || seen[name] {
			t.Errorf("%d: name %q is empty or taken", d, name)
		} else {
			seen[name] = true
		}
	}
	equal(t, "beyond the table", Drop(200).String(), "Drop(200)")
}

// TestSizes keeps the link small: an endpoint holds one for each peer that was
// heard of within EXCHANGE_LIFETIME.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(Link{}); n > 152 {
		t.Errorf("a Link takes %d bytes", n)
	}
	if n := unsafe.Sizeof(record{}) + 8; n != recordBytes {
		t.Errorf("a record takes %d bytes with its links, the limit counts %d", n, recordBytes)
	}
}

func TestIdle(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	equal(t, "new: idle", r.link.Idle(), true)
	equal(t, "new: deadline", r.link.Deadline(), tick.Never)

	a := r.receive(get(coap.Confirmable, 1))
	equal(t, "request waits for its reply: active", r.link.Active(), true)
	r.link.Acknowledge(a.Ref)
	r.transmit()
	equal(t, "answered: active", r.link.Active(), false)
	equal(t, "answered: idle", r.link.Idle(), false)
	equal(t, "deadline", r.link.Deadline(), start.Add(247*time.Second))

	r.wait(247*time.Second - 1)
	equal(t, "just before EXCHANGE_LIFETIME is over: idle", r.link.Idle(), false)
	r.wait(1)
	equal(t, "EXCHANGE_LIFETIME is over: idle", r.link.Idle(), true)
	equal(t, "records in use", r.mem.records.Used(), 0)

	// A Message ID of ours must not be used again either.
	r.send(content(coap.NonConfirmable, 0), 0)
	equal(t, "message waits: active", r.link.Active(), true)
	r.transmit()
	equal(t, "sent: idle", r.link.Idle(), false)
	equal(t, "deadline", r.link.Deadline(), r.now.Add(247*time.Second))
	r.wait(247 * time.Second)
	equal(t, "the ID may be used again: idle", r.link.Idle(), true)
}

// TestReleaseGivesBack lets random things happen to several links and releases
// them: nothing may stay in use.
func TestReleaseGivesBack(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	mem := NewMemory(Params{NStart: 3}, Limits{})
	links := make([]Link, 5)
	for i := range links {
		links[i].Init(mem, seeded(byte(i)))
	}
	now := start
	var buf [2048]byte
	for range 20000 {
		now = now.Add(time.Duration(rnd.Int64N(int64(time.Second))))
		l := &links[rnd.IntN(len(links))]
		something(t, rnd, l, now)
		if rnd.IntN(2) == 0 {
			l.Transmit(now, buf[:])
		}
		if l.Deadline() <= now {
			l.Expire(now)
		}
		checkCounts(t, l)
	}
	if mem.Bytes() == 0 {
		t.Error("nothing is in use before the release")
	}
	for i := range links {
		links[i].Release()
	}
	equal(t, "bytes in use", mem.Bytes(), 0)
	equal(t, "links in use", mem.links.Used(), 0)
	equal(t, "senders in use", mem.senders.Used(), 0)
	equal(t, "messages in the index", mem.index.Len(), uint32(0))
	equal(t, "oldest", mem.oldest, 0)
	equal(t, "newest", mem.newest, 0)
}

// checkCounts compares what a link counts with what its records say.
func checkCounts(t *testing.T, l *Link) {
	t.Helper()
	slots, due, kept := 0, 0, 0
	for i := l.flying.First; i != 0; i = l.mem.records.Next(i) {
		if l.mem.records.At(i).slot {
			slots++
		}
		if l.mem.records.At(i).due {
			due++
		}
	}
	for i := l.firstNoted(); i != 0; i = l.mem.records.Next(i) {
		if l.mem.records.At(i).slot {
			slots++
		}
	}
	for _, list := range []slab.List{l.open, l.replies, l.known} {
		for i := list.First; i != 0; i = l.mem.records.Next(i) {
			kept += int(l.mem.records.At(i).size)
		}
	}
	if int(l.slots) != slots || int(l.due) != due || int(l.kept) != kept || slots > l.mem.params.NStart {
		t.Fatalf("slots %d, due %d, kept %d; the records say %d, %d, %d", l.slots, l.due, l.kept, slots, due, kept)
	}
}

// something calls one random method of l.
func something(t *testing.T, rnd *rand.Rand, l *Link, now tick.Time) {
	m := get(coap.Type(rnd.IntN(4)), uint16(rnd.IntN(300)))
	ref := Ref(rnd.IntN(l.mem.records.Made() + 2))
	switch rnd.IntN(11) {
	case 0, 1, 2:
		l.Receive(now, datagram(t, m))
	case 3:
		m.Payload = make([]byte, rnd.IntN(1000))
		m.Type &= 1
		l.Send(now, &m, 7)
	case 4:
		m.Payload = make([]byte, rnd.IntN(1000))
		m.Code = coap.Content
		l.Reply(ref, &m)
	case 5:
		l.Acknowledge(ref)
		l.Reject(ref + 1)
		l.Forget(ref + 2)
	case 6:
		l.Settle(ref)
		l.Abandon(ref + 1)
	case 7:
		l.Lost()
	case 8:
		for _, i := range []uint32{l.flying.First, l.flying.Last, l.firstNoted()} {
			if i != 0 && rnd.IntN(2) == 0 { // an answer that fits
				l.Receive(now, datagram(t, blank(coap.Acknowledgement+coap.Type(rnd.IntN(2)), l.mem.records.At(i).mid)))
			}
		}
	case 9:
		m := content(coap.NonConfirmable, 0)
		m.Payload = make([]byte, rnd.IntN(1000))
		l.Post(now, &m, uint32(rnd.IntN(10)))
		l.Unpost(uint32(rnd.IntN(10)))
	case 10:
		m := content(coap.Confirmable, 0)
		m.Payload = make([]byte, rnd.IntN(1000))
		l.Supersede(Ref(l.flying.First), &m)
		l.Supersede(ref, &m)
	}
}

// TestStrangeRefs: a Ref that names nothing of this link, or something in
// another state, does nothing.
func TestStrangeRefs(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	other := new(Link)
	other.Init(r.mem, seeded(2))
	theirs := Ref(0)
	if a := other.Receive(start, datagram(t, get(coap.Confirmable, 1))); a.Verdict == Delivered {
		theirs = a.Ref
	}
	mine := r.receive(get(coap.Confirmable, 1)).Ref
	for _, ref := range []Ref{0, theirs, 999999} {
		r.link.Acknowledge(ref)
		r.link.Reject(ref)
		r.link.Forget(ref)
		r.link.Settle(ref)
		r.link.Abandon(ref)
		equal(t, "Reply", r.link.Reply(ref, new(coap.Message)), ErrUnknown)
		equal(t, "Progress", r.link.Progress(ref), Progress{})
	}
	r.link.Settle(mine)
	r.link.Abandon(mine)
	equal(t, "nothing is sent", r.transmit(), "")
	equal(t, "both wait still", other.open.Len+r.link.open.Len, 2)
}
