// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package observe is what RFC 7641 asks of those who are observed and of those who
// observe, as data. A List is who observes what, who is due to hear of a change, and
// with which sequence number; Fresher is for those who hear. It sends nothing, asks
// no clock, and knows neither messages nor sessions.
//
// An observer is in one of three states:
//
//	at rest    it has been shown the newest state of its resource
//	due        it has not
//	busy       the caller has it in hand, from Add or Next until Done or Again
//
// A change makes all of a resource due that are at rest, at once and however many
// they are. Those that are busy are due when they are done with. So there is never
// more than one representation on its way to an observer, and of the changes
// meanwhile it misses all but the last (RFC 7641 section 4.5).
package observe
