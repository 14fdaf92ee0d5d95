// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// elements reads a file of JSON objects: an array of them, or one after the
// other, on a line each or not. One object is in memory at a time.
type elements struct {
	dec   *json.Decoder
	in    *counted
	array bool // between [ and ]
	begun bool
}

func newElements(r io.Reader) *elements {
	in := &counted{r: r, line: 1}
	return &elements{dec: json.NewDecoder(in), in: in}
}

// next returns the next object as it stands in the file, and the line it begins
// on. io.EOF ends the file; any other error does as well, for JSON that is
// broken in one place cannot be understood behind it.
func (e *elements) next() (object json.RawMessage, line int, err error) {
	if !e.begun {
		e.begun = true
		if err := e.begin(); err != nil {
			return nil, 0, e.wrong(err)
		}
	}
	e.in.budget = maxLine + readAhead
	if e.array && !e.dec.More() {
		return nil, 0, e.finish()
	}
	if err := e.dec.Decode(&object); err != nil {
		if errors.Is(err, io.EOF) && !e.array {
			return nil, 0, io.EOF
		}
		return nil, 0, e.wrong(err)
	}
	end := e.dec.InputOffset()
	return object, e.in.lineAt(end - int64(len(object))), nil
}

// begin enters the array, if the file is one.
func (e *elements) begin() error {
	first, err := e.in.peek()
	if err != nil || first != '[' {
		return err
	}
	e.array = true
	_, err = e.dec.Token()
	return err
}

// finish leaves the array; nothing may follow it.
func (e *elements) finish() error {
	if _, err := e.dec.Token(); err != nil {
		return e.wrong(err)
	}
	if _, err := e.dec.Token(); !errors.Is(err, io.EOF) {
		return e.wrong(errors.New("something follows the array"))
	}
	return io.EOF
}

// wrong finds the line of an error and takes the text of the file out of it:
// what json's errors quote could be a part of a key.
func (e *elements) wrong(err error) error {
	at := e.dec.InputOffset()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at, err = syntax.Offset, errors.New("not JSON")
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the file ends in the middle")
	case errors.Is(err, errLineTooLong):
		err = fmt.Errorf("an object of more than %d octets", maxLine)
	}
	return &brokenError{&LineError{Line: e.in.lineAt(at), Err: err}}
}

// brokenError is a file that cannot be read on. It has a line, but is not one of
// those errors behind which reading goes on.
type brokenError struct{ line *LineError }

func (e *brokenError) Error() string { return e.line.Error() }

// Broken returns the line of an error that ended the reading of a file, such as
// a JSON file that is not JSON from there on; nil for other errors.
func Broken(err error) *LineError {
	if e, ok := errors.AsType[*brokenError](err); ok {
		return e.line
	}
	return nil
}

// readAhead is how much a json.Decoder may read behind an element.
const readAhead = 64 << 10

// counted knows the line of each offset that was read, and refuses to read more
// than its budget.
type counted struct {
	r      io.Reader
	ahead  []byte // read by peek and not yet given
	offset int64  // of what was given
	line   int    // at the offset passed to lineAt last
	ends   []int64
	budget int
	begun  bool
}

// peek returns the first octet that is not white space, which it skips.
func (c *counted) peek() (byte, error) {
	buffer := make([]byte, 4096)
	for {
		n, err := c.r.Read(buffer)
		part := buffer[:n]
		if !c.begun && n > 0 {
			if n < len(byteOrderMark) { // a pipe that gives one octet at a time
				more, _ := io.ReadFull(c.r, buffer[n:len(byteOrderMark)])
				part = buffer[:n+more]
			}
			c.begun = true
			part = withoutMark(part)
		}
		c.ahead = append(c.ahead, part...)
		if rest := bytes.TrimLeft(c.ahead, " \t\r\n"); len(rest) > 0 {
			return rest[0], nil
		}
		if len(c.ahead) > maxLine {
			return 0, errLineTooLong
		}
		if err != nil {
			return 0, err
		}
	}
}

func (c *counted) Read(p []byte) (int, error) {
	if c.budget <= 0 {
		c.budget = 0
		if c.offset > 0 {
			return 0, errLineTooLong
		}
		c.budget = maxLine + readAhead
	}
	p = p[:min(len(p), c.budget, readAhead)]
	n, err := copy(p, c.ahead), error(nil)
	c.ahead = c.ahead[n:]
	if n == 0 {
		n, err = c.r.Read(p)
	}
	for i, b := range p[:n] {
		if b == '\n' {
			c.ends = append(c.ends, c.offset+int64(i))
		}
	}
	c.offset += int64(n)
	c.budget -= n
	return n, err
}

// lineAt returns the line of an offset, which must not be before the last one.
func (c *counted) lineAt(offset int64) int {
	passed := 0
	for passed < len(c.ends) && c.ends[passed] < offset {
		passed++
	}
	c.line += passed
	c.ends = append(c.ends[:0], c.ends[passed:]...)
	return c.line
}

// enter enters the one object of a file whose members are wanted.
func (e *elements) enter() error {
	e.begun = true
	first, err := e.in.peek()
	if err == nil && first != '{' {
		err = errors.New("an object is needed")
	}
	if err == nil {
		_, err = e.dec.Token()
	}
	if err != nil {
		return e.wrong(err)
	}
	return nil
}

// member returns the next member of the object that enter has entered; io.EOF
// ends it.
func (e *elements) member() (name string, value json.RawMessage, line int, err error) {
	e.in.budget = maxLine + readAhead
	if !e.dec.More() {
		return "", nil, 0, e.finish()
	}
	token, err := e.dec.Token()
	if err != nil {
		return "", nil, 0, e.wrong(err)
	}
	name, _ = token.(string) // a decoder gives no other inside an object
	line = e.in.lineAt(e.dec.InputOffset())
	if err := e.dec.Decode(&value); err != nil {
		return "", nil, 0, e.wrong(err)
	}
	return name, value, line, nil
}
