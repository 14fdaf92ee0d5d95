// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
)

var errNoStore = fmt.Errorf("%w: the server has no store", store.ErrUnavailable)

// opened is the store, or nil after an answer that there is none.
func (a *adminServer) opened(w http.ResponseWriter) store.Store {
	s := a.registryStore()
	if s == nil {
		writeError(w, http.StatusServiceUnavailable, errNoStore)
	}
	return s
}

// storeQuery is what a caller asks the store for.
type storeQuery struct {
	Key    string `json:"key,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	After  string `json:"after,omitempty"`
}

func (a *adminServer) serveGet(w http.ResponseWriter, r *http.Request) {
	var ask storeQuery
	s := a.opened(w)
	if s == nil || !readJSON(w, r, &ask) {
		return
	}
	record, err := s.Get(r.Context(), ask.key())
	if err != nil {
		writeError(w, http.StatusUnprocessableEntity, err)
		return
	}
	writeJSON(w, line{Record: toWireRecord(record)})
}

// serveGetAll answers by a line for each key: one without a record says that there is
// none.
func (a *adminServer) serveGetAll(w http.ResponseWriter, r *http.Request) {
	var keys []string
	s := a.opened(w)
	if s == nil || !readBody(w, r, &keys, adminKeys) {
		return
	}
	for i := range keys {
		keys[i] = fromWireKey(keys[i])
	}
	out := newLineWriter(w)
	for some := range slices.Chunk(keys, adminBatch) {
		records, err := store.GetAll(r.Context(), s, some)
		for i := 0; i < len(records) && err == nil; i++ {
			var one line
			if records[i].Version != store.Any {
				one.Record = toWireRecord(records[i])
			}
			err = out.write(one)
		}
		if err != nil {
			out.end(err)
			return
		}
	}
	out.end(nil)
}

func (a *adminServer) serveApply(w http.ResponseWriter, r *http.Request) {
	s := a.opened(w)
	if s == nil || !a.enter(w, r, a.writes) {
		return
	}
	defer func() { <-a.writes }()
	var ops []store.Op
	if !readBody(w, r, &ops, adminApply) {
		return
	}
	for i := range ops {
		ops[i].Key = fromWireKey(ops[i].Key)
	}
	if err := s.Apply(r.Context(), ops...); err != nil {
		writeError(w, http.StatusUnprocessableEntity, err)
		return
	}
	a.changed(r, len(ops))
	if slices.ContainsFunc(ops, func(op store.Op) bool { return registry.IsRule(op.Key) }) {
		a.enforce(r.Context())
	}
	writeJSON(w, line{End: true})
}

// rulesPatience is how long who changes rules waits for them to be in force.
const rulesPatience = time.Second

// enforce puts the rules of the store in force before the answer, so that who was
// told that a right is there, or gone, need not wait for the watch. What hinders it
// is in the log, and hinders the watch as well.
func (a *adminServer) enforce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rulesPatience)
	defer cancel()
	_ = a.readRules(ctx)
}

// changed is the audit of a change that came by the socket. What changed, the
// store tells.
func (a *adminServer) changed(r *http.Request, records int) {
	who := callerOf(r.Context())
	a.log.Info(LogStoreChanged, "by", who.String(), "pid", who.pid, "command", who.command, "records", records)
}

// enter waits for a place among those who do the same.
func (a *adminServer) enter(w http.ResponseWriter, r *http.Request, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
	}
	select {
	case places <- struct{}{}:
		return true
	case <-r.Context().Done():
	case <-time.After(adminPatience / 3):
	}
	writeError(w, http.StatusServiceUnavailable, fmt.Errorf("%w: the server is busy with other changes", store.ErrUnavailable))
	return false
}

// maxLine bounds a line of Load: the largest value in base64, and its key.
const maxLine = store.MaxValue*4/3 + 4*store.MaxKey + 4096

func (a *adminServer) serveLoad(w http.ResponseWriter, r *http.Request) {
	s := a.opened(w)
	if s == nil || !a.enter(w, r, a.writes) {
		return
	}
	defer func() { <-a.writes }()
	n, err := store.Load(r.Context(), s, opsOf(w, r.Body))
	if err != nil {
		writeError(w, http.StatusUnprocessableEntity, err)
		return
	}
	a.changed(r, n)
	writeJSON(w, map[string]int{"loaded": n})
}

// errCutOff: the last line did not come.
var errCutOff = errors.New("the connection ended before all was said")

// lines reads an answer, or a body, that is a sequence, up to its end.
func lines(r io.Reader, each func()) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		scanner := bufio.NewScanner(r)
		scanner.Buffer(nil, maxLine)
		for {
			each()
			if !scanner.Scan() {
				err := scanner.Err()
				if err == nil {
					err = errCutOff
				}
				yield(line{}, fmt.Errorf("%w: %w", store.ErrUnavailable, err))
				return
			}
			var one line
			if err := json.Unmarshal(scanner.Bytes(), &one); err != nil {
				yield(line{}, err)
				return
			}
			switch {
			case one.End:
				return
			case one.Error != nil:
				yield(line{}, one.Error.err())
				return
			case !yield(one, nil):
				return
			}
		}
	}
}

// opsOf reads ops, for each of which there is time.
func opsOf(w http.ResponseWriter, body io.Reader) iter.Seq2[store.Op, error] {
	control := http.NewResponseController(w)
	each := func() { _ = control.SetReadDeadline(time.Now().Add(adminPatience)) }
	return func(yield func(store.Op, error) bool) {
		defer unhurried(w)
		for one, err := range lines(body, each) {
			if err == nil && one.Op == nil {
				err = errors.New("a line without op")
			}
			if err != nil {
				yield(store.Op{}, err)
				return
			}
			one.Op.Key = fromWireKey(one.Op.Key)
			if !yield(*one.Op, nil) {
				return
			}
		}
	}
}

func (a *adminServer) serveScan(w http.ResponseWriter, r *http.Request) {
	var ask storeQuery
	s := a.opened(w)
	if s == nil || !readJSON(w, r, &ask) {
		return
	}
	out := newLineWriter(w)
	for record, err := range s.Scan(r.Context(), ask.prefix(), ask.after()) {
		if err == nil {
			err = out.write(line{Record: toWireRecord(record)})
		}
		if err != nil {
			out.end(err)
			return
		}
	}
	out.end(nil)
}

// watchBeat is how often a watch that is silent says that it lives.
const watchBeat = 10 * time.Second

func (a *adminServer) serveWatch(w http.ResponseWriter, r *http.Request) {
	var ask storeQuery
	s := a.opened(w)
	if s == nil || !readJSON(w, r, &ask) || !a.enter(w, r, a.watches) {
		return
	}
	defer func() { <-a.watches }()
	events, err := s.Watch(r.Context(), ask.prefix())
	if err != nil {
		writeError(w, http.StatusUnprocessableEntity, err)
		return
	}
	out := newLineWriter(w)
	beat := time.NewTicker(watchBeat)
	defer beat.Stop()
	one := line{} // the first says that the watch has begun
	for out.write(one) == nil && out.control.Flush() == nil {
		select {
		case event, ok := <-events:
			if !ok {
				out.end(store.ErrClosed)
				return
			}
			event.Key = toWireKey(event.Key)
			one = line{Event: &event}
		case <-beat.C:
			one = line{}
		}
	}
}

func (a *adminServer) serveStoreStatus(w http.ResponseWriter, _ *http.Request) {
	if s := a.opened(w); s != nil {
		writeJSON(w, storeStatusOf(s.Status()))
	}
}

func (q storeQuery) key() string    { return fromWireKey(q.Key) }
func (q storeQuery) prefix() string { return fromWireKey(q.Prefix) }
func (q storeQuery) after() string  { return fromWireKey(q.After) }
