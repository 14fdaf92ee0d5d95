// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
)

// TestRejected holds every way in which a message is not processed: what goes
// back and what is counted. Nothing is delivered.
//
// Proves rfc7252 §4.2: "A recipient MUST either (a) acknowledge a Confirmable message with
// an Acknowledgement message or (b) reject the message if the recipient lacks context to
// process the message properly, including situations where the message is Empty, uses a
// code with a reserved class (1, 6, or 7), or has a message format error."
// Proves rfc7252 §4.2: "The Reset message MUST echo the Message ID of the Confirmable
// message and MUST be Empty."
// Proves rfc7252 §4.2: "More generally, recipients of Acknowledgement and Reset messages
// MUST NOT respond with either Acknowledgement or Reset messages."
// Proves rfc7252 §4.3: "A recipient MUST reject the message if it lacks context to process
// the message properly, including the case where the message is Empty, uses a code with a
// reserved class (1, 6, or 7), or has a message format error."
// Proves rfc7252 §4.3: "Rejecting a Non-confirmable message MAY involve sending a matching
// Reset message, and apart from the Reset message the rejected message MUST be silently
// ignored."
// Proves rfc7252 §4.1: "If there are any bytes, they MUST be processed as a message format
// error."
// Pitfall R1: token lengths 9 to 15 of a datagram that is only a header
// Pitfall R4: an option number above 65535
// Pitfall R5, R6, R8: each failure to parse ends in silence or a Reset message
func TestRejected(t *testing.T) {
	const (
		rst     = "RST 4660 Empty"
		silence = ""
	)
	for _, c := range []struct{ name, in, out, drops string }{
		{"nothing", "", silence, "header 1"},
		{"three bytes", "400112", silence, "header 1"},
		{"version 0", "00011234", silence, "header 1"},
		{"version 2", "80011234", silence, "header 1"},
		{"version 3", "c0011234", silence, "header 1"},

		{"ping", "40001234", rst, ""},
		{"empty CON with a token", "41001234aa", rst, "format_con 1"},
		{"empty CON with an option", "4000123410", rst, "format_con 1"},
		{"empty CON with a payload", "40001234ff21", rst, "format_con 1"},
		{"token length 9", "49011234", rst, "format_con 1"},
		{"token length 13", "4d011234", rst, "format_con 1"},
		{"token length 14", "4e011234", rst, "format_con 1"},
		{"token length 15", "4f011234", rst, "format_con 1"},
		{"token length 15 with all bytes", "4f011234000102030405060708090a0b0c0d0e", rst, "format_con 1"},
		{"token cut short", "42011234aa", rst, "format_con 1"},
		{"marker without payload", "40011234ff", rst, "format_con 1"},
		{"option delta 15", "40011234f1", rst, "format_con 1"},
		{"option length 15", "400112341f", rst, "format_con 1"},
		{"option cut short", "4001123412aa", rst, "format_con 1"},
		{"option number 65536", "40011234e0fef3e0", rst, "format_con 1"},
		{"response with a format error", "40451234ff", rst, "format_con 1"},
		{"CON of class 1", "40211234", rst, "reserved_class_con 1"},
		{"CON of class 6", "40c11234", rst, "reserved_class_con 1"},
		{"CON of class 7", "40e51234", rst, "reserved_class_con 1"},

		{"empty NON", "50001234", silence, "empty_non 1"},
		{"NON with token length 9", "59011234", silence, "format 1"},
		{"NON with marker without payload", "50011234ff", silence, "format 1"},
		{"empty NON with a token", "51001234aa", silence, "format 1"},
		{"NON of class 1", "50211234", silence, "reserved_class 1"},
		{"NON of class 6", "50df1234", silence, "reserved_class 1"},
		{"NON of class 7", "50ff1234", silence, "reserved_class 1"},

		{"ACK with a request", "60011234", silence, "ack_with_request 1"},
		{"ACK of class 1", "603f1234", silence, "reserved_class 1"},
		{"ACK of class 7", "60e11234", silence, "reserved_class 1"},
		{"ACK with a format error", "6f451234", silence, "format 1"},
		{"empty ACK with a payload", "60001234ff21", silence, "format 1"},
		{"ACK of nothing", "60001234", silence, "ack_unmatched 1"},
		{"ACK with a response to nothing", "60451234", silence, "ack_unmatched 1"},

		{"RST with a request", "70011234", silence, "rst_not_empty 1"},
		{"RST with a response", "70451234", silence, "rst_not_empty 1"},
		{"RST with a format error", "7f001234", silence, "format 1"},
		{"empty RST with a payload", "70001234ff21", silence, "format 1"},
		{"RST of nothing", "70001234", silence, "rst_unmatched 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Params{}, Limits{})
			in, err := hex.DecodeString(c.in)
			if err != nil {
				t.Fatal(err)
			}
			a := r.link.Receive(r.now, in)
			equal(t, "verdict", a.Verdict, Nothing)
			equal(t, "answer", r.transmit(), c.out)
			equal(t, "drops", r.drops(), c.drops)
			equal(t, "records kept", r.mem.records.Used(), 0)
		})
	}
}

// TestRejectedWhileWaiting: an ACK or RST that is to be rejected does not touch
// the Confirmable message that it would match.
//
// Proves rfc7252 §4.4: "For an Acknowledgement or Reset message to match a Confirmable or
// Non-confirmable message, the Message ID and source endpoint of the Acknowledgement or
// Reset message MUST match the Message ID and destination endpoint of the Confirmable or
// Non-confirmable message."
func TestRejectedWhileWaiting(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	r.send(get(coap.Confirmable, 0), 7)
	mid := r.one().MessageID
	for _, m := range []coap.Message{
		get(coap.Acknowledgement, mid),                           // a request in an ACK
		{Type: coap.Acknowledgement, Code: 0xe0, MessageID: mid}, // a reserved class
		content(coap.Reset, mid),                                 // not Empty
		blank(coap.Acknowledgement, mid+1),                       // another Message ID
		blank(coap.Reset, mid-1),
	} {
		if a := r.receive(m); a.Verdict != Nothing {
			t.Errorf("%v %v %d: verdict %d", m.Type, m.Code, m.MessageID, a.Verdict)
		}
	}
	if a := r.link.Receive(r.now, []byte{0x6f, 0x45, byte(mid >> 8), byte(mid)}); a.Verdict != Nothing {
		t.Errorf("malformed ACK: verdict %d", a.Verdict)
	}
	r.wait(3 * time.Second)
	equal(t, "it is sent again", r.one().MessageID, mid)

	// Another link of the same memory is another endpoint (section 9.1.1).
	var other Link
	other.Init(r.mem, seeded(1))
	for _, typ := range []coap.Type{coap.Acknowledgement, coap.Reset} {
		if a := other.Receive(r.now, datagram(t, blank(typ, mid))); a.Verdict != Nothing {
			t.Errorf("%v on another link: verdict %d", typ, a.Verdict)
		}
	}
	equal(t, "and the right one settles it", r.receive(blank(coap.Acknowledgement, mid)).Verdict, Acknowledged)
}

// TestAcknowledgementOfNon: a Non-confirmable message cannot be acknowledged,
// but rejected.
func TestAcknowledgementOfNon(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	r.send(get(coap.NonConfirmable, 0), 7)
	mid := r.one().MessageID
	equal(t, "ACK", r.receive(blank(coap.Acknowledgement, mid)).Verdict, Nothing)
	equal(t, "ACK with a response", r.receive(content(coap.Acknowledgement, mid)).Verdict, Nothing)
	equal(t, "drops", r.drops(), "ack_unmatched 2")
	a := r.receive(blank(coap.Reset, mid))
	equal(t, "RST", a.Verdict, Rejected)
	equal(t, "owner", a.Owner, 7)
}

// TestReplies: a Confirmable request gets what the layer above chooses, with its
// Message ID, and a Non-confirmable one gets nothing.
//
// Proves rfc7252 §4.2: "The Acknowledgement message MUST echo the Message ID of the
// Confirmable message and MUST carry a response or be Empty (see Sections 5.2.1 and 5.2.2)."
// Proves rfc7252 §4.4: "The Message ID MUST be echoed in the Acknowledgement or Reset
// message by the recipient."
// Proves rfc7252 §4.3: "A Non-confirmable message MUST NOT be acknowledged by the recipient."
func TestReplies(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply func(*Link, Ref) error
		want  string
	}{
		{"empty", func(l *Link, ref Ref) error { l.Acknowledge(ref); return nil }, "ACK 500 Empty"},
		{"reset", func(l *Link, ref Ref) error { l.Reject(ref); return nil }, "RST 500 Empty"},
		{"response", func(l *Link, ref Ref) error {
			m := content(coap.Confirmable, 9) // type and Message ID are the Link's
			return l.Reply(ref, &m)
		}, `ACK 500 2.05 Content [cd] "22.3 C"`},
		{"forgotten", func(l *Link, ref Ref) error { l.Forget(ref); return nil }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Params{}, Limits{})
			a := r.receive(get(coap.Confirmable, 500))
			equal(t, "verdict", a.Verdict, Delivered)
			equal(t, "code", a.Message.Code, coap.GET)
			equal(t, "before the reply", r.transmit(), "")
			if err := c.reply(r.link, a.Ref); err != nil {
				t.Fatal(err)
			}
			equal(t, "reply", r.transmit(), c.want)
			// The Ref is void now.
			r.link.Reject(a.Ref)
			equal(t, "a second reply", r.transmit(), "")

			non := r.receive(get(coap.NonConfirmable, 501))
			equal(t, "NON: verdict", non.Verdict, Delivered)
			if err := c.reply(r.link, non.Ref); err != nil && err != ErrUnknown {
				t.Fatal(err)
			}
			equal(t, "NON: reply", r.transmit(), "")
		})
	}
}

// TestResetQueueIsBounded: only so many malformed messages are answered before
// Transmit runs.
func TestResetQueueIsBounded(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	for mid := range uint16(10) {
		r.receive(blank(coap.Confirmable, mid))
	}
	equal(t, "answers", r.transmit(), "RST 0 Empty\nRST 1 Empty\nRST 2 Empty\nRST 3 Empty")
	equal(t, "drops", r.drops(), "rst_queue 6")
}

// TestLongestOptionsAndTokens delivers messages at the limits of the format.
//
// Pitfall R3: ten thousand options of one byte
// Pitfall R7: options of length zero
func TestLongestOptionsAndTokens(t *testing.T) {
	r := newRig(t, Params{}, Limits{})
	head := "48010001" + strings.Repeat("ee", 8)
	for i, options := range []string{
		strings.Repeat("00", 10000), // no number: 0 ten thousand times
		strings.Repeat("10", 10000), // numbers 1 to 10000, all of length 0
		"b0" + strings.Repeat("00", 9999),
		"bd" + "00" + strings.Repeat("61", 13),
	} {
		in, err := hex.DecodeString(fmt.Sprintf("4801%04x%s%s", i, head[8:], options))
		if err != nil {
			t.Fatal(err)
		}
		a := r.link.Receive(r.now, in)
		equal(t, "verdict", a.Verdict, Delivered)
		equal(t, "options", len(a.Message.Options), len(options)/2)
	}
}
