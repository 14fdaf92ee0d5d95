// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package perf

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// A Soak is a long run of sessions that come, sleep and go.
type Soak struct {
	V        int       `json:"v"`
	Began    time.Time `json:"began"`
	Seconds  float64   `json:"seconds"`
	Commit   string    `json:"commit"`
	Machine  Machine   `json:"machine"`
	Server   string    `json:"server"` // its command
	Cohorts  int       `json:"cohorts"`
	Cohort   int       `json:"cohort"` // sessions in each
	Loss     float64   `json:"loss"`
	Settings []string  `json:"settings"` // what differs from the defaults, and why
	WarmUp   float64   `json:"warm_up_s"`

	Samples []SoakSample       `json:"samples"`
	Runs    []SoakRun          `json:"runs"`
	Drops   map[string]uint64  `json:"drops"` // of the server, by name, at the end
	Totals  map[string]float64 `json:"totals"`
}

// A SoakSample is the server at one moment.
type SoakSample struct {
	At       float64 `json:"at_s"`
	RSS      uint64  `json:"rss_bytes"`
	Heap     uint64  `json:"heap_bytes,omitempty"` // live, only when a collection was asked for
	Sessions int     `json:"sessions"`
	Asleep   int     `json:"asleep"`
	CPU      float64 `json:"cpu_s"`
}

// A SoakRun is what became of one cohort, or of the clients that ask all the
// time.
type SoakRun struct {
	Who         string            `json:"who"`
	At          float64           `json:"at_s"` // its end
	Established uint64            `json:"established"`
	Lost        uint64            `json:"lost"`
	Requests    uint64            `json:"requests"`
	Unanswered  uint64            `json:"unanswered"`
	Retransmits uint64            `json:"retransmissions"`
	P50Us       float64           `json:"p50_us"`
	P999Us      float64           `json:"p999_us"`
	Failures    map[string]uint64 `json:"failures,omitempty"`
	Cut         bool              `json:"cut,omitempty"` // by the end of the soak
}

// A Check is one thing that the soak has to show.
type Check struct {
	What  string
	Shown string
	OK    bool
}

// soakGrowth limits what grows, in per cent.
const soakGrowth = 10

// Checks judges the soak.
func (s *Soak) Checks() []Check {
	first, last, ok := s.ends()
	if !ok {
		return []Check{{"samples after the warm-up", "too few", false}}
	}
	resident := 100 * (last.RSS/first.RSS - 1)
	heap := 100 * (last.Heap/first.Heap - 1)
	failures := s.failures()
	var requests, established uint64
	for _, r := range s.Runs {
		requests, established = requests+r.Requests, established+r.Established
	}
	most := 0
	asleep := 0
	for _, x := range s.Samples {
		most, asleep = max(most, x.Sessions), max(asleep, x.Asleep)
	}
	return []Check{
		{fmt.Sprintf("resident memory flat, within %d %%", soakGrowth), fmt.Sprintf("%.1f MiB, then %.1f MiB: %+.1f %%", first.RSS/(1<<20), last.RSS/(1<<20), resident), resident <= soakGrowth},
		{fmt.Sprintf("live heap flat, within %d %%", soakGrowth), fmt.Sprintf("%.1f MiB, then %.1f MiB: %+.1f %%", first.Heap/(1<<20), last.Heap/(1<<20), heap), first.Heap > 0 && heap <= soakGrowth},
		{"no failure without an explanation", failuresInWords(failures), len(failures) == 0},
		{"sessions came and went", fmt.Sprintf("%s handshakes, %s requests answered", count(int(established)), count(int(requests))), established > 0 && requests > 0},
		{"as many sessions as planned at once", fmt.Sprintf("%s, of which %s asleep at most", count(most), count(asleep)), most >= s.Cohorts*s.Cohort*9/10 && asleep > most/2},
	}
}

// soakEnd is what the server weighs at one end of the soak.
type soakEnd struct{ RSS, Heap float64 }

// ends are the medians of the first and the last fifth of the samples after the
// warm-up.
func (s *Soak) ends() (first, last soakEnd, ok bool) {
	after := slices.DeleteFunc(slices.Clone(s.Samples), func(x SoakSample) bool { return x.At < s.WarmUp })
	fifth := len(after) / 5
	if fifth < 1 {
		return first, last, false
	}
	return weigh(after[:fifth]), weigh(after[len(after)-fifth:]), true
}

func weigh(samples []SoakSample) soakEnd {
	var resident, heap Series
	for _, x := range samples {
		resident.Rounds = append(resident.Rounds, Values{"": float64(x.RSS)})
		if x.Heap > 0 {
			heap.Rounds = append(heap.Rounds, Values{"": float64(x.Heap)})
		}
	}
	return soakEnd{middle(resident), middle(heap)}
}

// middle is the median of what has no name.
func middle(s Series) float64 {
	m, _ := (&Results{Series: []Series{s}}).Median("", "", "")
	return m
}

// failures adds up what failed, by reason.
func (s *Soak) failures() map[string]uint64 {
	all := map[string]uint64{}
	for _, r := range s.Runs {
		for reason, n := range r.Failures {
			all[reason] += n
		}
		if r.Lost > 0 {
			all["session lost while it rested"] += r.Lost
		}
	}
	return all
}

func failuresInWords(failures map[string]uint64) string {
	if len(failures) == 0 {
		return "0 failures"
	}
	var words []string
	for _, reason := range slices.Sorted(maps.Keys(failures)) {
		words = append(words, fmt.Sprintf("%s: %d", reason, failures[reason]))
	}
	return strings.Join(words, ", ")
}

// OK reports whether all checks hold.
func (s *Soak) OK() bool {
	return !slices.ContainsFunc(s.Checks(), func(c Check) bool { return !c.OK })
}

// ReadSoak reads a soak from a file.
func ReadSoak(file string) (*Soak, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := new(Soak)
	return s, json.Unmarshal(text, s)
}

// Write writes it.
func (s *Soak) Write(file string) error {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
