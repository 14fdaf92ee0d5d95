// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"container/heap"
	"time"

	"github.com/coaps-go/coaps/store"
)

// sweepEvery is the longest time between two looks at the clock while there is
// a record that will expire: the clock may jump.
const sweepEvery = 5 * time.Second

// expiry has what will expire, the earliest first. Entries for records that
// have been replaced or deleted stay until their time and are then ignored.
type expiry []due

type due struct {
	at      time.Time
	key     string
	version uint64
}

func (e *expiry) add(r store.Record) { heap.Push(e, due{r.Expires, r.Key, r.Version}) }

// Len, Less, Swap, Push and Pop are for container/heap.
func (e expiry) Len() int           { return len(e) }
func (e expiry) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e expiry) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *expiry) Push(x any)        { *e = append(*e, x.(due)) }
func (e *expiry) Pop() any {
	last := (*e)[len(*e)-1]
	(*e)[len(*e)-1] = due{}
	*e = (*e)[:len(*e)-1]
	return last
}

// arm sets the timer for the next record to expire.
func (s *Store) arm() {
	if len(s.expiry) == 0 || s.closed {
		return
	}
	wait := min(max(s.expiry[0].at.Sub(s.now()), 0), sweepEvery)
	if s.sweeper == nil {
		s.sweeper = time.AfterFunc(wait, s.sweep)
		return
	}
	s.sweeper.Reset(wait)
}

// sweep removes what has expired, and tells.
func (s *Store) sweep() {
	s.watchers.Tell(s.sweepLocked()...)
}

func (s *Store) sweepLocked() []store.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone []store.Event
	for len(s.expiry) > 0 && !s.now().Before(s.expiry[0].at) {
		d := heap.Pop(&s.expiry).(due)
		if r, ok := s.records[d.key]; ok && r.Version == d.version && s.expired(&r) {
			s.remove(d.key)
			gone = append(gone, store.Event{Key: d.key, Deleted: true})
		}
	}
	s.arm()
	return gone
}
