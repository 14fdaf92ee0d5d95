// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package file keeps records in a YAML or JSON file that people edit, or that
// something else puts in place, such as a mounted secret of Kubernetes. The
// program never writes it: changes are ErrReadOnly.
//
// What the file means is the decode function's matter, that of
// security/registry as a rule. All of it is held in memory. To read ten thousand
// devices takes a second of CPU in YAML, a tenth of that in JSON, and YAML ends
// at 50,000 entries. Package bolt is for more.
//
//   - A change of the file is seen within half a second, by what is in it, so
//     that symbolic links that are switched and files that are replaced work as
//     well as an editor. It counts once it was the same at two looks.
//   - A file that cannot be read, is empty, or has an error changes nothing:
//     what was read last holds, and Status says what is wrong, with line and
//     column. Only Open insists on a file without error. To have no devices,
//     write {}.
//   - Who watches gets an event for each record that differs, and no others.
//
// A writer that does not replace the file by a rename but writes it in place,
// slower than one look after the other, may be caught half-way with what is
// good YAML and half of the devices. Rename, as editors and tools do.
package file

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps/store"
)

// Decode makes records of a document in JSON. Their Versions are set here. An
// error with a method Path() string, such as "$.devices.sensor-7.psk[0].key",
// is told with the line and column of that place.
type Decode func(json []byte) ([]store.Record, error)

// Options may all be zero.
type Options struct {
	// Poll is the time between two looks at the file; 0: 250 ms, less than 0:
	// never, but for Refresh.
	Poll time.Duration
	// Now is the clock that the records' Expires goes by; nil: time.Now.
	Now func() time.Time
}

// DefaultPoll is Options.Poll if that is 0.
const DefaultPoll = 250 * time.Millisecond

// A Store is a store.Store of a file. Use Open.
type Store struct {
	path     string
	decode   Decode
	poll     time.Duration
	now      func() time.Time
	watchers store.Watchers
	content  atomic.Pointer[content]
	done     chan struct{}
	polling  sync.WaitGroup

	// looking is held by who looks at the file.
	looking sync.Mutex
	glance  glance

	mu     sync.Mutex
	closed bool
	since  time.Time
	err    error
}

var _ store.Store = (*Store)(nil)

// content is what one version of the file has.
type content struct {
	sum        sum
	generation uint64
	records    map[string]store.Record
	keys       []string // of records, sorted
}

// Open reads the file, which must be there and have no error: see Error. Then
// it looks for changes until Close.
func Open(path string, decode Decode, options Options) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	s := &Store{
		path: path, decode: decode, done: make(chan struct{}),
		poll: cmp.Or(options.Poll, DefaultPoll), now: options.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.since = s.now()
	s.content.Store(&content{})
	if err := s.Refresh(context.Background()); err != nil {
		return nil, err
	}
	if s.poll > 0 {
		s.polling.Go(s.watchFile)
	}
	return s, nil
}

// read reads and decodes the file's octets.
func (s *Store) read(text []byte, digest sum) (*content, error) {
	doc, place, err := toJSON(text)
	var all []store.Record
	if err == nil {
		all, err = s.decode(doc)
	}
	if err != nil {
		return nil, s.told(err, place)
	}
	c := &content{sum: digest, records: make(map[string]store.Record, len(all))}
	for _, r := range all {
		if op := (store.Op{Key: r.Key, Value: r.Value}); op.Check() != nil {
			return nil, s.told(op.Check(), nil)
		}
		if _, twice := c.records[r.Key]; twice {
			return nil, s.told(fmt.Errorf("%w: two records under %q", store.ErrInvalid, r.Key), nil)
		}
		c.records[r.Key] = r
	}
	c.keys = slices.Sorted(maps.Keys(c.records))
	return c, nil
}

// adopt makes the new content hold, and tells what differs. Records that are
// as they were keep their version.
func (s *Store) adopt(c *content) {
	old := s.content.Load()
	c.generation = old.generation + 1
	var events []store.Event
	for key, r := range c.records {
		was, ok := old.records[key]
		r.Version = c.generation
		if ok && bytes.Equal(was.Value, r.Value) && was.Expires.Equal(r.Expires) {
			r.Version = was.Version
		} else {
			events = append(events, store.Event{Key: key})
		}
		c.records[key] = r
	}
	for key := range old.records {
		if _, ok := c.records[key]; !ok {
			events = append(events, store.Event{Key: key, Deleted: true})
		}
	}
	s.content.Store(c)
	s.watchers.Tell(events...)
}

// Path returns the path of the file.
func (s *Store) Path() string { return s.path }

// Get is store.Store.Get.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	c, err := s.use(ctx)
	if err != nil {
		return store.Record{}, err
	}
	r, ok := s.live(c, key)
	if !ok {
		return store.Record{}, store.ErrNotFound
	}
	return r, nil
}

// use returns the content, if the store is open.
func (s *Store) use(ctx context.Context) (*content, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := s.content.Load()
	if c == nil {
		return nil, store.ErrClosed
	}
	return c, nil
}

func (s *Store) live(c *content, key string) (store.Record, bool) {
	r, ok := c.records[key]
	if !ok || !r.Expires.IsZero() && !s.now().Before(r.Expires) {
		return store.Record{}, false
	}
	r.Value = bytes.Clone(r.Value)
	return r, true
}

// Apply is store.Store.Apply: always ErrReadOnly.
func (s *Store) Apply(ctx context.Context, ops ...store.Op) error {
	if _, err := s.use(ctx); err != nil || len(ops) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w: edit the file", s.path, store.ErrReadOnly)
}

// Scan is store.Store.Scan, of the file as it was at its beginning.
func (s *Store) Scan(ctx context.Context, prefix, after string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		c, err := s.use(ctx)
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		at, _ := slices.BinarySearch(c.keys, max(prefix, after))
		for _, key := range c.keys[at:] {
			if !strings.HasPrefix(key, prefix) {
				return
			}
			if err := ctx.Err(); err != nil {
				yield(store.Record{}, err)
				return
			}
			if r, ok := s.live(c, key); key != after && ok && !yield(r, nil) {
				return
			}
		}
	}
}

// Watch is store.Store.Watch.
func (s *Store) Watch(ctx context.Context, prefix string) (<-chan store.Event, error) {
	return s.watchers.Watch(ctx, prefix)
}

// Status is store.Store.Status: not OK if the file as it is now cannot be used.
func (s *Store) Status() store.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := store.Status{Kind: "file", Where: s.path, OK: s.err == nil, Since: s.since, Err: s.err, ReadOnly: true}
	if c := s.content.Load(); c != nil {
		st.Records = len(c.records)
	}
	return st
}

// Close is store.Store.Close.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.done)
	s.polling.Wait()
	s.looking.Lock()
	defer s.looking.Unlock()
	s.content.Store(nil)
	s.watchers.Close()
	s.note(store.ErrClosed)
	return nil
}

// note keeps how the last look went.
func (s *Store) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (err == nil) != (s.err == nil) {
		s.since = s.now()
	}
	s.err = err
}

// errNoFile says why the file cannot be read, in the store's words.
func errNoFile(err error) error {
	if os.IsPermission(err) || os.IsNotExist(err) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}
