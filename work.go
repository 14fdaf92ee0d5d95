// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
)

// A work is one request on its way through a handler and its response on the
// way back. It travels as a task to a worker and as a letter to the loop, and
// is used again.
type work struct {
	envelope // of the letter it is on the way back
	shard    *shard
	exchange endpoint.ExchangeID
	from     *Handler // that the handler was found in
	handler  Handler
	marks    marks
	turn     uint32 // of the observer that it is for, 0 if it is for none
	notifies bool   // it is no request, but a notification to be made
	epoch    uint64 // of the shard when it was decided
	request  Request
	response response
	began    tick.Time // when the request came
	octets   []byte    // what request refers to; the datagram's buffer is the loop's
	encoded  []byte    // the response's options
}

// newWork copies a request, as the datagram's buffer is the loop's. Its options
// are those of a known path and nothing else, or have to be looked at.
func (s *shard) newWork(ev *endpoint.Event, who *session, path string, known bool) *work {
	w := s.freshWork()
	m := &ev.Message
	w.exchange = ev.Exchange
	w.octets = append(append(append(w.octets[:0], m.Options...), m.Payload...), m.Token...)
	payload, token := w.octets[len(m.Options):], w.octets[len(w.octets)-len(m.Token):]
	r := &w.request
	r.Method, r.Path, r.Payload, r.Token = m.Code, path, payload[:len(m.Payload)], token
	r.NonConfirmable = m.Type == coap.NonConfirmable
	r.Peer, r.ctx = who.peer, s.server.ctx
	w.from = s.server.handler.Load() // before the rules, see SetHandler
	r.session, r.subject, r.access = who, &who.subject, s.server.access.Load()
	if !known {
		s.takeOptions(r, coap.Options(w.octets[:len(m.Options)]))
	}
	return w
}

// takeOptions sets what the options say.
func (s *shard) takeOptions(r *Request, options coap.Options) {
	r.Path = s.paths.of(options)
	alone, query := true, false
	for number, value := range options.All() {
		alone = alone && number == coap.URIPath
		switch number {
		case coap.URIHost:
			r.Host = string(value)
		case coap.URIQuery:
			query = true
		case coap.URIPort, coap.URIPath:
		default:
			r.Options.Add(number, value)
		}
	}
	if query {
		r.Query = options.Query()
	}
	if alone {
		s.paths.learn(options, r.Path)
	}
}

// paths holds the paths of a port's requests, so that the same path is the same
// string and costs nothing, and a request that has no other options, as most
// have not, is known at a glance.
type paths struct {
	known  map[string]string
	alone  map[string]string // by the octets of the options
	octets []byte
}

// find is the path of options that have been learned.
func (p *paths) find(options coap.Options) (path string, known bool) {
	path, known = p.alone[string(options)]
	return path, known
}

// learn keeps options that are a path and nothing else.
func (p *paths) learn(options coap.Options, path string) {
	if len(options) > maxPathKept || len(path) > maxPathKept {
		return
	}
	if p.alone == nil || len(p.alone) >= pathsKept {
		p.alone = make(map[string]string)
	}
	p.alone[string(options)] = path
}

// of is the path that the options spell.
func (p *paths) of(options coap.Options) string {
	p.octets = options.AppendPath(p.octets[:0])
	if path, ok := p.known[string(p.octets)]; ok {
		return path
	}
	path := string(p.octets)
	if len(path) > maxPathKept {
		p.octets = nil
		return path
	}
	if p.known == nil || len(p.known) >= pathsKept {
		// Whoever asks for ever new paths has only made room.
		p.known = make(map[string]string)
	}
	p.known[path] = path
	return path
}

var errTooManyOptions = errors.New("too many options")

// tooManyOptions protects from messages that cost much more than their octets.
func tooManyOptions(options coap.Options) bool {
	n := 0
	for range options.All() {
		if n++; n > maxOptions {
			return true
		}
	}
	return false
}

// freshWork takes a work that has been used before, if there is one. It is empty.
func (s *shard) freshWork() *work {
	if n := len(s.works); n > 0 {
		w := s.works[n-1]
		s.works = s.works[:n-1]
		return w
	}
	w := &work{shard: s}
	w.letter = w
	return w
}

// recycle makes w usable for another request. Nothing of this one stays.
func (w *work) recycle() {
	s := w.shard
	if len(s.works) >= worksKept || cap(w.octets)+cap(w.response.payload)+cap(w.request.Options) > workKept {
		return
	}
	clear(w.octets)
	clear(w.request.Options)
	w.request = Request{Options: w.request.Options[:0]}
	w.turn, w.notifies = 0, false
	w.response.reset()
	s.works = append(s.works, w)
}

// run is on a worker, which rings when it has nothing more to run.
func (w *work) run() {
	w.serve()
	_ = w.shard.mail.put(&w.envelope) // after Close nobody waits for it
}

// serve calls the handler. A panic of it ends neither the server nor the
// exchange.
func (w *work) serve() {
	s := w.shard.server
	defer func() {
		if v := recover(); v != nil {
			s.counters.handlersPanicked.Add(1)
			s.log.Error(LogHandlerPanic, "peer", w.request.Peer.Addr, "path", clip(w.request.Path),
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			w.response.reset()
			w.response.SetCode(coap.InternalServerError)
			w.request.authorized = false
		}
	}()
	w.handler.ServeCOAP(&w.response, &w.request)
}

// deliver is on the event loop.
func (w *work) deliver(now tick.Time) {
	w.shard.inHand--
	if w.notifies {
		w.shard.observers.made(now, w) // nobody has asked: it makes nobody somebody else
		return
	}
	if w.request.authorized {
		w.shard.authorize(now, w)
	}
	w.respond(now)
	w.recycle()
}

func (w *work) respond(now tick.Time) {
	r := &w.response
	if w.turn != 0 {
		w.shard.observers.registered(now, w)
	}
	w.encoded = r.options.Encode(w.encoded[:0])
	out := request.Outgoing{Code: r.codeFor(w.request.Method), Options: w.encoded, Payload: r.payload}
	err := w.shard.ep.Respond(now, w.exchange, out)
	dropped := err
	switch {
	case err == nil:
	case errors.Is(err, endpoint.ErrTooLarge):
		out = tooLarge
		err = w.shard.ep.Respond(now, w.exchange, out)
	case !errors.Is(err, endpoint.ErrGone):
		// What the handler has put together is no message.
		out = request.Outgoing{Code: coap.InternalServerError}
		w.shard.ep.Respond(now, w.exchange, out)
	}
	w.answered(out.Code)
	if w.turn != 0 {
		w.shard.observers.answered(now, w, err == nil && out.Code.IsSuccess())
	}
	if dropped != nil {
		w.shard.server.log.dropped(w.request.Peer.Addr, w.request.Path, dropped)
	}
}

var tooLarge = request.Outgoing{
	Code: coap.InternalServerError, Payload: []byte("the response does not fit into one datagram"),
}

// response is the ResponseWriter.
type response struct {
	code    coap.Code
	options coap.OptionList
	values  []byte // what options refer to
	payload []byte
}

func (r *response) reset() {
	clear(r.values)
	clear(r.payload)
	*r = response{options: r.options[:0], values: r.values[:0], payload: r.payload[:0]}
}

func (r *response) SetCode(code coap.Code) { r.code = code }

func (r *response) SetOption(number coap.OptionNumber, value []byte) {
	start := len(r.values)
	r.values = append(r.values, value...)
	r.add(number, start)
}

func (r *response) SetUint(number coap.OptionNumber, value uint32) {
	start := len(r.values)
	r.values = coap.AppendUint(r.values, value)
	r.add(number, start)
}

// add takes what has been appended to values as the value of an option.
func (r *response) add(number coap.OptionNumber, start int) {
	value := r.values[start:len(r.values):len(r.values)]
	if number.Repeatable() {
		r.options.Add(number, value)
		return
	}
	r.options.Set(number, value)
}

func (r *response) SetContentFormat(format coap.ContentFormat) {
	r.SetUint(coap.ContentFormatOption, uint32(format))
}

func (r *response) Write(p []byte) (int, error) {
	if len(r.payload)+len(p) > maxPayload {
		return 0, endpoint.ErrTooLarge
	}
	r.payload = append(r.payload, p...)
	return len(p), nil
}

// codeFor is the code that was set, or the plain success of the method (RFC
// 7252 section 5.8, RFC 8132 section 2).
func (r *response) codeFor(method coap.Code) coap.Code {
	if r.code != 0 {
		return r.code
	}
	switch method {
	case coap.GET, coap.FETCH:
		return coap.Content
	case coap.DELETE:
		return coap.Deleted
	}
	return coap.Changed
}
