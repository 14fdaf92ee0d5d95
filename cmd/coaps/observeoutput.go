// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
)

// jsonState is one response of observe --json.
type jsonState struct {
	jsonReport
	Time    string  `json:"time"` // when it came, RFC 3339
	Observe *uint32 `json:"observe,omitempty"`
	Skipped int     `json:"skipped,omitempty"`
	Last    bool    `json:"last,omitempty"`
}

// jsonEvent is what else observe --json tells.
type jsonEvent struct {
	V     int        `json:"v"`
	URI   string     `json:"uri"`
	Time  string     `json:"time"`
	Event string     `json:"event"`
	DTLS  *jsonDTLS  `json:"dtls,omitempty"`
	Error *jsonError `json:"error,omitempty"`
}

func timestamp() string { return time.Now().Format(time.RFC3339Nano) }

// show writes one representation.
func (o *observer) show(x *exchange, u *coaps.Update, f *failure, first bool) error {
	var content strings.Builder
	if u.Skipped > 0 {
		o.notef("%s skipped: what reads them is slower than the server", plural(u.Skipped, "state"))
	}
	if o.output.json {
		if err := writeJSON(&content, o.stateReport(x, u, f, first)); err != nil {
			return err
		}
		return o.deliver(content.String())
	}
	if o.output.include {
		content.WriteString(o.outPalette().dim(oneLine(x.observed(first))) + "\n")
	}
	if x.code.IsSuccess() {
		shown, err := o.renderState(x)
		if err != nil {
			return fail("bad_response", x.what(), "%v", err).try("--format raw")
		}
		content.Write(shown)
	}
	if content.Len() == 0 {
		return nil
	}
	return o.deliver(content.String())
}

func (o *observer) stateReport(x *exchange, u *coaps.Update, f *failure, first bool) jsonState {
	state := jsonState{jsonReport: x.report(f), Time: timestamp(), Skipped: u.Skipped, Last: u.Last}
	if !first {
		state.RTT = nil
	}
	if number, ok := x.options.GetUint(coap.Observe); ok {
		state.Observe = &number
	}
	return state
}

// repeats reports whether a response says what the last one said.
func (x *exchange) repeats(response *coaps.Response) bool {
	next := &exchange{code: response.Code, options: response.Options, payload: response.Payload}
	format, has := x.contentFormat()
	nextFormat, nextHas := next.contentFormat()
	return x.answered && x.code == next.code && bytes.Equal(x.payload, next.payload) && format == nextFormat && has == nextHas
}

// renderState is the payload, as a line unless it is binary on its way to a
// program.
func (o *observer) renderState(x *exchange) ([]byte, error) {
	if x.code == coap.Valid {
		return nil, nil // 2.03: what the ETag of --option names, which has no payload
	}
	terminal := o.file == nil && isTerminal(o.out)
	shown, err := renderPayload(o.output.format, terminal, x.kind(), x.payload)
	if err != nil || o.output.format == formatRaw {
		return shown, err
	}
	switch x.kind() {
	case kindText, kindJSON, kindLinks:
		shown = line(string(shown))
	}
	return shown, nil
}

// observed is the line of -i: the round trip is that of the first answer alone.
func (x *exchange) observed(first bool) string {
	parts := x.summaryParts()
	if number, ok := x.options.GetUint(coap.Observe); ok {
		parts = append(parts, fmt.Sprintf("observe=%d", number))
	}
	if first {
		parts = append(parts, x.timeParts()...)
	}
	return strings.Join(parts, ", ") + " [" + x.security.short() + "]"
}

// event tells what becomes of the connection, on stderr unless JSON is wanted.
func (o *observer) event(uri string, u *coaps.Update) error {
	if o.output.json {
		return o.jsonEvent(uri, u)
	}
	switch u.Kind {
	case coaps.UpdateLost:
		f := lostFailure(uri, u.Err)
		o.notef("lost: %s (%s); trying again", f.reason, f.explanation())
	case coaps.UpdateReregistered:
		o.tracef(1, "registered again")
	case coaps.UpdateReconnected:
		o.notef("back: observing again [%s]", reportPeer(&u.Peer).short())
	}
	return nil
}

// lostFailure has the words of the table: those of the first request would be about
// -B, which does not bound what comes later.
func lostFailure(uri string, err error) *failure {
	what := "observe " + uri
	if e, ok := errors.AsType[*coaps.Error](err); ok && knownReason(e.Reason) {
		return fail(e.Reason, what, "").because(err)
	}
	return asFailure(what, err)
}

func (o *observer) jsonEvent(uri string, u *coaps.Update) error {
	event := jsonEvent{V: jsonSchemaVersion, URI: uri, Time: timestamp(), Event: u.Kind.String()}
	if u.Kind == coaps.UpdateLost {
		event.Error = lostFailure(uri, u.Err).json()
	} else {
		event.DTLS = reportPeer(&u.Peer).json()
	}
	var content strings.Builder
	if err := writeJSON(&content, event); err != nil {
		return err
	}
	return o.deliver(content.String())
}
