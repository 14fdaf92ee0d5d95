// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// PathError says where in a JSON document something is wrong.
type PathError struct {
	path string // below the root, such as ".psk[0].key"
	Err  error
}

// Path returns where it is: "$.devices.sensor-7.psk[0].key". A name of other
// than letters, digits, "-" and "_" stands in brackets and single quotation
// marks: $.devices['urn:dev:7'].
func (e *PathError) Path() string { return "$" + e.path }

func (e *PathError) Error() string { return strings.TrimPrefix(e.path, ".") + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *PathError) Unwrap() error { return e.Err }

// at puts the name of a field before the path of err.
func at(name string, err error) error {
	if err == nil {
		return nil
	}
	return prefixed(pathName(name), err)
}

// under puts the index of an element before the path of err.
func under(index int, err error) error {
	if err == nil {
		return nil
	}
	return prefixed("["+strconv.Itoa(index)+"]", err)
}

func prefixed(step string, err error) error {
	if inner, ok := errors.AsType[*PathError](err); ok {
		return &PathError{step + inner.path, inner.Err}
	}
	return &PathError{step, err}
}

func pathName(name string) string {
	plainName := name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
	if plainName {
		return "." + name
	}
	return "['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "']"
}

// A tree is a JSON value. Names within an object are kept in their order and
// occur once.
type tree struct {
	kind   byte    // its first octet: one of { [ " t f n, or 0 for a number
	value  string  // of a string or a number
	fields []field // of an object
	items  []tree  // of a list
}

type field struct {
	name string
	tree
}

// maxDepth is more than any of our documents has.
const maxDepth = 12

// parseTree reads one JSON value (RFC 8259) and nothing after it. Names that
// stand twice in an object are an error, as is what is no UTF-8.
func parseTree(data []byte) (tree, error) {
	if !utf8.Valid(data) {
		return tree{}, errors.New("not UTF-8")
	}
	p := parser{rest: data}
	t, err := p.value(0)
	if err != nil {
		return tree{}, err
	}
	if p.next() != 0 || len(p.rest) > 0 {
		return tree{}, errors.New("something follows the end of the JSON value")
	}
	return t, nil
}

// parser reads JSON. It exists because a look-up reads a device each time, and
// package json needs ten times as long for that while it tells less of errors.
type parser struct{ rest []byte }

var (
	errShort  = errors.New("the JSON value is not complete")
	errSyntax = errors.New("not JSON")
)

// next skips white space and returns the octet that follows, which it does not
// take; 0 at the end.
func (p *parser) next() byte {
	for i, c := range p.rest {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			p.rest = p.rest[i:]
			return c
		}
	}
	p.rest = nil
	return 0
}

// take takes the octet c if it is the next one.
func (p *parser) take(c byte) bool {
	if p.next() != c || len(p.rest) == 0 {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// bad is the error of an octet that does not fit.
func (p *parser) bad() error {
	if len(p.rest) == 0 {
		return errShort
	}
	return errSyntax
}

func (p *parser) value(depth int) (t tree, err error) {
	if depth > maxDepth {
		return t, errors.New("too many levels")
	}
	switch t.kind = p.next(); t.kind {
	case '{':
		err = p.object(&t, depth)
	case '[':
		err = p.array(&t, depth)
	case '"':
		t.value, err = p.text()
	case 't':
		err = p.word("true")
	case 'f':
		err = p.word("false")
	case 'n':
		err = p.word("null")
	default:
		t.kind = 0
		t.value, err = p.number()
	}
	return t, err
}

func (p *parser) word(word string) error {
	if !bytes.HasPrefix(p.rest, []byte(word)) {
		return errSyntax
	}
	p.rest = p.rest[len(word):]
	return nil
}

// number leaves it to package json what a number is.
func (p *parser) number() (string, error) {
	n := 0
	for n < len(p.rest) && (p.rest[n] >= '0' && p.rest[n] <= '9' || strings.IndexByte("+-.eE", p.rest[n]) >= 0) {
		n++
	}
	if n == 0 || !json.Valid(p.rest[:n]) {
		return "", p.bad()
	}
	number := string(p.rest[:n])
	p.rest = p.rest[n:]
	return number, nil
}

// text reads a string, of which the opening quotation mark is the next octet.
func (p *parser) text() (string, error) {
	escaped := false
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			raw := p.rest[:i+1]
			p.rest = p.rest[i+1:]
			if !escaped {
				return string(raw[1:i]), nil
			}
			var s string
			if json.Unmarshal(raw, &s) != nil {
				return "", errSyntax
			}
			return s, nil
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			return "", errSyntax
		}
	}
	return "", errShort
}

func (p *parser) array(t *tree, depth int) error {
	p.take('[')
	if p.take(']') {
		return nil
	}
	for {
		item, err := p.value(depth + 1)
		if err != nil {
			return under(len(t.items), err)
		}
		t.items = append(t.items, item)
		if p.take(']') {
			return nil
		}
		if !p.take(',') {
			return p.bad()
		}
	}
}

func (p *parser) object(t *tree, depth int) error {
	p.take('{')
	if p.take('}') {
		return nil
	}
	var seen map[string]bool // only if there are many
	for {
		if p.next() != '"' {
			return p.bad()
		}
		name, err := p.text()
		if err != nil {
			return err
		}
		if !p.take(':') {
			return p.bad()
		}
		if seen = t.seen(seen); seen[name] || seen == nil && t.has(name) {
			return at(name, errors.New("comes twice"))
		}
		value, err := p.value(depth + 1)
		if err != nil {
			return at(name, err)
		}
		t.fields = append(t.fields, field{name, value})
		if seen != nil {
			seen[name] = true
		}
		if p.take('}') {
			return nil
		}
		if !p.take(',') {
			return p.bad()
		}
	}
}

// seen makes the set of names when there are too many to go through them.
func (t *tree) seen(set map[string]bool) map[string]bool {
	if set != nil || len(t.fields) < 16 {
		return set
	}
	set = make(map[string]bool, 2*len(t.fields))
	for i := range t.fields {
		set[t.fields[i].name] = true
	}
	return set
}

func (t *tree) has(name string) bool {
	for i := range t.fields {
		if t.fields[i].name == name {
			return true
		}
	}
	return false
}

// what says what a value is, for errors.
func (t *tree) what() string {
	switch t.kind {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "text"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "nothing"
	}
	return "a number"
}

// each calls read for all fields of an object. Errors get the path.
func (t *tree) each(read func(name string, value *tree) error) error {
	if t.kind != '{' {
		return fmt.Errorf("an object is expected here, not %s", t.what())
	}
	for i := range t.fields {
		f := &t.fields[i]
		if err := read(f.name, &f.tree); err != nil {
			return at(f.name, err)
		}
	}
	return nil
}

// list calls read for all elements of a list.
func (t *tree) list(read func(item *tree) error) error {
	if t.kind != '[' {
		return fmt.Errorf("a list is expected here, not %s", t.what())
	}
	for i := range t.items {
		if err := read(&t.items[i]); err != nil {
			return under(i, err)
		}
	}
	return nil
}

func (t *tree) text(s *string) error {
	if t.kind != '"' {
		return fmt.Errorf("text is expected here, not %s", t.what())
	}
	*s = t.value
	return nil
}

func (t *tree) texts(list *[]string) error {
	return t.list(func(item *tree) error {
		var s string
		if err := item.text(&s); err != nil {
			return err
		}
		*list = append(*list, s)
		return nil
	})
}

func (t *tree) flag(set *bool) error {
	if t.kind != 't' && t.kind != 'f' {
		return fmt.Errorf("true or false is expected here, not %s", t.what())
	}
	*set = t.kind == 't'
	return nil
}

func (t *tree) number(n *int) error {
	if t.kind != 0 {
		return fmt.Errorf("a number is expected here, not %s", t.what())
	}
	read, err := strconv.ParseUint(t.value, 10, 31)
	if err != nil {
		return errors.New("not a whole number from 0 to 2147483647")
	}
	*n = int(read)
	return nil
}
