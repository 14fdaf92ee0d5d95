// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package perf

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-analyze/charts"
)

// A picture is one bar chart.
type picture struct {
	name   string // that the sections know it by
	file   string
	title  string
	format string
	bars   []bar
}

type bar struct {
	label string
	value float64
}

// pictures are those that there are figures for.
func (d *document) pictures() []picture {
	all := []picture{
		d.bars("requests", "Server CPU a request, µs", "%.1f", ServerUs, 1, "echo", "get-nosec", "get-psk"),
		d.bars("handshakes", "Server CPU a handshake, µs", "%.0f", ServerUs, 1, "handshake-psk", "handshake-rpk", "handshake-cert"),
		d.bars("memory", "Resident memory of an idle session, bytes", "%.0f", RSSBytes, 1, "idle-psk", "idle-rpk"),
	}
	var some []picture
	for _, p := range all {
		if len(p.bars) > 1 {
			some = append(some, p)
		}
	}
	return some
}

// short are names for a picture.
var short = map[string]string{
	"echo": "", "get-nosec": "NoSec: ", "get-psk": "PSK: ", "handshake-psk": "PSK: ", "handshake-rpk": "RPK: ", "handshake-cert": "X.509: ",
	"idle-psk": "PSK: ", "idle-rpk": "RPK: ",
}

// bars makes a picture of the medians of one value over several kinds of series.
func (d *document) bars(name, title, format, value string, unit float64, what ...string) picture {
	p := picture{name: name, file: "performance-" + name + ".svg", title: title, format: format}
	for _, s := range d.of(what...) {
		if v, ok := d.Median(s.What, s.Subject, value); ok {
			p.bars = append(p.bars, bar{short[s.What] + s.Subject, v / unit})
		}
	}
	return p
}

// picture shows the picture of that name where the text stands.
func (d *document) picture(name string) {
	for _, p := range d.pictures() {
		if p.name == name {
			d.p("\n![%s](%s)", p.title, p.file)
		}
	}
}

// Dimensions of a picture in pixels.
const (
	width     = 900
	barHeight = 34
	rest      = 90
)

// draw makes a horizontal bar chart, the first bar on top, ours in a colour of
// their own.
func (p picture) draw() ([]byte, error) {
	var labels []string
	values := make([][]float64, 2)
	for _, b := range p.bars {
		// Browsers have other fonts than the one that is measured: leave room.
		labels = append([]string{b.label + "\u00a0\u00a0\u00a0"}, labels...)
		ours, other := b.value, 0.0
		if !strings.Contains(b.label, "coaps") {
			ours, other = other, ours
		}
		values[0], values[1] = append([]float64{ours}, values[0]...), append([]float64{other}, values[1]...)
	}
	opt := charts.NewBarChartOptionWithData(values)
	opt.Horizontal, opt.StackSeries = true, charts.Ptr(true)
	opt.Theme = charts.GetTheme(charts.ThemeLight).WithSeriesColors([]charts.Color{charts.ColorFromHex("#2e7d32"), charts.ColorFromHex("#90a4ae")})
	opt.Title.Text = p.title
	opt.Title.FontStyle = charts.NewFontStyleWithSize(14)
	opt.Legend.Show = charts.Ptr(false)
	opt.CategoryAxis.Labels = labels
	opt.CategoryAxis.LabelFontStyle = charts.NewFontStyleWithSize(10)
	opt.ValueAxis = []charts.ValueAxisOption{{Min: charts.Ptr(0.0)}}
	opt.Padding = charts.NewBox(20, 20, 60, 10)
	opt.ValueFormatter = func(v float64) string { return fmt.Sprintf("%.0f", v) }
	for i := range opt.SeriesList {
		opt.SeriesList[i].Label = charts.SeriesLabel{Show: charts.Ptr(true), ValueFormatter: p.label}
	}
	return svg(width, rest+barHeight*len(p.bars), func(painter *charts.Painter) error { return painter.BarChart(opt) })
}

// label writes a value at its bar, and nothing where there is none.
func (p picture) label(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(p.format, v)
}

// svg draws something.
func svg(width, height int, draw func(*charts.Painter) error) ([]byte, error) {
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height})
	if err := draw(painter); err != nil {
		return nil, err
	}
	text, err := painter.Bytes()
	return append(bytes.TrimRight(text, "\n"), '\n'), err
}
