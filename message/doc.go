// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package message is the message layer of CoAP, RFC 7252 section 4:
// Confirmable messages and their retransmission, acknowledgements and resets,
// Message IDs, and the recognition of duplicates.
//
// A [Link] is one peer in one security context: an address without security,
// or one DTLS session. That Message IDs match only within the session (section
// 9.1.1) follows from it, because nothing outside the Link is ever searched. A
// [Memory] is what all links of one endpoint share: the parameters, bounded
// storage for messages, and counters.
//
// The package asks no clock and reads no socket. The layer above drives a Link
// with four verbs:
//
//	Receive   a message has come: drop it, answer it, or tell what it means
//	Transmit  write the next message that is due, if any
//	Deadline  when Expire must be called if nothing else happens
//	Expire    time has passed
//
// After each Receive, Send, reply or Expire the caller transmits until there is
// no more and asks for the deadline. Nothing here is safe for concurrent use.
//
// Notifications (RFC 7641) are messages like others, but that one under way can
// give way to a newer one ([Link.Supersede]), and that a Non-confirmable one holds
// up the next for a round trip and is remembered in case it is rejected
// ([Link.Post]).
//
// Input from the network is never an error. What is not delivered is counted by
// reason ([Drop]); a flood costs its sender the memory of its own link first
// and then the oldest of what the Memory holds.
package message
