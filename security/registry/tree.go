// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
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
	token  json.Token // nil for null; '{' or '[' as json.Delim
	fields []field    // of an object
	items  []tree     // of an array
}

type field struct {
	name string
	tree
}

// maxDepth is more than any of our documents has.
const maxDepth = 12

// parseTree reads one JSON value and nothing after it.
func parseTree(data []byte) (tree, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	t, err := readTree(d, 0)
	if err != nil {
		return tree{}, jsonError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return tree{}, errors.New("something follows the end of the JSON value")
	}
	return t, nil
}

// jsonError makes the errors of package json for those who cut a value short
// like the others.
func jsonError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON value is not complete")
	}
	return err
}

func readTree(d *json.Decoder, depth int) (t tree, err error) {
	if depth > maxDepth {
		return t, errors.New("too many levels")
	}
	if t.token, err = d.Token(); err != nil {
		return t, err
	}
	switch t.token {
	case json.Delim('{'):
		err = t.readFields(d, depth)
	case json.Delim('['):
		for i := 0; d.More() && err == nil; i++ {
			var item tree
			item, err = readTree(d, depth+1)
			err = under(i, err)
			t.items = append(t.items, item)
		}
	default:
		return t, nil
	}
	if err == nil {
		_, err = d.Token() // the end of it
	}
	return t, err
}

func (t *tree) readFields(d *json.Decoder, depth int) error {
	var seen map[string]bool // only if there are many
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name := token.(string) // the decoder lets nothing else pass
		if seen == nil && len(t.fields) > 16 {
			seen = make(map[string]bool)
			for _, f := range t.fields {
				seen[f.name] = true
			}
		}
		if seen[name] || seen == nil && t.has(name) {
			return at(name, errors.New("stands twice"))
		}
		if seen != nil {
			seen[name] = true
		}
		value, err := readTree(d, depth+1)
		if err != nil {
			return at(name, err)
		}
		t.fields = append(t.fields, field{name, value})
	}
	return nil
}

func (t *tree) has(name string) bool {
	for i := range t.fields {
		if t.fields[i].name == name {
			return true
		}
	}
	return false
}

// kind says what a value is, for errors.
func (t *tree) kind() string {
	switch t.token.(type) {
	case json.Delim:
		if t.token == json.Delim('{') {
			return "an object"
		}
		return "a list"
	case string:
		return "text"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	}
	return "nothing"
}

// each calls read for all fields of an object. Errors get the path.
func (t *tree) each(read func(name string, value *tree) error) error {
	if t.token != json.Delim('{') {
		return fmt.Errorf("an object is wanted here, this is %s", t.kind())
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
	if t.token != json.Delim('[') {
		return fmt.Errorf("a list is wanted here, this is %s", t.kind())
	}
	for i := range t.items {
		if err := read(&t.items[i]); err != nil {
			return under(i, err)
		}
	}
	return nil
}

func (t *tree) text(s *string) error {
	value, ok := t.token.(string)
	if !ok {
		return fmt.Errorf("text is wanted here, this is %s", t.kind())
	}
	*s = value
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
	value, ok := t.token.(bool)
	if !ok {
		return fmt.Errorf("true or false is wanted here, this is %s", t.kind())
	}
	*set = value
	return nil
}

func (t *tree) number(n *int) error {
	value, ok := t.token.(json.Number)
	if !ok {
		return fmt.Errorf("a number is wanted here, this is %s", t.kind())
	}
	read, err := strconv.ParseUint(value.String(), 10, 31)
	if err != nil {
		return errors.New("not a whole number from 0 to 2147483647")
	}
	*n = int(read)
	return nil
}
