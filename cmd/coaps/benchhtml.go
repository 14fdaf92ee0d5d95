// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	_ "embed"
	"html/template"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coaps-go/coaps/internal/load"
)

//go:embed benchpage.html
var benchPageText string

// benchPage is the whole page: it loads nothing from anywhere.
var benchPage = template.Must(template.New("bench").Parse(benchPageText))

// pageData is what the page shows.
type pageData struct {
	Title, URI, When, Machine, Tool string
	Tiles                           []benchRow
	Pictures                        []picture
	Rows                            []benchRow
	Columns                         []string
	Latencies                       []benchLatency
	Failures                        []benchFailure
	Notes                           []string
	JSON                            string
}

type picture struct {
	Title, Caption string
	SVG            template.HTML
}

// writeHTML writes the page of --html.
func (b *bench) writeHTML(report *load.Report, facts *benchFacts) error {
	data, err := b.page(report, facts)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := benchPage.Execute(&page, data); err != nil {
		return err
	}
	if err := os.WriteFile(b.output.html, page.Bytes(), 0o644); err != nil {
		return fail("file_unwritable", "cannot write the report to "+b.output.html, "%v", rootCause(err)).because(err)
	}
	return nil
}

func (b *bench) page(r *load.Report, facts *benchFacts) (*pageData, error) {
	var asJSON strings.Builder
	if err := writeJSON(&asJSON, b.json(r, b.verdict(r))); err != nil {
		return nil, err
	}
	pretty, err := indentJSON([]byte(asJSON.String()))
	if err != nil {
		return nil, err
	}
	pictures, err := b.pictures(r, facts)
	if err != nil {
		return nil, err
	}
	return &pageData{
		Title: "coaps bench " + b.kind.String(), URI: b.uri, When: r.Began.UTC().Format(time.RFC3339), Machine: machineText(&r.Machine), Tool: readBuildFacts().Version,
		Tiles: b.tiles(r), Pictures: pictures, Rows: facts.rows, Columns: latencyColumns, Latencies: facts.latencies,
		Failures: facts.failures, Notes: facts.notes, JSON: string(pretty),
	}, nil
}

// tiles are the few figures that most look for.
func (b *bench) tiles(r *load.Report) []benchRow {
	tiles := []benchRow{{b.kind.String() + " a second", strings.TrimSuffix(rateText(r.PerSecond), "/s")}}
	latency := &r.Latency
	if s := r.Sessions; s != nil {
		tiles = []benchRow{{"sessions at rest", grouped(s.Established)}, {"lost", grouped(s.Lost)}}
		if s.BytesPerSession > 0 {
			tiles = append(tiles, benchRow{"bytes a session", grouped(uint64(s.BytesPerSession))})
		}
	}
	if latency.Count > 0 {
		tiles = append(tiles, benchRow{"p50", microseconds(latency.P50.Microseconds())}, benchRow{"p99", microseconds(latency.P99.Microseconds())})
	}
	if r.Server != nil && r.Server.CPUPerOp > 0 {
		tiles = append(tiles, benchRow{"server CPU/op", microseconds(r.Server.CPUPerOp)})
	}
	if failed := r.Failed(); r.Sessions == nil || failed > 0 {
		tiles = append(tiles, benchRow{"failed", percent(failed, r.Operations+failed)})
	}
	return tiles
}

// pictures draws what there is enough of.
func (b *bench) pictures(r *load.Report, facts *benchFacts) ([]picture, error) {
	var all []picture
	add := func(c *chart, title, caption string) error {
		svg, err := c.draw()
		all = append(all, picture{title, caption, svg})
		return err
	}
	if slices.ContainsFunc(facts.latencies, func(l benchLatency) bool { return len(l.of.Buckets) > 0 }) {
		if err := add(percentileChart(facts.latencies), "Latency by percentile",
			"Each step to the right leaves a tenth of those that were slower before; both axes are logarithmic."); err != nil {
			return nil, err
		}
	}
	series := thinned(r.Series)
	if len(series) < 2 {
		return all, nil
	}
	if err := add(throughputChart(series, b.kind.String()), "Throughput over time", "From when measuring began."); err != nil {
		return nil, err
	}
	if c := latencyChart(series); c != nil {
		if err := add(c, "Latency over time", "Of the operations that ended in each step; logarithmic."); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func machineText(m *load.Machine) string {
	parts := []string{m.OS + "/" + m.Arch}
	if m.CPU != "" {
		parts = append(parts, m.CPU)
	}
	parts = append(parts, plural(m.Cores, "core"))
	if m.Kernel != "" {
		parts = append(parts, "kernel "+m.Kernel)
	}
	return strings.Join(append(parts, m.Go), ", ")
}
