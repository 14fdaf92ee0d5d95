// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/endpoint"
)

// serveLimits are what --limit sets.
type serveLimits struct {
	endpoint.Limits
	workers, loops int
}

// A limit is one name of --limit. A rate may be 0, which is none; numbers and
// times are positive.
type limit struct {
	name, help string
	count      func(*serveLimits) *int
	rate       func(*serveLimits) *int
	time       func(*serveLimits) *time.Duration
}

var limits = []limit{
	{name: "sessions", help: "established sessions", count: func(l *serveLimits) *int { return &l.Sessions }},
	{name: "session-bytes", help: "memory for sessions that are packed", count: func(l *serveLimits) *int { return &l.SessionBytes }},
	{name: "awake", help: "sessions kept unpacked though nothing goes on", count: func(l *serveLimits) *int { return &l.Awake }},
	{name: "sleep-after", help: "silence after which a session is packed", time: func(l *serveLimits) *time.Duration { return &l.SleepAfter }},
	{name: "session-idle", help: "silence after which it is closed", time: func(l *serveLimits) *time.Duration { return &l.SessionIdle }},
	{name: "evict-after", help: "silence before which it makes no room for others", time: func(l *serveLimits) *time.Duration { return &l.EvictAfter }},
	{name: "session-bytes", help: "bytes that sleeping sessions may take", count: func(l *serveLimits) *int { return &l.SessionBytes }},
	{name: "half-open", help: "handshakes in progress", count: func(l *serveLimits) *int { return &l.HalfOpen }},
	{name: "handshakes", help: "handshakes a second", rate: func(l *serveLimits) *int { return &l.HandshakeRate }},
	{name: "prefix-handshakes", help: "the same of one IPv4 /24 or IPv6 /56", rate: func(l *serveLimits) *int { return &l.PrefixHandshakeRate }},
	{name: "answers", help: "answers to strangers a second", rate: func(l *serveLimits) *int { return &l.AnswerRate }},
	{name: "plain-peers", help: "addresses without DTLS remembered", count: func(l *serveLimits) *int { return &l.PlainPeers }},
	{name: "peer-requests", help: "requests of one peer in work", count: func(l *serveLimits) *int { return &l.PeerRequests }},
	{name: "bytes", help: "memory for duplicates and retransmission", count: func(l *serveLimits) *int { return &l.Bytes }},
	{name: "workers", help: "handlers at work on each port", count: func(l *serveLimits) *int { return &l.workers }},
	{name: "loops", help: "sockets and event loops of each port", count: func(l *serveLimits) *int { return &l.loops }},
}

// parseLimits reads every --limit NAME=VALUE.
func parseLimits(cmd *cobra.Command, specs []string) (serveLimits, error) {
	var l serveLimits
	for _, spec := range specs {
		name, value, _ := strings.Cut(spec, "=")
		i := slices.IndexFunc(limits, func(one limit) bool { return one.name == name })
		if i < 0 {
			return l, usage(cmd, "--limit %q: the limits are %s", spec, limitNames())
		}
		if err := limits[i].set(&l, value); err != nil {
			return l, usage(cmd, "--limit %q: %v", spec, err)
		}
	}
	return l, nil
}

func (one *limit) set(l *serveLimits, value string) error {
	if one.time != nil {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return errors.New("a time such as 30s or 12h is needed")
		}
		*one.time(l) = d
		return nil
	}
	n, err := strconv.Atoi(value)
	switch {
	case one.rate != nil && err == nil && n == 0:
		*one.rate(l) = -1
	case err != nil || n <= 0:
		return errors.New("a positive number is needed")
	case one.rate != nil:
		*one.rate(l) = n
	default:
		*one.count(l) = n
	}
	return nil
}

func limitNames() string {
	names := make([]string, len(limits))
	for i, one := range limits {
		names[i] = one.name
	}
	return strings.Join(names, ", ")
}

// limitHelp is the part of serve's help that explains --limit.
func limitHelp() string {
	var text strings.Builder
	text.WriteString("--limit bounds what others can make the server hold or do, for each port. What is\nrefused is counted; -v shows the counters at the end. Rates: 0 is none.\n")
	for _, one := range limits {
		fmt.Fprintf(&text, "\n  %-18s %s", one.name, one.help)
	}
	return text.String()
}
