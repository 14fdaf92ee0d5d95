// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package perf

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const docs = "../../docs"

// compareFiles complains about each file in docs that is not what was made of
// the results.
func compareFiles(t *testing.T, made Files, results string) {
	t.Helper()
	for name, want := range made {
		got, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("docs/%s is not what docs/%s makes: run make performance", name, results)
		}
	}
}

// docs/performance.md and its pictures say what docs/performance.json says.
func TestPerformanceIsOfItsResults(t *testing.T) {
	r, err := Read(filepath.Join(docs, "performance.json"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("nothing has been measured yet")
	}
	if err != nil {
		t.Fatal(err)
	}
	made, err := r.Document()
	if err != nil {
		t.Fatal(err)
	}
	compareFiles(t, made, "performance.json")
}

// The figures in the README's table stand in docs/performance.md.
func TestReadmeIsOfTheResults(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(docs, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "\n| what | coaps | libcoap on GnuTLS | raw UDP echo |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	figures := regexp.MustCompile(`\| ([0-9.,]+) (?:µs|bytes)`).FindAllStringSubmatch(table, -1)
	if len(figures) != 7 {
		t.Errorf("%d figures in\n%s", len(figures), table)
	}
	for _, figure := range figures {
		number := strings.ReplaceAll(figure[1], ",", "")
		if !strings.Contains(string(page), "| **"+number+"** ") && !strings.Contains(string(page), "| "+number+" |") {
			t.Errorf("docs/performance.md does not have %s", number)
		}
	}
}

// docs/soak.md says what docs/soak.json says, and that is good.
func TestSoakIsOfItsResults(t *testing.T) {
	s, err := ReadSoak(filepath.Join(docs, "soak.json"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("there was no soak yet")
	}
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.Document()
	if err != nil {
		t.Fatal(err)
	}
	compareFiles(t, made, "soak.json")
	for _, c := range s.Checks() {
		if !c.OK {
			t.Errorf("%s: %s", c.What, c.Shown)
		}
	}
}

// example is results with the given server CPU of the PSK GET in each round;
// the echo takes 10 µs.
func example(us ...float64) *Results {
	r := &Results{}
	for i, x := range us {
		r.Add("echo", "echo", Values{Round: float64(i + 1), ServerUs: 10})
		r.Add("get-psk", "coaps", Values{Round: float64(i + 1), ServerUs: x, ClientUs: 2 * x})
	}
	return r
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		us   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 4}, 4}, {[]float64{4, 1, 2, 100}, 3}} {
		if got, ok := example(tt.us...).Median("get-psk", "coaps", ServerUs); !ok || got != tt.want {
			t.Errorf("median of %v: %v", tt.us, got)
		}
	}
	if _, ok := example().Median("get-psk", "coaps", ServerUs); ok {
		t.Error("nothing has a median")
	}
}

// A round in which all was slow does not count against the ratio.
func TestRatioIsOfTheSameRound(t *testing.T) {
	r := &Results{}
	for i, slow := range []float64{1, 3, 1.1} {
		r.Add("a", "x", Values{Round: float64(i + 1), ServerUs: 12 * slow})
		r.Add("b", "y", Values{Round: float64(i + 1), ServerUs: 10 * slow})
	}
	if got, ok := r.Ratio("a", "x", ServerUs, "b", "y", ServerUs); !ok || got < 1.199 || got > 1.201 {
		t.Errorf("ratio %v, want 1.2", got)
	}
	if _, ok := r.Ratio("a", "x", ServerUs, "c", "y", ServerUs); ok {
		t.Error("a ratio to what was not measured")
	}
}

// What was reached, missed or not measured is called so.
func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		us   float64
		want string
	}{{12.4, "| 1.24 | **met** |"}, {12.6, "| 1.26 | **missed** |"}} {
		made, err := example(tt.us).Document()
		if err != nil {
			t.Fatal(err)
		}
		text := string(made["performance.md"])
		if !strings.Contains(text, "at most 1.25 × the raw UDP echo "+tt.want) {
			t.Errorf("%v µs is not %q in:\n%s", tt.us, tt.want, text)
		}
		if !strings.Contains(text, "not measured") {
			t.Error("what was not measured is not named")
		}
	}
}

// A limit from below is not mixed up with one from above.
func TestLeast(t *testing.T) {
	g := goal{limit: 0.5, least: true}
	if g.met(0.4) || !g.met(0.6) {
		t.Error("a part that has to be kept is judged the wrong way round")
	}
}

// Why something was left out is in the text.
func TestSkippedIsSaid(t *testing.T) {
	r := example(12)
	r.Skip("get-psk", "libcoap-gnutls", "coap-server-gnutls is not installed")
	made, err := r.Document()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(made["performance.md"]), "libcoap-gnutls: skipped, coap-server-gnutls is not installed") {
		t.Error("nothing says why libcoap is missing")
	}
}

// The same results make the same bytes.
func TestDocumentIsRepeatable(t *testing.T) {
	first, err := example(12, 13).Document()
	if err != nil {
		t.Fatal(err)
	}
	second, _ := example(12, 13).Document()
	if len(first) < 2 {
		t.Errorf("%d files, want text and a picture", len(first))
	}
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs", name)
		}
	}
}

// level is a soak whose resident memory goes from one size to another.
func level(from, to uint64) *Soak {
	s := &Soak{Cohorts: 1, Cohort: 100, Runs: []SoakRun{{Who: "cohort 0", Established: 100, Requests: 200}}}
	for i := range 20 {
		size := from + (to-from)*uint64(i)/19
		s.Samples = append(s.Samples, SoakSample{At: float64(i), RSS: size, Heap: size / 2, Sessions: 100, Asleep: 90})
	}
	return s
}

func TestSoakIsJudged(t *testing.T) {
	if s := level(1000, 1010); !s.OK() {
		t.Errorf("a flat one fails: %v", s.Checks())
	}
	for what, s := range map[string]*Soak{
		"memory that grows": level(1000, 1300),
		"no samples":        {Cohorts: 1, Cohort: 100},
		"a failure":         func() *Soak { s := level(1, 1); s.Runs[0].Failures = map[string]uint64{"timeout": 1}; return s }(),
		"a lost session":    func() *Soak { s := level(1, 1); s.Runs[0].Lost = 1; return s }(),
		"few sessions":      func() *Soak { s := level(1, 1); s.Cohort = 1000; return s }(),
		"nobody slept": func() *Soak {
			s := level(1, 1)
			for i := range s.Samples {
				s.Samples[i].Asleep = 0
			}
			return s
		}(),
	} {
		if s.OK() {
			t.Errorf("%s holds", what)
		}
	}
}
