// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxLine is the longest line, or element of a JSON file, in octets: identity
// and key of the greatest length (65,535 octets each), both in hexadecimal,
// fit with room to spare.
const maxLine = 1 << 20

var (
	errLineTooLong = fmt.Errorf("longer than %d octets", maxLine)
	errNUL         = errors.New("holds a NUL octet: text in UTF-8 is needed")
)

// byteOrderMark is what some editors put before UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

func withoutMark(head []byte) []byte { return bytes.TrimPrefix(head, byteOrderMark) }

// lines reads a text file line by line. A line that is too long or holds NUL is
// an error of that line, and reading goes on with the next.
type lines struct {
	r    *bufio.Reader
	long []byte // of a line longer than the reader's buffer
	n    int
}

func newLines(r io.Reader) *lines {
	return &lines{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the next line without its end, which may be LF or CR LF. It is
// good until the next call. io.EOF ends the file; a *LineError does not.
func (l *lines) next() ([]byte, error) {
	line, err := l.raw()
	switch {
	case errors.Is(err, errLineTooLong):
		return nil, l.wrong(0, err)
	case errors.Is(err, io.EOF) && len(line) == 0, err != nil && !errors.Is(err, io.EOF):
		return nil, err
	}
	if l.n == 1 {
		line = withoutMark(line)
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if at := bytes.IndexByte(line, 0); at >= 0 {
		return nil, l.wrong(at+1, errNUL)
	}
	return line, nil
}

// raw returns a line with its end, or errLineTooLong after skipping it.
func (l *lines) raw() ([]byte, error) {
	part, err := l.r.ReadSlice('\n')
	l.n++
	if !errors.Is(err, bufio.ErrBufferFull) {
		return part, err
	}
	clear(l.long)
	l.long = append(l.long[:0], part...)
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = l.r.ReadSlice('\n')
		if len(l.long) <= maxLine {
			l.long = append(l.long, part...)
		}
	}
	if len(l.long) > maxLine && (err == nil || errors.Is(err, io.EOF)) {
		return nil, errLineTooLong
	}
	return l.long, err
}

// wrong is an error of the line that next returned last; column 0 is unknown.
func (l *lines) wrong(column int, err error) *LineError {
	return &LineError{Line: l.n, Column: column, Err: err}
}

// asLineError tells an error of one line, behind which reading goes on.
func asLineError(err error) (*LineError, bool) { return errors.AsType[*LineError](err) }

// readLines makes devices of a file in which each line is one. parse returns
// false for a line that holds none.
func readLines(r io.Reader, parse func(l *lines, line []byte) (Entry, bool, error)) func(yield func(Entry, error) bool) {
	return func(yield func(Entry, error) bool) {
		l := newLines(r)
		for {
			line, err := l.next()
			if errors.Is(err, io.EOF) {
				return
			}
			var e Entry
			found := true
			if err == nil {
				e, found, err = parse(l, line)
			}
			if err == nil && !found {
				continue
			}
			if !yield(e, err) {
				return
			}
			if _, goOn := asLineError(err); err != nil && !goOn {
				return
			}
		}
	}
}

// blank says whether a line holds nothing: spaces only, or a comment, which
// begins with #.
func blank(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#'
}

// firstLines returns up to n lines of a file's beginning that are not blank,
// the last one only if it is complete.
func firstLines(head []byte, n int, skip func([]byte) bool) [][]byte {
	var found [][]byte
	complete := len(head) < HeadSize
	for len(head) > 0 && len(found) < n {
		line, rest, whole := bytes.Cut(head, []byte("\n"))
		head = rest
		if line = bytes.TrimSuffix(line, []byte("\r")); skip(line) || !whole && !complete {
			continue
		}
		found = append(found, line)
	}
	return found
}

// mostLines says whether most of the first lines of a file satisfy fit: a file
// with a mistake in it is still of its format.
func mostLines(head []byte, skip, fit func([]byte) bool) bool {
	found := firstLines(head, 20, skip)
	n := 0
	for _, line := range found {
		if fit(line) {
			n++
		}
	}
	return 2*n >= len(found) && n > 0
}
