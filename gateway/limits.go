// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/coaps-go/coaps/endpoint"
)

// Limits bound what others can make a listener hold or do. Zero fields take
// their defaults.
type Limits struct {
	endpoint.Limits
	Workers, Loops              int
	Observers, ObserversPerPeer int // less than 0: none
}

// A Limit is one of them by name. A rate may be set to 0, which is none, and
// so may the number of observers; other numbers and times are positive.
type Limit struct {
	Name, Help string
	Default    string // of a port; "" for loops, whose default is this machine's

	most  int // 0: as many as there are numbers
	count func(*Limits) *int
	rate  func(*Limits) *int // or another number of which 0 means something; it is kept as -1
	time  func(*Limits) *time.Duration
}

// LimitTable is all there are, as they stand in a configuration and behind
// serve --limit.
var LimitTable = []Limit{
	{Name: "sessions", Default: "1048576", Help: "established sessions", count: func(l *Limits) *int { return &l.Sessions }},
	{Name: "session-bytes", Default: "1073741824", Help: "bytes that sleeping sessions may take", count: func(l *Limits) *int { return &l.SessionBytes }},
	{Name: "awake", Default: "4096", Help: "sessions kept unpacked though nothing goes on", count: func(l *Limits) *int { return &l.Awake }},
	{Name: "sleep-after", Default: "5s", Help: "silence after which a session is packed", time: func(l *Limits) *time.Duration { return &l.SleepAfter }},
	{Name: "session-idle", Default: "24h", Help: "silence after which it is closed", time: func(l *Limits) *time.Duration { return &l.SessionIdle }},
	{Name: "evict-after", Default: "1m", Help: "silence before which it makes no room for others", time: func(l *Limits) *time.Duration { return &l.EvictAfter }},
	{Name: "half-open", Default: "16384", Help: "handshakes in progress", count: func(l *Limits) *int { return &l.HalfOpen }},
	{Name: "handshakes", Default: "10000", Help: "handshakes a second", rate: func(l *Limits) *int { return &l.HandshakeRate }},
	{Name: "prefix-handshakes", Default: "1000", Help: "the same of one IPv4 /24 or IPv6 /56", rate: func(l *Limits) *int { return &l.PrefixHandshakeRate }},
	{Name: "answers", Default: "50000", Help: "answers to strangers a second", rate: func(l *Limits) *int { return &l.AnswerRate }},
	{Name: "plain-peers", Default: "65536", Help: "addresses without DTLS remembered", count: func(l *Limits) *int { return &l.PlainPeers }},
	{Name: "peer-requests", Default: "16", Help: "requests of one peer in work", count: func(l *Limits) *int { return &l.PeerRequests }},
	{Name: "bytes", Default: "67108864", Help: "memory for duplicates and retransmission", count: func(l *Limits) *int { return &l.Bytes }},
	{Name: "observers", Default: "1048576", Help: "observations at a time; 0: nobody can observe", rate: func(l *Limits) *int { return &l.Observers }},
	{Name: "peer-observers", Default: "16", Help: "the same of one peer", rate: func(l *Limits) *int { return &l.ObserversPerPeer }},
	{Name: "workers", Default: "64", Help: "handlers at work on each port", most: mostWorkers, count: func(l *Limits) *int { return &l.Workers }},
	{Name: "loops", Help: "sockets and event loops of each port; one for each processor unless set", most: mostLoops, count: func(l *Limits) *int { return &l.Loops }},
}

// What is made room for when a port is opened is not left to a typing error. A loop
// has buffers of 4 MiB.
const mostWorkers, mostLoops = 1 << 16, 1 << 10

// Set reads the value of this limit into l.
func (one *Limit) Set(l *Limits, value string) error {
	if one.time != nil {
		d, err := ParseDuration(value)
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
	case one.rate != nil && (err != nil || n < 0):
		return errors.New("0 or a positive number is needed")
	case err != nil || n <= 0:
		return errors.New("a positive number is needed")
	case one.most > 0 && n > one.most:
		return fmt.Errorf("%d is the most that is possible", one.most)
	case one.rate != nil:
		*one.rate(l) = n
	default:
		*one.count(l) = n
	}
	return nil
}

// text is the value that was set, "" for none.
func (one *Limit) text(l *Limits) string {
	switch {
	case one.time != nil && *one.time(l) != 0:
		return durationText(*one.time(l))
	case one.rate != nil && *one.rate(l) < 0:
		return "0"
	case one.rate != nil && *one.rate(l) > 0:
		return strconv.Itoa(*one.rate(l))
	case one.count != nil && *one.count(l) != 0:
		return strconv.Itoa(*one.count(l))
	}
	return ""
}

// defaultText is the default in the form of text.
func (one *Limit) defaultText() string {
	var l Limits
	if err := one.Set(&l, one.Default); err != nil {
		return one.Default
	}
	return one.text(&l)
}

// LimitNamed finds one; nil if there is none of this name.
func LimitNamed(name string) *Limit {
	for i := range LimitTable {
		if LimitTable[i].Name == name {
			return &LimitTable[i]
		}
	}
	return nil
}

func (l *Limits) decodeYAML(d *decoder, key string, n ast.Node) {
	for _, e := range d.entries(key, n) {
		at := join(key, e.name)
		one := LimitNamed(e.name)
		if one == nil {
			var names []string
			for _, known := range LimitTable {
				names = append(names, known.Name)
			}
			d.fail(e.at, key, "there is no limit %q%s", e.name, suggestFrom(e.name, names))
			continue
		}
		text, ok := d.text(at, e.value)
		if !ok {
			continue
		}
		d.at[at] = positionOf(e.value)
		if err := one.Set(l, text); err != nil {
			d.fail(positionOf(e.value), at, "%v, not %q", err, clipText(text))
		}
	}
}
