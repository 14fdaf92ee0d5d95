// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package link

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A SyntaxError is what Parse returns.
type SyntaxError struct {
	Offset int // where in the input, in bytes
	Wanted string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("link: no %s at byte %d", e.Wanted, e.Offset)
}

// Parse reads a document in the link format (RFC 6690 section 2); an empty one
// has no links. White space after a comma or semicolon is accepted, because
// servers and the RFCs' own examples have it. What it allocates is proportional
// to the length of s. The error is a *SyntaxError.
func Parse(s string) ([]Link, error) {
	if !utf8.ValidString(s) {
		return nil, &SyntaxError{0, "UTF-8"}
	}
	p := parser{text: s}
	p.space()
	if p.rest() == "" {
		return nil, nil
	}
	var links []Link
	for {
		l, err := p.link()
		if err != nil {
			return nil, err
		}
		links = append(links, l)
		if p.rest() == "" {
			return links, nil
		}
		if !p.take(',') {
			return nil, p.wanted("comma or semicolon")
		}
		p.space()
	}
}

// parser is a position in a text.
type parser struct {
	text string
	at   int
}

func (p *parser) rest() string { return p.text[p.at:] }

func (p *parser) wanted(what string) error { return &SyntaxError{p.at, what} }

// take skips b and reports whether it was there.
func (p *parser) take(b byte) bool {
	if p.at < len(p.text) && p.text[p.at] == b {
		p.at++
		return true
	}
	return false
}

func (p *parser) space() { p.span(" \t\r\n") }

// span takes the longest run of bytes that are in chars.
func (p *parser) span(chars string) string {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(chars, p.text[p.at]) >= 0 {
		p.at++
	}
	return p.text[start:p.at]
}

// link reads a link-value: "<" URI-Reference ">" *( ";" link-param ), and white
// space after it.
func (p *parser) link() (l Link, err error) {
	if !p.take('<') {
		return l, p.wanted("<")
	}
	// An internationalized reference is no URI-Reference, but harmless here.
	end := strings.IndexAny(p.rest(), "<>\" \t\r\n")
	if end < 0 || p.rest()[end] != '>' {
		return l, p.wanted("URI-reference with a closing >")
	}
	l.Target = p.rest()[:end]
	p.at += end + 1
	p.space()
	for p.take(';') {
		p.space()
		a, err := p.attr()
		if err != nil {
			return l, err
		}
		l.Attrs = append(l.Attrs, a)
		p.space()
	}
	return l, nil
}

// attr reads a link-param: parmname [ "=" ( ptoken / quoted-string ) ].
func (p *parser) attr() (a Attr, err error) {
	if a.Name = p.span(nameChars); a.Name == "" {
		return a, p.wanted("attribute name")
	}
	if !p.take('=') {
		a.NoValue = true
		return a, nil
	}
	if p.take('"') {
		a.Value, err = p.quoted()
		return a, err
	}
	if a.Value = p.span(tokenChars); a.Value == "" {
		return a, p.wanted("attribute value")
	}
	return a, nil
}

// quoted reads a quoted-string whose opening mark is gone. A backslash stands
// before a character that is to be taken as it is.
func (p *parser) quoted() (string, error) {
	var value strings.Builder
	for i := p.at; i < len(p.text); i++ {
		switch b := p.text[i]; {
		case b == '"':
			value.WriteString(p.text[p.at:i])
			p.at = i + 1
			return value.String(), nil
		case b == '\\' && i+1 < len(p.text):
			value.WriteString(p.text[p.at:i])
			i++
			p.at = i // the escaped character begins the next piece
		}
	}
	return "", p.wanted("closing quotation mark")
}
