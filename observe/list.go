// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"errors"
	"iter"

	"github.com/coaps-go/coaps/internal/slab"
	"github.com/coaps-go/coaps/tick"
)

// Why somebody cannot observe. RFC 7641 section 4.1 has a server then "silently
// ignore the registration request and process the GET request as usual".
var (
	ErrFull     = errors.New("observe: there are too many observers")
	ErrPeerFull = errors.New("observe: the peer observes too much already")
	ErrTooLong  = errors.New("observe: the request is too long to be kept")
	ErrToken    = errors.New("observe: no token has more than 8 bytes")
)

// maxToken is how long a token may be (RFC 7252 section 3).
const maxToken = 8

// Limits bound a List.
type Limits struct {
	Observers    int // in all
	PerPeer      int // of one peer, and as many again that leave
	RequestBytes int // kept of one request, beside its path
	Bytes        int // of all paths and requests; equal ones count once
}

// A List is who observes what. Observers are named by numbers, which are used again
// after Remove. It is not safe for concurrent use.
type List struct {
	// Watch, if not nil, is told of each path that somebody begins to observe, and
	// that nobody does any more.
	Watch func(path string, observed bool)

	limits    Limits
	origin    tick.Time
	observers slab.Pool[Observer]
	resources slab.Pool[resource]
	byPath    map[string]uint32
	byPeer    map[uint64]uint32 // the first of each
	ready     slab.List         // of resources that have observers who are due
	requests  requests
	bytes     int // of paths
	leaving   int
}

// An Observer is one peer's interest in one resource: an entry of RFC 7641's list
// of observers, keyed by "client endpoint and the token". The exported fields but
// Peer are the caller's, to be remembered.
type Observer struct {
	Peer      uint64 // as the caller numbers them; never another one by the same number
	Shown     uint64 // a hash of what it was shown last
	Exchange  uint32 // by which it was sent
	Turn      uint32 // where more is to be found while it is busy
	Confirmed uint32 // when it has last proved its interest, in seconds
	Format    uint16 // Content-Format of the first response

	Unconfirmed uint8 // notifications since then
	state       uint8 // length of the token, and flags
	token       [maxToken]byte

	resource uint32 // 0: leaving
	request  uint32
	sibling  uint32 // the next of the same peer
	version  uint32 // of the resource that it was shown, or is being shown
	number   uint64 // of the last notification
}

const (
	tokenLen = 1<<4 - 1
	busy     = 1 << 4
	quiet    = 1 << 5
	proved   = 1 << 6
)

// Token is the token of its request, a view.
func (o *Observer) Token() []byte { return o.token[:o.state&tokenLen] }

// Leaving reports whether Leave was called.
func (o *Observer) Leaving() bool { return o.resource == 0 }

// Busy reports whether the caller has it in hand.
func (o *Observer) Busy() bool { return o.state&busy != 0 }

// Prove notes that it has acknowledged a notification, which Proved reports: it is
// at the address that it has given.
func (o *Observer) Prove() { o.state |= proved }

// Proved reports whether Prove was called.
func (o *Observer) Proved() bool { return o.state&proved != 0 }

// Quiet reports whether Next had no reason for it but Review or Refresh: it need not hear of
// what it was shown already.
func (o *Observer) Quiet() bool { return o.state&quiet != 0 }

// New returns an empty List. The sequence numbers follow a clock whose time is
// origin at tick 0: with that of the wall they go on when a server starts again.
func New(limits Limits, origin tick.Time) *List {
	return &List{
		limits: limits, origin: origin,
		observers: slab.New[Observer](limits.Observers),
		resources: slab.New[resource](limits.Observers),
		byPath:    make(map[string]uint32),
		byPeer:    make(map[uint64]uint32),
		requests:  newRequests(limits.Observers),
	}
}

// Len is how many observers there are, without those who leave.
func (l *List) Len() int { return l.observers.Used() - l.leaving }

// At is observer i.
func (l *List) At(i uint32) *Observer { return l.observers.At(i) }

// Add makes a peer an observer, who is busy until it has got its first response. If
// it observes with the same token already, that is replaced: "the server MUST NOT add a new
// entry but MUST replace or update the existing one" (RFC 7641 section 4.1). The
// errors are ErrFull, ErrPeerFull, ErrTooLong and ErrToken; after one, nothing has
// changed.
func (l *List) Add(peer uint64, token []byte, r *Request) (i uint32, err error) {
	if len(token) > maxToken {
		return 0, ErrToken
	}
	if i, ok := l.Find(peer, token); ok {
		return i, l.replace(i, r)
	}
	if observes, leaves := l.count(peer); observes >= l.limits.PerPeer || leaves >= l.limits.PerPeer {
		return 0, ErrPeerFull
	}
	i, ok := l.observers.Alloc()
	if !ok {
		return 0, ErrFull
	}
	o := l.At(i)
	o.Peer, o.state = peer, busy|uint8(len(token))
	copy(o.token[:], token)
	if err := l.attach(o, r); err != nil {
		l.observers.Free(i)
		return 0, err
	}
	o.sibling = l.byPeer[peer]
	l.byPeer[peer] = i
	return i, nil
}

// replace has an observer observe something else, or the same in other words.
func (l *List) replace(i uint32, r *Request) error {
	o := l.At(i)
	before := *o
	if err := l.attach(o, r); err != nil {
		return err
	}
	if before.resource == 0 {
		l.leaving--
	}
	l.detach(i, &before)
	o.state |= busy
	return nil
}

// Find finds the observer that a peer is by a token.
func (l *List) Find(peer uint64, token []byte) (i uint32, ok bool) {
	for i := range l.OfPeer(peer) {
		if string(l.At(i).Token()) == string(token) {
			return i, true
		}
	}
	return 0, false
}

// OfPeer goes over what a peer observes, those who leave among them. The one that
// is shown may be removed.
func (l *List) OfPeer(peer uint64) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := l.byPeer[peer]; i != 0; {
			next := l.At(i).sibling
			if !yield(i) {
				return
			}
			i = next
		}
	}
}

// Count is how much a peer observes, without what it leaves.
func (l *List) Count(peer uint64) int {
	observes, _ := l.count(peer)
	return observes
}

func (l *List) count(peer uint64) (observes, leaves int) {
	for i := range l.OfPeer(peer) {
		if l.At(i).Leaving() {
			leaves++
		} else {
			observes++
		}
	}
	return observes, leaves
}

// Known reports whether a peer observes anything, or leaves it.
func (l *List) Known(peer uint64) bool { return l.byPeer[peer] != 0 }

// Leave takes an observer off its resource and keeps the rest: it is owed a last
// notification.
func (l *List) Leave(i uint32) {
	o := l.At(i)
	if o.Leaving() {
		return
	}
	before := *o
	o.resource, o.request = 0, 0
	o.state |= busy
	l.detach(i, &before)
	l.leaving++
}

// Remove takes an observer off the list.
func (l *List) Remove(i uint32) {
	o := l.At(i)
	if o.Leaving() {
		l.leaving--
	}
	l.detach(i, o)
	at := l.byPeer[o.Peer]
	if at == i {
		if o.sibling == 0 {
			delete(l.byPeer, o.Peer)
		} else {
			l.byPeer[o.Peer] = o.sibling
		}
	} else {
		for l.At(at).sibling != i {
			at = l.At(at).sibling
		}
		l.At(at).sibling = o.sibling
	}
	l.observers.Free(i)
}

// Walk shows observers to f, those who leave excepted: no more than n places from
// the one numbered from. It returns the number to go on from, 0 at the end; a walk
// begins with 0. The one that is shown may be removed.
func (l *List) Walk(from, n int, f func(i uint32)) (next int) {
	made := l.observers.Made()
	for i := from + 1; i <= made; i++ {
		if n--; n < 0 {
			return i - 1
		}
		if l.At(uint32(i)).resource != 0 {
			f(uint32(i))
		}
	}
	return 0
}
