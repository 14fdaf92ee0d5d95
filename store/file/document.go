// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// position is a place in a file, counted from 1.
type position struct{ line, column int }

// placedError is an error at a place.
type placedError struct {
	at  position
	err error
}

func (e *placedError) Error() string { return e.err.Error() }
func (e *placedError) Unwrap() error { return e.err }

var errEmpty = errors.New("the file is empty; a file without devices has {}")

// toJSON makes a JSON document of YAML or JSON, and a function that finds where
// a path of the document is in the text.
func toJSON(text []byte) (doc []byte, place func(path string) position, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if at := invalidUTF8(text); at >= 0 {
		return nil, nil, &placedError{positionOf(text, at), errors.New("not text in UTF-8")}
	}
	switch trimmed := bytes.TrimLeft(text, " \t\r\n"); {
	case len(trimmed) == 0:
		return nil, nil, errEmpty
	case trimmed[0] == '{' && json.Valid(text):
		if err := uniqueKeys(text); err != nil {
			return nil, nil, err
		}
		return bytes.Clone(text), func(path string) position { return placeInJSON(text, path) }, nil
	case trimmed[0] == '{' && bytes.HasPrefix(bytes.TrimLeft(trimmed[1:], " \t\r\n"), []byte(`"`)):
		// Meant to be JSON; {a: 1} is YAML.
		return nil, nil, syntaxOf(text)
	}
	return yamlToJSON(text)
}

func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for at := 0; at < len(text); {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n == 1 {
			return at
		}
		at += n
	}
	return -1
}

// positionOf is the place of an octet of the text.
func positionOf(text []byte, at int) position {
	before := text[:min(max(at, 0), len(text))]
	return position{1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')}
}

// syntaxOf returns what is wrong with JSON that is not valid.
func syntaxOf(text []byte) error {
	var v any
	err := json.Unmarshal(text, &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &placedError{positionOf(text, int(syntax.Offset)-1), errors.New(syntax.Error())}
	}
	return err
}

// uniqueKeys looks for names that come twice in one object: encoding/json would
// take the last, and a person would not see it.
func uniqueKeys(text []byte) error {
	var err error
	_ = walkJSON(text, func(path []string, at int, twice bool) bool {
		if twice {
			err = &placedError{positionOf(text, at), fmt.Errorf("%q comes twice", path[len(path)-1])}
		}
		return !twice
	})
	return err
}

// placeInJSON returns where the path leads, or as far as it leads.
func placeInJSON(text []byte, path string) (found position) {
	steps, best := stepsOf(path), -1
	_ = walkJSON(text, func(path []string, at int, _ bool) bool {
		if len(path) > best && len(path) <= len(steps) && equalSteps(path, steps[:len(path)]) {
			best, found = len(path), positionOf(text, at)
		}
		return best < len(steps)
	})
	return found
}

func equalSteps(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// stepsOf takes a path such as $.devices['a b'].psk[0].key apart: devices, a b,
// psk, 0, key.
func stepsOf(path string) (steps []string) {
	path = strings.TrimPrefix(path, "$")
	for path != "" {
		var step string
		switch {
		case strings.HasPrefix(path, "['"):
			step, path = quotedStep(path[2:])
		case path[0] == '[':
			step, path, _ = strings.Cut(path[1:], "]")
		default:
			path = strings.TrimPrefix(path, ".")
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			step, path = path[:end], path[end:]
		}
		steps = append(steps, step)
	}
	return steps
}

// quotedStep takes a name up to its '], with \ before ' and \.
func quotedStep(path string) (step, rest string) {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path):
			i++
			b.WriteByte(path[i])
		case path[i] == '\'':
			return b.String(), strings.TrimPrefix(path[i+1:], "]")
		default:
			b.WriteByte(path[i])
		}
	}
	return b.String(), ""
}

// walkJSON calls visit for each member and element: its path, where it begins
// (a member: its name), and whether its name has come before in the same
// object. It ends when visit returns false.
func walkJSON(text []byte, visit func(path []string, at int, twice bool) bool) error {
	w := &jsonWalk{dec: json.NewDecoder(bytes.NewReader(text)), text: text, visit: visit}
	w.dec.UseNumber()
	err := w.value(nil)
	if err == io.EOF {
		err = nil
	}
	return err
}

type jsonWalk struct {
	dec   *json.Decoder
	text  []byte
	visit func(path []string, at int, twice bool) bool
}

var errEnough = errors.New("seen enough")

// begins is where the next token begins.
func (w *jsonWalk) begins() int {
	at := int(w.dec.InputOffset())
	for at < len(w.text) && strings.IndexByte(" \t\r\n,:", w.text[at]) >= 0 {
		at++
	}
	return at
}

func (w *jsonWalk) value(path []string) error {
	t, err := w.dec.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('{'):
		err = w.object(path)
	case json.Delim('['):
		err = w.array(path)
	default:
		return nil
	}
	if err == nil {
		_, err = w.dec.Token()
	}
	return err
}

func (w *jsonWalk) object(path []string) error {
	seen := map[string]bool{}
	for w.dec.More() {
		at := w.begins()
		t, err := w.dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		inner := append(path[:len(path):len(path)], name)
		if !w.visit(inner, at, seen[name]) {
			return errEnough
		}
		seen[name] = true
		if err := w.value(inner); err != nil {
			return err
		}
	}
	return nil
}

func (w *jsonWalk) array(path []string) error {
	for i := 0; w.dec.More(); i++ {
		inner := append(path[:len(path):len(path)], strconv.Itoa(i))
		if !w.visit(inner, w.begins(), false) {
			return errEnough
		}
		if err := w.value(inner); err != nil {
			return err
		}
	}
	return nil
}
