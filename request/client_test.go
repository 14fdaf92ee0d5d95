// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"bytes"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/tick"
)

// TestResponseWays: the response may come in each way of section 5.2, whatever
// the type of the request, and completes it once. What the client sends back is
// an Empty acknowledgement or nothing.
//
// Proves rfc7252 §5.2.1: "The client MUST be prepared to receive either."
// Proves rfc7252 §5.2.2: "If the server then sends a Confirmable response, the client's
// Acknowledgement to that response MUST also be an Empty message (one that carries neither a
// request nor a response)."
// Proves rfc7252 §5.2.3: "However, an endpoint MUST be prepared to receive a Non-confirmable
// response (preceded or followed by an Empty Acknowledgement message) in reply to a
// Confirmable request, or a Confirmable response in reply to a Non-confirmable request."
// Proves rfc7252 §5.3.2: "In a separate response, just the tokens of the response and
// original request MUST match."
func TestResponseWays(t *testing.T) {
	const con, non, ack = coap.Confirmable, coap.NonConfirmable, coap.Acknowledgement
	for _, c := range []struct {
		name    string
		request coap.Type
		replies []coap.Type // an ACK is Empty unless it is alone
		events  []string
		sent    []string
	}{
		{"piggybacked", con, []coap.Type{ack}, []string{"response 1 2.05 Content"}, []string{""}},
		{"separate CON", con, []coap.Type{ack, con}, []string{"acknowledged 1", "response 1 2.05 Content"}, []string{"", "ACK 501 Empty"}},
		{"separate NON", con, []coap.Type{ack, non}, []string{"acknowledged 1", "response 1 2.05 Content"}, []string{"", ""}},
		{"CON before the ACK", con, []coap.Type{con, ack}, []string{"response 1 2.05 Content", ""}, []string{"ACK 500 Empty", ""}},
		{"NON before the ACK", con, []coap.Type{non, ack}, []string{"response 1 2.05 Content", ""}, []string{"", ""}},
		{"NON to NON", non, []coap.Type{non}, []string{"response 1 2.05 Content"}, []string{""}},
		{"CON to NON", non, []coap.Type{con}, []string{"response 1 2.05 Content"}, []string{"ACK 500 Empty"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			_, out := r.request(c.request, coap.GET)
			for i, typ := range c.replies {
				reply := content(typ, uint16(500+i), out.Token)
				switch {
				case typ == ack && len(c.replies) == 1:
					reply.MessageID = out.MessageID
				case typ == ack:
					reply = blank(ack, out.MessageID)
				}
				equal(t, "event", r.receive(reply), c.events[i])
				equal(t, "sent", r.transmit(), c.sent[i])
			}
			r.wait(100 * time.Second)
			equal(t, "no retransmission", r.transmit(), "")
			equal(t, "no other event", r.events(), "")
			equal(t, "exchanges in use", r.mem.exchanges.Used(), 0)
		})
	}
}

// TestDuplicateSeparateResponse: if our acknowledgement was lost, the server's
// retransmission is acknowledged again and not reported again.
func TestDuplicateSeparateResponse(t *testing.T) {
	r := newRig(t, Config{})
	_, out := r.request(coap.Confirmable, coap.GET)
	response := content(coap.Confirmable, 500, out.Token)
	equal(t, "response", r.receive(response), "response 1 2.05 Content")
	equal(t, "acknowledged", r.transmit(), "ACK 500 Empty")
	for range 4 {
		r.wait(10 * time.Second)
		equal(t, "again: event", r.receive(response), "")
		equal(t, "again: acknowledged", r.transmit(), "ACK 500 Empty")
	}
}

// TestUnexpectedResponse: a response that no request waits for is rejected,
// and nothing of ours is touched.
//
// Proves rfc7252 §5.3.2: "In a piggybacked response, the Message ID of the Confirmable
// request and the Acknowledgement MUST match, and the tokens of the response and original
// request MUST match."
// Pitfall R9: the empty token is a token, and matches itself alone
// Pitfall A13: what does not match is never taken for success
func TestUnexpectedResponse(t *testing.T) {
	r := newRig(t, Config{})
	id, out := r.request(coap.Confirmable, coap.GET)
	other := bytes.Clone(out.Token)
	other[7] ^= 1
	for _, token := range [][]byte{nil, {}, other, out.Token[:7], {0}, make([]byte, 8)} {
		m := content(coap.Confirmable, 600, token)
		r.table.Receive(r.now, datagram(t, m))
		equal(t, "CON: event", r.events(), "")
		equal(t, "CON: rejected", r.transmit(), "RST 600 Empty")
		equal(t, "NON: event", r.receive(content(coap.NonConfirmable, 601, token)), "")
		equal(t, "NON: ignored", r.transmit(), "")
		equal(t, "ACK: event", r.receive(content(coap.Acknowledgement, out.MessageID, token)), "")
		equal(t, "ACK: ignored", r.transmit(), "")
	}
	equal(t, "another Message ID", r.receive(content(coap.Acknowledgement, out.MessageID+1, out.Token)), "")
	equal(t, "drops", r.drops(), "unexpected_response_con 1, unexpected_response_non 1, token_mismatch 6")
	equal(t, "duplicates", r.mem.Messages()[message.DropDuplicateConfirmable], 5)

	r.wait(3 * time.Second)
	equal(t, "the request goes on", r.one().MessageID, out.MessageID)
	equal(t, "and gets its response", r.receive(content(coap.Acknowledgement, out.MessageID, out.Token)), "response 1 2.05 Content")
	equal(t, "once", r.receive(content(coap.Acknowledgement, out.MessageID, out.Token)), "")
	equal(t, "once more, separate", r.receive(content(coap.Confirmable, 602, out.Token)), "")
	equal(t, "that is rejected", r.transmit(), "RST 602 Empty")
	equal(t, "canceling what is over", r.table.Cancel(id), false)
}

// TestEmptyTokenMatches: a request with the empty token gets a response with
// none.
//
// Pitfall R9: the empty token asked for by the caller
func TestEmptyTokenMatches(t *testing.T) {
	r := newRig(t, Config{})
	if _, err := r.table.Request(r.now, Outgoing{Code: coap.GET, Token: []byte{}}); err != nil {
		t.Fatal(err)
	}
	out := r.one()
	equal(t, "token length", len(out.Token), 0)
	equal(t, "with a token of one zero", r.receive(content(coap.NonConfirmable, 1, []byte{0})), "")
	equal(t, "with none", r.receive(content(coap.NonConfirmable, 2, nil)), "response 1 2.05 Content")
}

// TestMatchingStaysInTheTable: the same token and Message ID in another table,
// which is another session, epoch or security mode, do not match. The rest of
// sections 9.1.1 and 9.1.2 is that an endpoint gives each session its own table.
//
// Proves rfc7252 §5.3.2: "The source endpoint of the response MUST be the same as the
// destination endpoint of the original request."
// Pitfall L4, A19: neither tokens nor Message IDs match across tables
func TestMatchingStaysInTheTable(t *testing.T) {
	r := newRig(t, Config{})
	r.table.Request(r.now, Outgoing{Code: coap.GET})               // the memory has drawn its own randomness
	session, plain := New(r.mem, seeded(7)), New(r.mem, seeded(7)) // the same randomness, hence the same IDs
	r.table = session
	_, out := r.request(coap.Confirmable, coap.GET)
	r.table = plain
	for _, m := range []coap.Message{
		content(coap.Acknowledgement, out.MessageID, out.Token),
		content(coap.NonConfirmable, 700, out.Token),
		blank(coap.Acknowledgement, out.MessageID),
		blank(coap.Reset, out.MessageID),
	} {
		equal(t, "event", r.receive(m), "")
		equal(t, "answer", r.transmit(), "")
	}
	equal(t, "CON: event", r.receive(content(coap.Confirmable, 701, out.Token)), "")
	equal(t, "CON: rejected", r.transmit(), "RST 701 Empty")

	// Even a table that asks the same at the same time keeps to its own.
	if _, err := r.table.Request(r.now, Outgoing{Code: coap.GET, Token: out.Token}); err != nil {
		t.Fatal(err)
	}
	same := r.messages()[0]
	equal(t, "the same Message ID", same.MessageID, out.MessageID)
	equal(t, "its response", r.receive(content(coap.Acknowledgement, same.MessageID, same.Token)), "response 3 2.05 Content")
	r.table = session
	equal(t, "the other waits still", r.receive(content(coap.Acknowledgement, out.MessageID, out.Token)), "response 2 2.05 Content")
}

// TestQueuedRequestHasNoResponse: what was not sent cannot be answered.
func TestQueuedRequestHasNoResponse(t *testing.T) {
	r := newRig(t, Config{})
	r.request(coap.Confirmable, coap.GET)
	token := []byte("guessed")
	if _, err := r.table.Request(r.now, Outgoing{Code: coap.GET, Token: token}); err != nil {
		t.Fatal(err)
	}
	equal(t, "NSTART holds it back", r.transmit(), "")
	equal(t, "response", r.receive(content(coap.NonConfirmable, 1, token)), "")
	equal(t, "drops", r.drops(), "unexpected_response_non 1")
}

// TestFailures: each way in which a request ends without a response, with its
// reason, at its time.
func TestFailures(t *testing.T) {
	const con, non, ack, rst = coap.Confirmable, coap.NonConfirmable, coap.Acknowledgement, coap.Reset
	for _, c := range []struct {
		name    string
		request coap.Type
		reply   func(out coap.Message) coap.Message
		within  time.Duration
		want    string
	}{
		{"CON, silence", con, nil, 93 * time.Second, "failed 1 timeout"},
		{"NON, silence", non, nil, 247 * time.Second, "failed 1 timeout"},
		{"CON, reset", con, func(out coap.Message) coap.Message { return blank(rst, out.MessageID) }, 0, "failed 1 reset"},
		{"NON, reset", non, func(out coap.Message) coap.Message { return blank(rst, out.MessageID) }, 0, "failed 1 reset"},
		{"CON, acknowledged, silence", con, func(out coap.Message) coap.Message { return blank(ack, out.MessageID) }, 247 * time.Second, "acknowledged 1\nfailed 1 timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			_, out := r.request(c.request, coap.GET)
			if c.reply != nil {
				r.table.Receive(r.now, datagram(t, c.reply(out)))
			}
			r.wait(c.within - 1)
			if c.within > 93*time.Second { // the jitter decides when an unacknowledged one ends
				equal(t, "too early", r.table.conversation.over.Len, 0)
			}
			r.wait(1)
			equal(t, "events", r.events(), c.want)
			equal(t, "exchanges in use", r.mem.exchanges.Used(), 0)
			r.messages()
			equal(t, "a late response", r.receive(content(con, 900, out.Token)), "")
			equal(t, "is rejected", r.transmit(), "RST 900 Empty")
		})
	}
}

// TestEventTellsHowItWent: the event has the Message ID, the number of
// retransmissions and the first transmission, from which the round trip time
// is counted.
func TestEventTellsHowItWent(t *testing.T) {
	r := newRig(t, Config{})
	_, out := r.request(coap.Confirmable, coap.GET)
	r.wait(10 * time.Second) // two timeouts, of at most 3 s and 6 s
	r.messages()
	r.table.Receive(r.now, datagram(t, content(coap.Acknowledgement, out.MessageID, out.Token)))
	var ev Event
	if !r.table.Next(&ev) {
		t.Fatal("no event")
	}
	equal(t, "Message ID", ev.MessageID, out.MessageID)
	equal(t, "first transmission", ev.Sent, start)
	equal(t, "retransmissions", ev.Retransmissions, 1)

	id, _ := r.table.Request(r.now, Outgoing{Code: coap.GET})
	r.table.Cancel(id)
	r.table.Next(&ev)
	equal(t, "never sent", ev.Sent, tick.Never)
}

// TestBadResponse: a response with a critical option that is not understood is
// rejected, and the request is over with that reason. An elective one is
// ignored.
//
// Proves rfc7252 §5.4.1: "Unrecognized options of class 'critical' that occur in a
// Confirmable response, or piggybacked in an Acknowledgement, MUST cause the response to be
// rejected (Section 4.2)."
// Proves rfc7252 §5.4.1: "Unrecognized options of class 'critical' that occur in a
// Non-confirmable message MUST cause the message to be rejected (Section 4.3)."
// Proves rfc7252 §5.4.1: "Upon reception, unrecognized options of class 'elective' MUST be
// silently ignored."
func TestBadResponse(t *testing.T) {
	critical := coap.AppendOption(nil, 0, 65001, []byte("x"))
	elective := coap.AppendOption(nil, 0, 65000, []byte("x"))
	misplaced := coap.AppendOption(nil, 0, coap.URIPath, []byte("x")) // not defined for a response
	for _, c := range []struct {
		name    string
		typ     coap.Type
		options []byte
		event   string
		sent    string
	}{
		{"piggybacked", coap.Acknowledgement, critical, "failed 1 bad_response", ""},
		{"separate", coap.Confirmable, critical, "failed 1 bad_response", "RST 500 Empty"},
		{"NON", coap.NonConfirmable, critical, "failed 1 bad_response", ""},
		{"misplaced", coap.Confirmable, misplaced, "failed 1 bad_response", "RST 500 Empty"},
		{"elective", coap.Confirmable, elective, "response 1 2.05 Content", "ACK 500 Empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			_, out := r.request(coap.Confirmable, coap.GET)
			m := content(c.typ, 500, out.Token)
			m.Options = c.options
			if c.typ == coap.Acknowledgement {
				m.MessageID = out.MessageID
			}
			equal(t, "event", r.receive(m), c.event)
			equal(t, "sent", r.transmit(), c.sent)
			r.wait(100 * time.Second)
			equal(t, "later", r.transmit()+r.events(), "")
		})
	}
}

// TestRecognized: what an endpoint understands beyond RFC 7252 is its own
// choice.
func TestRecognized(t *testing.T) {
	r := newRig(t, Config{Recognized: coap.CoreOptions().With(65001)})
	_, out := r.request(coap.Confirmable, coap.GET)
	m := content(coap.Acknowledgement, out.MessageID, out.Token)
	m.Options = coap.AppendOption(nil, 0, 65001, []byte("x"))
	equal(t, "event", r.receive(m), "response 1 2.05 Content")
}

// TestCancel: in each state there is one event, and nothing is sent any more.
func TestCancel(t *testing.T) {
	for _, c := range []struct {
		name  string
		begin func(r *rig) ID
	}{
		{"queued", func(r *rig) ID {
			r.request(coap.Confirmable, coap.GET)
			id, _ := r.table.Request(r.now, Outgoing{Code: coap.GET})
			return id
		}},
		{"sent", func(r *rig) ID { id, _ := r.request(coap.Confirmable, coap.GET); return id }},
		{"sent NON", func(r *rig) ID { id, _ := r.request(coap.NonConfirmable, coap.GET); return id }},
		{"acknowledged", func(r *rig) ID {
			id, out := r.request(coap.Confirmable, coap.GET)
			r.receive(blank(coap.Acknowledgement, out.MessageID))
			return id
		}},
		{"ping", func(r *rig) ID { id, _ := r.table.Ping(r.now); r.one(); return id }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			id := c.begin(r)
			equal(t, "Cancel", r.table.Cancel(id), true)
			equal(t, "again", r.table.Cancel(id), false)
			var ev Event
			if !r.table.Next(&ev) || ev.Kind != Failed || ev.ID != id || ev.Reason != Canceled {
				t.Errorf("event %+v", ev)
			}
			equal(t, "other events", r.events(), "")
			if c.name != "queued" {
				r.wait(100 * time.Second)
				equal(t, "sent", r.transmit(), "")
			}
		})
	}
}

// TestPing, our role: an Empty Confirmable message, answered by RST. See the
// message layer for the other.
func TestPing(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply *coap.Message
		want  string
	}{
		{"RST", &coap.Message{Type: coap.Reset}, "pong 1"},
		{"ACK, of a peer that knows no better", &coap.Message{Type: coap.Acknowledgement}, "pong 1"},
		{"a response is none", &coap.Message{Type: coap.Acknowledgement, Code: coap.Content}, ""},
		{"silence", nil, "failed 1 timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			id, err := r.table.Ping(r.now)
			if err != nil || id != 1 {
				t.Fatal(id, err)
			}
			out := r.one()
			equal(t, "type", out.Type, coap.Confirmable)
			equal(t, "code", out.Code, coap.Empty)
			if c.reply == nil {
				r.wait(93 * time.Second)
				equal(t, "event", r.events(), c.want)
				return
			}
			c.reply.MessageID = out.MessageID
			equal(t, "event", r.receive(*c.reply), c.want)
		})
	}
}

// TestRequestRefuses: what is not sent, with the reason, leaves nothing behind.
func TestRequestRefuses(t *testing.T) {
	r := newRig(t, Config{MaxRequests: 3, Limits: message.Limits{MessageBytes: 100}})
	for _, c := range []struct {
		name string
		out  Outgoing
		want error
	}{
		{"empty", Outgoing{Code: coap.Empty}, ErrCode},
		{"response", Outgoing{Code: coap.Content}, ErrCode},
		{"reserved", Outgoing{Code: 0xe0}, ErrCode},
		{"ACK", Outgoing{Type: coap.Acknowledgement, Code: coap.GET}, ErrType},
		{"token", Outgoing{Code: coap.GET, Token: make([]byte, 9)}, ErrToken},
		{"options", Outgoing{Code: coap.GET, Options: coap.Options{0xff}}, nil},
		{"too large", Outgoing{Code: coap.PUT, Payload: make([]byte, 100)}, ErrTooLarge},
	} {
		id, err := r.table.Request(r.now, c.out)
		if id != 0 || err == nil || c.want != nil && err != c.want {
			t.Errorf("%s: %d, %v", c.name, id, err)
		}
	}
	equal(t, "exchanges", r.mem.exchanges.Used(), 0)
	equal(t, "bytes", r.mem.Bytes(), 0)
	for range 2 {
		if _, err := r.table.Request(r.now, Outgoing{Code: coap.GET, Token: []byte{1}}); err == ErrToken {
			continue
		}
		if _, err := r.table.Request(r.now, Outgoing{Code: coap.GET}); err != nil {
			t.Error(err)
		}
	}
	equal(t, "the token is taken once", r.table.conversation.ours.Len, 2)
	r.table.Ping(r.now)
	_, err := r.table.Request(r.now, Outgoing{Code: coap.GET})
	equal(t, "a fourth", err, ErrBusy)
	_, err = r.table.Ping(r.now)
	equal(t, "a fourth ping", err, ErrBusy)
	equal(t, "drops", r.drops(), "requests 2")
}

// TestExchangesAreBounded over all tables of a memory.
func TestExchangesAreBounded(t *testing.T) {
	r := newRig(t, Config{MaxExchanges: 2})
	other := New(r.mem, seeded(2))
	other.Request(r.now, Outgoing{Code: coap.GET})
	r.request(coap.Confirmable, coap.GET)
	_, err := r.table.Request(r.now, Outgoing{Code: coap.GET})
	equal(t, "Request", err, ErrBusy)
	_, err = r.table.Ping(r.now)
	equal(t, "Ping", err, ErrBusy)
	equal(t, "a request of the peer", r.receive(get(coap.Confirmable, 1)), "")
	equal(t, "is not answered", r.transmit(), "")
	equal(t, "drops", r.drops(), "exchanges 3")
	r.table.Cancel(2)
	r.events()
	equal(t, "its retransmission", r.receive(get(coap.Confirmable, 1)), "request 3 GET")
}

// TestNoRandomness: no token is made up without it.
func TestNoRandomness(t *testing.T) {
	r := newRig(t, Config{})
	r.table = New(r.mem, iotest.ErrReader(errors.New("no entropy")))
	for _, token := range [][]byte{nil, {1}} {
		_, err := r.table.Request(r.now, Outgoing{Code: coap.GET, Token: token})
		equal(t, "Request", err, ErrRandom)
	}
	equal(t, "exchanges", r.mem.exchanges.Used(), 0)
}
