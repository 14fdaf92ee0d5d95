// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/coaps-go/coaps/store"
)

// How changes come: a connection of its own asks the server to be told of all
// names that begin with the prefix (CLIENT TRACKING, BCAST), whoever writes
// them, and one goroutine passes on what it hears. A ping a second notices a
// server that has gone silent and makes the connection again; as nobody knows
// what was missed in between, that is told as Lost.

const (
	changesWaiting = 1024        // that were heard and not passed on yet
	pingInterval   = time.Second // between questions whether the server is there
	pingPatience   = 2 * time.Second
)

// A change is what the server told: the keys, or that it cannot tell.
type change struct {
	keys []string
	lost bool
}

// Watch is store.Store.Watch.
func (s *Store) Watch(ctx context.Context, prefix string) (<-chan store.Event, error) {
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	return s.watchers.Watch(ctx, prefix)
}

// listen begins to hear of changes, once.
func (s *Store) listen(ctx context.Context) error {
	s.listening.Lock()
	defer s.listening.Unlock()
	if s.listener != nil {
		return nil
	}
	return s.do(ctx, func(ctx context.Context) error {
		broken := new(atomic.Bool)
		client, err := s.connect(ctx, valkey.ClientOption{
			ClientTrackingOptions: []string{"PREFIX", s.names.record, "BCAST"},
			OnInvalidations:       func(names []valkey.ValkeyMessage) { s.heard(names, broken) },
		})
		if err != nil {
			return err
		}
		s.listener = client
		s.hearing.Go(func() { s.ping(client, broken) })
		s.hearing.Go(s.tell)
		return nil
	})
}

// heard is called on the connection's goroutine and must not wait. No names:
// the server has forgotten all, or the connection is gone.
func (s *Store) heard(names []valkey.ValkeyMessage, broken *atomic.Bool) {
	c := change{lost: names == nil}
	if c.lost {
		broken.Store(true)
	}
	for _, m := range names {
		if name, err := m.ToString(); err == nil {
			c.keys = append(c.keys, strings.TrimPrefix(name, s.names.record))
		}
	}
	select {
	case s.changed <- c:
	default:
		broken.Store(true) // the next ping tells Lost
	}
}

// ping keeps the connection, and tells what may have been missed when there has
// been none.
func (s *Store) ping(client valkey.Client, broken *atomic.Bool) {
	defer client.Close()
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.ended.Done():
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(s.ended, pingPatience)
		err := classify(client.Do(ctx, client.B().Ping().Build()).Error())
		cancel()
		if s.ended.Err() != nil {
			return
		}
		s.note(err)
		if err != nil {
			broken.Store(true)
			continue
		}
		if broken.Swap(false) {
			s.watchers.Lost()
		}
	}
}

// tell passes on what was heard.
func (s *Store) tell() {
	for {
		select {
		case <-s.ended.Done():
			return
		case c := <-s.changed:
			if c.lost {
				s.watchers.Lost()
				continue
			}
			s.watchers.Tell(s.events(c.keys)...)
		}
	}
}

// events says of each key whether it is still there. When the server cannot be
// asked, the keys are told as written: who looks then finds out.
func (s *Store) events(keys []string) []store.Event {
	ctx, cancel := context.WithTimeout(s.ended, pingPatience)
	defer cancel()
	commands := make(valkey.Commands, len(keys))
	events := make([]store.Event, len(keys))
	for i, key := range keys {
		events[i].Key = key
		commands[i] = s.client.B().Exists().Key(s.names.record + key).Build()
	}
	for i, answer := range s.client.DoMulti(ctx, commands...) {
		n, err := answer.AsInt64()
		events[i].Deleted = err == nil && n == 0
	}
	return events
}
