// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/tick"
)

// What a histogram can tell apart: a part in a thousand, or in a hundred for a
// step, from 64 ns up to ten minutes.
const (
	histogramLeast  = 100
	histogramMost   = int64(10 * time.Minute)
	histogramDigits = 3
	stepDigits      = 2
)

func newHistogram(digits int) *hdr.Histogram { return hdr.New(histogramLeast, histogramMost, digits) }

// record counts one duration.
func record(h *hdr.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(int64(d), 0), histogramMost))
}

// wire counts what one loop has sent and received.
type wire struct {
	bytesUp, bytesDown, datagramsUp, datagramsDown, retransmissions uint64
}

func (w wire) sub(o wire) wire {
	return wire{
		w.bytesUp - o.bytesUp, w.bytesDown - o.bytesDown,
		w.datagramsUp - o.datagramsUp, w.datagramsDown - o.datagramsDown,
		w.retransmissions - o.retransmissions,
	}
}

func (w wire) add(o wire) wire {
	return wire{
		w.bytesUp + o.bytesUp, w.bytesDown + o.bytesDown,
		w.datagramsUp + o.datagramsUp, w.datagramsDown + o.datagramsDown,
		w.retransmissions + o.retransmissions,
	}
}

func (w wire) report() Wire {
	return Wire{w.bytesUp, w.bytesDown, w.datagramsUp, w.datagramsDown, w.retransmissions}
}

// A tally is what one loop counts in a whole run.
type tally struct {
	latency    *hdr.Histogram // see loop.timed
	atLeast    uint64         // of these, those that are lower bounds
	operations uint64         // in the measured part
	errors     uint64         // responses of classes 4 and 5 among them
	codes      [256]uint64    // likewise
	failed     uint64         // in any part
	failures   map[string]uint64
}

func newTally() tally {
	return tally{latency: newHistogram(histogramDigits), failures: make(map[string]uint64)}
}

func (t *tally) code(c coap.Code) {
	t.codes[c]++
	if c.IsError() {
		t.errors++
	}
}

func (t *tally) fail(reason string) {
	t.failed++
	t.failures[reason]++
}

// add takes over what another has counted.
func (t *tally) add(o *tally) {
	t.latency.Merge(o.latency)
	t.atLeast += o.atLeast
	t.operations += o.operations
	t.errors += o.errors
	t.failed += o.failed
	for reason, n := range o.failures {
		t.failures[reason] += n
	}
	for c, n := range o.codes {
		t.codes[c] += n
	}
}

// An outcome is what one loop has to report at the end.
type outcome struct {
	tally      tally
	handshake  *hdr.Histogram
	touch      *hdr.Histogram
	risen      int    // clients that were up when measuring began
	everUp     uint64 // sessions
	hsFailed   uint64
	lost       uint64 // sessions that ended at rest
	touched    uint64
	touchFails uint64
	drained    uint64 // operations that were answered while draining
	unfinished int    // operations in progress at the end
	overdue    uint64

	base    wire // when measuring began
	counted wire // in the measured part
	shook   wire // while connecting

	firstHello, lastShaken tick.Time
}

func newOutcome() outcome {
	return outcome{
		tally:     newTally(),
		handshake: newHistogram(histogramDigits), touch: newHistogram(histogramDigits),
	}
}

// A step is what one loop counts between two deliveries.
type step struct {
	number     int            // within the phase
	latency    *hdr.Histogram // coarser, as it is read twice a second
	operations uint64
	failed     uint64 // of the tally, when the step began
}

func (s *step) operation(d time.Duration) {
	s.operations++
	record(s.latency, d)
}

// summary is a histogram as it is reported.
func summary(h *hdr.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{
		Count: uint64(h.TotalCount()),
		Mean:  Duration(h.Mean()), Min: Duration(h.Min()), Max: Duration(h.Max()),
		P50: quantile(h, 50), P90: quantile(h, 90), P99: quantile(h, 99), P999: quantile(h, 99.9),
		Buckets: coarse(h),
	}
}

func quantile(h *hdr.Histogram, percent float64) Duration {
	return Duration(h.ValueAtPercentile(percent))
}

// bucketsPerDoubling is how finely the reported distribution is drawn.
const bucketsPerDoubling = 8

// coarse merges a histogram's thousands of buckets into steps of a ninth.
func coarse(h *hdr.Histogram) []Bucket {
	var all []Bucket
	limit := int64(histogramLeast)
	for _, bar := range h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		for limit < bar.To {
			limit += max(limit/bucketsPerDoubling, 1)
		}
		if n := len(all); n > 0 && all[n-1].Upto == Duration(limit) {
			all[n-1].Count += uint64(bar.Count)
			continue
		}
		all = append(all, Bucket{Duration(limit), uint64(bar.Count)})
	}
	return all
}
