// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"sync/atomic"

	"github.com/coaps-go/coaps/endpoint"
)

// Stats are a server's counters since Serve.
type Stats struct {
	endpoint.Stats
	HandlersRefused  uint64 // requests answered by 5.03 because every worker was busy
	HandlersPanicked uint64 // requests answered by 5.00 because the handler panicked
	KeyJobsRefused   uint64 // handshakes ended because the public-key workers were busy
	OptionsRefused   uint64 // requests answered by 4.00 because they had too many options
	RequestsDenied   uint64 // requests answered by 4.01 or 4.03 because of Access, or RevokeForbid
	SessionsRevoked  uint64 // sessions whose credential was not good any more, whatever OnRevoke has made of them
	LookupsRefused   uint64 // look-ups of credentials that were not made because too many waited
	LookupsFailed    uint64 // look-ups of credentials that the store did not answer in time

	Observers             int    // observations that there are now
	ObserversAdded        uint64 // that have begun
	ObserversRefused      uint64 // requests to observe answered as plain ones, because of a limit or by the access rules
	ObserversCanceled     uint64 // observations that the client has ended, by a request or a Reset
	ObserversTimedOut     uint64 // ended as a notification was not acknowledged
	ObserversDisconnected uint64 // ended with their session, or with a plain peer that was forgotten or gave way
	ObserversDenied       uint64 // ended because of Access, or because the session may not go on
	ObserversFailed       uint64 // ended by an answer that is no 2.xx, or cannot be sent
	Notifications         uint64 // given to be sent, without the responses to requests
	NotificationsAcked    uint64 // confirmable ones that were acknowledged
	NotificationsReplaced uint64 // by a newer one, before they were acknowledged

	ReceiveOverflows uint64 // datagrams the system dropped because the event loop was behind; Linux alone tells
}

// counters are those of package coaps.
type counters struct {
	handlersRefused, handlersPanicked, keyJobsRefused, optionsRefused atomic.Uint64
	requestsDenied, sessionsRevoked, lookupsRefused, lookupsFailed    atomic.Uint64

	observersAdded, observersRefused, observersCanceled, observersTimedOut atomic.Uint64
	observersDisconnected, observersDenied, observersFailed                atomic.Uint64
	notifications, notificationsAcked, notificationsReplaced               atomic.Uint64
}

func (c *counters) read(s *Stats) {
	s.HandlersRefused = c.handlersRefused.Load()
	s.HandlersPanicked = c.handlersPanicked.Load()
	s.KeyJobsRefused = c.keyJobsRefused.Load()
	s.OptionsRefused = c.optionsRefused.Load()
	s.RequestsDenied = c.requestsDenied.Load()
	s.SessionsRevoked = c.sessionsRevoked.Load()
	s.LookupsRefused = c.lookupsRefused.Load()
	s.LookupsFailed = c.lookupsFailed.Load()
	s.ObserversAdded = c.observersAdded.Load()
	s.ObserversRefused = c.observersRefused.Load()
	s.ObserversCanceled = c.observersCanceled.Load()
	s.ObserversTimedOut = c.observersTimedOut.Load()
	s.ObserversDisconnected = c.observersDisconnected.Load()
	s.ObserversDenied = c.observersDenied.Load()
	s.ObserversFailed = c.observersFailed.Load()
	s.Notifications = c.notifications.Load()
	s.NotificationsAcked = c.notificationsAcked.Load()
	s.NotificationsReplaced = c.notificationsReplaced.Load()
}
