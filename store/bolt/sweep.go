// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/coaps-go/coaps/store"
)

const (
	// sweepEvery is the longest time between two looks at the clock while
	// there is a record that will expire: the clock may jump.
	sweepEvery = 5 * time.Second
	// sweepAgain is when a sweep that has failed, or that gave way to
	// somebody who writes, is tried again.
	sweepAgain = time.Second
	// sweepMost is how many records one transaction sweeps.
	sweepMost = 1000
)

// alarm calls the sweeper, never later than it was told to.
type alarm struct {
	mu    sync.Mutex
	timer *time.Timer
	at    time.Time // zero: not set
	off   bool
}

// within sees to it that the sweeper comes before the wait is over.
func (a *alarm) within(wait time.Duration, sweep func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := time.Now().Add(wait)
	if a.off || !a.at.IsZero() && a.at.Before(at) {
		return
	}
	a.at = at
	if a.timer == nil {
		a.timer = time.AfterFunc(wait, sweep)
		return
	}
	a.timer.Reset(wait)
}

// rung says that the sweeper has come.
func (a *alarm) rung() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = time.Time{}
}

func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.off = true
	if a.timer != nil {
		a.timer.Stop()
	}
}

// arm sees to it that the sweeper is awake when the first of the ops expires.
func (s *Store) arm(ops []store.Op) {
	next := time.Duration(-1)
	for i := range ops {
		if ttl := ops[i].TTL; ttl > 0 && !ops[i].Delete && (next < 0 || ttl < next) {
			next = ttl
		}
	}
	if next >= 0 {
		s.alarm.within(min(next+time.Millisecond, sweepEvery), s.sweep)
	}
}

// sweep removes what has expired and sets the alarm for the next.
func (s *Store) sweep() {
	s.alarm.rung()
	select {
	case s.turn <- struct{}{}:
	default:
		s.alarm.within(sweepAgain, s.sweep)
		return
	}
	defer s.release()
	gone, next, err := s.due(s.now())
	if err == nil && len(gone) > 0 {
		next, err = 0, s.remove(gone)
	}
	switch {
	case err != nil:
		s.alarm.within(sweepAgain, s.sweep)
	case next >= 0:
		s.alarm.within(min(next, sweepEvery), s.sweep)
	}
}

// due returns the first entries of the expiry bucket that are past, or how long
// until the next is, -1 if there is none.
func (s *Store) due(now time.Time) (gone [][]byte, next time.Duration, err error) {
	next = -1
	err = s.view(context.Background(), func(tx *bbolt.Tx) error {
		b, err := open(tx)
		if err != nil {
			return err
		}
		c := b.expiry.Cursor()
		for k, _ := c.First(); k != nil && len(gone) < sweepMost; k, _ = c.Next() {
			at := binary.BigEndian.Uint64(k)
			if at > uint64(now.UnixMilli()) {
				next = time.UnixMilli(int64(at)).Sub(now)
				break
			}
			gone = append(gone, append([]byte(nil), k...))
		}
		return nil
	})
	return gone, next, err
}

// remove deletes the records of these entries of the expiry bucket.
func (s *Store) remove(entries [][]byte) error {
	var events []store.Event
	err := s.update(func(b buckets) error {
		for _, entry := range entries {
			key := entry[8:]
			if err := b.expiry.Delete(entry); err != nil {
				return err
			}
			if expiresOf(b.records.Get(key)) != binary.BigEndian.Uint64(entry) {
				continue
			}
			if err := b.records.Delete(key); err != nil {
				return err
			}
			events = append(events, store.Event{Key: string(key), Deleted: true})
		}
		return b.setCount(max(b.count()-len(events), 0))
	})
	if err == nil {
		s.count.Add(-int64(len(events)))
		s.watchers.Tell(events...)
	}
	return err
}
