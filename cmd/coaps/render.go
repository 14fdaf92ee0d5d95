// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/coaps-go/coaps/coap"
)

// The ways to show a payload.
const (
	formatAuto = "auto"
	formatRaw  = "raw"
	formatHex  = "hex"
	formatEDN  = "edn"
	formatJSON = "json"
	formatText = "text"
)

var payloadFormats = []string{formatAuto, formatRaw, formatHex, formatEDN, formatJSON, formatText}

// payloadKind sorts content formats by how a person reads them.
type payloadKind int

const (
	kindBinary payloadKind = iota
	kindText
	kindJSON
	kindCBOR
	kindLinks
)

// kindOf goes by the media type, so that formats registered later with a
// structured suffix (RFC 6838 section 4.2.8) are shown well too. A payload without a format
// is text when it can be (RFC 7252 section 5.5.1 leaves the format open).
func kindOf(format coap.ContentFormat, present bool, payload []byte) payloadKind {
	if !present {
		if printable(payload) {
			return kindText
		}
		return kindBinary
	}
	media, _, _ := strings.Cut(format.MediaType(), ";")
	switch {
	case media == "application/link-format":
		return kindLinks
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return kindJSON
	case media == "application/cbor", strings.HasSuffix(media, "+cbor"):
		return kindCBOR
	case strings.HasPrefix(media, "text/"), strings.HasSuffix(media, "xml"):
		return kindText
	}
	return kindBinary
}

// renderPayload gives the bytes that go to stdout. A pipe gets the payload as it
// came unless another format was asked for; a terminal gets what a person can
// read, and never a byte that could drive the terminal.
func renderPayload(format string, terminal bool, kind payloadKind, payload []byte) ([]byte, error) {
	switch format {
	case formatRaw:
		return payload, nil
	case formatHex:
		return line(hex.EncodeToString(payload)), nil
	case formatEDN:
		return renderEDN(kind, payload)
	case formatJSON:
		return renderJSON(kind, payload)
	case formatText:
		return line(visible(string(payload))), nil
	}
	if !terminal {
		return payload, nil
	}
	return renderForTerminal(kind, payload), nil
}

// renderForTerminal falls back to a dump whenever the payload is not what its
// content format says.
func renderForTerminal(kind payloadKind, payload []byte) []byte {
	if len(payload) == 0 {
		return nil
	}
	switch kind {
	case kindJSON:
		if pretty, err := renderJSON(kind, payload); err == nil {
			return pretty
		}
	case kindCBOR:
		if edn, err := renderEDN(kind, payload); err == nil {
			return edn
		}
	case kindLinks:
		if printable(payload) {
			return line(strings.ReplaceAll(string(payload), ",<", ",\n<"))
		}
	}
	if kind != kindBinary && kind != kindCBOR && printable(payload) {
		return line(string(payload))
	}
	return []byte(hex.Dump(payload))
}

// renderEDN writes CBOR in diagnostic notation (RFC 8949 section 8); anything else becomes
// the text or byte string that it is.
func renderEDN(kind payloadKind, payload []byte) ([]byte, error) {
	if kind != kindCBOR {
		if printable(payload) {
			return line(quoteJSON(string(payload))), nil
		}
		return line("h'" + hex.EncodeToString(payload) + "'"), nil
	}
	edn, err := cbor.Diagnose(payload)
	if err != nil {
		return nil, fmt.Errorf("the payload is not CBOR: %w", err)
	}
	return line(oneLine(edn)), nil
}

// renderJSON indents JSON, converts CBOR, and quotes text.
func renderJSON(kind payloadKind, payload []byte) ([]byte, error) {
	switch kind {
	case kindJSON:
		return indentJSON(payload)
	case kindCBOR:
		converted, err := cborToJSON(payload)
		if err != nil {
			return nil, err
		}
		return indentJSON(converted)
	}
	if !utf8.Valid(payload) {
		return nil, fmt.Errorf("%d bytes of binary have no JSON form; --format hex shows them", len(payload))
	}
	return line(quoteJSON(string(payload))), nil
}

// indentJSON escapes what a JSON string may legally hold raw and a terminal
// would obey: C1 controls and bidirectional overrides.
func indentJSON(payload []byte) ([]byte, error) {
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(payload), "", "  "); err != nil {
		return nil, fmt.Errorf("the payload is not JSON: %w", err)
	}
	return line(escapeJSONControls(pretty.String())), nil
}

// escapeJSONControls keeps the newlines of the indentation.
func escapeJSONControls(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r != '\n' && isControl(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// quoteJSON writes a string as JSON without HTML's escapes.
func quoteJSON(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""` // a string always has a JSON form
	}
	return escapeJSONControls(strings.TrimSuffix(b.String(), "\n"))
}

// line ends text with exactly one newline.
func line(s string) []byte {
	if strings.HasSuffix(s, "\n") {
		return []byte(s)
	}
	return append([]byte(s), '\n')
}

// printable says whether a payload is text that a terminal may be given.
func printable(payload []byte) bool {
	if !utf8.Valid(payload) {
		return false
	}
	for _, r := range string(payload) {
		if isControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
	}
	return true
}

// visible keeps line ends and tabs and escapes every other control character.
func visible(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case isControl(r) && r != '\n' && r != '\t':
			b.WriteString(escapeRune(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
