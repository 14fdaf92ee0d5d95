// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/coaps-go/coaps/store"
)

// remoteStore is the store of a running server, seen through its admin socket.
type remoteStore struct {
	client *Client
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// AdminStore is the store that a running server has open, by its admin socket, the
// first of these that somebody answers at (Config.Sockets): so commands work although the server holds the file. command is what the
// server's audit log says was done, such as "psk rotate sensor-7"; it must hold
// no secret. Calls fail with store.ErrUnavailable if no server is there.
func AdminStore(command string, sockets ...string) store.Store {
	ctx, cancel := context.WithCancel(context.Background())
	return &remoteStore{client: Dial(command, sockets...), ctx: ctx, cancel: cancel}
}

// begin ties a call to the life of the store. end must be called.
func (s *remoteStore) begin(ctx context.Context) (tied context.Context, end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, store.ErrClosed
	}
	s.calls.Add(1)
	tied, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	return tied, func() { stop(); cancel(); s.calls.Done() }, nil
}

// judge tells the end of the store from the end of the caller's context.
func (s *remoteStore) judge(err error) error {
	if err != nil && s.ctx.Err() != nil {
		return store.ErrClosed
	}
	return err
}

func (s *remoteStore) Get(ctx context.Context, key string) (store.Record, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return store.Record{}, err
	}
	defer end()
	var answer line
	if err := s.client.ask(ctx, http.MethodPost, "/store/get", storeQuery{Key: toWireKey(key)}, &answer); err != nil {
		return store.Record{}, s.judge(err)
	}
	if answer.Record == nil {
		return store.Record{}, fmt.Errorf("%w: an answer without record", store.ErrUnavailable)
	}
	return fromWireRecord(answer.Record), nil
}

// GetAll asks for as many keys at once as the server takes.
func (s *remoteStore) GetAll(ctx context.Context, keys []string) ([]store.Record, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	all := make([]store.Record, 0, len(keys))
	for some := range chunks(keys) {
		for one, err := range s.client.sequence(ctx, "/store/getall", some) {
			if err != nil {
				return nil, s.judge(err)
			}
			var r store.Record
			if one.Record != nil {
				r = fromWireRecord(one.Record)
			}
			all = append(all, r)
		}
	}
	if len(all) != len(keys) {
		return nil, fmt.Errorf("%w: %d records for %d keys", store.ErrUnavailable, len(all), len(keys))
	}
	return all, nil
}

// chunks divides keys, as they cross the socket, into bodies of half of what is
// taken: there are quotation marks between them.
func chunks(keys []string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		var some []string
		octets := 0
		for _, key := range keys {
			key = toWireKey(key)
			if len(some) > 0 && octets+len(key) > adminKeys/2 {
				if !yield(some) {
					return
				}
				some, octets = nil, 0
			}
			some, octets = append(some, key), octets+len(key)
		}
		if len(some) > 0 {
			yield(some)
		}
	}
}

func fromWireRecord(r *store.Record) store.Record {
	r.Key = fromWireKey(r.Key)
	if r.Value == nil {
		r.Value = []byte{}
	}
	return *r
}

func (s *remoteStore) Apply(ctx context.Context, ops ...store.Op) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := store.Check(ops); err != nil || len(ops) == 0 {
		return err
	}
	wire := make([]store.Op, len(ops))
	for i, op := range ops {
		wire[i] = op
		wire[i].Key = toWireKey(op.Key)
	}
	var answer line
	return s.judge(s.client.ask(ctx, http.MethodPost, "/store/apply", wire, &answer))
}

// Load sends the ops as they come.
func (s *remoteStore) Load(ctx context.Context, ops iter.Seq2[store.Op, error]) (int, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	out, in := io.Pipe()
	var failed error // of the sequence: nothing may be done then
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		failed = sendOps(in, ops)
		in.CloseWithError(failed)
	}()
	body, err := s.client.call(ctx, http.MethodPost, "/store/load", out)
	out.CloseWithError(errCutOff) // an answer that came early ends the sending
	<-sent
	if failed != nil && failed != errCutOff {
		if err == nil {
			body.Close()
		}
		return 0, failed
	}
	if err != nil {
		return 0, s.judge(err)
	}
	defer body.Close()
	var answer struct {
		Loaded int `json:"loaded"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return answer.Loaded, nil
}

// sendOps writes the ops as lines and then that this was all.
func sendOps(w io.Writer, ops iter.Seq2[store.Op, error]) error {
	encoder := json.NewEncoder(w)
	for op, err := range ops {
		if err == nil {
			err = op.Check()
		}
		if err != nil {
			return err
		}
		op.Key = toWireKey(op.Key)
		if err := encoder.Encode(line{Op: &op}); err != nil {
			return errCutOff
		}
	}
	if err := encoder.Encode(line{End: true}); err != nil {
		return errCutOff
	}
	return nil
}

func (s *remoteStore) Scan(ctx context.Context, prefix, after string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		ctx, end, err := s.begin(ctx)
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		defer end()
		for one, err := range s.client.sequence(ctx, "/store/scan", storeQuery{Prefix: toWireKey(prefix), After: toWireKey(after)}) {
			if err != nil {
				yield(store.Record{}, s.judge(err))
				return
			}
			if one.Record != nil && !yield(fromWireRecord(one.Record), nil) {
				return
			}
		}
	}
}

// Watch passes the server's events on. When the server goes away the channel is
// told Lost and then closed.
func (s *remoteStore) Watch(ctx context.Context, prefix string) (<-chan store.Event, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	events := make(chan store.Event, 64)
	begun := make(chan error, 1)
	go func() {
		defer end()
		defer close(events)
		first := true
		for one, err := range s.client.sequence(ctx, "/store/watch", storeQuery{Prefix: toWireKey(prefix)}) {
			if first {
				begun <- err
				first = false
			}
			if err != nil {
				return
			}
			if one.Event == nil {
				continue
			}
			one.Event.Key = fromWireKey(one.Event.Key)
			select {
			case events <- *one.Event:
			case <-ctx.Done():
				return
			}
		}
		if first {
			begun <- store.ErrClosed
		}
	}()
	if err := <-begun; err != nil {
		return nil, s.judge(err)
	}
	return events, nil
}

// Status asks the server, for a second at most.
func (s *remoteStore) Status() store.Status {
	ctx, cancel := context.WithTimeout(s.ctx, time.Second)
	defer cancel()
	var answer StoreStatus
	if err := s.client.ask(ctx, http.MethodGet, "/store/status", nil, &answer); err != nil {
		return store.Status{Kind: "server", Where: s.client.where(), Err: s.judge(err), Records: -1}
	}
	return answer.toStatus()
}

// Close ends the watches.
func (s *remoteStore) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.calls.Wait()
	s.client.Close()
	return nil
}
