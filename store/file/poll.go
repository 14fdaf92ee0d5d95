// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/coaps-go/coaps/store"
)

const (
	// maxFile is the largest file that is read.
	maxFile = 64 << 20
	// smallFile is up to which size a file is read at each look. A larger one
	// is read when its inode, size or time has changed, and now and then.
	smallFile = 256 << 10
	// readAnyway is how often a large file is read in any case: a change of
	// the same size within one tick of the file system's clock.
	readAnyway = 10 * time.Second
)

type sum [sha256.Size]byte

// glance is what the last look has seen.
type glance struct {
	info os.FileInfo
	read time.Time
	// sum is of a content that is not the one that holds; judged says that it
	// was found to have an error.
	sum    sum
	judged bool
}

// watchFile looks at the file until Close.
func (s *Store) watchFile() {
	tick := time.NewTicker(s.poll)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
			s.look()
		}
	}
}

// look looks at the file once. A new content is taken when two looks have seen
// the same: then nobody is in the middle of writing it.
func (s *Store) look() {
	s.looking.Lock()
	defer s.looking.Unlock()
	text, changed, err := s.reread()
	defer clear(text)
	if err != nil {
		s.glance = glance{}
		s.note(s.told(errNoFile(err), nil))
		return
	}
	if !changed {
		return
	}
	digest := sum(sha256.Sum256(text))
	switch {
	case digest == s.content.Load().sum:
		s.note(nil) // what holds is what is there
		s.glance.sum = sum{}
	case digest != s.glance.sum:
		s.glance.sum, s.glance.judged, s.glance.info = digest, false, nil
	case !s.glance.judged:
		s.glance.judged = true
		s.take(text, digest)
	}
}

// take makes the text hold if there is no error in it.
func (s *Store) take(text []byte, digest sum) error {
	c, err := s.read(text, digest)
	if err == nil {
		s.adopt(c)
	}
	s.note(err)
	return err
}

// reread reads the file if it may have changed.
func (s *Store) reread() (text []byte, changed bool, err error) {
	info, err := os.Stat(s.path) // of what a link leads to now
	if err != nil {
		return nil, false, err
	}
	last := s.glance.info
	same := last != nil && os.SameFile(last, info) && last.Size() == info.Size() && last.ModTime().Equal(info.ModTime())
	if same && info.Size() > smallFile && time.Since(s.glance.read) < readAnyway {
		return nil, false, nil
	}
	text, err = readFile(s.path)
	if err != nil {
		return nil, false, err
	}
	s.glance.info, s.glance.read = info, time.Now()
	return text, true, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errors.New("larger than 64 MiB: use another store")
	}
	return text, err
}

// Refresh reads the file now and takes it as it is, or returns what is wrong:
// an *Error, with the line if there is one. Then what was read before holds.
func (s *Store) Refresh(ctx context.Context) error {
	if _, err := s.use(ctx); err != nil {
		return err
	}
	s.looking.Lock()
	defer s.looking.Unlock()
	if s.content.Load() == nil {
		return store.ErrClosed
	}
	text, err := readFile(s.path)
	if err != nil {
		err = s.told(errNoFile(err), nil)
		s.note(err)
		return err
	}
	defer clear(text)
	digest := sum(sha256.Sum256(text))
	s.glance = glance{sum: digest, judged: true}
	if old := s.content.Load(); old.generation > 0 && old.sum == digest {
		s.note(nil)
		return nil
	}
	return s.take(text, digest)
}

// An Error is what is wrong with a file, and where.
type Error struct {
	File string
	// Line and Column count from 1; both are 0 if the place is not known.
	// Columns are octets.
	Line, Column int
	Err          error
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// told makes an Error. place finds where in the file a path of the document is.
func (s *Store) told(err error, place func(path string) position) error {
	e := &Error{File: s.path, Err: err}
	var at *placedError
	var in interface{ Path() string }
	switch {
	case errors.As(err, &at):
		e.Line, e.Column, e.Err = at.at.line, at.at.column, at.err
	case place != nil && errors.As(err, &in):
		p := place(in.Path())
		e.Line, e.Column = p.line, p.column
	}
	return e
}
