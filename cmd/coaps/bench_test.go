// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/internal/load"
)

// samplePage is where TestBenchPage leaves its page for a person to look at.
var samplePage = flag.String("bench-page", "", "write the sample page of bench --html to this `FILE`")

func us(n float64) load.Duration { return load.Duration(n * float64(time.Microsecond)) }

// sampleLatency is a plausible distribution: a hump and a tail.
func sampleLatency(median float64) load.Latency {
	l := load.Latency{Mean: us(median * 1.1), Min: us(median / 4), P50: us(median), P90: us(median * 1.6), P99: us(median * 3),
		P999: us(median * 9), Max: us(median * 40)}
	for i := range 100 {
		x := float64(i-35) / 14
		count := uint64(math.Round(90000*math.Exp(-x*x/2) + 800*math.Exp(-float64(i)/18)))
		upto := us(median / 4 * math.Pow(160, float64(i+1)/100))
		l.Buckets = append(l.Buckets, load.Bucket{Upto: upto, Count: count + 1})
		l.Count += count + 1
	}
	return l
}

func sampleReport() *load.Report {
	r := &load.Report{V: load.Version, Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: load.Machine{OS: "linux", Arch: "amd64", CPU: "Some CPU 3 GHz", Cores: 2, Kernel: "6.18.0", Go: "go1.26"},
		Config: load.Echoed{Kind: load.Requests, Server: "127.0.0.1:5684", Secure: true, Clients: 64, Window: 1, Loops: 1,
			Mix: []load.EchoedRequest{{Weight: 90, Method: "GET"}, {Weight: 10, Method: "POST"}}, Warmup: us(1e6)},
		Seconds: 10, Operations: 654321, PerSecond: 65432.1, Connected: 64, Latency: sampleLatency(900),
		Wire:       load.Wire{BytesUp: 46_000_000, BytesDown: 52_000_000, DatagramsUp: 654_400, DatagramsDown: 654_321, Retransmissions: 79},
		Codes:      map[string]uint64{"2.05": 654_300, "5.03": 21},
		Errors:     21,
		Failures:   map[string]uint64{"timeout": 12, "peer_closed": 1},
		Handshakes: &load.HandshakeReport{Completed: 64, Seconds: 0.021, PerSecond: 3047, Latency: sampleLatency(4000)},
		Server:     &load.Usage{CPUSeconds: 6.4, CPUPerOp: 9.81, RSSBefore: 12_000_000, RSSAfter: 12_400_000},
		Client:     load.Usage{CPUSeconds: 7.1, CPUPerOp: 10.9, RSSBefore: 21_000_000, RSSAfter: 22_000_000},
		Notes:      []string{"the client used a whole core: it may be what was measured"},
	}
	for i := range 20 {
		wave := 1 + 0.06*math.Sin(float64(i))
		each := load.Interval{At: float64(i+1) / 2, Operations: uint64(32700 * wave), P50: us(900 / wave), P99: us(2700 / wave), Max: us(9000)}
		if i == 12 {
			each.Operations, each.P99, each.Max, each.Failures = 14000, us(30000), us(36000), 13
		}
		r.Series = append(r.Series, each)
	}
	return r
}

func sampleBench(out io.Writer) *bench {
	a := &app{streams: streams{out: out, err: io.Discard, env: func(string) (string, bool) { return "", false }}, color: "never"}
	return &bench{bencher: &bencher{app: a, kind: load.Requests}, uri: "coaps://127.0.0.1/hello", failAbove: -1, took: 12 * time.Second,
		mix: []load.Request{{Weight: 90, Method: coap.GET, Path: "/hello"}, {Weight: 10, Method: coap.POST, Path: "/log", PayloadSize: 64}}}
}

func TestBenchText(t *testing.T) {
	var out bytes.Buffer
	b := sampleBench(&out)
	if err := b.show(sampleReport(), nil); err != nil {
		t.Fatal(err)
	}
	const want = `load:          GET /hello (90), POST /log 64B (10), 64 clients, closed loop, window 1
session:       none: coap://
measured:      10.0 s after a warm-up of 1.00 s
requests:      654,321
per second:    65,432/s
answers:       2.05 Content: 654,300, 5.03 Service Unavailable: 21
failed:        13 (<0.01 %)
up:            46.00 MB in 654,400 datagrams, 70.3 bytes each
down:          52.00 MB in 654,321 datagrams, 79.5 bytes each
retransmitted: 79 (0.0121 %)
handshakes:    64 in 21.0 ms, 3,047/s
server:        9.81 µs of CPU each, 0.64 cores, 12.40 MB resident, 12.00 MB before
client:        this process, 10.9 µs of CPU each, 0.71 cores, 22.00 MB resident, 21.00 MB before
`
	if got := out.String(); !strings.HasPrefix(got, want) {
		t.Errorf("%s\nwant it to begin\n%s", got, want)
	}
	for _, part := range []string{
		"\n         12  timeout: no answer in the time given\n             try: ",
		"\nlatency               p50        p90        p99      p99.9        max       mean\n",
		"\nrequest            900 µs    1.44 ms    2.70 ms    8.10 ms    36.0 ms     990 µs\n",
		"\nhandshake         4.00 ms    6.40 ms    12.0 ms    36.0 ms     160 ms    4.40 ms\n",
		"\nnote: the client used a whole core: it may be what was measured\n",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%s\nhas no %q", out.String(), part)
		}
	}
}

// Of an open loop the latencies are those that the report says, with the lower
// bounds among them.
func TestBenchTextOpenLoop(t *testing.T) {
	var out bytes.Buffer
	b := sampleBench(&out)
	b.kind = load.Handshakes
	r := sampleReport()
	r.Config.Rate, r.Overdue, r.Unfinished, r.Latency.AtLeast = 1000, 1500, 64, 1564
	if err := b.show(r, nil); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"\noverdue:       1,500 were due and never begun: every client was busy\n",
		"\nat least:      1,564 latencies are what had been waited by the end\n",
		"\nhandshake          900 µs    1.44 ms    2.70 ms    8.10 ms    36.0 ms     990 µs\n",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%s\nhas no %q", out.String(), part)
		}
	}
	if strings.Contains(out.String(), "4.00 ms") {
		t.Errorf("%s\nhas the handshakes of the warm-up among them", out.String())
	}
}

func TestBenchJSON(t *testing.T) {
	var out bytes.Buffer
	b := sampleBench(&out)
	b.output.json = true
	if err := b.show(sampleReport(), fail("too_many_failures", "bench", "13")); err != nil {
		t.Fatal(err)
	}
	var got struct {
		V       int
		URI     string
		OK      bool
		Latency struct{ P99 float64 }
		Error   jsonError
	}
	line := strings.Replace(out.String(), `"p99_us"`, `"P99"`, 1)
	if err := json.Unmarshal([]byte(line), &got); err != nil || strings.Count(line, "\n") != 1 {
		t.Fatalf("%v: %s", err, line)
	}
	if got.V != 1 || got.URI != b.uri || got.OK || got.Latency.P99 != 2700 || got.Error.Reason != "too_many_failures" || got.Error.Kind != "check" {
		t.Errorf("%+v", got)
	}
}

// A run ends well if something succeeded and nobody asked for more.
func TestBenchVerdict(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    func(*bench, *load.Report)
		reason    string
		exit      int
		mentioned string
	}{
		{"good", func(*bench, *load.Report) {}, "", 0, ""},
		{"within the bound", func(b *bench, _ *load.Report) { b.failAbove = 0.001 }, "", 0, ""},
		{"beyond the bound", func(b *bench, _ *load.Report) { b.failAbove = 0.00001 }, "too_many_failures", 9, "34 of 654,334"},
		{"no failure allowed", func(b *bench, _ *load.Report) { b.failAbove = 0 }, "too_many_failures", 9, "allows 0 %"},
		{"nothing done", func(_ *bench, r *load.Report) { r.Operations, r.Errors = 0, 0 }, "timeout", 28, "every one of 13"},
		{"nothing done, new word", func(_ *bench, r *load.Report) {
			r.Operations, r.Failures = 0, map[string]uint64{"strange_word": 3}
		}, "unexpected", 1, "strange_word"},
		{"nothing done, nothing failed", func(_ *bench, r *load.Report) { r.Operations, r.Failures = 0, nil }, "timeout", 28, "nothing was completed"},
		{"errors only", func(_ *bench, r *load.Report) {
			r.Errors, r.Codes = r.Operations, map[string]uint64{"4.04": 10, "5.03": 2}
		}, "only_errors", 4, "4.04 Not Found"},
		{"overload only", func(_ *bench, r *load.Report) {
			r.Errors, r.Codes = r.Operations, map[string]uint64{"5.03": 2}
		}, "only_errors", 5, "5.03"},
		{"all sessions lost", func(_ *bench, r *load.Report) {
			r.Sessions = &load.SessionsReport{Established: 100, Lost: 100}
		}, "timeout", 28, "every one of 13"},
		{"no session answers", func(_ *bench, r *load.Report) {
			r.Sessions = &load.SessionsReport{Established: 100, TouchFailed: 100}
		}, "timeout", 28, "every one of 13"},
		{"some sessions answer", func(_ *bench, r *load.Report) {
			r.Sessions = &load.SessionsReport{Established: 100, Lost: 1, TouchFailed: 98, Touched: 1}
		}, "", 0, ""},
		{"interrupted", func(_ *bench, r *load.Report) { r.Interrupted = true }, "interrupted", 130, "12.0 s"},
	} {
		b, r := sampleBench(io.Discard), sampleReport()
		c.change(b, r)
		f := b.verdict(r)
		switch {
		case f == nil && c.reason != "":
			t.Errorf("%s: no failure", c.name)
		case f != nil && (f.reason != c.reason || f.exitCode() != c.exit || !strings.Contains(f.explanation(), c.mentioned)):
			t.Errorf("%s: %s, exit %d, %q", c.name, f.reason, f.exitCode(), f.explanation())
		}
	}
}

// What is easily overlooked is said: clients that never came in, a server that
// went away.
func TestBenchNotes(t *testing.T) {
	b, r := sampleBench(io.Discard), sampleReport()
	b.complete(r)
	if len(r.Notes) != 1 {
		t.Errorf("a good run has notes: %q", r.Notes)
	}
	r.Connected = 60
	for i := range r.Series[15:] {
		r.Series[15+i].Operations = 0
	}
	b.complete(r)
	want := []string{"Only 60 of 64 clients had a session when measuring began.", "Nothing succeeded in the last 2.50 s: is the server still there?"}
	if diff := cmp.Diff(want, r.Notes[1:]); diff != "" {
		t.Error(diff)
	}
	if r.Config.Mix[1].Path != "/log" {
		t.Errorf("the mix has the path %q", r.Config.Mix[1].Path)
	}
}

// The page is whole: it names nothing that would have to be fetched, its SVG is
// XML, and every colour of a picture is one of the page's, for light and dark.
func TestBenchPage(t *testing.T) {
	b := sampleBench(io.Discard)
	b.output.html = filepath.Join(t.TempDir(), "report.html")
	if *samplePage != "" {
		b.output.html = *samplePage
	}
	r := sampleReport()
	r.Notes = append(r.Notes, "<script>alert(1)</script>")
	if err := b.show(r, nil); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(b.output.html)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, bad := range []string{"<script", "src=", "href=", "url(", "@import", "rgb("} {
		if strings.Contains(strings.ReplaceAll(page, `xmlns:xlink="http://www.w3.org/1999/xlink"`, ""), bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	pictures := strings.Split(page, "<svg")[1:]
	if len(pictures) != 3 {
		t.Fatalf("%d pictures", len(pictures))
	}
	for i, rest := range pictures {
		svg, _, _ := strings.Cut(rest, "</svg>")
		if err := wellFormed("<svg" + svg + "</svg>"); err != nil {
			t.Errorf("picture %d: %v", i, err)
		}
		if !strings.Contains(svg, "var(--line1)") || !strings.Contains(svg, "var(--text)") {
			t.Errorf("picture %d has no colours of the page", i)
		}
	}
	for _, part := range []string{">99.9%<", ">1 ms<", "9.81 µs", "65,432", "Some CPU 3 GHz"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %s", part)
		}
	}
}

func wellFormed(text string) error {
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := decoder.Token(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// A page can be made of very little.
func TestBenchPageOfNothing(t *testing.T) {
	for _, r := range []*load.Report{
		{}, {Operations: 1, Latency: load.Latency{Count: 1, P50: us(3), Max: us(3), Buckets: []load.Bucket{{Upto: us(3), Count: 1}}}},
		{Series: []load.Interval{{At: 0.5}, {At: 1}}},
		{Series: []load.Interval{{At: 0.5}, {At: 0.5, Operations: 1, P50: us(0), P99: us(1e9), Max: us(1e9)}}, Sessions: &load.SessionsReport{}},
	} {
		b := sampleBench(io.Discard)
		b.output.html = filepath.Join(t.TempDir(), "report.html")
		if err := b.show(r, nil); err != nil {
			t.Error(err)
		}
	}
}

// The value at a percentile is that of the bucket in which it lies.
func TestQuantiles(t *testing.T) {
	l := &load.Latency{Count: 1000, Max: us(5000), Buckets: []load.Bucket{{Upto: us(10), Count: 900}, {Upto: us(100), Count: 90}, {Upto: us(1000), Count: 9}, {Upto: us(10000), Count: 1}}}
	values := quantiles(l, 4)
	for i, want := range []float64{10, 10, 100, 1000} {
		if got := math.Pow(10, values[i*decade]); math.Abs(got-want) > 0.001*want {
			t.Errorf("%s: %.0f µs, want %.0f", percentileLabel(float64(i)), got, want)
		}
	}
	if got := math.Pow(10, values[3*decade-1+1]); got > 5000 {
		t.Errorf("%.0f µs is more than the highest", got)
	}
	if !math.IsNaN(values[4*decade]) {
		t.Error("99.99% of 1000 samples is shown")
	}
	for x, want := range map[float64]string{0: "0%", 1: "90%", 2: "99%", 3: "99.9%", 4: "99.99%"} {
		if got := percentileLabel(x); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Labels over time are round, whatever the length of the run, and at equal
// distances.
func TestTimeLabels(t *testing.T) {
	for _, c := range []struct {
		steps        int
		step         float64
		shown, next  string
		atMost, each int
	}{
		{2, 0.5, "0", "0.5", 10, 1}, {20, 0.5005, "0", "1", 11, 2}, {21, 0.5, "0", "2", 11, 4}, {173, 0.5, "0", "10", 11, 20},
		{120, 0.5, "0", "10", 11, 20}, {7, 0.61, "0", "0.61", 11, 1}, {240, 5, "0", "120", 11, 24},
	} {
		var series []load.Interval
		for i := range c.steps {
			series = append(series, load.Interval{At: float64(i+1) * c.step})
		}
		got := overTime(series)
		if got.labels[0] != c.shown || got.labels[c.each] != c.next || got.shown > c.atMost || (len(got.labels)-1)%(got.shown-1) != 0 || (len(got.labels)-1)/(got.shown-1) != c.each {
			t.Errorf("%d steps of %v s: %d labels, %d shown, then %s", c.steps, c.step, len(got.labels), got.shown, got.labels[(len(got.labels)-1)/(got.shown-1)])
		}
	}
}

// A long run is joined into few points, without losing an operation or a peak.
func TestThinned(t *testing.T) {
	var series []load.Interval
	for i := range 10_001 {
		series = append(series, load.Interval{At: float64(i+1) / 2, Operations: 3, P50: us(7), Max: us(float64(i))})
	}
	if short := thinned(series[:7]); len(short) != 7 {
		t.Errorf("%d points of 7", len(short))
	}
	if rest := thinned(append(slices.Clone(series[:7]), load.Interval{At: 3.501})); len(rest) != 7 || rest[6].At != 3.501 {
		t.Errorf("a step of a millisecond stands alone: %v", rest)
	}
	thin := thinned(series)
	var operations uint64
	for _, each := range thin {
		operations += each.Operations
	}
	last := thin[len(thin)-1]
	if len(thin) > maxPoints || operations != 30_003 || last.At != 5000.5 || last.Max != us(10_000) || thin[0].P50 != us(7) {
		t.Errorf("%d points, %d operations, last %+v", len(thin), operations, last)
	}
}

func TestBenchNumbers(t *testing.T) {
	for want, got := range map[string]string{
		"0": grouped(0), "999": grouped(999), "1,000": grouped(1000), "12,345,678": grouped(12345678),
		"0.50 µs": microseconds(0.5), "9.99 µs": microseconds(9.99), "10.0 µs": microseconds(9.999), "100 µs": microseconds(99.96),
		"1.00 ms": microseconds(1000), "2.50 s": seconds(2.5), "300 ms": seconds(0.3),
		"0 %": percent(0, 0), "<0.01 %": percent(1, 1e6), "50 %": percent(1, 2),
		"1 byte": bytesText(1), "1.50 kB": bytesText(1500), "2.00 GB": bytesText(2e9),
		"12,346/s": rateText(12345.6), "0.25/s": rateText(0.25),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// On a terminal the line never wraps, and is gone in the end; lines otherwise are
// seconds apart, but for a new phase.
func TestBenchProgress(t *testing.T) {
	s := load.Snapshot{Phase: load.Measuring, Elapsed: 4 * time.Second, Left: 6 * time.Second, Connected: 64, Operations: 123456,
		Rate: 65432, P50: 900 * time.Microsecond, P99: 2 * time.Millisecond, Failures: 3}
	const whole = "measuring    4.0 s, 6 s left  64 connected  123,456 done  65,432/s  p50 900 µs  p99 2.00 ms  3 failed"
	if got := snapshotText(&s, 64); got != whole {
		t.Errorf("%q", got)
	}
	const connecting = "connecting   1.0 s  1,083 of 100,000 connected  2,113/s"
	if got := snapshotText(&load.Snapshot{Elapsed: time.Second, Connected: 1083, Operations: 1083, Rate: 2113}, 100_000); got != connecting {
		t.Errorf("%q", got)
	}
	var out bytes.Buffer
	p := &benchProgress{w: &out, width: func() int { return 20 }}
	p.update(load.Snapshot{Elapsed: 100 * time.Millisecond})
	p.update(s)
	p.end()
	p.update(s)
	if got := out.String(); got != "\r\x1b[K"+whole[:19]+"\r\x1b[K" {
		t.Errorf("%q", got)
	}
	out.Reset()
	p = &benchProgress{w: &out}
	for i := range 20 {
		s.Elapsed, s.Phase = time.Duration(i)*500*time.Millisecond, load.Measuring
		if i == 19 {
			s.Phase = load.Draining
		}
		p.update(s)
	}
	if n := strings.Count(out.String(), "\n"); n != 6 {
		t.Errorf("%d lines: %s", n, out.String())
	}
}
