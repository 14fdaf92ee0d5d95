// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/go-analyze/charts"

	"github.com/coaps-go/coaps/internal/load"
)

// A picture is drawn once for light and dark: the library writes colours as
// numbers, and these numbers stand for variables of the page's style.
var (
	inkText  = charts.Color{R: 1, G: 2, B: 3, A: 255}
	inkAxis  = charts.Color{R: 4, G: 5, B: 6, A: 255}
	inkGrid  = charts.Color{R: 7, G: 8, B: 9, A: 255}
	inkLines = []charts.Color{{R: 10, G: 11, B: 12, A: 255}, {R: 13, G: 14, B: 15, A: 255}, {R: 16, G: 17, B: 18, A: 255}}

	inks = strings.NewReplacer(
		"rgb(1,2,3)", "var(--text)",
		"rgb(4,5,6)", "var(--axis)",
		"rgb(7,8,9)", "var(--grid)",
		"rgb(10,11,12)", "var(--line1)",
		"rgb(13,14,15)", "var(--line2)",
		"rgb(16,17,18)", "var(--line3)",
		"font-family:'Roboto Medium',sans-serif", "font-family:inherit",
	)
)

// Size of a picture, in units of its own.
const (
	chartWidth  = 760
	chartHeight = 300
)

// curve is one line of a picture.
type curve struct {
	name   string
	values []float64 // NaN: nothing there
}

// chart is a picture with lines over one axis.
type chart struct {
	curves []curve
	xTitle string
	labels []string // one for each value
	shown  int      // how many are shown; one less divides the number of values less one
	shift  int      // half of a label's width
	y      charts.YAxisOption
}

// draw makes the SVG.
func (c *chart) draw() (template.HTML, error) {
	var values [][]float64
	var names []string
	for _, each := range c.curves {
		values, names = append(values, withGaps(each.values)), append(names, each.name)
	}
	option := charts.NewLineChartOptionWithData(values)
	option.Theme = charts.MakeTheme(charts.ThemeOption{
		TextColor: inkText, AxisStrokeColor: inkAxis, AxisSplitLineColor: inkGrid,
		BackgroundColor: charts.ColorTransparent, SeriesColors: inkLines,
	})
	small := charts.FontStyle{FontSize: 12, FontColor: inkText}
	option.Padding = charts.NewBoxEqual(8)
	option.Padding.Right = 28
	option.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	option.LineStrokeWidth = 2
	// A label begins at its tick, but the last, which would end there.
	labels := append(slices.Clone(c.labels[:len(c.labels)-1]), "")
	option.XAxis = charts.XAxisOption{Labels: labels, LabelCount: c.shown, LabelOffset: charts.OffsetInt{Left: -c.shift}, Title: c.xTitle,
		BoundaryGap: charts.Ptr(false), LabelFontStyle: small, TitleFontStyle: small}
	c.y.LabelFontStyle = small
	option.YAxis = []charts.YAxisOption{c.y}
	option.ValueFormatter = c.y.ValueFormatter
	option.Legend = charts.LegendOption{SeriesNames: names, FontStyle: small, Show: charts.Ptr(len(names) > 1)}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: chartWidth, Height: chartHeight})
	if err := p.LineChart(option); err != nil {
		return "", err
	}
	svg, err := p.Bytes()
	if err != nil {
		return "", err
	}
	return template.HTML(inks.Replace(string(svg))), nil //nolint:gosec // made of numbers and our own words
}

// withGaps puts the library's mark where there is nothing.
func withGaps(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, value := range values {
		if out[i] = value; math.IsNaN(value) {
			out[i] = charts.GetNullValue()
		}
	}
	return out
}

// decade is how many points of a distribution's curve lie between 90 % and
// 99 %, and so on.
const decade = 24

// percentileChart shows distributions by percentile, both axes logarithmic: to
// the right each step is a tenth of what was slower before.
func percentileChart(latencies []benchLatency) *chart {
	var count uint64
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, l := range latencies {
		count = max(count, l.of.Count)
		lowest, highest = min(lowest, l.of.Min.Microseconds()), max(highest, l.of.Max.Microseconds())
	}
	nines := min(max(int(math.Round(math.Log10(float64(max(count, 1))))), 1), 6)
	c := &chart{xTitle: "percentile", shift: 16, shown: nines + 1, y: logAxis(lowest, highest)}
	for i := range nines*decade + 1 {
		c.labels = append(c.labels, percentileLabel(float64(i)/decade))
	}
	for _, l := range latencies {
		if len(l.of.Buckets) > 0 {
			c.curves = append(c.curves, curve{l.Name, quantiles(l.of, nines)})
		}
	}
	return c
}

// percentileLabel is the percentile at x steps to the right: 0, 90, 99, 99.9.
func percentileLabel(x float64) string {
	return fmt.Sprintf("%.*f%%", max(int(math.Ceil(x))-2, 0), 100-100*math.Pow(10, -x))
}

// quantiles are the logarithms of a distribution, decade points for each nine.
// Where less than one sample would be slower, there is nothing to show.
func quantiles(l *load.Latency, nines int) []float64 {
	var values []float64
	var below uint64 // samples in the buckets before at
	at := 0
	for i := range nines*decade + 1 {
		rest := float64(l.Count) * math.Pow(10, -float64(i)/decade) // samples that are slower
		if rest < 1 {
			values = append(values, math.NaN())
			continue
		}
		rank := max(float64(l.Count)-rest, 1)
		for at < len(l.Buckets) && float64(below) < rank {
			below += l.Buckets[at].Count
			at++
		}
		us := l.Max.Microseconds()
		if at > 0 {
			us = min(us, l.Buckets[at-1].Upto.Microseconds())
		}
		values = append(values, math.Log10(max(us, 0.1)))
	}
	return values
}

// logAxis is an axis of times, given as logarithms of microseconds.
func logAxis(lowest, highest float64) charts.YAxisOption {
	from, to := math.Floor(math.Log10(max(lowest, 0.1))), math.Ceil(math.Log10(max(highest, 0.1)))
	to = max(to, from+1)
	return charts.YAxisOption{
		Min: charts.Ptr(from), Max: charts.Ptr(to), LabelCount: int(to-from) + 1,
		RangeValuePaddingScale: charts.Ptr(0.0), SplitLineShow: charts.Ptr(true), PreferNiceIntervals: charts.Ptr(false),
		ValueFormatter: func(log float64) string { return decadeText(math.Round(log)) },
	}
}

// decadeText is a power of ten of microseconds.
func decadeText(log float64) string {
	switch us := math.Pow(10, log); {
	case us >= 1e6:
		return fmt.Sprintf("%g s", us/1e6)
	case us >= 1e3:
		return fmt.Sprintf("%g ms", us/1e3)
	default:
		return fmt.Sprintf("%g µs", us)
	}
}

// maxPoints bounds the points of a picture over time; joinable are how many
// steps may become one point, so that labels stay round.
const maxPoints = 240

var joinable = []int{1, 2, 4, 10, 20, 60, 120, 240, 600, 1200, 7200, 28800, 172800}

// thinned joins neighbours so that a long run stays a small picture, and the
// rest at the end to the step before it.
func thinned(series []load.Interval) []load.Interval {
	step := joinable[len(joinable)-1]
	for _, try := range slices.Backward(joinable) {
		if len(series) <= try*maxPoints {
			step = try
		}
	}
	var out []load.Interval
	for at := 0; at < len(series); at += step {
		out = append(out, joined(series[at:min(at+step, len(series))]))
	}
	if n := len(out); n >= 2 && out[n-1].At-out[n-2].At < load.SeriesStep.Seconds()*float64(step)/2 {
		out = append(out[:n-2], joined(out[n-2:]))
	}
	return out
}

// joined is what steps are together. The median of them is not known; the mean of
// their medians is near it.
func joined(series []load.Interval) load.Interval {
	all := series[0]
	weighted := float64(all.P50) * float64(all.Operations)
	for _, next := range series[1:] {
		weighted += float64(next.P50) * float64(next.Operations)
		all.At = next.At
		all.Operations += next.Operations
		all.Failures += next.Failures
		all.P99, all.Max = max(all.P99, next.P99), max(all.Max, next.Max)
	}
	if all.Operations > 0 {
		all.P50 = load.Duration(weighted / float64(all.Operations))
	}
	return all
}

// roundSteps are distances of labels over time, in seconds.
var roundSteps = []float64{0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400}

// overTime is a picture without its lines: the labels are seconds from 0, and
// after the last step there may be some empty ones, so that those shown are at
// equal distances.
func overTime(series []load.Interval) *chart {
	const mostLabels = 10
	steps := len(series)
	length := max(series[0].At, 0.001)
	if whole := math.Round(length/load.SeriesStep.Seconds()) * load.SeriesStep.Seconds(); math.Abs(length-whole) < 0.05*whole {
		length = whole // a step ends a little late
	}
	each := (steps + mostLabels - 1) / mostLabels // steps from label to label
	for _, seconds := range roundSteps {
		if n := seconds / length; n == math.Round(n) && int(n) >= each && int(n) <= 3*each {
			each = int(n)
			break
		}
	}
	parts := (steps + each - 1) / each
	c := &chart{xTitle: "seconds", shift: 4, shown: parts + 1}
	for i := range parts*each + 1 {
		c.labels = append(c.labels, fmt.Sprintf("%g", math.Round(float64(i)*length*100)/100))
	}
	return c
}

// line gives a picture over time one value a step.
func (c *chart) line(name string, series []load.Interval, value func(i int) float64) {
	values := make([]float64, len(c.labels))
	for i := range values {
		values[i] = math.NaN()
		if i > 0 && i <= len(series) {
			values[i] = value(i - 1)
		}
	}
	c.curves = append(c.curves, curve{name, values})
}

// throughputChart shows operations a second over time, and failures if there
// were any.
func throughputChart(series []load.Interval, operation string) *chart {
	c := overTime(series)
	c.y = charts.YAxisOption{Min: charts.Ptr(0.0), SplitLineShow: charts.Ptr(true), ValueFormatter: shortNumber}
	length := func(i int) float64 {
		before := 0.0
		if i > 0 {
			before = series[i-1].At
		}
		return max(series[i].At-before, 0.001)
	}
	c.line(operation+" a second", series, func(i int) float64 { return float64(series[i].Operations) / length(i) })
	if slices.ContainsFunc(series, func(each load.Interval) bool { return each.Failures > 0 }) {
		c.line("failures a second", series, func(i int) float64 { return float64(series[i].Failures) / length(i) })
	}
	return c
}

// shortNumber is a number of an axis: 50k.
func shortNumber(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", math.Round(v/1e4)/100)
	case v >= 1e3:
		return fmt.Sprintf("%gk", math.Round(v/10)/100)
	}
	return fmt.Sprintf("%g", math.Round(v*100)/100)
}

// latencyChart shows latencies over time, by their logarithm; nil if there are
// none.
func latencyChart(series []load.Interval) *chart {
	c := overTime(series)
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, each := range []struct {
		name  string
		value func(*load.Interval) load.Duration
	}{
		{"p50", func(i *load.Interval) load.Duration { return i.P50 }},
		{"p99", func(i *load.Interval) load.Duration { return i.P99 }},
		{"max", func(i *load.Interval) load.Duration { return i.Max }},
	} {
		c.line(each.name, series, func(i int) float64 {
			us := each.value(&series[i]).Microseconds()
			if series[i].Operations == 0 || us <= 0 {
				return math.NaN() // nothing ended in this step
			}
			lowest, highest = min(lowest, us), max(highest, us)
			return math.Log10(us)
		})
	}
	if math.IsInf(lowest, 0) {
		return nil
	}
	c.y = logAxis(lowest, highest)
	return c
}
