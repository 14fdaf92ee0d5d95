// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package redis keeps the records of package store in Redis (6 or later) or
// Valkey, for several servers with the same devices: what one administrator
// changes, all servers hear at once, by the invalidations of client-side
// caching.
//
// # How records are kept
//
// All names begin with Options.Prefix, "{coaps}:" by default; the braces keep
// them together in a cluster.
//
//	{coaps}:r:KEY     a string: the version in decimal, ":", the value; between
//	                  them, if it expires, "@" and when, in ms since 1970
//	{coaps}:index     a sorted set of the keys, for Scan
//	{coaps}:version   the number that the next version is made of
//	{coaps}:load:N    ops of a Load that is under way; it expires by itself
//
// Apply is one script, so that it happens as a whole or not at all, and nothing
// sees half of it. Load brings its ops in pieces to a list of their own and then
// has one script do them all: the server answers nobody else meanwhile, some
// 5 seconds for a million devices.
//
// # What is promised
//
// What Apply has confirmed is as safe as the server keeps it: with appendonly
// and appendfsync always it survives a crash, with the defaults the last second
// or more may be lost, and a replica that takes over may lack what was confirmed
// last. Out of memory (maxmemory, with the policy noeviction that this data
// needs) and out of disk are store.ErrFull.
//
// A server that cannot be reached, or does not answer within the context, is
// store.ErrUnavailable. Nothing here waits for it beyond that, and connections
// are made again by themselves.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	neturl "net/url"
	"slices"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/coaps-go/coaps/store"
)

// DefaultPrefix is that of Options.
const DefaultPrefix = "{coaps}:"

// Options say where the server is.
type Options struct {
	Addr               []string // "host:port", several for a cluster or for sentinels
	Username, Password string
	DB                 int
	TLS                *tls.Config   // nil: no TLS
	SentinelMaster     string        // the name that the sentinels at Addr know the primary by
	Prefix             string        // of all names; DefaultPrefix when empty
	DialTimeout        time.Duration // 0: 2 seconds
}

// Parse reads a URL as other clients of Redis do:
//
//	redis://[[USER]:PASSWORD@]HOST[:PORT][/DB][?prefix=PREFIX]
//	rediss://…   with TLS
//	unix://PATH[?db=DB]
//
// Further addresses come as addr=HOST:PORT, sentinels have master_set=NAME.
func Parse(url string) (Options, error) {
	rest, prefix, err := cutPrefix(url)
	if err != nil {
		return Options{}, err
	}
	o, err := valkey.ParseURL(rest)
	if err != nil {
		// The whole text would quote the password.
		if u, ok := errors.AsType[*neturl.Error](err); ok {
			err = u.Err
		}
		return Options{}, fmt.Errorf("store/redis: the URL cannot be read: %w", err)
	}
	options := Options{Addr: o.InitAddress, Username: o.Username, Password: o.Password, DB: o.SelectDB,
		TLS: o.TLSConfig, SentinelMaster: o.Sentinel.MasterSet, Prefix: prefix}
	if o.DialCtxFn != nil { // unix://
		options.Addr = o.InitAddress
		for i := range options.Addr {
			options.Addr[i] = "unix:" + options.Addr[i]
		}
	}
	return options, nil
}

// A Store is a store.Store in Redis. It is made by Open.
type Store struct {
	client   valkey.Client // for everything but Watch
	options  Options
	names    names
	watchers store.Watchers
	changed  chan change // from the connection to those who watch

	listening sync.Mutex
	listener  valkey.Client // hears of changes; nil until the first Watch
	hearing   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	status store.Status
	calls  sync.WaitGroup
	end    context.CancelFunc
	ended  context.Context
}

var (
	_ store.Store       = (*Store)(nil)
	_ store.Loader      = (*Store)(nil)
	_ store.BatchGetter = (*Store)(nil)
)

// Open connects to the server. It fails with store.ErrUnavailable if that
// cannot be done before ctx ends.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = 2 * time.Second
	}
	s := &Store{options: o, names: namesOf(o.Prefix), changed: make(chan change, changesWaiting)}
	s.status = store.Status{Kind: "redis", Where: where(o), Since: time.Now(), Records: -1}
	s.ended, s.end = context.WithCancel(context.Background())
	client, err := s.connect(ctx, valkey.ClientOption{DisableCache: true})
	if err != nil {
		return nil, err
	}
	s.client = client
	if err := s.do(ctx, func(ctx context.Context) error {
		return s.client.Do(ctx, s.client.B().Ping().Build()).Error()
	}); err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

// connect makes a client. The package under it dials without a context.
func (s *Store) connect(ctx context.Context, o valkey.ClientOption) (valkey.Client, error) {
	o.InitAddress, o.Username, o.Password, o.SelectDB = s.options.Addr, s.options.Username, s.options.Password, s.options.DB
	o.TLSConfig, o.Sentinel.MasterSet = s.options.TLS, s.options.SentinelMaster
	o.ClientName, o.DisableRetry, o.AlwaysPipelining = "coaps", true, true
	o.PipelineMultiplex = -1 // one connection: the order of what it carries is that of the calls
	o.Dialer = net.Dialer{Timeout: s.options.DialTimeout, KeepAlive: time.Second}
	o.ConnWriteTimeout = 5 * time.Second
	o.DialCtxFn = dial
	if s.options.SentinelMaster == "" && len(s.options.Addr) == 1 {
		o.ForceSingleClient = true
	}
	type made struct {
		client valkey.Client
		err    error
	}
	done := make(chan made, 1)
	go func() {
		c, err := valkey.NewClient(o)
		done <- made{c, err}
	}()
	select {
	case m := <-done:
		return m.client, s.judge(m.err)
	case <-ctx.Done():
		go func() {
			if m := <-done; m.client != nil {
				m.client.Close()
			}
		}()
		return nil, s.judge(context.Cause(ctx))
	}
}

// Status is store.Store.Status.
func (s *Store) Status() store.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
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
	s.end()
	s.calls.Wait()
	s.hearing.Wait()
	s.watchers.Close()
	s.client.Close()
	s.note(store.ErrClosed)
	return nil
}

// do runs one call, unless the store is closed, and keeps account of how the
// server does.
func (s *Store) do(ctx context.Context, call func(context.Context) error) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.ErrClosed
	}
	s.calls.Add(1)
	s.mu.Unlock()
	defer s.calls.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ended, cancel)()
	err := s.judge(call(ctx))
	if err != nil && s.ended.Err() != nil {
		return store.ErrClosed
	}
	return err
}

// judge gives an error its place among those of package store, and notes
// whether the server is there.
func (s *Store) judge(err error) error {
	err = classify(err)
	switch {
	case err == nil, errors.Is(err, store.ErrNotFound), isConflict(err):
		s.note(nil)
	case errors.Is(err, context.Canceled):
	default:
		s.note(err)
	}
	return err
}

func isConflict(err error) bool {
	_, ok := errors.AsType[*store.ConflictError](err)
	return ok
}

// note sets the status.
func (s *Store) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok := err == nil; ok != s.status.OK {
		s.status.OK, s.status.Since = ok, time.Now()
	}
	s.status.Err = err
	s.status.ReadOnly = errors.Is(err, store.ErrReadOnly)
}

// Get is store.Store.Get. One that meets a connection which has just broken is
// tried again on a new one.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	var r store.Record
	err := s.do(ctx, func(ctx context.Context) error {
		found, err := s.get(ctx, []string{key})
		if err != nil {
			return err
		}
		if found[0].Version == 0 {
			return fmt.Errorf("%w: %q", store.ErrNotFound, key)
		}
		r = found[0]
		return nil
	})
	return r, err
}

// batchKeys is how many keys GetAll asks for at a time, so that one caller does not
// hold up the others on the connection for long.
const batchKeys = 256

// GetAll is store.BatchGetter.GetAll.
func (s *Store) GetAll(ctx context.Context, keys []string) ([]store.Record, error) {
	all := make([]store.Record, 0, len(keys))
	for some := range slices.Chunk(keys, batchKeys) {
		err := s.do(ctx, func(ctx context.Context) error {
			found, err := s.get(ctx, some)
			all = append(all, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// get reads records, in the order of the keys. One that is not there has no
// version.
func (s *Store) get(ctx context.Context, keys []string) ([]store.Record, error) {
	read := func() []valkey.ValkeyResult {
		commands := make(valkey.Commands, len(keys))
		for i, key := range keys {
			commands[i] = s.client.B().Get().Key(s.names.record + key).Build()
		}
		return s.client.DoMulti(ctx, commands...)
	}
	answers := read()
	if brokenConnection(answers[0].Error()) && ctx.Err() == nil {
		answers = read()
	}
	records := make([]store.Record, len(keys))
	for i, key := range keys {
		var err error
		if records[i], err = parse(key, answers[i]); err != nil {
			return nil, err
		}
	}
	return records, nil
}
