// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"bytes"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
)

func (r *rig) respond(id ID, code coap.Code) {
	r.t.Helper()
	if err := r.table.Respond(r.now, id, Outgoing{Code: code, Payload: []byte("22.3 C")}); err != nil {
		r.t.Fatal(err)
	}
}

// TestServerWays: a response in time is piggybacked, a late one is a
// Confirmable message of its own, and a Non-confirmable request gets a
// Non-confirmable one. The token is echoed in each, whatever it is.
//
// Proves rfc7252 §5.3.1: "Every request carries a client-generated token that the server MUST
// echo (without modification) in any resulting response."
// Proves rfc7252 §5.3.1: "An endpoint receiving a token it did not generate MUST treat the
// token as opaque and make no assumptions about its content or structure."
func TestServerWays(t *testing.T) {
	for _, token := range [][]byte{nil, {0}, {0xff, 0}, []byte("12345678"), make([]byte, 8)} {
		r := newRig(t, Config{})
		request := get(coap.Confirmable, 7)
		request.Token = token

		equal(t, "request", r.receive(request), "request 1 GET")
		r.wait(time.Second - 1)
		r.respond(1, coap.Content)
		m := r.one()
		equal(t, "piggybacked: type", m.Type, coap.Acknowledgement)
		equal(t, "piggybacked: Message ID", m.MessageID, 7)
		equal(t, "piggybacked: token", bytes.Equal(m.Token, token), true)

		request.MessageID = 8
		equal(t, "request", r.receive(request), "request 2 GET")
		r.wait(time.Second)
		equal(t, "promised", r.transmit(), "ACK 8 Empty")
		r.respond(2, coap.Content)
		m = r.one()
		equal(t, "separate: type", m.Type, coap.Confirmable)
		equal(t, "separate: token", bytes.Equal(m.Token, token), true)

		request.Type, request.MessageID = coap.NonConfirmable, 9
		equal(t, "request", r.receive(request), "request 3 GET")
		r.wait(3 * time.Second)
		r.messages() // perhaps a retransmission
		r.respond(3, coap.Content)
		m = r.one()
		equal(t, "NON: type", m.Type, coap.NonConfirmable)
		equal(t, "NON: token", bytes.Equal(m.Token, token), true)
	}
}

// TestOnceAcknowledgedAlwaysSeparate: after an Empty acknowledgement the
// response is not piggybacked any more, whatever the client sends, and the
// acknowledgement remains available after the response has arrived.
//
// Proves rfc7252 §5.2.2: "Once the server sends back an Empty Acknowledgement, it MUST NOT
// send back the response in another Acknowledgement, even if the client retransmits another
// identical request."
// Proves rfc7252 §4.2: "However, a responder MUST NOT in turn rely on this cross-layer
// behavior from a requester, i.e., it MUST retain the state to create the ACK for the
// request, if needed, even if a Confirmable response was already acknowledged by the
// requester."
func TestOnceAcknowledgedAlwaysSeparate(t *testing.T) {
	r := newRig(t, Config{})
	request := get(coap.Confirmable, 7)
	r.receive(request)
	equal(t, "Accept", r.table.Accept(1), nil)
	equal(t, "promised", r.transmit(), "ACK 7 Empty")
	equal(t, "Accept again", r.table.Accept(1), nil)
	equal(t, "is nothing", r.transmit(), "")

	equal(t, "the request again", r.receive(request), "")
	equal(t, "acknowledged again", r.transmit(), "ACK 7 Empty")
	r.respond(1, coap.Content)
	response := r.one()
	equal(t, "separate", response.Type, coap.Confirmable)
	equal(t, "the request again", r.receive(request), "")
	equal(t, "acknowledged again", r.transmit(), "ACK 7 Empty")

	r.receive(blank(coap.Acknowledgement, response.MessageID))
	r.wait(200 * time.Second)
	equal(t, "nothing is sent", r.transmit(), "")
	equal(t, "the request long after", r.receive(request), "")
	equal(t, "acknowledged still", r.transmit(), "ACK 7 Empty")
	equal(t, "exchanges in use", r.mem.exchanges.Used(), 0)
}

// TestDelivery: what ends the retransmission of a separate response.
//
// Proves rfc7252 §5.2.2: "The server MUST stop retransmitting its response on any matching
// Acknowledgement (silently ignoring any Response Code or payload) or Reset message."
func TestDelivery(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply func(mid uint16) coap.Message
		want  string
	}{
		{"ACK", func(mid uint16) coap.Message { return blank(coap.Acknowledgement, mid) }, ""},
		{"ACK with a response", func(mid uint16) coap.Message { return content(coap.Acknowledgement, mid, []byte{9}) }, ""},
		{"RST", func(mid uint16) coap.Message { return blank(coap.Reset, mid) }, "undelivered 1 reset"},
		{"silence", nil, "undelivered 1 timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			r.receive(get(coap.Confirmable, 7))
			r.table.Accept(1)
			r.transmit()
			r.respond(1, coap.Content)
			response := r.one()
			equal(t, "a second response", r.table.Respond(r.now, 1, Outgoing{Code: coap.Content}), ErrUnknown)
			if c.reply == nil {
				r.wait(93 * time.Second)
				equal(t, "event", r.events(), c.want)
				return
			}
			r.wait(3 * time.Second)
			equal(t, "retransmitted", r.one().MessageID, response.MessageID)
			equal(t, "event", r.receive(c.reply(response.MessageID)), c.want)
			r.wait(100 * time.Second)
			equal(t, "and no more", r.transmit()+r.events(), "")
			equal(t, "exchanges in use", r.mem.exchanges.Used(), 0)
		})
	}
}

// TestRefusedRequests: what the layer answers itself; the layer above sees
// none of it.
//
// Proves rfc7252 §5.4.1: "Unrecognized options of class 'critical' that occur in a Confirmable
// request MUST cause the return of a 4.02 (Bad Option) response."
// Proves rfc7252 §5.4.1: "Unrecognized options of class 'critical' that occur in a
// Non-confirmable message MUST cause the message to be rejected (Section 4.3)."
// Proves rfc7252 §5.4.3: "If the length of an option value in a request is outside the defined
// range, that option MUST be treated like an unrecognized option (see Section 5.4.1)."
// Proves rfc7252 §5.4.5: "If a message includes an option with more occurrences than the option
// is defined for, each supernumerary option occurrence that appears subsequently in the message
// MUST be treated like an unrecognized option (see Section 5.4.1)."
// Proves rfc7252 §5.8: "A request with an unrecognized or unsupported Method Code MUST generate
// a 4.05 (Method Not Allowed) piggybacked response."
func TestRefusedRequests(t *testing.T) {
	option := func(num coap.OptionNumber, values ...string) (o []byte) {
		prev := coap.OptionNumber(0)
		for _, v := range values {
			o, prev = coap.AppendOption(o, prev, num, []byte(v)), num
		}
		return o
	}
	for _, c := range []struct {
		name       string
		code       coap.Code
		options    []byte
		con        coap.Code // the piggybacked answer; Empty: delivered
		diagnostic string
		non        coap.Code // the Non-confirmable answer; Empty: none
	}{
		{"unknown critical", coap.GET, option(65001, "x"), coap.BadOption, "Option 65001: unrecognized option", coap.Empty},
		{"not of RFC 7252", coap.GET, option(coap.OSCORE, "x"), coap.BadOption, "OSCORE (9): unrecognized option", coap.Empty},
		{"too short", coap.GET, option(coap.URIHost, ""), coap.BadOption, "Uri-Host (3): length out of range", coap.Empty},
		{"too long", coap.GET, option(coap.Accept, "abc"), coap.BadOption, "Accept (17): length out of range", coap.Empty},
		{"not repeatable", coap.GET, option(coap.URIPort, "a", "b"), coap.BadOption, "Uri-Port (7): option is not repeatable", coap.Empty},
		{"method 0.31", 31, nil, coap.MethodNotAllowed, "", coap.MethodNotAllowed},
		{"method 0.08 with an option of its own", 8, option(65001, "x"), coap.MethodNotAllowed, "", coap.MethodNotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{})
			m := coap.Message{Type: coap.Confirmable, Code: c.code, MessageID: 7, Token: []byte{5}, Options: c.options}
			for range 2 { // the same answer for a duplicate
				equal(t, "event", r.receive(m), "")
				answer := r.one()
				equal(t, "type", answer.Type, coap.Acknowledgement)
				equal(t, "code", answer.Code, c.con)
				equal(t, "token", string(answer.Token), "\x05")
				equal(t, "diagnostic", string(answer.Payload), c.diagnostic)
			}
			m.Type, m.MessageID = coap.NonConfirmable, 8
			equal(t, "NON: event", r.receive(m), "")
			if ms := r.messages(); c.non == coap.Empty {
				equal(t, "NON: answers", len(ms), 0)
			} else {
				equal(t, "NON: type", ms[0].Type, coap.NonConfirmable)
				equal(t, "NON: code", ms[0].Code, c.non)
			}
			equal(t, "exchanges in use", r.mem.exchanges.Used(), 0)
		})
	}
}

// TestElectiveInRequest: what is elective and unknown, too long or repeated
// does not keep a request from its handler.
func TestElectiveInRequest(t *testing.T) {
	r := newRig(t, Config{})
	var o []byte
	o = coap.AppendOption(o, 0, coap.ETag, make([]byte, 9)) // 8 bytes at most
	o = coap.AppendOption(o, coap.ETag, coap.MaxAge, []byte{1})
	o = coap.AppendOption(o, coap.MaxAge, coap.MaxAge, []byte{2}) // not repeatable
	o = coap.AppendOption(o, coap.MaxAge, 65000, []byte("x"))
	m := get(coap.Confirmable, 7)
	m.Options = o
	equal(t, "event", r.receive(m), "request 1 GET")
}

// TestPendingIsBounded: requests beyond the limit are ignored, not refused, and
// their retransmissions are new.
func TestPendingIsBounded(t *testing.T) {
	r := newRig(t, Config{MaxPending: 2})
	for mid := range uint16(4) {
		r.receive(get(coap.Confirmable, mid))
	}
	equal(t, "pending", r.table.conversation.theirs.Len, 2)
	equal(t, "drops", r.drops(), "pending_requests 2")
	r.respond(1, coap.Content)
	r.one()
	equal(t, "a retransmission", r.receive(get(coap.Confirmable, 3)), "request 3 GET")
}

// TestReject: a request is refused as a message.
func TestReject(t *testing.T) {
	r := newRig(t, Config{})
	r.receive(get(coap.Confirmable, 7))
	equal(t, "Reject", r.table.Reject(1), nil)
	equal(t, "answer", r.transmit(), "RST 7 Empty")
	equal(t, "a duplicate", r.receive(get(coap.Confirmable, 7)), "")
	equal(t, "the same answer", r.transmit(), "RST 7 Empty")

	r.receive(get(coap.NonConfirmable, 8))
	equal(t, "Reject", r.table.Reject(2), nil)
	equal(t, "NON: silence", r.transmit(), "")

	r.receive(get(coap.Confirmable, 9))
	r.table.Accept(3)
	r.one()
	equal(t, "Reject", r.table.Reject(3), nil)
	equal(t, "acknowledged: silence", r.transmit(), "")
	for _, id := range []ID{0, 1, 2, 3, 4} {
		equal(t, "Reject", r.table.Reject(id), ErrUnknown)
		equal(t, "Accept", r.table.Accept(id), ErrUnknown)
		equal(t, "Respond", r.table.Respond(r.now, id, Outgoing{Code: coap.Content}), ErrUnknown)
	}
}

// TestRespondRefuses: a response that cannot be sent as it is leaves the request
// waiting for another; want of memory ends it.
func TestRespondRefuses(t *testing.T) {
	for _, request := range []coap.Type{coap.Confirmable, coap.NonConfirmable} {
		for _, early := range []bool{false, true} {
			r := newRig(t, Config{Limits: message.Limits{MessageBytes: 200}})
			r.receive(get(request, 7))
			if early {
				r.table.Accept(1)
				r.messages()
			}
			for _, c := range []struct {
				out  Outgoing
				want error
			}{
				{Outgoing{Code: coap.GET}, ErrCode},
				{Outgoing{Code: coap.Empty}, ErrCode},
				{Outgoing{Code: coap.Content, Payload: make([]byte, 200)}, ErrTooLarge},
				{Outgoing{Code: coap.Content, Options: coap.Options{0xf0}}, coap.ErrOptionDelta},
			} {
				equal(t, "Respond", r.table.Respond(r.now, 1, c.out), c.want)
			}
			equal(t, "nothing is sent", r.transmit(), "")
			r.respond(1, coap.InternalServerError)
			equal(t, "the answer", r.one().Code, coap.InternalServerError)
		}
	}
}

// TestRespondWithoutMemory: the exchange is over, and the peer's
// retransmission is a new request.
func TestRespondWithoutMemory(t *testing.T) {
	r := newRig(t, Config{Limits: message.Limits{Bytes: 400, MessageBytes: 300}})
	r.receive(get(coap.Confirmable, 7))
	r.receive(get(coap.Confirmable, 8))
	first := r.table.Respond(r.now, 1, Outgoing{Code: coap.Content, Payload: make([]byte, 200)})
	second := r.table.Respond(r.now, 2, Outgoing{Code: coap.Content, Payload: make([]byte, 200)})
	equal(t, "the first takes what there is", first, nil)
	equal(t, "the second", second, ErrMemoryFull)
	equal(t, "drops", r.drops(), "reply 1")
	equal(t, "exchanges in use", r.mem.exchanges.Used(), 0)
	r.one()
	equal(t, "its retransmission", r.receive(get(coap.Confirmable, 8)), "request 3 GET")
}

// TestServerIsBounded answers the largest tokens and options, and with
// responses as large as the limit.
//
// Pitfall R2: the longest token and many options against a small response
func TestServerIsBounded(t *testing.T) {
	r := newRig(t, Config{Limits: message.Limits{MessageBytes: 64}})
	m := get(coap.Confirmable, 7)
	m.Token = []byte("12345678")
	for range 1000 {
		m.Options = coap.AppendOption(m.Options, coap.URIPath, coap.URIPath, []byte("a"))
	}
	m.Options[0] += 0xb0 // the first is a delta from 0
	equal(t, "event", r.receive(m), "request 1 GET")
	for size := 80; ; size-- {
		err := r.table.Respond(r.now, 1, Outgoing{Code: coap.Content, Payload: make([]byte, size)})
		if err == nil {
			equal(t, "the largest payload", size, 64-4-8-1)
			break
		}
		equal(t, "error", err, ErrTooLarge)
	}
	equal(t, "answer", len(r.one().Payload), 51)
}
