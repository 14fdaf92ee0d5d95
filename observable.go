// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"maps"
	"slices"

	"github.com/coaps-go/coaps/tick"
)

// Observable marks h as one whose answers may be observed (RFC 7641): a client
// whose GET or FETCH has Observe 0, and is answered by a 2.xx, gets a new
// representation after each Server.Notify of its path, until it wants no more or
// may not have it any more. A representation is made by calling h again with the
// request as it was, Observe option and all. An answer other than 2.xx, or in
// another Content-Format than the first, ends the observation. h sets Max-Age if
// the default of 60 seconds is not how old a representation may become.
//
// It works for a Server's Handler and for the handlers of a Mux, which lists their
// paths with the attribute "obs" (RFC 7641 section 6), and goes together with
// Inline.
func Observable(h Handler) Handler { return mark(h, observable) }

// NonConfirmable is Observable, and has most notifications sent without
// acknowledgement: for what changes often, and where the next value makes up for a
// lost one. Every fifth is confirmable, and at least one in 24 hours; to clients
// that have not proved that they want them, on the plain port, all are (RFC 7641
// sections 4.5 and 7).
func NonConfirmable(h Handler) Handler { return mark(h, observable|nonConfirmable) }

// Notify says that the resource at path has changed, a path as Request.Path has
// it. Everybody who observes it gets the new representation, and of several
// changes the newest: who is still busy with an earlier one gets no other in
// between. It may be called on any goroutine, in a handler too, does not wait, and
// costs next to nothing if nobody observes. A handler that is called after it must
// show the new state.
func (s *Server) Notify(path string) { s.tell(change{path: path, everybody: true}) }

// Refresh is Notify for a resource that does not look the same to everybody, such
// as a list of what one may see: who would be shown what it was shown last hears
// nothing, and so does not learn that something has changed which it may not see.
func (s *Server) Refresh(path string) { s.tell(change{path: path}) }

// NotifyTree is Notify for every path that is observed and begins with prefix, a
// path that ends with a slash, or is prefix.
func (s *Server) NotifyTree(prefix string) { s.tell(change{path: prefix, tree: true, everybody: true}) }

// tell has all shards hear of a change. It takes no lock that anybody holds for
// long, as handlers on the event loops call it.
func (s *Server) tell(of change) {
	for _, one := range s.observed() {
		one.observers.tell(of)
	}
}

// observed are the shards, if anybody observes anything.
func (s *Server) observed() []*shard {
	if s.observing.Load() == 0 {
		return nil
	}
	return *s.notified.Load()
}

// reconsider has it decided again who may observe what.
func (s *Server) reconsider() {
	for _, one := range s.observed() {
		_ = one.mail.post(passLetter{one.observers, &one.observers.judging}, true) // a loop that has ended has none
	}
}

// review has everybody shown what there is now.
func (s *Server) review() {
	for _, one := range s.observed() {
		_ = one.mail.post(passLetter{one.observers, &one.observers.reviewing}, true)
	}
}

type passLetter struct {
	observers *observers
	pass      *pass
}

func (l passLetter) deliver(tick.Time) {
	l.pass.again = true
	l.observers.hurry()
}

// ObservedPaths are the paths that somebody observes and that begin with prefix,
// which ends with a slash, or are prefix, in no particular order. It asks the event
// loops, so that an Inline handler must not call it; after Close there are none.
func (s *Server) ObservedPaths(prefix string) []string {
	seen := make(map[string]bool)
	for _, one := range s.observed() {
		for place, more := 0, true; more; {
			var some []string
			some, place, more = one.observers.paths(prefix, place)
			for _, path := range some {
				seen[path] = true
			}
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// paths are some paths that are observed, and where to go on.
func (o *observers) paths(prefix string, place int) (some []string, next int, more bool) {
	answer := make(chan observedPaths, 1)
	p, _ := ask(context.Background(), o.shard.loop, pathsLetter{o, prefix, place, answer}, answer)
	return p.paths, p.next, p.next != 0
}

type observedPaths struct {
	paths []string
	next  int
}

type pathsLetter struct {
	observers *observers
	prefix    string
	place     int
	answer    chan<- observedPaths
}

func (l pathsLetter) deliver(tick.Time) {
	var p observedPaths
	p.next = l.observers.list.Paths(l.prefix, l.place, walkPlaces, func(path string) { p.paths = append(p.paths, path) })
	l.answer <- p
}
