// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDerivedTimes checks Table 3 of section 4.8.2 and the formulas.
//
// Proves rfc7252 §4.8.2: "For the default transmission parameters, the value is (2+4+8+16)*1.5 = 45 seconds"
// Proves rfc7252 §4.8.2: "For the default transmission parameters, the value is (2+4+8+16+32)*1.5 = 93 seconds"
func TestDerivedTimes(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name                    string
		p                       Params
		span, wait, exchange, n time.Duration
	}{
		{"defaults", Params{}, 45 * s, 93 * s, 247 * s, 145 * s},
		{"no retransmission", Params{MaxRetransmit: -1}, 0, 3 * s, 202 * s, 100 * s},
		{"a local network", Params{AckTimeout: s, MaxLatency: 5 * s}, 45 * s / 2, 93 * s / 2, 22500*time.Millisecond + 11*s + 13*s, 27500 * time.Millisecond},
		{"patient", Params{AckTimeout: 10 * s, AckRandomFactor: 1}, 150 * s, 310 * s, 360 * s, 250 * s},
	} {
		equal(t, c.name+": MAX_TRANSMIT_SPAN", c.p.MaxTransmitSpan(), c.span)
		equal(t, c.name+": MAX_TRANSMIT_WAIT", c.p.MaxTransmitWait(), c.wait)
		equal(t, c.name+": EXCHANGE_LIFETIME", c.p.ExchangeLifetime(), c.exchange)
		equal(t, c.name+": NON_LIFETIME", c.p.NonLifetime(), c.n)
	}
}

// TestParamsCheck is what a configuration may not say.
//
// Proves rfc7252 §4.8.1: "ACK_RANDOM_FACTOR MUST NOT be decreased below 1.0"
func TestParamsCheck(t *testing.T) {
	for _, c := range []struct {
		p    Params
		want error
	}{
		{Params{}, nil},
		{Params{}.Resolved(), nil},
		{Params{MaxRetransmit: -1}, nil},
		{Params{AckRandomFactor: 1}, nil},
		{Params{AckRandomFactor: 0.99}, errRandomFactor},
		{Params{AckRandomFactor: -1}, errRandomFactor},
		{Params{AckRandomFactor: 4.1}, errRandomFactor},
		{Params{AckRandomFactor: math.NaN()}, errRandomFactor},
		{Params{AckTimeout: -1}, errNegative},
		{Params{NStart: -1}, errNegative},
		{Params{ProbingRate: -1}, errNegative},
		{Params{MaxLatency: -1}, errNegative},
		{Params{AckTimeout: time.Hour + 1}, errAckTimeout},
		{Params{MaxRetransmit: 17}, errMaxRetransmit},
		{Params{MaxLatency: 25 * time.Hour}, errMaxLatency},
	} {
		equal(t, "Check", c.p.Check(), c.want)
	}
}

// TestResolvedIsAlwaysUsable: whatever the configuration says, the engine runs
// with values that Check accepts and derived times that did not overflow.
func TestResolvedIsAlwaysUsable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Params{
			AckTimeout:      time.Duration(rapid.Int64().Draw(t, "AckTimeout")),
			AckRandomFactor: rapid.Float64().Draw(t, "AckRandomFactor"),
			MaxRetransmit:   rapid.Int().Draw(t, "MaxRetransmit"),
			NStart:          rapid.Int().Draw(t, "NStart"),
			ProbingRate:     rapid.Float64().Draw(t, "ProbingRate"),
			MaxLatency:      time.Duration(rapid.Int64().Draw(t, "MaxLatency")),
		}
		r := p.Resolved()
		if err := r.Check(); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		if r.NStart < 1 || !(r.ProbingRate > 0) || r.AckTimeout <= 0 {
			t.Fatalf("%+v", r)
		}
		span, wait := p.MaxTransmitSpan(), p.MaxTransmitWait()
		if span < 0 || wait <= span || p.ExchangeLifetime() < wait || p.NonLifetime() <= span {
			t.Fatalf("%+v: span %v, wait %v, exchange %v, non %v", r, span, wait, p.ExchangeLifetime(), p.NonLifetime())
		}
	})
}
