// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
)

// Who gives way when there is room for no more sessions (RFC 7252 section 9.1.1:
// "Devices can close a DTLS connection when they need to recover resources"): the
// session that has been silent longest, and strangers before others if they are
// many. Whoever can send datagrams from an address of his own can be a stranger as
// often as he likes, where clients need no credential; he must not close by that
// the sessions of all devices that sleep.

// strangersPart is which part of Limits.Sessions strangers may take from others by
// being silent for a shorter time.
const strangersPart = 64

// standing is the class of a session that is established.
func standing(facts *dtls.Facts) class {
	if facts.PSKIdentity == nil && facts.PeerRawKey == nil && facts.PeerChain == nil {
		return stranger
	}
	return secure
}

// Vouch says that somebody whom DTLS does not know has proved himself otherwise:
// his session is not that of a stranger any more, so that it gives way when those
// of devices do (Limits.Sessions).
func (e *Endpoint) Vouch(now tick.Time, id PeerID) {
	if at := e.slotOf(id); at != nil && at.class == stranger {
		at.heard = now
		e.enter(id.index, secure)
	}
}

// makeRoom sees to it that one more session may be open. It reports false if
// too many are in use.
func (e *Endpoint) makeRoom(now tick.Time, newcomer class) bool {
	for range turn {
		if e.sessions() < e.limits.Sessions && e.dormitory.bytes() < e.limits.SessionBytes {
			return true
		}
		if !e.evictSession(now, newcomer) {
			return false
		}
	}
	return false
}

// evictSession closes a session for a newcomer. It reports false if all are in use.
func (e *Endpoint) evictSession(now tick.Time, newcomer class) bool {
	if e.count(stranger) > max(e.limits.Sessions/strangersPart, 1) {
		if e.evictSilent(now, stranger, 0) {
			return true
		}
		if newcomer == stranger {
			return false
		}
	}
	first, second := secure, stranger
	if s, t := e.oldest(secure), e.oldest(stranger); s == 0 || t != 0 && e.slots.At(t).heard < e.slots.At(s).heard {
		first, second = stranger, secure
	}
	return e.evictSilent(now, first, e.limits.EvictAfter) || e.evictSilent(now, second, e.limits.EvictAfter) ||
		newcomer == secure && e.evictSilent(now, stranger, 0)
}

// evictSilent closes the session of a class that has been silent longest, if that
// is silence at least. One whose request waits for its answer is in use, however
// long that takes, and counts as heard.
func (e *Endpoint) evictSilent(now tick.Time, c class, silence time.Duration) bool {
	for range turn {
		i := e.oldest(c)
		if i == 0 || now.Sub(e.slots.At(i).heard) < silence {
			return false
		}
		if at := e.slots.At(i); e.busy(at) {
			at.heard = now
			e.toBack(i)
			continue
		}
		e.drop(DropSessionEvicted)
		e.end(now, e.wake(i), CauseLimit)
		return true
	}
	return false
}
