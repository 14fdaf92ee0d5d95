// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package request is the request/response layer of CoAP, RFC 7252 section 5,
// over the message layer of package message: which response belongs to which
// request, and which of the ways of section 5.2 it takes, piggybacked, separate
// or Non-confirmable.
//
// A [Table] holds the exchanges with one peer in one security context, in both
// roles. A response is matched by its token within the Table and nowhere else,
// so that the rules of section 9.1.2, same session and same epoch, hold because
// another session is another Table.
//
// The layer above drives a Table as it drives every layer: Receive, Next,
// Transmit, Deadline, Expire. After each call that may have changed something it
// takes the events with Next until there is none, transmits until there is
// nothing left, and asks for the Deadline. Nothing here is safe for concurrent
// use, asks a clock or does I/O.
//
// Each request sent ends in exactly one event, ResponseReceived or Failed, and
// each request received is reported once while the message layer remembers it. A
// request that registers for an observation (RFC 7641) is told any number of
// responses before, with More set.
//
// Notifications of our own are sent by Notify and replaced by Supersede. Who
// observes what is the business of the layer above: to it a notification is a
// message with a token that is acknowledged, or not.
package request
