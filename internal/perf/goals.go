// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package perf

import (
	"fmt"
	"math"
)

// A goal is a figure to reach.
type goal struct {
	what    string
	text    string // the goal in words
	limit   float64
	least   bool // the limit is the least, not the most
	measure func(r *Results) (float64, bool)
	unit    string
}

// met reports whether a value reaches the goal.
func (g goal) met(value float64) bool {
	if g.least {
		return value >= g.limit
	}
	return value <= g.limit
}

// ratio measures one series in units of another.
func ratio(what, subject, overWhat, overSubject, overName string) func(*Results) (float64, bool) {
	return func(r *Results) (float64, bool) {
		return r.Ratio(what, subject, ServerUs, overWhat, overSubject, overName)
	}
}

func median(what, subject, name string) func(*Results) (float64, bool) {
	return func(r *Results) (float64, bool) { return r.Median(what, subject, name) }
}

// toEcho measures a request in units of the echo.
func toEcho(what, subject string) func(*Results) (float64, bool) {
	return ratio(what, subject, "echo", "echo", ServerUs)
}

const (
	prototypeUs     = 60  // a PSK handshake of the throw-away prototype
	prototypeEchoUs = 8.8 // and the raw echo on the machine and the day of that
)

// scaledPrototype measures the PSK handshake in units of the prototype's, both
// in units of the echo of their day.
func scaledPrototype(r *Results) (float64, bool) {
	v, ok := r.Ratio("handshake-psk", "coaps", ServerUs, "echo", "echo", ServerUs)
	return v / (prototypeUs / prototypeEchoUs), ok
}

// clientToServer measures what the load generator takes beside the server.
func clientToServer(what string) func(*Results) (float64, bool) {
	return func(r *Results) (float64, bool) {
		return r.Ratio(what, "coaps", ClientUs, what, "coaps", ServerUs)
	}
}

// floodKeeps is the part of the throughput that is left under the flood.
func floodKeeps(r *Results) (float64, bool) {
	return r.Ratio("flood", Flood, PerSecond, "flood", FloodElsewhere, PerSecond)
}

// floodGrowth is how many MiB the server's resident memory grows while it is
// flooded.
func floodGrowth(r *Results) (float64, bool) {
	s := r.Find("flood", Flood)
	if s == nil {
		return 0, false
	}
	var growth Series
	for _, v := range s.Rounds {
		growth.Rounds = append(growth.Rounds, Values{"": (v["rss_after_bytes"] - v["rss_before_bytes"]) / (1 << 20)})
	}
	return middle(growth), len(s.Rounds) > 0
}

// floodFailures counts what failed in all stages.
func floodFailures(r *Results) (float64, bool) {
	total, any := 0.0, false
	for _, subject := range []string{Quiet, FloodElsewhere, Flood, AfterFlood} {
		if s := r.Find("flood", subject); s != nil {
			for _, v := range s.Rounds {
				total, any = total+v[Failures], true
			}
		}
	}
	return total, any
}

// recordRatio measures a record in units of the library's GCM.
func recordRatio(r *Results) (float64, bool) {
	return r.Ratio("primitives", "Go", RecordNs, "primitives", "Go", GCMNs)
}

// tableEntry is what a session, awake or asleep, takes in the endpoint's table,
// in bytes; a test of package endpoint keeps it small.
const tableEntry = 72

// besideEntry is the live heap of a session without that.
func besideEntry(what, subject string) func(*Results) (float64, bool) {
	return func(r *Results) (float64, bool) {
		bytes, ok := r.Median(what, subject, HeapBytes)
		return bytes - tableEntry, ok
	}
}

// goroutines are those that there are more than before, a session.
func goroutines(what, subject string) func(*Results) (float64, bool) {
	return func(r *Results) (float64, bool) {
		return r.Ratio(what, subject, Goroutines, what, subject, Sessions)
	}
}

// idleGoals are those of one crowd.
func idleGoals(what, name string, n int) []goal {
	subject := fmt.Sprintf("coaps, %d", n)
	title := fmt.Sprintf("Idle session, %s, %s of them", name, count(n))
	return []goal{
		{title, "at most 512 B of live heap beside the table entry", 512, false, besideEntry(what, subject), "B"},
		{"", "at most 1 KiB resident", 1024, false, median(what, subject, RSSBytes), "B"},
		{"", "no goroutine of its own", 0.001, false, goroutines(what, subject), ""},
	}
}

// goals are all of them, in the order of the document.
func goals() []goal {
	const million = 1_000_000
	g := []goal{
		{"coaps GET, PSK CCM_8, 64 sessions, inline", "at most 1.25 × the raw UDP echo", 1.25, false, toEcho("get-psk", "coaps"), "×"},
		{"", "at most 0.55 × libcoap on GnuTLS", 0.55, false, ratio("get-psk", "coaps", "get-psk", "libcoap-gnutls", ServerUs), "×"},
		{"the same, handler on the pool", "at most 1.6 × the echo", 1.6, false, toEcho("get-psk", "coaps, on the pool"), "×"},
		{"coap GET, NoSec, inline", "at most 1.15 × the echo", 1.15, false, toEcho("get-nosec", "coaps"), "×"},
		{"PSK handshake with cookie", "at most 1.3 × the prototype's 60 µs", 1.3 * prototypeUs, false, median("handshake-psk", "coaps", ServerUs), "µs"},
		{"", "the same, scaled by the echo of both days", 1.3, false, scaledPrototype, "×"},
		{"", "at most 0.5 × libcoap on GnuTLS", 0.5, false, ratio("handshake-psk", "coaps", "handshake-psk", "libcoap-gnutls", ServerUs), "×"},
		{"RPK handshake, mutual", "at most 1.25 × its primitives", 1.25, false, ratio("handshake-rpk", "coaps", "primitives", "Go", SumRPK), "×"},
		{"Certificate handshake, mutual", "at most 1.25 × its primitives", 1.25, false, ratio("handshake-cert", "coaps", "primitives", "Go", SumCert), "×"},
	}
	g = append(g, idleGoals("idle-psk", "PSK", 100_000)...)
	g = append(g, idleGoals("idle-psk", "PSK", million)...)
	g = append(g, idleGoals("idle-rpk", "RPK", 100_000)...)
	g = append(g, idleGoals("idle-rpk", "RPK", million)...)
	return append(g,
		goal{"coaps GET beside 1,000,000 idle sessions", "at most 1.3 × the cost with none", 1.3, false,
			ratio("get-psk-beside", Beside(million), "get-psk-beside", Alone, ServerUs), "×"},
		goal{"", "no pause over 5 ms: p99.9 of latency at full rate", 5, false, milliseconds("get-psk-beside", Beside(million), P999Us), "ms"},
		goal{"", "the same at half of that rate, at fixed times", 5, false, milliseconds("get-psk-beside-half", Beside(million), P999Us), "ms"},
		goal{"60-byte record, seal and open", "at most 3 × AES-128-GCM of the standard library", 3, false, recordRatio, "×"},
		goal{"", "0 allocations", 0, false, wholeAllocations, ""},
		goal{"Flood of spoofed hellos and junk", "sessions keep at least half of their throughput", 0.5, true, floodKeeps, "×"},
		goal{"", "no request and no session fails", 0, false, floodFailures, ""},
		goal{"", "no growth of memory (less than 1 MiB)", 1, false, floodGrowth, "MiB"},
		goal{"Client of the load generator", "at most 1.3 × the server's CPU a request, NoSec", 1.3, false, clientToServer("get-nosec"), "×"},
		goal{"", "the same, PSK", 1.3, false, clientToServer("get-psk"), "×"},
	)
}

// milliseconds is a median in another unit.
func milliseconds(what, subject, name string) func(*Results) (float64, bool) {
	return func(r *Results) (float64, bool) {
		us, ok := r.Median(what, subject, name)
		return us / 1000, ok
	}
}

// wholeAllocations leaves out what the runtime allocates for itself now and then.
func wholeAllocations(r *Results) (float64, bool) {
	n, ok := r.Median("primitives", "Go", RecordAllocs)
	return math.Floor(n*100) / 100, ok
}

// verdict is how a goal stands: the figure, and whether it is reached.
func (g goal) verdict(r *Results) (reached, verdict string) {
	value, ok := g.measure(r)
	switch {
	case !ok || math.IsNaN(value) || math.IsInf(value, 0):
		return "–", "not measured"
	case g.met(value):
		return figure(value, g.unit), "**met**"
	}
	return figure(value, g.unit), "**missed**"
}

// figure writes a value with its unit, with as many digits as mean something.
func figure(value float64, unit string) string {
	digits := 2
	switch {
	case unit == "B" || value >= 100:
		digits = 0
	case unit == "µs" || unit == "%" || value >= 10:
		digits = 1
	case unit == "" && value == math.Trunc(value):
		digits = 0
	}
	text := fmt.Sprintf("%.*f", digits, value)
	if unit == "" || unit == "×" {
		return text
	}
	return text + " " + unit
}

// count writes a number with commas.
func count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", count(n/1000), n%1000)
}
