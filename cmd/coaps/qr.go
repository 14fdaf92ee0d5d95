// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"rsc.io/qr"

	"github.com/coaps-go/coaps/security/keys"
)

// A label is what a QR code tells a device, or whoever installs it:
//
//	coaps:v1?i=IDENTITY&k=KEY[&n=NAME][&t=TENANT][&s=SERVER][&p=NAME OF KEY]
//
// i is the identity of a shared key, percent-encoded as in any query (it may hold
// any octets), k the key in base64url without padding, n and t the names of
// device and tenant, s the server as HOST or HOST:PORT, p the name of the
// server's raw public key (RFC 6920). The scheme is followed by no "//": so this
// is no coaps URI that somebody could ask for with the key in it. Readers ignore
// fields they do not know, and refuse versions they do not know.
type label struct {
	psk          keys.PSK
	name, tenant string
	server       string
	serverKey    string
}

const labelVersion = "v1"

// uri is the text of the code.
func (l *label) uri() string {
	var b strings.Builder
	b.WriteString("coaps:" + labelVersion)
	add := func(name, value string) {
		separator := "&"
		if !strings.Contains(b.String(), "?") {
			separator = "?"
		}
		// QueryEscape writes a space as "+", which not every reader undoes.
		b.WriteString(separator + name + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
	}
	add("i", string(l.psk.Identity))
	add("k", base64.RawURLEncoding.EncodeToString(l.psk.Key.Bytes()))
	for _, field := range []struct{ name, value string }{{"n", l.name}, {"t", l.tenant}, {"s", l.server}, {"p", l.serverKey}} {
		if field.value != "" {
			add(field.name, field.value)
		}
	}
	return b.String()
}

// parseLabel reads the text of a code. Errors do not repeat it: it holds a key.
func parseLabel(text string) (*label, error) {
	u, err := url.Parse(text)
	if err != nil || !strings.EqualFold(u.Scheme, "coaps") || u.Opaque == "" {
		return nil, errors.New("not a label of coaps: it begins with coaps:v1?")
	}
	if u.Opaque != labelVersion {
		return nil, fmt.Errorf("a label of version %q, this program knows %s", u.Opaque, labelVersion)
	}
	fields, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("the fields of the label are not well-formed")
	}
	for name, values := range fields {
		if len(values) > 1 {
			return nil, fmt.Errorf("the field %q comes twice", name)
		}
	}
	key, err := base64.RawURLEncoding.DecodeString(fields.Get("k"))
	defer clear(key)
	if err != nil {
		return nil, errors.New("the key of the label is not base64url")
	}
	psk, err := keys.NewPSK([]byte(fields.Get("i")), key)
	if err != nil {
		return nil, err
	}
	return &label{psk: psk, name: fields.Get("n"), tenant: fields.Get("t"), server: fields.Get("s"), serverKey: fields.Get("p")}, nil
}

// The styles of a code in a terminal.
const (
	qrColor = "color" // black on white by escape sequences: right on any terminal
	qrDark  = "dark"  // for dark terminals: what is light is drawn
	qrLight = "light" // for light terminals: what is dark is drawn
)

var qrStyles = []string{"auto", qrColor, qrDark, qrLight}

// quietZone is what a reader needs around a code, in modules (ISO/IEC 18004).
const quietZone = 4

// drawQR makes a code of text, two modules a character: half blocks are about
// square in a terminal.
func drawQR(text, style string) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", err
	}
	begin, end, inverted := "", "", style == qrDark
	if style == qrColor {
		begin, end = "\x1b[30;107m", "\x1b[0m"
	}
	var b strings.Builder
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		b.WriteString(begin)
		for x := -quietZone; x < code.Size+quietZone; x++ {
			upper, lower := code.Black(x, y), code.Black(x, y+1)
			b.WriteString(halfBlock(upper != inverted, lower != inverted))
		}
		b.WriteString(end + "\n")
	}
	return b.String(), nil
}

// halfBlock draws two modules on top of each other; true is drawn, false is
// background.
func halfBlock(upper, lower bool) string {
	switch {
	case upper && lower:
		return "█"
	case upper:
		return "▀"
	case lower:
		return "▄"
	}
	return " "
}

// qrStyle decides how to draw where nothing was asked for: with colours on a
// terminal, under NO_COLOR too, as they are no decoration here; else for a dark
// terminal, as most are.
func (a *app) qrStyle(style string) string {
	switch {
	case style != "" && style != "auto":
		return style
	case isTerminal(a.out) && a.color != "never":
		return qrColor
	}
	return qrDark
}

// printQR writes the code and its quiet zone.
func (a *app) printQR(l *label, style string) error {
	drawn, err := drawQR(l.uri(), a.qrStyle(style))
	if err != nil {
		return fail("not_expressible", "cannot draw the QR code", "%v", err).because(err).
			try("a shorter identity or key; the line without --qr has no such limit")
	}
	_, err = fmt.Fprint(a.out, drawn)
	return outputFailure(err)
}
