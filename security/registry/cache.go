// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// Prefixes of what the cache calls a claim that is not an index record's key.
const (
	chainClaim     = "c/"
	principalClaim = "p/"
)

// appendClaim appends what the cache calls a claim: for those that one index
// record answers, the key of that.
func appendClaim(dst []byte, c *security.Claim) []byte {
	switch {
	case c.PSKIdentity != nil:
		return appendPSKKey(dst, c.Host, c.PSKIdentity)
	case c.RawKey != nil:
		return appendHashKey(dst, indexRPK, c.Host, shortHash(keys.NameOf(c.RawKey, keys.SHA256_120)))
	case c.Token != nil:
		sum := sha256.Sum256(c.Token)
		return appendHashKey(dst, indexToken, c.Host, sum[:])
	case len(c.Chain) > 0:
		sum := sha256.Sum256(c.Chain[0].Raw)
		dst = appendPart(append(dst, chainClaim...), c.Host)
		if c.Bound {
			dst = append(dst, "/bound"...) // by the path, which the leaf does not tell
		}
		return hex.AppendEncode(append(dst, '/'), sum[:])
	case c.Principal != nil:
		dst = append(append(dst, principalClaim...), principalKey(c.Principal)...)
		return append(append(dst, ' '), c.Principal.Credential...)
	}
	return dst
}

// A cached is a found that is kept.
type cached struct {
	*found
	claim   string
	at      time.Time
	epoch   uint64
	chains  uint64      // see cache.chains
	used    atomic.Bool // since the hand passed
	place   int         // in the ring
	sibling *cached     // of the same owner
}

// A miss is a claim that is nobody's.
type miss struct {
	claim  string
	at     time.Time
	chains uint64 // see cache.chains
}

// cache is what a Directory knows by heart. What is good and what is nobody's
// are kept apart, so that nobody who invents identities can drive anything out.
type cache struct {
	mu     sync.RWMutex
	claims map[string]*cached
	owners map[string]*cached // the first of its siblings
	ring   []*cached          // up to limit; nil where one is gone
	free   []int              // places in ring that are nil
	hand   int
	limit  int

	misses    map[string]int // place in missRing
	missRing  []miss
	missLimit int
	missHand  int

	// epoch counts how often everything became doubtful: what is older has to
	// be looked up again. changes counts all that has been forgotten.
	epoch, changes uint64
	// chains counts how often all certificates were forgotten: any of them may
	// have the name that is now somebody's, or somebody else's.
	chains uint64
}

func newCache(limit, missLimit int) *cache {
	return &cache{
		claims: map[string]*cached{}, owners: map[string]*cached{}, limit: limit,
		misses: map[string]int{}, missLimit: missLimit,
	}
}

// A known is what the cache has of a claim.
type known struct {
	found  *found
	at     time.Time
	doubt  bool // look it up again, if that is possible
	nobody bool
}

// get returns what is known of a claim.
func (c *cache) get(claim []byte) (known, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e := c.claims[string(claim)]; e != nil && e.chains == c.chainsOf(claim) {
		if !e.used.Load() {
			e.used.Store(true)
		}
		return known{found: e.found, at: e.at, doubt: e.epoch != c.epoch}, true
	}
	if i, ok := c.misses[string(claim)]; ok && c.missRing[i].chains == c.chainsOf(claim) {
		return known{nobody: true, at: c.missRing[i].at}, true
	}
	return known{}, false
}

// chainsOf is the count of chains if the claim is one.
func (c *cache) chainsOf(claim []byte) uint64 {
	if bytes.HasPrefix(claim, []byte(chainClaim)) {
		return c.chains
	}
	return 0
}

// moment is what put must be told of the time before the look-up.
func (c *cache) moment() (changes uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.changes
}

// put keeps the result of a look-up, unless something has changed since moment:
// it may have been read before that. f is nil for nobody's.
func (c *cache) put(claim string, f *found, at time.Time, moment uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != moment {
		return
	}
	c.remove(c.claims[claim])
	if f == nil {
		c.putMiss(claim, at)
		return
	}
	c.dropMiss(claim)
	e := &cached{found: f, claim: claim, at: at, epoch: c.epoch, chains: c.chainsOf([]byte(claim)), place: c.room()}
	c.ring[e.place] = e
	c.claims[claim] = e
	e.sibling = c.owners[f.owner]
	c.owners[f.owner] = e
}

// room returns a free place in the ring, for which the one gives way that was
// not used for longest, more or less.
func (c *cache) room() int {
	if n := len(c.free); n > 0 {
		place := c.free[n-1]
		c.free = c.free[:n-1]
		return place
	}
	if len(c.ring) < c.limit {
		c.ring = append(c.ring, nil)
		return len(c.ring) - 1
	}
	for {
		e := c.ring[c.hand]
		c.hand = (c.hand + 1) % len(c.ring)
		if e != nil && !e.used.Swap(false) {
			c.remove(e)
			c.free = c.free[:len(c.free)-1]
			return e.place
		}
	}
}

func (c *cache) remove(e *cached) {
	if e == nil {
		return
	}
	delete(c.claims, e.claim)
	c.ring[e.place] = nil
	c.free = append(c.free, e.place)
	head := c.owners[e.owner]
	if head == e {
		if e.sibling == nil {
			delete(c.owners, e.owner)
			return
		}
		c.owners[e.owner] = e.sibling
		return
	}
	for ; head != nil; head = head.sibling {
		if head.sibling == e {
			head.sibling = e.sibling
			return
		}
	}
}

func (c *cache) putMiss(claim string, at time.Time) {
	m := miss{claim, at, c.chainsOf([]byte(claim))}
	if i, there := c.misses[claim]; there {
		c.missRing[i] = m
		return
	}
	if len(c.missRing) < c.missLimit {
		c.misses[claim] = len(c.missRing)
		c.missRing = append(c.missRing, m)
		return
	}
	c.dropMiss(c.missRing[c.missHand].claim)
	c.missRing[c.missHand] = m
	c.misses[claim] = c.missHand
	c.missHand = (c.missHand + 1) % c.missLimit
}

// dropMiss forgets a miss. Its place in the ring is taken again in its turn.
func (c *cache) dropMiss(claim string) {
	if i, there := c.misses[claim]; there {
		delete(c.misses, claim)
		c.missRing[i] = miss{}
	}
}

// forget drops what has to do with the record under key, which has changed.
func (c *cache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	switch {
	case strings.HasPrefix(key, devicePrefix), strings.HasPrefix(key, groupPrefix):
		for e := c.owners[key]; e != nil; e = c.owners[key] {
			c.remove(e)
		}
	case strings.HasPrefix(key, indexPSK), strings.HasPrefix(key, indexRPK), strings.HasPrefix(key, indexToken):
		c.remove(c.claims[key])
		c.dropMiss(key)
	case strings.HasPrefix(key, indexPrefix):
		c.chains++
	}
}

// doubt makes all that is known doubtful, and forgets what is nobody's.
func (c *cache) doubt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.epoch++
	clear(c.misses)
	c.missRing, c.missHand = nil, 0
}

func (c *cache) len() (found, nobody int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.claims), len(c.misses)
}
