// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package perf is what the project measures of itself and of its peers: the
// results of a run as data, the goals they are held against, and the document
// that is made of both. The runs themselves are made by package bench below it.
package perf

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// Version is that of Results in JSON.
const Version = 1

// Results are all figures of one run on one machine.
type Results struct {
	V        int       `json:"v"`
	Mode     string    `json:"mode"` // "full" or "quick"
	Began    time.Time `json:"began"`
	Seconds  float64   `json:"seconds"` // that the run took
	Commit   string    `json:"commit"`
	Command  string    `json:"command"`
	Machine  Machine   `json:"machine"`
	Rounds   int       `json:"rounds"` // planned, of what is measured in rounds
	Programs []Program `json:"programs"`
	Series   []Series  `json:"series"`
}

// Machine is where the run took place.
type Machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	MemoryMiB  int    `json:"memory_mib"`
	OS         string `json:"os"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	ServerCore int    `json:"server_core"`
	ClientCore int    `json:"client_core"` // that of the servers if there is only one

	Load float64 `json:"load_average"` // over the minute before the run
}

// A Program took part, or would have.
type Program struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Command string `json:"command"`           // as it was started; $DIR is where the keys were
	Skipped string `json:"skipped,omitempty"` // why it took no part
}

// A Series is one thing measured of one subject, once a round.
type Series struct {
	What    string   `json:"what"`    // such as "get-psk"
	Subject string   `json:"subject"` // such as "libcoap-gnutls"
	Rounds  []Values `json:"rounds"`
	Skipped string   `json:"skipped,omitempty"` // why there are no rounds
	Notes   []string `json:"notes,omitempty"`
}

// Values are the figures of one round by name, in the unit that the name ends
// in: server_us, heap_bytes.
type Values map[string]float64

// Names of values that several series have.
const (
	Round     = "round"      // its number, from 1
	ServerUs  = "server_us"  // CPU time of the server an operation
	ClientUs  = "client_us"  // CPU time of the load generator an operation
	PerSecond = "per_second" // operations
	P50Us     = "p50_us"     // latency
	P99Us     = "p99_us"
	P999Us    = "p999_us"
	MaxUs     = "max_us"
	Failures  = "failures"

	Sessions   = "sessions"
	RSSBytes   = "rss_bytes"  // resident memory a session
	HeapBytes  = "heap_bytes" // live heap a session
	Goroutines = "goroutines" // more than before

	SumRPK       = "sum_rpk_us" // the primitives of a handshake
	SumCert      = "sum_cert_us"
	RecordNs     = "record_ns" // seal and open
	RecordAllocs = "record_allocations"
	GCMNs        = "gcm_ns" // likewise, AES-128-GCM of the standard library
)

// Subjects of series that compare our server with itself.
const (
	Alone          = "coaps, no other session" // beside idle sessions
	Quiet          = "no flood"
	FloodElsewhere = "flood of a socket nobody reads" // takes the clients' core, and nothing from the server
	Flood          = "flood of the server"
	AfterFlood     = "after the flood"
)

// FloodRate is datagrams of the flood a second, and Dropped begins the names of
// the server's counters.
const (
	FloodRate = "flood_per_second"
	Dropped   = "dropped: "
)

// Beside is the subject with so many idle sessions.
func Beside(n int) string { return fmt.Sprintf("coaps, %d idle sessions", n) }

// Find returns the series of that name, nil if there is none.
func (r *Results) Find(what, subject string) *Series {
	i := slices.IndexFunc(r.Series, func(s Series) bool { return s.What == what && s.Subject == subject })
	if i < 0 {
		return nil
	}
	return &r.Series[i]
}

// Add makes the values one more round of the series, which is made if it is
// not there.
func (r *Results) Add(what, subject string, v Values) {
	s := r.series(what, subject)
	s.Rounds = append(s.Rounds, v)
}

// Skip says why a series has no rounds, or no more.
func (r *Results) Skip(what, subject, why string) { r.series(what, subject).Skipped = why }

// Note adds a remark to a series, once.
func (r *Results) Note(what, subject, note string) {
	if s := r.series(what, subject); !slices.Contains(s.Notes, note) {
		s.Notes = append(s.Notes, note)
	}
}

func (r *Results) series(what, subject string) *Series {
	if s := r.Find(what, subject); s != nil {
		return s
	}
	r.Series = append(r.Series, Series{What: what, Subject: subject})
	return &r.Series[len(r.Series)-1]
}

// Median is that of a value over the rounds that have it; false if none has.
func (r *Results) Median(what, subject, name string) (float64, bool) {
	s := r.Find(what, subject)
	if s == nil {
		return 0, false
	}
	sorted := s.sorted(name)
	if len(sorted) == 0 {
		return 0, false
	}
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle], true
	}
	return (sorted[middle-1] + sorted[middle]) / 2, true
}

// sorted are the values of that name, ascending.
func (s *Series) sorted(name string) []float64 {
	var all []float64
	for _, v := range s.Rounds {
		if x, ok := v[name]; ok {
			all = append(all, x)
		}
	}
	slices.Sort(all)
	return all
}

// Ratio is the median over the rounds of a value of one series divided by that
// of another in the same round: what disturbs a whole round cancels. Where the
// rounds do not pair it is the ratio of the medians.
func (r *Results) Ratio(what, subject, name, overWhat, overSubject, overName string) (float64, bool) {
	a, b := r.Find(what, subject), r.Find(overWhat, overSubject)
	if a == nil || b == nil {
		return 0, false
	}
	var quotients Series
	for _, v := range a.Rounds {
		x, okX := v[name]
		if y := b.round(v[Round])[overName]; okX && y > 0 {
			quotients.Rounds = append(quotients.Rounds, Values{"": x / y})
		}
	}
	if len(quotients.Rounds) == 0 {
		x, okX := r.Median(what, subject, name)
		y, okY := r.Median(overWhat, overSubject, overName)
		return x / y, okX && okY && y > 0
	}
	one := Results{Series: []Series{quotients}}
	return one.Median("", "", "")
}

// round returns the values of the round with that number, nil if there are none.
func (s *Series) round(number float64) Values {
	for _, v := range s.Rounds {
		if v[Round] == number {
			return v
		}
	}
	return nil
}

// Read reads results from a file.
func Read(file string) (*Results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(Results)
	return r, json.Unmarshal(text, r)
}

// Write writes them.
func (r *Results) Write(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
