// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/tick"
)

// rates bound what strangers can make a server do each second. They are the
// guard of its gate.
type rates struct {
	drops      *[NumDrops]uint64
	answers    rate
	handshakes rate
	prefixes   prefixRates
}

func newRates(l *Limits, drops *[NumDrops]uint64) rates {
	return rates{
		drops:      drops,
		answers:    newRate(l.AnswerRate),
		handshakes: newRate(l.HandshakeRate),
		prefixes:   prefixRates{rate: newRate(l.PrefixHandshakeRate), seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}},
	}
}

// Answer reports whether a stranger may be answered now.
func (r *rates) Answer(now tick.Time) bool {
	if r.answers.take(now) {
		return true
	}
	r.drops[DropAnswerRate]++
	return false
}

// Begin reports whether an address may begin a handshake now. What its prefix
// may not do does not count against all.
func (r *rates) Begin(now tick.Time, remote netip.Addr) bool {
	drop := DropPrefixHandshakeRate
	if r.prefixes.allow(now, remote) {
		if r.handshakes.take(now) {
			r.prefixes.take(now, remote)
			return true
		}
		drop = DropHandshakeRate
	}
	r.drops[drop]++
	return false
}

// A rate is a token bucket that holds one second's worth. Instead of the tokens
// it keeps the time at which the bucket would be full (the virtual scheduling of
// ITU-T I.371), so that nothing has to fill it.
type rate struct {
	interval time.Duration // of the tokens; 0 for no limit
	full     tick.Time
}

func newRate(perSecond int) rate {
	if perSecond < 0 {
		return rate{}
	}
	return rate{interval: max(time.Second/time.Duration(perSecond), 1), full: never}
}

// never is before all times: a bucket from which nothing was taken.
const never = tick.Time(-1 << 62)

func (r *rate) take(now tick.Time) bool {
	if !r.allows(now, r.full) {
		return false
	}
	r.full = max(r.full, now).Add(r.interval)
	return true
}

// allows reports whether a bucket that is full at a time has a token now.
func (r *rate) allows(now, full tick.Time) bool {
	return r.interval == 0 || full.Sub(now) <= time.Second-r.interval
}

// prefixRates is a bucket for each address prefix: IPv4 /24, IPv6 /56. Their
// number is fixed, and each prefix has one in each of two rows, found by keyed
// hashes, so that nobody can aim at another's. It is refused if both are empty:
// those who meet others in one row are judged by the other row, and those who
// meet others in both are limited together with them.
type prefixRates struct {
	rate  rate // of each
	seeds [2]maphash.Seed
	rows  *[2][prefixBuckets]tick.Time // when the bucket would be full; nil before the first
}

// prefixBuckets in a row: 128 KiB in all.
const prefixBuckets = 1 << 13

func (p *prefixRates) bucket(row int, a netip.Addr) *tick.Time {
	if p.rows == nil {
		p.rows = new([2][prefixBuckets]tick.Time)
	}
	bits := 56 // what a home or a small site is given
	if a = a.Unmap().WithZone(""); a.Is4() {
		bits = 24
	}
	prefix, _ := a.Prefix(bits)
	b := prefix.Addr().As16()
	return &p.rows[row][maphash.Bytes(p.seeds[row], b[:])%prefixBuckets]
}

func (p *prefixRates) allow(now tick.Time, a netip.Addr) bool {
	return p.rate.interval == 0 || p.rows == nil || p.rate.allows(now, *p.bucket(0, a)) || p.rate.allows(now, *p.bucket(1, a))
}

func (p *prefixRates) take(now tick.Time, a netip.Addr) {
	if p.rate.interval == 0 {
		return
	}
	if p.rows == nil {
		p.rows = new([2][prefixBuckets]tick.Time)
	}
	for row := range p.rows {
		b := p.bucket(row, a)
		*b = min(max(*b, now).Add(p.rate.interval), now.Add(time.Second))
	}
}
