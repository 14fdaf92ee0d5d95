// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package perf

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-analyze/charts"
)

// Document makes soak.md and its picture.
func (s *Soak) Document() (Files, error) {
	d := &document{}
	d.p("# Soak")
	d.p("\nMade of [soak.json](soak.json); do not edit. `make soak` runs it anew (20 minutes; DURATION=1m for less).")
	m := s.Machine
	d.p("\n%s, %d cores, %d GiB, %s, Linux %s, %s. %s, commit %s.", m.CPU, m.Cores, (m.MemoryMiB+512)/1024, m.OS, m.Kernel, m.Go, s.Began.UTC().Format("2 January 2006 15:04 UTC"), s.Commit)
	d.p("Server on core %d: `%s`. Clients on core %d, in a process of their own.", m.ServerCore, s.Server, m.ClientCore)
	d.p("\n%d cohorts of %s sessions (PSK CCM_8) connect one after the other, ask once, rest for 110 s, ask again, close, and begin anew; 500 other sessions ask 1,000", s.Cohorts, count(s.Cohort))
	d.p("times a second all the while, and are new each minute. %.0f %% of all datagrams are lost in each direction. It took %s.", s.Loss*100, duration(s.Seconds))
	d.soakChecks(s)
	d.p("\n![Sessions and memory](soak.svg)")
	d.soakClients(s)
	d.soakServer(s)
	d.p("\n## Settings\n")
	for _, line := range s.Settings {
		d.p("- %s", line)
	}
	svg, err := s.picture()
	return Files{"soak.md": []byte(d.text.String()), "soak.svg": svg}, err
}

func (d *document) soakChecks(s *Soak) {
	var rows [][]string
	for _, c := range s.Checks() {
		rows = append(rows, []string{c.What, c.Shown, map[bool]string{true: "**holds**", false: "**fails**"}[c.OK]})
	}
	d.p("\n## What it shows")
	d.table("lll", []string{"check", "seen", ""}, rows)
	d.p("\nMemory: medians of the first and the last fifth of the samples after a warm-up of %s.", duration(s.WarmUp))
}

// soakClients adds up what the clients saw, group by group.
func (d *document) soakClients(s *Soak) {
	type sum struct {
		lives                                              int
		established, lost, requests, unanswered, retransmi uint64
		p50, p999                                          Series
		failures                                           map[string]uint64
	}
	groups := map[string]*sum{}
	var order []string
	for _, r := range s.Runs {
		who, _, _ := strings.Cut(r.Who, " ")
		g := groups[who]
		if g == nil {
			g = &sum{failures: map[string]uint64{}}
			groups[who] = g
			order = append(order, who)
		}
		g.lives++
		g.established, g.lost, g.requests = g.established+r.Established, g.lost+r.Lost, g.requests+r.Requests
		g.unanswered, g.retransmi = g.unanswered+r.Unanswered, g.retransmi+r.Retransmits
		g.p50.Rounds, g.p999.Rounds = append(g.p50.Rounds, Values{"": r.P50Us}), append(g.p999.Rounds, Values{"": r.P999Us})
		for reason, n := range r.Failures {
			g.failures[reason] += n
		}
	}
	slices.Sort(order)
	var rows [][]string
	for _, who := range order {
		g := groups[who]
		rows = append(rows, []string{
			map[string]string{"cohort": "cohorts", "askers": "those that ask all the time"}[who], count(g.lives), count(int(g.established)), count(int(g.lost)),
			count(int(g.requests)), count(int(g.unanswered)), count(int(g.retransmi)),
			fmt.Sprintf("%.0f", middle(g.p50)), fmt.Sprintf("%.0f", middle(g.p999)/1000), failuresInWords(g.failures),
		})
	}
	d.p("\n## Clients")
	d.table("lrrrrrrrrl", []string{"", "lives", "sessions made", "lost while at rest", "requests answered", "open at the end", "retransmissions", "p50, µs", "p99.9, ms", "failures"}, rows)
	d.p("\nLatency: medians over the lives; of the cohorts, that of connecting and the first answer. What is lost is sent again after 1 s (handshakes) or 2 to 3 s (requests),")
	d.p("and with every fiftieth exchange that decides p99.9. Open at the end: what was under way when the time was up, or when the askers' minute was; it is not counted as failed.")
}

func (d *document) soakServer(s *Soak) {
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(s.Totals)) {
		rows = append(rows, []string{name, count(int(s.Totals[name]))})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Drops)) {
		rows = append(rows, []string{"dropped: " + name, count(int(s.Drops[name]))})
	}
	d.p("\n## Server, at the end")
	d.table("lr", []string{"counter", ""}, rows)
}

// picture draws sessions and memory over time.
func (s *Soak) picture() ([]byte, error) {
	const points = 120
	var labels []string
	lines := make([][]float64, 3)
	each := max(1, (len(s.Samples)+points-1)/points)
	for i := 0; i < len(s.Samples); i += each {
		x := s.Samples[i]
		labels = append(labels, fmt.Sprintf("%.0f min", x.At/60))
		for j, v := range []float64{float64(x.Sessions) / 1000, float64(x.Asleep) / 1000, float64(x.RSS) / (1 << 20)} {
			lines[j] = append(lines[j], v)
		}
	}
	if len(labels) < 2 {
		return nil, fmt.Errorf("too few samples for a picture")
	}
	opt := charts.NewLineChartOptionWithData(lines)
	opt.Theme = charts.GetTheme(charts.ThemeLight)
	opt.Title.Text = "Soak"
	opt.Title.FontStyle = charts.NewFontStyleWithSize(14)
	opt.Legend.SeriesNames = []string{"sessions, thousands", "of them asleep", "resident memory, MiB"}
	opt.Legend.Offset = charts.OffsetRight
	opt.XAxis.Labels = labels
	opt.XAxis.LabelCount = 10
	opt.YAxis = []charts.YAxisOption{{Min: charts.Ptr(0.0)}}
	opt.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	return svg(width, 400, func(p *charts.Painter) error { return p.LineChart(opt) })
}
