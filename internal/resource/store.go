// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
)

// Limits bound a Store. What does not fit is refused and counted.
type Limits struct {
	Resources int // how many
	Size      int // bytes of one payload
	Total     int // bytes of all payloads and names
	Name      int // bytes of one path

	Age time.Duration // for which what was read may be used without asking again
}

// DefaultLimits keep a forgotten demonstration server below a megabyte. One
// payload fits into one datagram, so Size is a little more than can arrive.
var DefaultLimits = Limits{Resources: 256, Size: 4096, Total: 256 << 10, Name: 255, Age: DefaultAge}

// Store keeps what was PUT, in memory. Each resource, and the list of them, can be
// observed.
type Store struct {
	audience Audience

	mu      sync.Mutex
	limits  Limits
	entries map[string]entry
	total   int
	refused uint64
}

// entry is one resource with its representation.
type entry struct {
	payload   []byte
	format    coap.ContentFormat
	formatSet bool
	etag      []byte
}

// NewStore returns an empty store that the audience observes.
func NewStore(limits Limits, audience Audience) *Store {
	return &Store{audience: audience, limits: limits, entries: map[string]entry{}}
}

// SetLimits changes the limits. What is there stays, also if it is more.
func (s *Store) SetLimits(limits Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = limits
}

// DefaultAge is the Max-Age of RFC 7252 section 5.10.5 where no option says another.
const DefaultAge = time.Minute

// SetAge sets the Max-Age of a representation. A notification has to have the option
// (RFC 7641 section 4.3.1), other responses only where it is not the default.
func SetAge(w coaps.ResponseWriter, r *coaps.Request, age time.Duration) {
	if age != DefaultAge || Registers(r) {
		w.SetUint(coap.MaxAge, uint32(min(age/time.Second, 1<<32-1)))
	}
}

// Handle registers the store for all paths below one that ends with a slash.
func (s *Store) Handle(mux *coaps.Mux, path string) {
	mux.Handle(path, coaps.Observable(s))
	mux.Describe(path, attr("title", "Keeps what you PUT, until the server ends"))
}

// Refused counts the PUTs that a limit turned away.
func (s *Store) Refused() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// ServeCOAP answers GET, PUT and DELETE on any path, and tells who observes what
// has changed.
func (s *Store) ServeCOAP(w coaps.ResponseWriter, r *coaps.Request) {
	switch path := r.Path; {
	case r.Method == coap.GET:
		s.read(w, r)
	case r.Method != coap.PUT && r.Method != coap.DELETE:
		coaps.WriteError(w, coap.MethodNotAllowed, "GET, PUT and DELETE")
	case strings.HasSuffix(path, "/"):
		coaps.WriteError(w, coap.BadRequest, "name a resource below "+clip(path))
	default:
		changed, listed := s.write(w, r)
		if changed {
			s.audience.Notify(path)
		}
		for end := len(path); listed; {
			if end = strings.LastIndexByte(path[:end], '/'); end < 0 {
				return
			}
			s.audience.Refresh(path[:end+1]) // the lists that it is on, which not everybody sees it on
		}
	}
}

func (s *Store) read(w coaps.ResponseWriter, r *coaps.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasSuffix(r.Path, "/") {
		s.list(w, r)
		return
	}
	s.get(w, r, r.Path)
}

// write reports whether the resource is another one now, and whether that can be
// seen in a list.
func (s *Store) write(w coaps.ResponseWriter, r *coaps.Request) (changed, listed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, was := s.entries[r.Path]
	if r.Method == coap.PUT {
		s.put(w, r, r.Path)
	} else {
		s.remove(w, r, r.Path)
	}
	after, is := s.entries[r.Path]
	changed = was != is || !bytes.Equal(before.etag, after.etag)
	listed = was != is || len(before.payload) != len(after.payload) || before.format != after.format || before.formatSet != after.formatSet
	return changed, listed
}

// get answers 2.03 Valid without payload when the caller's copy is fresh
// (RFC 7252 section 5.10.6.2).
func (s *Store) get(w coaps.ResponseWriter, r *coaps.Request, name string) {
	e, ok := s.entries[name]
	if !ok {
		coaps.WriteError(w, coap.NotFound, "nothing is stored here")
		return
	}
	if !conditionsHold(w, r, true, e.etag) {
		return
	}
	if e.formatSet && !acceptable(w, r, e.format) {
		return
	}
	w.SetOption(coap.ETag, e.etag)
	SetAge(w, r, s.limits.Age)
	if hasETag(r.Options, e.etag) {
		w.SetCode(coap.Valid)
		return
	}
	if e.formatSet {
		w.SetContentFormat(e.format)
	}
	_, _ = w.Write(e.payload)
}

// put creates (2.01) or changes (2.04) a resource (RFC 7252 section 5.8.3).
func (s *Store) put(w coaps.ResponseWriter, r *coaps.Request, name string) {
	old, existed := s.entries[name]
	if !conditionsHold(w, r, existed, old.etag) || !s.fits(w, r, name, old, existed) {
		return
	}
	e := entry{payload: bytes.Clone(r.Payload)}
	if format, ok := r.Options.GetUint(coap.ContentFormatOption); ok {
		e.format, e.formatSet = coap.ContentFormat(format), true
	}
	e.etag = e.tag()
	s.total += len(e.payload) - len(old.payload)
	if !existed {
		s.total += len(name)
	}
	s.entries[name] = e
	w.SetOption(coap.ETag, e.etag)
	if existed {
		w.SetCode(coap.Changed)
		return
	}
	w.SetCode(coap.Created)
}

// fits refuses what would break a limit: 4.13 with the limit in Size1 for a
// large payload (RFC 7252 section 5.9.2.9), 5.03 when the store is full.
func (s *Store) fits(w coaps.ResponseWriter, r *coaps.Request, name string, old entry, existed bool) bool {
	grown := s.total + len(r.Payload) - len(old.payload)
	if !existed {
		grown += len(name)
	}
	switch {
	case len(name) > s.limits.Name:
		coaps.WriteError(w, coap.BadRequest, fmt.Sprintf("a name has at most %d bytes", s.limits.Name))
	case len(r.Payload) > s.limits.Size:
		coaps.WriteError(w, coap.RequestEntityTooLarge, fmt.Sprintf("a resource has at most %d bytes", s.limits.Size))
		w.SetUint(coap.Size1, uint32(s.limits.Size))
	case !existed && len(s.entries) >= s.limits.Resources, grown > s.limits.Total:
		coaps.WriteError(w, coap.ServiceUnavailable, "the store is full; DELETE something first")
	default:
		return true
	}
	s.refused++
	return false
}

// remove answers 2.02 whether or not there was something: DELETE is idempotent
// (RFC 7252 section 5.8.4).
func (s *Store) remove(w coaps.ResponseWriter, r *coaps.Request, name string) {
	e, existed := s.entries[name]
	if !conditionsHold(w, r, existed, e.etag) {
		return
	}
	if existed {
		s.total -= len(e.payload) + len(name)
		delete(s.entries, name)
	}
	w.SetCode(coap.Deleted)
}

// clip keeps a diagnostic short.
func clip(name string) string { return name[:min(len(name), 64)] }

// listLimit keeps the list of names within one datagram.
const listLimit = 1024

// list answers GET /store/ with the links to what is there and the caller may read
// (RFC 6690), as many as fit.
func (s *Store) list(w coaps.ResponseWriter, r *coaps.Request) {
	if !conditionsHold(w, r, true, nil) || !acceptable(w, r, coap.LinkFormat) {
		return
	}
	var links []link.Link
	for _, name := range slices.Sorted(maps.Keys(s.entries)) {
		if strings.HasPrefix(name, r.Path) && r.Allowed(coap.GET, name) {
			links = append(links, s.entries[name].link(name))
		}
	}
	SetAge(w, r, s.limits.Age)
	w.SetContentFormat(coap.LinkFormat)
	_, _ = w.Write(link.AppendFitting(nil, links, listLimit))
}

// Links is what is there and the caller may use, by any method: Store is a
// coaps.Lister.
func (s *Store) Links(r *coaps.Request, path string) (links []link.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, e := range s.entries {
		if strings.HasPrefix(name, path) && (r.Allowed(coap.GET, name) || r.Allowed(coap.PUT, name) || r.Allowed(coap.DELETE, name)) {
			links = append(links, e.link(name))
		}
	}
	slices.SortFunc(links, func(a, b link.Link) int { return strings.Compare(a.Target, b.Target) })
	return links
}

// link describes an entry. Its name is as in a URI already.
func (e entry) link(name string) link.Link {
	l := link.Link{Target: name}
	l.Add("sz", fmt.Sprint(len(e.payload)))
	if e.formatSet {
		l.Add("ct", fmt.Sprint(uint16(e.format)))
	}
	return l
}

// tag is 8 bytes over format and payload: the same content has the same tag.
func (e *entry) tag() []byte {
	h := sha256.New()
	prefix := [3]byte{}
	if e.formatSet {
		prefix[0] = 1
		binary.BigEndian.PutUint16(prefix[1:], uint16(e.format))
	}
	h.Write(prefix[:])
	h.Write(e.payload)
	return h.Sum(nil)[:8]
}

// hasETag looks for the tag among the caller's copies, of which there may be
// several.
func hasETag(options coap.OptionList, tag []byte) bool {
	for _, option := range options {
		if option.Number == coap.ETag && bytes.Equal(option.Value, tag) {
			return true
		}
	}
	return false
}
