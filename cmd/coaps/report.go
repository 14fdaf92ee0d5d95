// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coaps-go/coaps/coap"
)

// exchange is one request and its outcome, as the output shows it.
type exchange struct {
	uri, method     string
	code            coap.Code
	messageType     coap.Type
	messageID       uint16
	token           []byte
	options         coap.OptionList
	payload         []byte
	rtt             time.Duration
	retransmissions int
	bytes           byteCount
	security        *securityReport // nil: NoSec
	answered        bool
}

// byteCount counts UDP payload in both directions, with the handshake's share.
type byteCount struct {
	Up            int `json:"up"`
	Down          int `json:"down"`
	HandshakeUp   int `json:"handshake_up"`
	HandshakeDown int `json:"handshake_down"`
}

// contentFormat is the response's Content-Format option.
func (x *exchange) contentFormat() (coap.ContentFormat, bool) {
	value, ok := x.options.GetUint(coap.ContentFormatOption)
	if !ok || value > 0xffff {
		return 0, false
	}
	return coap.ContentFormat(value), true
}

func (x *exchange) kind() payloadKind {
	format, present := x.contentFormat()
	return kindOf(format, present, x.payload)
}

// summary is the line of -i: code, content-format, ETag, size, time and the
// security context.
func (x *exchange) summary() string {
	return strings.Join(append(x.summaryParts(), x.timeParts()...), ", ") + " [" + x.security.short() + "]"
}

// summaryParts are those about the response itself.
func (x *exchange) summaryParts() []string {
	parts := []string{x.code.String()}
	if format, ok := x.contentFormat(); ok {
		parts = append(parts, formatName(format))
	}
	if etag, ok := x.options.Get(coap.ETag); ok {
		parts = append(parts, "etag=0x"+hex.EncodeToString(etag))
	}
	if where := x.location(); where != "" {
		parts = append(parts, "location="+oneLine(where))
	}
	return append(parts, plural(len(x.payload), "byte"))
}

// timeParts are those about its way here.
func (x *exchange) timeParts() []string {
	parts := []string{milliseconds(x.rtt)}
	if x.retransmissions > 0 {
		parts = append(parts, plural(x.retransmissions, "retransmission"))
	}
	return parts
}

// location is where a 2.01 Created says the resource is (RFC 7252 section 5.10.7).
func (x *exchange) location() string {
	var path, query strings.Builder
	for _, option := range x.options {
		switch option.Number {
		case coap.LocationPath:
			path.WriteString("/" + string(option.Value))
		case coap.LocationQuery:
			query.WriteString("&" + string(option.Value))
		}
	}
	if query.Len() > 0 {
		return path.String() + "?" + query.String()[1:]
	}
	return path.String()
}

// formatName is the media type, else the number.
func formatName(format coap.ContentFormat) string {
	if media := format.MediaType(); media != "" {
		return media
	}
	return fmt.Sprintf("format=%d", uint16(format))
}

// jsonSchemaVersion is the "v" of every object; a field may be added without a
// new version, none may change its meaning.
const jsonSchemaVersion = 1

// jsonReport is one response, or one failure, of --json.
type jsonReport struct {
	V               int          `json:"v"`
	URI             string       `json:"uri"`
	Method          string       `json:"method"`
	Code            string       `json:"code,omitempty"`
	OK              bool         `json:"ok"`
	Type            string       `json:"type,omitempty"`
	MID             *uint16      `json:"mid,omitempty"`
	Token           *string      `json:"token,omitempty"`
	Options         []jsonOption `json:"options,omitempty"`
	ContentFormat   string       `json:"content_format,omitempty"`
	Payload         *string      `json:"payload,omitempty"`
	PayloadEncoding string       `json:"payload_encoding,omitempty"` // "utf-8" or "base64"
	RTT             *float64     `json:"rtt_ms,omitempty"`
	Retransmissions int          `json:"retransmissions"`
	Bytes           byteCount    `json:"bytes"`
	DTLS            *jsonDTLS    `json:"dtls,omitempty"`
	Error           *jsonError   `json:"error,omitempty"`
}

type jsonOption struct {
	Number uint16 `json:"number"`
	Name   string `json:"name"`
	Value  string `json:"value"`
}

// jsonError carries the three lines.
type jsonError struct {
	Kind   string `json:"kind"` // "request", "response", "handshake", "trust", "network", "setup", "usage"
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
}

// report builds the JSON object of an exchange and, where it failed, of why.
func (x *exchange) report(f *failure) jsonReport {
	r := jsonReport{V: jsonSchemaVersion, URI: x.uri, Method: x.method, OK: f == nil,
		Bytes: x.bytes, Retransmissions: x.retransmissions, DTLS: x.security.json()}
	if f != nil {
		r.Error = f.json()
	}
	if !x.answered {
		return r
	}
	token, rtt, mid := hex.EncodeToString(x.token), inMilliseconds(x.rtt), x.messageID
	r.Code, r.Type, r.MID, r.Token, r.RTT = x.code.Dotted(), x.messageType.String(), &mid, &token, &rtt
	for _, option := range x.options {
		r.Options = append(r.Options, jsonOption{uint16(option.Number), option.Number.String(), optionValueText(option)})
	}
	if format, ok := x.contentFormat(); ok {
		r.ContentFormat = formatName(format)
	}
	r.Payload, r.PayloadEncoding = encodePayload(x.payload)
	return r
}

// encodePayload keeps text readable; anything else is base64 and says so.
func encodePayload(payload []byte) (*string, string) {
	text, encoding := string(payload), "utf-8"
	if !utf8.Valid(payload) {
		text, encoding = base64.StdEncoding.EncodeToString(payload), "base64"
	}
	return &text, encoding
}

// optionValueText shows a value by the format the registry gives the option.
func optionValueText(option coap.Option) string {
	switch option.Number.Format() {
	case coap.FormatUint:
		if value, ok := coap.DecodeUint(option.Value); ok {
			return fmt.Sprint(value)
		}
	case coap.FormatString:
		if utf8.Valid(option.Value) {
			return string(option.Value)
		}
	case coap.FormatEmpty:
		if len(option.Value) == 0 {
			return ""
		}
	}
	return "0x" + hex.EncodeToString(option.Value)
}

// json is a failure as --json shows it.
func (f *failure) json() *jsonError {
	return &jsonError{Kind: failureKind(f), Reason: f.reason, Detail: f.explanation(), Hint: f.advice()}
}

// failureKind follows the exit code, which is the same fact for a script.
func failureKind(f *failure) string {
	switch f.exitCode() {
	case exitUsage:
		return "usage"
	case exitSetup:
		return "setup"
	case exitClientError, exitServerError:
		return "response"
	case exitResolve, exitRefused, exitTimeout:
		return "network"
	case exitHandshake:
		return "handshake"
	case exitUntrusted:
		return "trust"
	case exitCheck:
		return "check"
	case exitInterrupted:
		return "interrupted"
	}
	return "request"
}

// writeJSON writes one object on one line.
func writeJSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// inMilliseconds rounds to the microsecond.
func inMilliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

func milliseconds(d time.Duration) string {
	switch ms := inMilliseconds(d); {
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
