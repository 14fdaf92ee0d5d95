// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

const con, non = coap.Confirmable, coap.NonConfirmable

// notice is a notification.
func notice(typ coap.Type, payload string) Outgoing {
	return Outgoing{
		Type: typ, Code: coap.Content, Payload: []byte(payload),
		Options: coap.OptionList{{Number: coap.Observe, Value: []byte{7}}}.Encode(nil),
	}
}

func (r *rig) notify(typ coap.Type, token, payload string) ID {
	r.t.Helper()
	id, err := r.table.Notify(r.now, []byte(token), notice(typ, payload))
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// notification is the only message due, as `NON 7 [tk] "payload"`, and its Message ID.
func (r *rig) notification() (string, uint16) {
	r.t.Helper()
	m := r.one()
	if v, ok := m.Options.GetUint(coap.Observe); !ok || v != 7 || m.Code != coap.Content {
		r.t.Errorf("%v without its Observe option", m)
	}
	return fmt.Sprintf("%v [%s] %q", m.Type, m.Token, m.Payload), m.MessageID
}

// TestNotify: what becomes of a notification by what the peer says to it.
//
// Proves rfc7641 §4.2: "Each such notification response (including the initial response) MUST
// echo the token specified by the client in the GET request."
// Proves rfc7641 §4.5: "The client's acknowledgement of a confirmable notification signals that
// the client is interested in receiving further notifications. If a client rejects a
// confirmable or non-confirmable notification with a Reset message, or if the last attempt to
// retransmit a confirmable notification times out, then the client is considered no longer
// interested"
// Pitfall A13: an answer with another Message ID has no effect
func TestNotify(t *testing.T) {
	for _, c := range []struct {
		typ    coap.Type
		answer func(mid uint16) coap.Message // nil: silence
		want   string
		sent   string // besides the notification itself
	}{
		{con, func(mid uint16) coap.Message { return blank(coap.Acknowledgement, mid) }, "notified 1", ""},
		{con, func(mid uint16) coap.Message { return content(coap.Acknowledgement, mid, []byte("tk")) }, "notified 1", ""},
		{con, func(mid uint16) coap.Message { return blank(coap.Reset, mid) }, "undelivered 1 reset", ""},
		{con, nil, "undelivered 1 timeout", "CON CON CON CON"},
		{con, func(mid uint16) coap.Message { return blank(coap.Acknowledgement, mid+1) }, "undelivered 1 timeout", "CON CON CON CON"},
		{con, func(mid uint16) coap.Message { return blank(coap.Reset, mid-1) }, "undelivered 1 timeout", "CON CON CON CON"},
		{non, func(mid uint16) coap.Message { return blank(coap.Reset, mid) }, "undelivered 1 reset", ""},
		{non, func(mid uint16) coap.Message { return blank(coap.Reset, mid+1) }, "", ""},
		{non, func(mid uint16) coap.Message { return blank(coap.Acknowledgement, mid) }, "", ""},
		{non, nil, "", ""},
	} {
		r := newRig(t, Config{})
		id := r.notify(c.typ, "tk", "21")
		equal(t, "ID", id, 1)
		text, mid := r.notification()
		equal(t, "sent", text, fmt.Sprintf("%v [tk] \"21\"", c.typ))
		equal(t, "active", r.table.Active(), c.typ == con)
		got := ""
		if c.answer != nil {
			got = r.receive(c.answer(mid))
		}
		sent := ""
		for range 100 {
			r.wait(time.Second)
			got += r.events()
			for _, m := range r.messages() {
				sent += " " + m.Type.String()
			}
		}
		equal(t, fmt.Sprint(c.typ, " event"), got, c.want)
		equal(t, "retransmitted", sent, map[bool]string{true: " "}[c.sent != ""]+c.sent)
		r.wait(247 * time.Second)
		if !r.table.Idle() || r.mem.Bytes()+r.mem.exchanges.Used() != 0 {
			t.Errorf("%v %q: not idle", c.typ, c.want)
		}
	}
}

// TestNotifiedTells how far the notification came.
func TestNotifiedTells(t *testing.T) {
	r := newRig(t, Config{})
	r.notify(con, "tk", "21")
	_, mid := r.notification()
	r.wait(3 * time.Second)
	r.one()
	r.table.Receive(r.now, datagram(t, blank(coap.Acknowledgement, mid)))
	var ev Event
	r.table.Next(&ev)
	if ev.Kind != Notified || ev.MessageID != mid || ev.Retransmissions != 1 || ev.Sent != start {
		t.Errorf("%+v", ev)
	}
}

// TestNotifyRefuses leaves nothing behind.
func TestNotifyRefuses(t *testing.T) {
	r := newRig(t, Config{MaxExchanges: 1, Limits: message.Limits{MessageBytes: 200, PeerQueue: 2}})
	bad := func(change func(*Outgoing)) Outgoing {
		out := notice(con, "21")
		change(&out)
		return out
	}
	for _, c := range []struct {
		token string
		out   Outgoing
		want  error
	}{
		{"tk", bad(func(o *Outgoing) { o.Code = coap.GET }), ErrCode},
		{"tk", bad(func(o *Outgoing) { o.Code = coap.Empty }), ErrCode},
		{"tk", bad(func(o *Outgoing) { o.Type = coap.Acknowledgement }), ErrType},
		{"123456789", notice(con, "21"), ErrToken},
		{"tk", bad(func(o *Outgoing) { o.Payload = make([]byte, 200) }), ErrTooLarge},
		{"tk", bad(func(o *Outgoing) { o.Type, o.Payload = non, make([]byte, 200) }), ErrTooLarge},
	} {
		_, err := r.table.Notify(r.now, []byte(c.token), c.out)
		equal(t, "Notify", err, c.want)
	}
	_, err := r.table.Notify(r.now, nil, bad(func(o *Outgoing) { o.Options = coap.Options{0xff} }))
	if format := new(coap.FormatError); !errors.As(err, &format) {
		t.Errorf("options that are none: %v", err)
	}
	equal(t, "conversations", r.mem.conversations.Used(), 0)
	r.notify(con, "tk", "21")
	_, err = r.table.Notify(r.now, nil, notice(con, "22"))
	equal(t, "one exchange too many", err, ErrBusy)
	r.notify(non, "tk", "21")
	_, err = r.table.Notify(r.now, nil, notice(non, "22"))
	equal(t, "one message too many", err, ErrQueueFull)
	equal(t, "drops", r.drops(), "exchanges 1")
	for _, bad := range []Outgoing{{Code: coap.GET}, {Code: coap.Content, Type: coap.Reset}} {
		equal(t, "Supersede", r.table.Supersede(r.now, 1, bad), map[bool]error{true: ErrCode, false: ErrType}[bad.Code == coap.GET])
	}
}

// TestSupersede: what was not sent yet is replaced with its type, what was sent with
// its next retransmission, and what is over not at all.
//
// Proves rfc7641 §4.5: "A server MAY choose to skip sending a notification if it knows that it
// will send another notification soon, for example, when the state of a resource is changing
// frequently."
func TestSupersede(t *testing.T) {
	for _, c := range []struct {
		old, new coap.Type
		want     string
		event    string // when it is acknowledged
	}{
		{con, con, `CON [tk] "22"`, "notified 2"},
		{con, non, `NON [tk] "22"`, ""},
		{non, con, `CON [tk] "22"`, "notified 2"},
		{non, non, `NON [tk] "22"`, ""},
	} {
		r := newRig(t, Config{})
		r.notify(con, "first", "")
		_, first := r.notification()
		id := r.notify(c.old, "tk", "21")
		equal(t, "Supersede", r.table.Supersede(r.now, id, notice(c.new, "22")), nil)
		equal(t, "event", r.receive(blank(coap.Acknowledgement, first)), "notified 1")
		text, mid := r.notification()
		equal(t, fmt.Sprint(c.old, " by ", c.new), text, c.want)
		if c.new == non {
			equal(t, "over", r.table.Supersede(r.now, id, notice(c.new, "23")), ErrUnknown)
			equal(t, "Reset", r.receive(blank(coap.Reset, mid)), "undelivered 2 reset")
			continue
		}
		equal(t, "again", r.table.Supersede(r.now, id, notice(non, "23")), nil)
		equal(t, "it waits", r.transmit(), "")
		r.wait(3 * time.Second)
		text, mid = r.notification()
		equal(t, "sent again", text, `CON [tk] "23"`)
		equal(t, "event", r.receive(blank(coap.Acknowledgement, mid)), c.event)
		equal(t, "over", r.table.Supersede(r.now, id, notice(con, "24")), ErrUnknown)
		equal(t, "exchanges", r.mem.exchanges.Used(), 0)
	}
	r := newRig(t, Config{})
	equal(t, "nothing there", r.table.Supersede(r.now, 1, notice(con, "")), ErrUnknown)
	r.receive(get(con, 1))
	r.wait(2 * time.Second)
	r.messages()
	r.respond(1, coap.Content)
	equal(t, "a separate response is none", r.table.Supersede(r.now, 1, notice(con, "")), ErrUnknown)
}

// TestCancelNotification gives one up wherever it is.
func TestCancelNotification(t *testing.T) {
	r := newRig(t, Config{})
	sent, waits, posted := r.notify(con, "a", ""), r.notify(con, "b", ""), r.notify(non, "c", "")
	_, mid := r.notification()
	for _, id := range []ID{sent, waits} {
		equal(t, "Cancel", r.table.Cancel(id), true)
		equal(t, "again", r.table.Cancel(id), false)
		equal(t, "event", r.events(), fmt.Sprintf("undelivered %d canceled", id))
	}
	equal(t, "Cancel of what is posted", r.table.Cancel(posted), true)
	equal(t, "again", r.table.Cancel(posted), false)
	equal(t, "events", r.events(), "")
	equal(t, "nothing is sent", r.transmit(), "")
	equal(t, "its ACK", r.receive(blank(coap.Acknowledgement, mid)), "")
	equal(t, "bytes", r.mem.Bytes(), 0)
	equal(t, "active", r.table.Active(), false)
}

// TestSilentObserver: however much there is to tell a peer that never answers, it
// gets one message at a time, and no more is kept than the limits say.
//
// Proves rfc7641 §7: "Without client authentication, a server therefore MUST strictly limit the
// number of notifications that it sends between receiving acknowledgements that confirm the
// actual interest of the client in the data"
// Pitfall A18: notifications to a forged address are few and bounded
func TestSilentObserver(t *testing.T) {
	r := newRig(t, Config{})
	sent, lost, refused := 0, 0, 0
	for range 10_000 {
		if _, err := r.table.Notify(r.now, []byte("tk"), notice(con, "state")); err != nil {
			refused++
		}
		r.wait(10 * time.Millisecond)
		sent += len(r.messages())
		var ev Event
		for r.table.Next(&ev) {
			lost++
		}
	}
	if sent > 12 || lost > 2 || refused < 9_700 || r.mem.Bytes() > 256*128 {
		t.Errorf("%d sent in 100 s, %d given up, %d refused, %d bytes", sent, lost, refused, r.mem.Bytes())
	}
}

// TestForgedAnswers tries all Message IDs but the right one.
//
// Pitfall A18: who does not see a notification cannot acknowledge it but by guessing
func TestForgedAnswers(t *testing.T) {
	r := newRig(t, Config{})
	id := r.notify(con, "tk", "state")
	_, mid := r.notification()
	for guess := range 1 << 16 {
		if uint16(guess) != mid {
			equal(t, "event", r.receive(blank(coap.Acknowledgement+coap.Type(guess%2), uint16(guess))), "")
		}
	}
	equal(t, "goes on", r.table.Supersede(r.now, id, notice(con, "new")), nil)
	starts := map[uint16]bool{}
	for seed := range byte(50) {
		other := New(r.mem, seeded(seed))
		other.Notify(r.now, nil, notice(con, ""))
		var b [64]byte
		m, _ := coap.Parse(b[:other.Transmit(r.now, b[:])])
		starts[m.MessageID] = true
	}
	if len(starts) < 45 {
		t.Errorf("50 tables begin with %d Message IDs", len(starts))
	}
}

// TestNotifyAfterMemory: where there is no memory a notification is refused, and a
// later one is sent.
func TestNotifyAfterMemory(t *testing.T) {
	r := newRig(t, Config{Limits: message.Limits{Bytes: 1000, MessageBytes: 500}})
	id, _ := r.request(con, coap.GET)
	var errs [3]error
	for i := range errs {
		_, errs[i] = r.table.Notify(r.now, nil, notice(con, string(make([]byte, 300))))
	}
	equal(t, "the last", errs[2], ErrMemoryFull)
	r.table.Cancel(id)
	for r.table.Deadline() < tick.Never {
		r.now = r.table.Deadline()
		r.table.Expire(r.now)
		r.messages()
		r.events()
	}
	equal(t, "bytes", r.mem.Bytes(), 0)
	equal(t, "exchanges", r.mem.exchanges.Used(), 0)
	r.notify(con, "tk", "later")
}

// TestResting: what waits for the peer's acknowledgement alone rests; a request of
// either side, an event and what is to be sent do not.
func TestResting(t *testing.T) {
	r := newRig(t, Config{})
	resting := func(what string, want bool) {
		t.Helper()
		equal(t, what+": resting", r.table.Resting(), want)
	}
	resting("new", true)
	r.receive(get(con, 1))
	resting("the peer's request", false)
	r.respond(1, coap.Content)
	resting("its response is to be sent", false)
	r.messages()
	resting("answered", true)

	r.notify(con, "a", "")
	r.notify(non, "b", "")
	_, mid := r.notification()
	resting("a notification was sent, another waits", true)
	r.now = r.table.Deadline()
	r.table.Expire(r.now)
	resting("it is to be sent again", false)
	r.messages()
	resting("it was", true)
	r.table.Receive(r.now, datagram(t, blank(coap.Acknowledgement, mid)))
	resting("an event waits", false)
	r.events()
	r.receive(blank(con, 2))
	resting("a Reset is to be sent", false)
	r.messages()
	resting("all is told", true)

	r.table.Request(r.now, Outgoing{Code: coap.GET})
	resting("our request", false)
	r.table.Cancel(4)
	resting("its end is to be told", false)
	r.events()
	resting("it was", true)
}
