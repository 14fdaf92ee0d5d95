// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

const start = tick.Time(1000 * time.Second)

// seeded is a source of randomness that always gives the same.
func seeded(n byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{n}) }

// rig is a Table with a clock that the test moves. The test plays the peer.
type rig struct {
	t     testing.TB
	mem   *Memory
	table *Table
	now   tick.Time
}

func newRig(t testing.TB, cfg Config) *rig {
	mem := NewMemory(&cfg)
	return &rig{t: t, mem: mem, table: New(mem, seeded(1)), now: start}
}

func datagram(t testing.TB, m coap.Message) []byte {
	t.Helper()
	b, err := m.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// receive lets m come in and returns the event it causes, in words.
func (r *rig) receive(m coap.Message) string {
	r.t.Helper()
	r.table.Receive(r.now, datagram(r.t, m))
	return r.events()
}

// events returns the events that wait, such as "request 3 GET", in lines.
func (r *rig) events() string {
	var lines []string
	var ev Event
	for r.table.Next(&ev) {
		line := fmt.Sprintf("%v %d", ev.Kind, ev.ID)
		if ev.Kind == RequestReceived || ev.Kind == ResponseReceived {
			line += fmt.Sprintf(" %v", ev.Message.Code)
		}
		if ev.More {
			line += ", more"
		}
		if ev.Reason != NoReason {
			line += " " + ev.Reason.String()
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// messages returns all messages due now.
func (r *rig) messages() (ms []coap.Message) {
	r.t.Helper()
	for len(ms) < 1000 {
		b := make([]byte, 2048)
		n := r.table.Transmit(r.now, b)
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

// transmit returns all messages due now, such as "ACK 7 2.05 Content", in lines.
func (r *rig) transmit() string {
	r.t.Helper()
	var lines []string
	for _, m := range r.messages() {
		lines = append(lines, fmt.Sprintf("%v %d %v", m.Type, m.MessageID, m.Code))
	}
	return strings.Join(lines, "\n")
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
		at := r.table.Deadline()
		if at > end {
			r.now = end
			return
		}
		r.now = max(r.now, at)
		r.table.Expire(r.now)
	}
	r.t.Fatal("the deadlines do not end")
}

// request sends a request and returns its ID and the message that went out.
func (r *rig) request(typ coap.Type, code coap.Code) (ID, coap.Message) {
	r.t.Helper()
	id, err := r.table.Request(r.now, Outgoing{Type: typ, Code: code})
	if err != nil {
		r.t.Fatal(err)
	}
	return id, r.one()
}

// drops returns what was counted, such as "token_mismatch 1".
func (r *rig) drops() string {
	var out []string
	for d, n := range r.mem.drops {
		if n > 0 {
			out = append(out, fmt.Sprintf("%v %d", Drop(d), n))
		}
	}
	return strings.Join(out, ", ")
}

// content is a 2.05 response with the token of request.
func content(typ coap.Type, mid uint16, token []byte) coap.Message {
	return coap.Message{Type: typ, Code: coap.Content, MessageID: mid, Token: token, Payload: []byte("22.3 C")}
}

func get(typ coap.Type, mid uint16) coap.Message {
	return coap.Message{Type: typ, Code: coap.GET, MessageID: mid, Token: []byte{1, 2, 3}}
}

func blank(typ coap.Type, mid uint16) coap.Message { return coap.Message{Type: typ, MessageID: mid} }

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for d := range Drop(NumDrops) {
		if name := d.String(); name == "" || seen[name] {
			t.Errorf("%d: name %q is empty or taken", d, name)
		} else {
			seen[name] = true
		}
	}
	for r, want := range map[Reason]string{Timeout: "timeout", Reset: "reset", BadResponse: "bad_response", Canceled: "canceled", 99: "Reason(99)"} {
		equal(t, "reason", r.String(), want)
	}
	equal(t, "kind", Undelivered.String(), "undelivered")
	equal(t, "no kind", Kind(99).String(), "Kind(99)")
	equal(t, "no drop", Drop(99).String(), "Drop(99)")
}

// TestSize: a Table is small between exchanges, and the rest is not large.
func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Table{}); n > 64 {
		t.Errorf("a Table takes %d bytes", n)
	}
	if n := unsafe.Sizeof(conversation{}); n > 232 {
		t.Errorf("a conversation takes %d bytes", n)
	}
	t.Logf("Table %d bytes; while something is remembered %d more, of them Link %d and Event %d; an exchange %d",
		unsafe.Sizeof(Table{}), unsafe.Sizeof(conversation{}), unsafe.Sizeof(message.Link{}), unsafe.Sizeof(Event{}), unsafe.Sizeof(exchange{}))
}

// TestIdle follows a Table of a server and one of a client from the first
// message until nothing is remembered.
func TestIdle(t *testing.T) {
	r := newRig(t, Config{})
	equal(t, "new: idle", r.table.Idle(), true)
	r.receive(get(coap.Confirmable, 1))
	equal(t, "request waits: active", r.table.Active(), true)
	if err := r.table.Respond(r.now, 1, Outgoing{Code: coap.Content}); err != nil {
		t.Fatal(err)
	}
	r.one()
	equal(t, "answered: active", r.table.Active(), false)
	equal(t, "answered: idle", r.table.Idle(), false)
	r.wait(247*time.Second - 1)
	equal(t, "almost: idle", r.table.Idle(), false)
	r.wait(1)
	equal(t, "EXCHANGE_LIFETIME is over: idle", r.table.Idle(), true)
	equal(t, "deadline", r.table.Deadline(), tick.Never)
	equal(t, "in use", r.mem.Bytes(), 0)

	_, m := r.request(coap.Confirmable, coap.GET)
	equal(t, "client: active", r.table.Active(), true)
	r.table.Receive(r.now, datagram(t, content(coap.Acknowledgement, m.MessageID, m.Token)))
	equal(t, "event waits: active", r.table.Active(), true)
	equal(t, "event", r.events(), "response 2 2.05 Content")
	equal(t, "client done: active", r.table.Active(), false)
	equal(t, "client done: idle", r.table.Idle(), false)
	r.wait(247 * time.Second)
	equal(t, "client: idle", r.table.Idle(), true)
	equal(t, "conversations", r.mem.conversations.Used(), 0)

	id, _ := r.request(coap.Confirmable, coap.GET)
	equal(t, "the next request has a new ID", id, 3)
}

// TestNothingToRemember: what leaves no trace does not keep a Table awake.
func TestNothingToRemember(t *testing.T) {
	r := newRig(t, Config{})
	for _, in := range []coap.Message{blank(coap.Reset, 1), blank(coap.Acknowledgement, 2), blank(coap.Confirmable, 3), {Code: 0xe0}} {
		equal(t, "event", r.receive(in), "")
		r.transmit()
		equal(t, "conversations", r.mem.conversations.Used(), 0)
	}
	r.table.Receive(r.now, nil)
	r.table.Request(r.now, Outgoing{})
	equal(t, "conversations", r.mem.conversations.Used(), 0)
	id, _ := r.table.Request(r.now, Outgoing{Code: coap.GET})
	r.table.Cancel(id)
	equal(t, "an event waits", r.mem.conversations.Used(), 1)
	equal(t, "event", r.events(), "failed 1 canceled")
	equal(t, "conversations", r.mem.conversations.Used(), 0)
	equal(t, "Cancel", r.table.Cancel(id), false)
	equal(t, "Respond", r.table.Respond(r.now, id, Outgoing{Code: coap.Content}), ErrUnknown)
}

// TestRelease: whatever is going on, nothing stays in the memory, and the
// Table begins anew.
func TestRelease(t *testing.T) {
	r := newRig(t, Config{Params: message.Params{NStart: 4}})
	for range 3 {
		r.request(coap.Confirmable, coap.GET)
	}
	r.table.Ping(r.now)
	for mid := range uint16(5) {
		r.receive(get(coap.Type(mid%2), mid))
	}
	r.wait(2 * time.Second) // Empty acknowledgements
	r.table.Respond(r.now, 5, Outgoing{Code: coap.Content})
	r.messages()
	r.table.Cancel(1)
	r.table.Receive(r.now, datagram(t, get(coap.Confirmable, 9))) // an event that nobody takes
	r.table.Release()
	equal(t, "bytes in use", r.mem.Bytes(), 0)
	equal(t, "exchanges in use", r.mem.exchanges.Used(), 0)
	equal(t, "conversations in use", r.mem.conversations.Used(), 0)
	r.table.Init(r.mem, seeded(2))
	equal(t, "events", r.events(), "")
	equal(t, "messages", r.transmit(), "")
	equal(t, "idle", r.table.Idle(), true)
	equal(t, "a request", r.receive(get(coap.Confirmable, 9)), "request 11 GET") // no ID comes twice
}

// TestUnreadEvent: an event that is not taken before the next Receive is lost
// and counted, and a request with it, so that the peer's retransmission is
// reported.
func TestUnreadEvent(t *testing.T) {
	r := newRig(t, Config{})
	r.table.Receive(r.now, datagram(t, get(coap.Confirmable, 1)))
	equal(t, "the second", r.receive(get(coap.Confirmable, 2)), "request 2 GET")
	equal(t, "drops", r.drops(), "unread_event 1")
	equal(t, "the first again", r.receive(get(coap.Confirmable, 1)), "request 3 GET")
	equal(t, "exchanges", r.table.conversation.theirs.Len, 2)
}

// TestIDsAfterWrap: an ID in use is left out when the numbers start again.
func TestIDsAfterWrap(t *testing.T) {
	r := newRig(t, Config{})
	r.receive(get(coap.Confirmable, 1)) // exchange 1 stays
	r.table.mem.lastID = 1<<32 - 2
	equal(t, "the last number", r.receive(get(coap.Confirmable, 2)), "request 4294967295 GET")
	equal(t, "0 and 1 are left out", r.receive(get(coap.Confirmable, 3)), "request 2 GET")
}
