// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"strings"

	"github.com/coaps-go/coaps/internal/slab"
)

// A resource is what has observers. Each is in one of its two lists, or busy.
type resource struct {
	path      string
	version   uint32 // counts its changes
	news      uint32 // the last one that was more than a Review or a Refresh
	observers uint32
	rest, due slab.List
}

// attach makes an observer one of what a request is for.
func (l *List) attach(o *Observer, r *Request) error {
	if len(r.Options)+len(r.Payload) > l.limits.RequestBytes {
		return ErrTooLong
	}
	request, ok := l.requests.hold(r, l.limits.Bytes-l.bytes)
	if !ok {
		return ErrFull
	}
	i, ok := l.resource(r.Path)
	if !ok {
		l.requests.release(request)
		return ErrFull
	}
	at := l.resources.At(i)
	at.observers++
	o.resource, o.request, o.version = i, request, at.version
	return nil
}

// resource finds what is at a path, or makes it.
func (l *List) resource(path string) (i uint32, ok bool) {
	if i, ok = l.byPath[path]; ok {
		return i, true
	}
	if l.bytes+l.requests.bytes+len(path) > l.limits.Bytes {
		return 0, false
	}
	if i, ok = l.resources.Alloc(); !ok {
		return 0, false
	}
	path = strings.Clone(path) // it may be part of something larger
	l.resources.At(i).path = path
	l.byPath[path] = i
	l.bytes += len(path)
	if l.Watch != nil {
		l.Watch(path, true)
	}
	return i, true
}

// detach takes observer i off what it was attached to.
func (l *List) detach(i uint32, was *Observer) {
	if was.resource == 0 {
		return
	}
	l.requests.release(was.request)
	r := l.resources.At(was.resource)
	if was.state&busy == 0 {
		l.unlist(was.resource, i, was.version)
	}
	if r.observers--; r.observers > 0 {
		return
	}
	path := r.path
	delete(l.byPath, path)
	l.bytes -= len(path)
	l.resources.Free(was.resource)
	if l.Watch != nil {
		l.Watch(path, false)
	}
}

// unlist takes an observer that is not busy out of its list.
func (l *List) unlist(at, i, version uint32) {
	r := l.resources.At(at)
	if version == r.version {
		l.observers.Remove(&r.rest, i)
		return
	}
	l.observers.Remove(&r.due, i)
	if r.due.Len == 0 {
		l.resources.Remove(&l.ready, at)
	}
}

// Changed makes everybody due who observes a path. It reports whether anybody
// does.
func (l *List) Changed(path string) bool {
	i, ok := l.byPath[path]
	if ok {
		l.changed(i, true)
	}
	return ok
}

// Refresh is Changed for those who are not to be told what they were shown already.
func (l *List) Refresh(path string) {
	if i, ok := l.byPath[path]; ok {
		l.changed(i, false)
	}
}

// ChangedBelow is Changed for all paths that begin with prefix and end with it, or
// in what follows a slash: of no more than n from the one numbered from. It returns
// the number to go on from, 0 at the end.
func (l *List) ChangedBelow(prefix string, from, n int) (next int) {
	return l.paths(prefix, from, n, func(i uint32) { l.changed(i, true) })
}

// Review makes everybody due, as ChangedBelow does, who is not to be told what it
// was shown already.
func (l *List) Review(from, n int) (next int) {
	return l.paths("", from, n, func(i uint32) { l.changed(i, false) })
}

// Paths shows what is observed to f, as ChangedBelow goes over it.
func (l *List) Paths(prefix string, from, n int, f func(path string)) (next int) {
	return l.paths(prefix, from, n, func(i uint32) { f(l.resources.At(i).path) })
}

func (l *List) paths(prefix string, from, n int, f func(i uint32)) (next int) {
	made := l.resources.Made()
	for i := from + 1; i <= made; i++ {
		if n--; n < 0 {
			return i - 1
		}
		if r := l.resources.At(uint32(i)); r.observers > 0 && below(r.path, prefix) {
			f(uint32(i))
		}
	}
	return 0
}

// below reports whether a path is a prefix, or in the tree that it names by a slash
// at its end. Everything is below "".
func below(path, prefix string) bool {
	return path == prefix || prefix == "" || strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix)
}

// changed makes those due who are at rest. Those who are due already stay before
// them.
func (l *List) changed(i uint32, news bool) {
	r := l.resources.At(i)
	r.version++
	if news {
		r.news = r.version
	}
	if r.rest.Len == 0 {
		return
	}
	if r.due.Len == 0 {
		l.resources.PushBack(&l.ready, i)
	}
	l.observers.Append(&r.due, &r.rest)
}

// Next takes one observer who is due, of each resource in its turn. It is busy from
// now on, and to be shown the state that its resource has from now on. It reports
// false if nobody is due.
func (l *List) Next() (i uint32, ok bool) {
	at := l.ready.First
	if at == 0 {
		return 0, false
	}
	r := l.resources.At(at)
	i = r.due.First
	l.observers.Remove(&r.due, i)
	l.resources.Remove(&l.ready, at)
	if r.due.Len > 0 {
		l.resources.PushBack(&l.ready, at)
	}
	l.At(i).take(r)
	return i, true
}

// Take takes an observer who is at rest, as if it were due. It reports false if it
// is not at rest.
func (l *List) Take(i uint32) bool {
	o := l.At(i)
	if o.state&busy != 0 || o.Leaving() || l.stale(o) {
		return false
	}
	r := l.resources.At(o.resource)
	l.observers.Remove(&r.rest, i)
	o.take(r)
	o.state &^= quiet
	return true
}

// take notes that the observer is being shown the newest state.
func (o *Observer) take(r *resource) {
	o.state |= busy | quiet
	if int32(r.news-o.version) > 0 {
		o.state &^= quiet
	}
	o.version = r.version
}

// Due reports whether Next has somebody.
func (l *List) Due() bool { return l.ready.First != 0 }

// Renew has a busy observer shown the state that its resource has from now on. It
// reports false if that is what it is shown already.
func (l *List) Renew(i uint32) bool {
	o := l.At(i)
	if o.Leaving() || !l.stale(o) {
		return false
	}
	o.take(l.resources.At(o.resource))
	return true
}

func (l *List) stale(o *Observer) bool { return o.version != l.resources.At(o.resource).version }

// Done gives a busy observer back. It is due if its resource has changed since. One
// that is not busy, as it was given back by Again, stays where it is.
func (l *List) Done(i uint32) {
	o := l.At(i)
	if o.state&busy == 0 {
		return
	}
	o.state &^= busy | quiet
	r := l.resources.At(o.resource)
	if o.version == r.version {
		l.observers.PushBack(&r.rest, i)
		return
	}
	if r.due.Len == 0 {
		l.resources.PushBack(&l.ready, o.resource)
	}
	l.observers.PushBack(&r.due, i)
}

// Again gives a busy observer back that was not shown what it should have been: it
// is due.
func (l *List) Again(i uint32) {
	o := l.At(i)
	if r := l.resources.At(o.resource); o.state&busy != 0 && o.version == r.version {
		o.version--
		if o.state&quiet == 0 {
			r.news = r.version
		}
	}
	l.Done(i)
}
