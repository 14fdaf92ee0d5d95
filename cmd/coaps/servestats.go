// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/request"
)

// logStats puts a server's counters into the log, but for those that are 0.
func (s *server) logStats(stats coaps.Stats) {
	var attributes []any
	add := func(name string, n uint64) {
		if n != 0 {
			attributes = append(attributes, name, n)
		}
	}
	totals(&stats, add)
	for d, n := range stats.Drops {
		add("drop_"+endpoint.Drop(d).String(), n)
	}
	for d, n := range stats.DTLSDrops {
		add("dtls_"+dtls.Drop(d).String(), n)
	}
	for d, n := range stats.RequestDrops {
		add("request_"+request.Drop(d).String(), n)
	}
	for d, n := range stats.MessageDrops {
		add("message_"+message.Drop(d).String(), n)
	}
	s.logger.Debug("statistics", attributes...)
}

func totals(stats *coaps.Stats, add func(name string, n uint64)) {
	for _, one := range []struct {
		name string
		n    uint64
	}{
		{"sessions", uint64(stats.Sessions)},
		{"handshakes", stats.Handshakes},
		{"handshakes_failed", stats.HandshakesFailed},
		{"unknown_identities", stats.UnknownIdentities},
		{"wrong_psks", stats.WrongPSKs},
		{"superseded", stats.Superseded},
		{"wakes", stats.Wakes},
		{"idle", stats.Idle},
		{"requests", stats.Requests},
		{"responses", stats.Responses},
		{"handlers_refused", stats.HandlersRefused},
		{"handlers_panicked", stats.HandlersPanicked},
		{"key_jobs_refused", stats.KeyJobsRefused},
		{"options_refused", stats.OptionsRefused},
		{"receive_overflows", stats.ReceiveOverflows},
		{"observers", uint64(stats.Observers)},
		{"observers_added", stats.ObserversAdded},
		{"observers_refused", stats.ObserversRefused},
		{"observers_timed_out", stats.ObserversTimedOut},
		{"observers_denied", stats.ObserversDenied},
		{"observers_failed", stats.ObserversFailed},
		{"notifications", stats.Notifications},
		{"notifications_acked", stats.NotificationsAcked},
		{"retransmissions", stats.Traffic.Retransmissions},
		{"repeated_replies", stats.Traffic.RepeatedReplies},
	} {
		add(one.name, one.n)
	}
}
