// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/load"
)

// show puts the report onto stdout, as text or JSON, and into --html's file. Of
// a load that never began there is nothing to show but, as JSON, the error.
func (b *bench) show(report *load.Report, f *failure) error {
	if b.output.json {
		if err := outputFailure(writeJSON(b.out, b.json(report, f))); err != nil {
			return err
		}
	}
	if report == nil {
		return nil
	}
	facts := b.facts(report)
	if !b.output.json {
		var text strings.Builder
		facts.write(&text, b.outPalette())
		if _, err := io.WriteString(b.out, text.String()); err != nil {
			return outputFailure(err)
		}
	}
	if b.output.html == "" {
		return nil
	}
	return b.writeHTML(report, facts)
}

// jsonBench is the object of bench --json: the load's report, with what it was
// asked for and how it ended.
type jsonBench struct {
	V   int       `json:"v"`
	URI string    `json:"uri"`
	OK  bool      `json:"ok"`
	TLS *jsonDTLS `json:"dtls,omitempty"`
	*load.Report
	Error *jsonError `json:"error,omitempty"`
}

func (b *bench) json(report *load.Report, f *failure) jsonBench {
	j := jsonBench{V: jsonSchemaVersion, URI: b.uri, OK: f == nil, TLS: b.security.json(), Report: report}
	if f != nil {
		j.Error = f.json()
	}
	return j
}

// benchFacts is a report in words: rows of a name and a value, and the table of
// latencies. Text and page are made of it.
type benchFacts struct {
	rows      []benchRow
	latencies []benchLatency
	failures  []benchFailure
	notes     []string
}

type benchRow struct{ Name, Value string }

// benchLatency is one distribution, by name.
type benchLatency struct {
	Name   string
	Values []string // in the order of latencyColumns
	of     *load.Latency
}

var latencyColumns = []string{"p50", "p90", "p99", "p99.9", "max", "mean"}

// benchFailure is one reason, how often, and what it means.
type benchFailure struct {
	Count, Reason, Meaning, Hint string
}

// facts puts a report into words.
func (b *bench) facts(r *load.Report) *benchFacts {
	f := &benchFacts{notes: r.Notes}
	f.add("load", b.loadText(r))
	f.add("session", b.sessionText())
	f.add("measured", b.measuredText(r))
	f.add(b.kind.String(), grouped(r.Operations))
	f.add("per second", rateText(r.PerSecond))
	if r.Errors > 0 || len(r.Codes) > 1 {
		f.add("answers", codesText(r.Codes))
	}
	f.addFailures(r)
	f.addWire(r)
	if b.kind == load.Requests {
		f.addHandshakes(r.Handshakes)
	}
	f.addSessions(r.Sessions)
	f.addUsage("server", "", r.Server, r)
	f.addUsage("client", "this process, ", &r.Client, r)
	f.addLatencies(b.kind, r)
	return f
}

func (f *benchFacts) add(name, value string) { f.rows = append(f.rows, benchRow{name, value}) }

func (f *benchFacts) addf(name, format string, args ...any) {
	f.add(name, fmt.Sprintf(format, args...))
}

// loadText is what was asked of how many.
func (b *bench) loadText(r *load.Report) string {
	c := &r.Config
	parts := []string{many(c.Clients, "client")}
	if b.kind == load.Requests {
		parts = append([]string{mixText(b.mix)}, parts...)
	}
	switch {
	case c.Rate > 0:
		parts = append(parts, fmt.Sprintf("open loop at %s/s", strings.TrimSuffix(fmt.Sprintf("%.1f", c.Rate), ".0")))
	case b.kind == load.Requests:
		parts = append(parts, fmt.Sprintf("closed loop, window %d", c.Window))
	default:
		parts = append(parts, many(c.Window, "handshake")+" at a time")
	}
	if c.Loss > 0 {
		parts = append(parts, fmt.Sprintf("%.3g %% lost each way", 100*c.Loss))
	}
	if c.Reorder > 0 {
		parts = append(parts, fmt.Sprintf("%.3g %% overtaken each way", 100*c.Reorder))
	}
	return strings.Join(parts, ", ")
}

// sessionText is what protected it.
func (b *bench) sessionText() string {
	if b.security == nil {
		return "none: coap://"
	}
	text := b.security.version + ", " + b.security.cipher
	if b.security.group != "" {
		text += ", " + b.security.group
	}
	return text
}

func (b *bench) measuredText(r *load.Report) string {
	if r.Seconds == 0 {
		return "nothing: it ended before measuring began"
	}
	text := seconds(r.Seconds)
	if warmup := time.Duration(r.Config.Warmup); warmup > 0 {
		text += " after a warm-up of " + seconds(warmup.Seconds())
	}
	return text
}

// addFailures lists the reasons, the most frequent first, each with what to do.
func (f *benchFacts) addFailures(r *load.Report) {
	failed := r.Failed()
	f.addf("failed", "%s (%s)", grouped(failed), percent(failed, r.Operations+failed))
	for _, reason := range byCount(r.Failures) {
		info := lookupReason(reason)
		if !knownReason(reason) {
			info.meaning, info.hint = "", ""
		}
		f.failures = append(f.failures, benchFailure{grouped(r.Failures[reason]), reason, info.meaning, info.hint})
	}
	if r.Unfinished > 0 {
		f.addf("unfinished", "%s, when the time was up", grouped(r.Unfinished))
	}
	if r.Overdue > 0 {
		f.addf("overdue", "%s were due and never begun: every client was busy", grouped(r.Overdue))
	}
	if n := r.Latency.AtLeast; n > 0 {
		f.addf("at least", "%s latencies are what had been waited by the end", grouped(n))
	}
}

// addWire says what went over the wire, in all and for each operation.
func (f *benchFacts) addWire(r *load.Report) {
	w, operations := &r.Wire, r.Operations
	line := func(bytes, datagrams uint64) string {
		text := fmt.Sprintf("%s in %s datagrams", bytesText(bytes), grouped(datagrams))
		if operations > 0 {
			text += fmt.Sprintf(", %.1f bytes each", float64(bytes)/float64(operations))
		}
		return text
	}
	f.add("up", line(w.BytesUp, w.DatagramsUp))
	f.add("down", line(w.BytesDown, w.DatagramsDown))
	if w.Retransmissions > 0 || r.Config.Loss > 0 {
		f.addf("retransmitted", "%s (%s)", grouped(w.Retransmissions), percent(w.Retransmissions, operations))
	}
}

// addHandshakes is about the sessions that requests went over.
func (f *benchFacts) addHandshakes(h *load.HandshakeReport) {
	if h == nil {
		return
	}
	text := fmt.Sprintf("%s in %s, %s", grouped(h.Completed), seconds(h.Seconds), rateText(h.PerSecond))
	if h.Failed > 0 {
		text += fmt.Sprintf("; %s failed", grouped(h.Failed))
	}
	f.add("handshakes", text)
}

func (f *benchFacts) addSessions(s *load.SessionsReport) {
	if s == nil {
		return
	}
	if s.HeldSeconds > 0 {
		f.addf("at rest", "%s for %s, %s lost", grouped(s.Established), seconds(s.HeldSeconds), grouped(s.Lost))
	}
	if s.Touched+s.TouchFailed > 0 {
		f.addf("then asked", "%s answered in %s, %s failed", grouped(s.Touched), seconds(s.TouchSeconds), grouped(s.TouchFailed))
	}
	if s.BytesPerSession > 0 {
		f.addf("server memory", "%s resident bytes a session", grouped(uint64(s.BytesPerSession)))
	}
	if s.ClientBytesPerSession > 0 {
		f.addf("client memory", "%s resident bytes a session", grouped(uint64(s.ClientBytesPerSession)))
	}
}

// addUsage is CPU time, which other machines can be compared by, and memory.
func (f *benchFacts) addUsage(name, who string, u *load.Usage, r *load.Report) {
	if u == nil {
		return
	}
	var parts []string
	if u.CPUPerOp > 0 {
		parts = append(parts, fmt.Sprintf("%s of CPU each", microseconds(u.CPUPerOp)))
	}
	if r.Seconds > 0 {
		parts = append(parts, fmt.Sprintf("%.2f cores", u.CPUSeconds/r.Seconds))
	}
	if u.RSSAfter > 0 {
		parts = append(parts, fmt.Sprintf("%s resident, %s before", bytesText(u.RSSAfter), bytesText(u.RSSBefore)))
	}
	if len(parts) > 0 {
		f.add(name, who+strings.Join(parts, ", "))
	}
}

// addLatencies collects the distributions that there are.
func (f *benchFacts) addLatencies(kind load.Kind, r *load.Report) {
	add := func(name string, l *load.Latency) {
		if l.Count == 0 {
			return
		}
		values := []load.Duration{l.P50, l.P90, l.P99, l.P999, l.Max, l.Mean}
		row := benchLatency{Name: name, of: l}
		for _, value := range values {
			row.Values = append(row.Values, microseconds(value.Microseconds()))
		}
		f.latencies = append(f.latencies, row)
	}
	if kind == load.Requests {
		add("request", &r.Latency)
	} else {
		add("handshake", &r.Latency) // of the measured part, unlike those of r.Handshakes
	}
	if kind == load.Requests && r.Handshakes != nil {
		add("handshake", &r.Handshakes.Latency)
	}
	if r.Sessions != nil {
		add("asked again", &r.Sessions.TouchLatency)
	}
}

// write is the report for people: the latencies in the middle of the rows, as
// they are what most look for.
func (f *benchFacts) write(w io.Writer, p palette) {
	for _, row := range f.rows {
		fmt.Fprintf(w, "%s %s\n", p.dim(fmt.Sprintf("%-14s", row.Name+":")), oneLine(row.Value))
	}
	f.writeFailures(w, p)
	if len(f.latencies) > 0 {
		fmt.Fprintf(w, "\n%s", p.bold(fmt.Sprintf("%-14s", "latency")))
		for _, column := range latencyColumns {
			fmt.Fprint(w, p.dim(fmt.Sprintf("%11s", column)))
		}
		fmt.Fprintln(w)
	}
	for _, l := range f.latencies {
		fmt.Fprintf(w, "%s", p.dim(fmt.Sprintf("%-14s", l.Name)))
		for _, value := range l.Values {
			fmt.Fprintf(w, "%11s", value)
		}
		fmt.Fprintln(w)
	}
	for _, note := range f.notes {
		fmt.Fprintf(w, "%s %s\n", p.warn("note:"), oneLine(note))
	}
}

func (f *benchFacts) writeFailures(w io.Writer, p palette) {
	if len(f.failures) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", p.bold("failures"))
	for _, each := range f.failures {
		fmt.Fprintf(w, "%11s  %s", each.Count, p.bad(oneLine(each.Reason)))
		if each.Meaning != "" {
			fmt.Fprintf(w, ": %s", each.Meaning)
		}
		fmt.Fprintln(w)
		if each.Hint != "" {
			fmt.Fprintf(w, "%13s%s %s\n", "", p.dim("try:"), each.Hint)
		}
	}
}

// codesText lists responses by code, the most frequent first.
func codesText(codes map[string]uint64) string {
	var parts []string
	for _, code := range byCount(codes) {
		parts = append(parts, codeText(code)+": "+grouped(codes[code]))
	}
	return strings.Join(parts, ", ")
}

// codeText gives a code its name: 4.04 Not Found.
func codeText(dotted string) string {
	if code, err := coap.ParseCode(dotted); err == nil {
		return code.String()
	}
	return dotted
}
