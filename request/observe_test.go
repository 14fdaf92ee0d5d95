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

func register(value ...byte) coap.Options {
	return coap.OptionList{{Number: coap.Observe, Value: value}}.Encode(nil)
}

// observe sends a registration and returns its ID and the message.
func (r *rig) observe(typ coap.Type) (ID, coap.Message) {
	r.t.Helper()
	id, err := r.table.Request(r.now, Outgoing{Type: typ, Code: coap.GET, Options: register()})
	if err != nil {
		r.t.Fatal(err)
	}
	return id, r.one()
}

// observed is a response that says that more will come.
func observed(typ coap.Type, mid uint16, token []byte) coap.Message {
	m := content(typ, mid, token)
	m.Options = register(5)
	return m
}

// TestObservation: which responses are followed by more, and what is said to them.
//
// Proves rfc7641 §3.1: "If the server returns a 2.xx response that includes an Observe Option as
// well, the server has successfully added an entry"
// Proves rfc7641 §3.5: "A notification can be confirmable or non-confirmable, i.e., it can be
// sent in a confirmable or a non-confirmable message. The message type used for a notification
// is independent of the type used for the request and of any previous notification."
// Proves rfc7641 §3.5: "If a client does not recognize the token in a confirmable notification,
// it MUST NOT acknowledge the message and SHOULD reject it with a Reset message; otherwise, the
// client MUST acknowledge the message as usual."
// Proves rfc7641 §3.2: "Each notification includes the token specified by the client in the
// request."
func TestObservation(t *testing.T) {
	for _, typ := range []coap.Type{con, non} {
		r := newRig(t, Config{})
		_, out := r.observe(typ)
		first := observed(non, 500, out.Token)
		if typ == con {
			first.Type, first.MessageID = coap.Acknowledgement, out.MessageID
		}
		equal(t, "response", r.receive(first), "response 1 2.05 Content, more")
		equal(t, "active", r.table.Active(), false)
		equal(t, "idle", r.table.Idle(), false)
		for mid := uint16(501); mid < 510; mid++ {
			kind := coap.Type(mid % 2) // NON is 1
			reply := map[coap.Type]string{con: "ACK", non: ""}[kind]
			for range 2 { // the second is a copy
				event := r.receive(observed(kind, mid, out.Token))
				if want := map[bool]string{true: "response 1 2.05 Content, more"}[reply != "again" && event != ""]; event != want {
					t.Errorf("event %q", event)
				}
				if kind == con {
					equal(t, "acknowledged", r.transmit(), blankText("ACK", mid))
				} else {
					equal(t, "nothing is sent", r.transmit(), "")
				}
			}
			r.wait(time.Minute)
		}
		r.wait(24 * time.Hour)
		equal(t, "without a deadline", r.table.Deadline(), tick.Never)
		equal(t, "not idle", r.table.Idle(), false)
		last := content(con, 600, out.Token)
		equal(t, "the last", r.receive(last), "response 1 2.05 Content")
		equal(t, "acknowledged", r.transmit(), blankText("ACK", 600))
		equal(t, "one more", r.receive(observed(con, 601, out.Token)), "")
		equal(t, "rejected", r.transmit(), blankText("RST", 601))
		equal(t, "one more NON", r.receive(observed(non, 602, out.Token)), "")
		equal(t, "rejected", r.transmit(), blankText("RST", 602))
		r.wait(247 * time.Second)
		equal(t, "idle", r.table.Idle(), true)
		equal(t, "exchanges", r.mem.exchanges.Used(), 0)
	}
}

func blankText(typ string, mid uint16) string {
	return typ + " " + string([]byte{byte('0' + mid/100), byte('0' + mid/10%10), byte('0' + mid%10)}) + " Empty"
}

// TestNoObservation: responses that are the only one, or the last.
//
// Proves rfc7641 §3.2: "Non-2.xx responses do not include an Observe Option."
// Proves rfc7641 §4.1: "The resulting response MUST NOT include an Observe Option, the absence of
// which signals to the client that it will not be notified of changes to the resource"
func TestNoObservation(t *testing.T) {
	for name, c := range map[string]struct {
		code     coap.Code
		register coap.Options
		response coap.Message
		want     string
	}{
		"no Observe in the response":    {coap.GET, register(), coap.Message{Code: coap.Content}, "response 1 2.05 Content"},
		"an error with Observe":         {coap.GET, register(), coap.Message{Code: coap.NotFound, Options: register(5)}, "response 1 4.04 Not Found"},
		"not asked for":                 {coap.GET, nil, coap.Message{Code: coap.Content, Options: register(5)}, "response 1 2.05 Content"},
		"deregistered":                  {coap.GET, register(1), coap.Message{Code: coap.Content, Options: register(5)}, "response 1 2.05 Content"},
		"not a GET":                     {coap.POST, register(), coap.Message{Code: coap.Content, Options: register(5)}, "response 1 2.05 Content"},
		"a FETCH":                       {coap.FETCH, register(), coap.Message{Code: coap.Content, Options: register(5)}, "response 1 2.05 Content, more"},
		"value 0 with a byte":           {coap.GET, register(0), coap.Message{Code: coap.Content, Options: register(5)}, "response 1 2.05 Content, more"},
		"Observe of 4 bytes":            {coap.GET, register(), coap.Message{Code: coap.Content, Options: register(1, 2, 3, 4)}, "response 1 2.05 Content"},
		"Observe of 3 bytes, 2.03":      {coap.GET, register(), coap.Message{Code: coap.Valid, Options: register(1, 2, 3)}, "response 1 2.03 Valid, more"},
		"critical option not known":     {coap.GET, register(), coap.Message{Code: coap.Content, Options: coap.AppendOption(register(5), coap.Observe, 65001, nil)}, "failed 1 bad_response"},
		"Observe twice is Observe once": {coap.GET, register(), coap.Message{Code: coap.Content, Options: coap.AppendOption(register(5), coap.Observe, coap.Observe, []byte{9})}, "response 1 2.05 Content, more"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{})
			if _, err := r.table.Request(r.now, Outgoing{Code: c.code, Options: c.register}); err != nil {
				t.Fatal(err)
			}
			out := r.one()
			c.response.Type, c.response.MessageID, c.response.Token = coap.Acknowledgement, out.MessageID, out.Token
			equal(t, "event", r.receive(c.response), c.want)
		})
	}
}

// TestObservationIsNoRequest: any number of observations leaves room for requests,
// and one more than the limit is refused.
func TestObservationIsNoRequest(t *testing.T) {
	r := newRig(t, Config{MaxRequests: 1, MaxObservations: 3})
	for range 3 {
		_, out := r.observe(con)
		r.receive(observed(coap.Acknowledgement, out.MessageID, out.Token))
	}
	_, err := r.table.Request(r.now, Outgoing{Code: coap.GET, Options: register()})
	equal(t, "a fourth", err, ErrBusy)
	equal(t, "drops", r.drops(), "observations 1")
	_, out := r.request(con, coap.GET)
	equal(t, "a request", r.receive(content(coap.Acknowledgement, out.MessageID, out.Token)), "response 4 2.05 Content")
	equal(t, "Cancel", r.table.Cancel(2), true)
	equal(t, "event", r.events(), "failed 2 canceled")
	r.observe(con)
}

// TestObservationsBegunTogether: more registrations than may become observations end
// with their responses.
func TestObservationsBegunTogether(t *testing.T) {
	r := newRig(t, Config{MaxObservations: 1, Params: message.Params{NStart: 2}})
	_, first := r.observe(con)
	_, second := r.observe(con)
	equal(t, "first", r.receive(observed(coap.Acknowledgement, first.MessageID, first.Token)), "response 1 2.05 Content, more")
	equal(t, "second", r.receive(observed(coap.Acknowledgement, second.MessageID, second.Token)), "response 2 2.05 Content")
	equal(t, "exchanges", r.mem.exchanges.Used(), 1)
}

// TestNotificationBeforeResponse: the network brings a notification before the
// response to the registration, or the acknowledgement of it.
//
// Pitfall A13: a late response is not taken for another
func TestNotificationBeforeResponse(t *testing.T) {
	r := newRig(t, Config{})
	_, out := r.observe(con)
	equal(t, "notification", r.receive(observed(non, 500, out.Token)), "response 1 2.05 Content, more")
	equal(t, "the response, late", r.receive(observed(coap.Acknowledgement, out.MessageID, out.Token)), "")
	r.wait(100 * time.Second)
	equal(t, "nothing is retransmitted", r.transmit(), "")

	_, out = r.observe(con)
	r.receive(blank(coap.Acknowledgement, out.MessageID))
	equal(t, "notification", r.receive(observed(con, 501, out.Token)), "response 2 2.05 Content, more")
	equal(t, "the separate response, late", r.receive(observed(con, 499, out.Token)), "response 2 2.05 Content, more")
	equal(t, "acknowledged", r.transmit(), "ACK 501 Empty\nACK 499 Empty")
}

// TestBadNotification: one with a critical option that is not known is rejected and
// ends the observation, by whichever type it came.
//
// Proves rfc7641 §3.5: "In the case of a non-confirmable notification, rejecting the message with
// a Reset message is OPTIONAL."
func TestBadNotification(t *testing.T) {
	for _, typ := range []coap.Type{con, non} {
		r := newRig(t, Config{})
		_, out := r.observe(con)
		r.receive(observed(coap.Acknowledgement, out.MessageID, out.Token))
		bad := observed(typ, 500, out.Token)
		bad.Options = coap.AppendOption(bad.Options, coap.Observe, 65001, nil)
		equal(t, "event", r.receive(bad), "failed 1 bad_response")
		equal(t, "rejected", r.transmit(), "RST 500 Empty")
		equal(t, "exchanges", r.mem.exchanges.Used(), 0)
	}
}

// TestForget is how an observation ends from our side, and how its token can be used
// again: by a new registration that takes the notifications at once, and by one to
// deregister.
//
// Proves rfc7641 §3.6: "When the server then sends the next notification, the client will not
// recognize the token in the message and thus will return a Reset message."
// Proves rfc7641 §3.3.1: "a client MAY issue a new GET request with the same token as the original
// at any time."
func TestForget(t *testing.T) {
	r := newRig(t, Config{})
	_, out := r.observe(con)
	token := append([]byte(nil), out.Token...)
	r.receive(observed(coap.Acknowledgement, out.MessageID, token))
	again := func(value ...byte) coap.Message {
		if _, err := r.table.Request(r.now, Outgoing{Code: coap.GET, Options: register(value...), Token: token}); err != nil {
			t.Fatal(err)
		}
		return r.one()
	}
	_, err := r.table.Request(r.now, Outgoing{Code: coap.GET, Options: register(), Token: token})
	equal(t, "while it is in use", err, ErrToken)

	r.table.Cancel(1)
	out = again()
	equal(t, "event", r.events(), "failed 1 canceled")
	equal(t, "the next notification", r.receive(observed(con, 500, token)), "response 2 2.05 Content, more")
	equal(t, "acknowledged", r.transmit(), "ACK 500 Empty")
	equal(t, "the response, late", r.receive(observed(coap.Acknowledgement, out.MessageID, token)), "")

	r.table.Cancel(2)
	out = again(1)
	equal(t, "event", r.events(), "failed 2 canceled")
	equal(t, "the response", r.receive(content(coap.Acknowledgement, out.MessageID, token)), "response 3 2.05 Content")
	equal(t, "a late notification", r.receive(observed(con, 501, token)), "")
	equal(t, "is rejected", r.transmit(), "RST 501 Empty")
	equal(t, "exchanges", r.mem.exchanges.Used(), 0)
}

// TestForeignNotifications are rejected without effect on what is observed.
//
// Pitfall R9: a token of another length is another token
func TestForeignNotifications(t *testing.T) {
	r := newRig(t, Config{})
	_, out := r.observe(con)
	r.receive(observed(coap.Acknowledgement, out.MessageID, out.Token))
	for i, token := range [][]byte{nil, out.Token[:7], {0}, make([]byte, 8)} {
		mid := uint16(700 + 2*i)
		equal(t, "CON", r.receive(observed(con, mid, token)), "")
		equal(t, "rejected", r.transmit(), blankText("RST", mid))
		equal(t, "NON", r.receive(observed(non, mid+1, token)), "")
		equal(t, "rejected", r.transmit(), blankText("RST", mid+1))
	}
	for range 10 {
		r.table.Receive(r.now, datagram(t, observed(non, uint16(800), nil)))
	}
	equal(t, "a copy is not rejected again", r.transmit(), blankText("RST", 800))
	equal(t, "ours", r.receive(observed(con, 900, out.Token)), "response 1 2.05 Content, more")
	equal(t, "drops", r.drops(), "unexpected_response_con 4, unexpected_response_non 5")
}
