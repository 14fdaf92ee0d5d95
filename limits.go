// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"time"

	"github.com/coaps-go/coaps/tick"
)

// The limits of this package; those on what the network can make an endpoint
// hold are in endpoint.Limits. Each refuses with a named reason and counts.
const (
	// DefaultWorkers is how many handlers run at once for each port unless
	// Server.Workers says otherwise. Handlers may wait for a sensor or a database, so there are
	// more than processors; an idle worker costs its stack, and it is started
	// only when there is work.
	DefaultWorkers = 64

	// handlersWaiting is how many requests may wait for a worker, for each
	// worker. A device repeats its request after 2 to 3 s (RFC 7252 section
	// 4.8): at 100 ms a handler, 16 in line are answered before that.
	handlersWaiting = 16

	// retryAfter is the Max-Age of a 5.03 answer, for how long the client
	// should stay away (RFC 7252 section 5.9.3.4). Short, as the queue above
	// empties within seconds.
	retryAfter = 5 * time.Second

	// keyJobsWaiting is how many public-key operations and credential look-ups
	// may wait. At 0.2 ms each on two processors the last waits 0.1 s, well
	// under the second after which a client repeats its flight.
	keyJobsWaiting = 1024

	// DefaultLookupTime is how long a look-up of a credential may take, so that a
	// client hears of its end while it still waits: it repeats its flight after 1,
	// 2, 4 ... seconds.
	DefaultLookupTime = 2 * time.Second

	// lookupWorkers is how many look-ups are made at once, which wait for a store
	// and not for a processor, and lookupsWaiting how many may wait for them. At
	// 1 ms each the last waits 32 ms.
	lookupWorkers, lookupsWaiting = 32, 1024

	// walkPlaces is how many sessions are glanced at between two turns of an event
	// loop, in 0.1 ms or so; sessionsListed how many are listed, which takes a few
	// microseconds each, and more with certificates.
	walkPlaces, sessionsListed = 1024, 64

	// batchQuestions is how many credentials are looked at again together, and
	// batchesAsked how many such batches each event loop has at work, for each of
	// its three walks; alonesAsked is how many sessions it has looked at by
	// themselves at a time. There is a place for all of them before the workers,
	// twice batchesAsked for each loop, so that none is refused; those beyond wait
	// for the next walk.
	batchQuestions, batchesAsked, alonesAsked = 32, 4, 64

	// matchesKept is how many changes may wait to be looked at; with more of them
	// all sessions are.
	matchesKept = 64

	// recheckAgain is after how long credentials are looked at again if the store
	// could not be asked, twice as long each time, but recheckAtLeast so often.
	recheckAgain, recheckAtLeast = time.Second, 30 * time.Second

	// straysShare is how many times as long as a walk over the certificates that
	// are nobody's has taken the next one has to wait, but straysRest at most. Any
	// device that is added may be the owner of any of them; to verify 10,000 takes
	// some 3 s of a processor.
	straysShare, straysRest = 20, time.Minute

	// expiryRest is how long after a walk to end sessions the next may begin, or
	// expiryShare times as long as it took, so that it takes a small part of a
	// processor however many sessions there are.
	expiryRest, expiryShare = 100 * time.Millisecond, 20

	// clockTrust is for how long the clock on the wall is believed to go as the
	// other.
	clockTrust = 30 * time.Second

	// nudgeInterval is how often key workers that take all processors send the
	// event loops to look at their sockets. One look costs a loop some 3 µs.
	nudgeInterval = tick.Time(200 * time.Microsecond)

	// DefaultObservers is how many observations there may be unless
	// Server.Observers says otherwise, and DefaultObserversPerPeer the same for
	// Server.ObserversPerPeer. One takes some 110 bytes, 260 if nobody else observes
	// the same, and what its request has beside a path.
	DefaultObservers, DefaultObserversPerPeer = 1 << 20, 16

	// plainObservers is how many observations there may be on the plain port, where
	// whoever asks may have given somebody else's address (RFC 7641 section 7).
	plainObservers = 1024

	// observerRequest is how many bytes of options and payload are kept of a request
	// to observe, beside its path, and observerBytes of all, equal ones counted
	// once.
	observerRequest, observerBytes = 1024, 64 << 20

	// notificationsUnderWay is how many notifications may wait to be acknowledged,
	// each of which keeps a session awake, some 3 KB. A client that is gone holds a
	// place for 93 s with the defaults of RFC 7252.
	notificationsUnderWay = 1 << 14

	// notifiedAStep is how many notifications are made between two turns of an event
	// loop, judgedAStep of how many it is decided again whether they may go on, in
	// 0.3 ms or so.
	notifiedAStep, judgedAStep = 64, 128

	// changesKept is how many changed paths are kept for a loop to see; with more of
	// them all are taken for changed.
	changesKept = 1024

	// supersedeAfter is after how long without acknowledgement a notification is
	// made anew if its resource has changed meanwhile, which takes its place with
	// the next retransmission: before the first one of those, which is after 2 s.
	supersedeAfter = time.Second

	// unconfirmedPause is how long after a notification that is not confirmable the
	// next may be made, and after one that could not be sent. How fast they are
	// sent is for package message.
	unconfirmedPause = 100 * time.Millisecond

	// settleTime is after how long a notification that was not confirmable is
	// repeated in one that is, if there was no other; and what changes no more often
	// than that is confirmable.
	settleTime = 10 * time.Second

	// unconfirmedInARow is how many notifications may follow each other without
	// acknowledgement, and unconfirmedTime for how many seconds. RFC 7641 section
	// 4.5 says 24 hours; a session that is silent for so long ends.
	unconfirmedInARow, unconfirmedTime = 4, 20 * 60 * 60

	// defaultMaxAge is the Max-Age of a notification whose handler sets none (RFC
	// 7252 section 5.10.5).
	defaultMaxAge = 60

	// mailboxLetters is how many calls of other goroutines may wait for the
	// event loop. Responses of handlers are not refused: the workers and their
	// queue bound them.
	mailboxLetters = 1 << 14

	// mostLoops is how many event loops a port has by default, at most. Each has
	// buffers of 4 MiB, little of which is ever touched, but all of which counts
	// when the collector decides how much garbage there may be.
	mostLoops = 16

	// serverBatch and clientBatch are how many datagrams are received or sent at
	// once. One system call of udp/mmsg moves 64; a client has fewer to expect
	// and should take less room.
	serverBatch, clientBatch = 64, 16

	// receiveSize holds any datagram: a record may have 2^14 bytes and more.
	receiveSize = 1 << 16

	// turnDatagrams and turnLetters bound one turn of the event loop: after so
	// many sent, and so many letters opened, it looks at what has arrived.
	turnDatagrams, turnLetters = 1024, 256

	// closeTime is how long a server that ends goes on to send close_notify. A
	// core does some 80,000 sessions a second; those of more than that time find
	// out as they would if the datagram were lost.
	closeTime = 5 * time.Second

	// turnsBehind is after how many turns with full buffers a loop gives way to
	// the other loops: 192 datagrams, a millisecond or so.
	turnsBehind = 3

	// maxOptions is how many options a message may have to get to a handler or
	// to who asked. A datagram has room for 65,000, each of which would take 32
	// bytes of a Request; RFC 7252 defines 17, few of them repeatable.
	maxOptions = 256

	// worksKept is how many requests with their responses an event loop keeps to
	// use again, as many as one batch may bring and some in the handlers'
	// hands; workKept how large each may have been, in bytes and options.
	worksKept, workKept = 4 * serverBatch, 1 << 13

	// pathsKept is how many paths an event loop remembers, and maxPathKept how long
	// each may be: some 64 KiB at most.
	pathsKept, maxPathKept = 256, 256

	// maxPayload bounds what a handler may write. More than one datagram holds
	// can not be sent, but is reported only when the handler is done.
	maxPayload = 1 << 16

	// maxSockets is how many sockets one Client opens. It needs more than one
	// only for servers of different names at the same address and port.
	maxSockets = 64

	// lookupSpread is how long the look-up of a pre-shared key may have to wait
	// for its random moment. Its answer comes lookupStep after that, which most
	// look-ups do not take, or a multiple of lookupStep. Both together are nothing
	// beside the times of a network of constrained devices.
	lookupSpread, lookupStep = 8 * time.Millisecond, 2 * time.Millisecond

	// linesLogged of each message that others can cause are logged a second, at
	// most; the rest is counted. An attacker can fail handshakes as fast as he
	// likes, and so with late responses and requests that he may not make.
	linesLogged = 10

	// elsewhereAtOnce is how many lines about refused handshakes may wait for what
	// other virtual hosts know of the credential, and elsewhereSpread how long each
	// waits for its moment, and then for the answer, at most.
	elsewhereAtOnce, elsewhereSpread = 4, 500 * time.Millisecond

	// requestLinesWaiting is how many lines of requests may wait for the log to take
	// them, which is some 300 KB, or 1.4 MB if all paths are as long as they can be.
	requestLinesWaiting = 1024

	// textLogged is how many bytes of a text that a peer has chosen stand in a
	// log line: a path or an identity can have 64 KiB.
	textLogged = 200
)
