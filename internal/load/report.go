// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"time"
)

// Version is that of Report's JSON. It changes when a field changes its
// meaning, not when one is added.
const Version = 1

// A Duration is a time.Duration that is a number of microseconds in JSON.
type Duration time.Duration

// MarshalJSON writes microseconds.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.Microseconds()) }

// UnmarshalJSON reads them.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var us float64
	err := json.Unmarshal(text, &us)
	*d = Duration(math.Round(us * float64(time.Microsecond)))
	return err
}

// Microseconds is the duration as a number.
func (d Duration) Microseconds() float64 { return float64(d) / float64(time.Microsecond) }

func (d Duration) String() string { return time.Duration(d).String() }

// A Report is the outcome of a run. Operations are requests, handshakes,
// connected sessions or echoes, as the kind says. All of it is about the
// measured part, but for what says otherwise.
type Report struct {
	V       int       `json:"v"`
	Began   time.Time `json:"began"` // the measured part
	Machine Machine   `json:"machine"`
	Config  Echoed    `json:"config"`

	Interrupted bool    `json:"interrupted,omitempty"` // the context ended before the run did
	Seconds     float64 `json:"seconds"`               // length of the measured part
	Operations  uint64  `json:"operations"`            // succeeded
	PerSecond   float64 `json:"per_second"`
	Connected   int     `json:"connected"`            // clients whose sessions were up when measuring began, or ever with Handshakes
	Drained     uint64  `json:"drained,omitempty"`    // begun before the measured part ended, and succeeded after that
	Unfinished  uint64  `json:"unfinished,omitempty"` // begun, and neither succeeded nor failed at the end
	Overdue     uint64  `json:"overdue,omitempty"`    // open loop: due, and not begun at the end, as every client was busy
	Errors      uint64  `json:"errors,omitempty"`     // responses of classes 4 and 5; they count as operations

	Latency Latency    `json:"latency"` // of Operations; in an open loop, of all that were due in the measured part and have not failed
	Series  []Interval `json:"series"`  // of SeriesStep each

	Wire     Wire              `json:"wire"`
	Codes    map[string]uint64 `json:"codes,omitempty"`    // responses by code, "2.05"
	Failures map[string]uint64 `json:"failures,omitempty"` // of the whole run, by reason

	Handshakes *HandshakeReport `json:"handshakes,omitempty"` // of the whole run; nil without DTLS
	Sessions   *SessionsReport  `json:"sessions,omitempty"`   // of Sessions only
	Server     *Usage           `json:"server,omitempty"`     // with ServerPID
	Client     Usage            `json:"client"`               // this process

	Notes []string `json:"notes,omitempty"` // what a reader should know before believing the figures
}

// Machine is where the run took place.
type Machine struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	CPU    string `json:"cpu,omitempty"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel,omitempty"`
	Go     string `json:"go"`
}

// Echoed is the configuration, resolved, as far as it can be written down.
type Echoed struct {
	Kind     Kind            `json:"kind"`
	Server   string          `json:"server"`
	Secure   bool            `json:"secure"`
	Suite    string          `json:"suite,omitempty"` // that the first session agreed on
	Clients  int             `json:"clients"`
	Sockets  int             `json:"sockets"`
	Loops    int             `json:"loops"`
	Window   int             `json:"window"`
	Rate     float64         `json:"rate,omitempty"`
	Mix      []EchoedRequest `json:"mix,omitempty"`
	Duration Duration        `json:"duration_us,omitempty"`
	Count    uint64          `json:"count,omitempty"`
	Warmup   Duration        `json:"warmup_us,omitempty"`
	Ramp     Duration        `json:"ramp_us,omitempty"`
	Hold     Duration        `json:"hold_us,omitempty"`
	Loss     float64         `json:"loss,omitempty"`
	Reorder  float64         `json:"reorder,omitempty"`
	Seed     uint64          `json:"seed"`
}

// EchoedRequest is one request of the mix.
type EchoedRequest struct {
	Weight  int    `json:"weight"`
	Method  string `json:"method"`
	Path    string `json:"path"`
	Payload int    `json:"payload,omitempty"`
	Non     bool   `json:"non,omitempty"`
}

// Latency is a distribution.
type Latency struct {
	Count uint64 `json:"count"`
	// AtLeast is how many of them are lower bounds, in an open loop: of what was
	// unfinished or overdue, how long it had waited by the end.
	AtLeast uint64 `json:"at_least,omitempty"`

	Mean Duration `json:"mean_us"`
	Min  Duration `json:"min_us"`
	P50  Duration `json:"p50_us"`
	P90  Duration `json:"p90_us"`
	P99  Duration `json:"p99_us"`
	P999 Duration `json:"p999_us"`
	Max  Duration `json:"max_us"`

	Buckets []Bucket `json:"buckets,omitempty"` // ascending, some 100 in all, none empty
}

// A Bucket is how many took at most so long, and longer than the one before.
type Bucket struct {
	Upto  Duration `json:"upto_us"`
	Count uint64   `json:"count"`
}

// SeriesStep is the length of an Interval.
const SeriesStep = 500 * time.Millisecond

// An Interval is one step of the series, counted from when measuring began.
type Interval struct {
	At         float64  `json:"at_s"` // its end
	Operations uint64   `json:"operations"`
	Failures   uint64   `json:"failures,omitempty"`
	P50        Duration `json:"p50_us"`
	P99        Duration `json:"p99_us"`
	Max        Duration `json:"max_us"`
}

// Wire is what the clients have sent (up) and received (down). Bytes are UDP
// payloads. What --loss takes away counts as sent, but not as received.
type Wire struct {
	BytesUp         uint64 `json:"bytes_up"`
	BytesDown       uint64 `json:"bytes_down"`
	DatagramsUp     uint64 `json:"datagrams_up"`
	DatagramsDown   uint64 `json:"datagrams_down"`
	Retransmissions uint64 `json:"retransmissions"` // of CoAP messages
}

// HandshakeReport is about the handshakes of the whole run.
type HandshakeReport struct {
	Completed uint64  `json:"completed"`
	Failed    uint64  `json:"failed"`
	Slow      uint64  `json:"slow,omitempty"` // of those completed, how many took longer than the first retransmission timer
	Seconds   float64 `json:"seconds"`        // from the first to the end of the last
	PerSecond float64 `json:"per_second"`
	Latency   Latency `json:"latency"`
	Wire      Wire    `json:"wire"` // while connecting; with Handshakes that of the report
}

// SessionsReport is what became of many sessions at rest.
type SessionsReport struct {
	Established uint64  `json:"established"`
	Lost        uint64  `json:"lost"` // ended while they rested
	HeldSeconds float64 `json:"held_seconds"`

	Touched      uint64  `json:"touched"` // asked again after the hold, and answered
	TouchFailed  uint64  `json:"touch_failed"`
	TouchSeconds float64 `json:"touch_seconds"`
	TouchLatency Latency `json:"touch_latency"`

	BytesPerSession       float64 `json:"bytes_per_session,omitempty"`        // of the server's resident memory, from before connecting to the end of the hold
	ClientBytesPerSession float64 `json:"client_bytes_per_session,omitempty"` // likewise of this process
}

// Usage is what a process has used in the measured part.
type Usage struct {
	CPUSeconds float64 `json:"cpu_s"`
	CPUPerOp   float64 `json:"cpu_us_per_op"` // microseconds
	RSSBefore  uint64  `json:"rss_before"`    // bytes; of Sessions: before connecting
	RSSAfter   uint64  `json:"rss_after"`     // at the end of the measured part; of Sessions: of the hold
}

// Failed is how many operations have failed, for whatever reason.
func (r *Report) Failed() uint64 {
	var n uint64
	for _, count := range r.Failures {
		n += count
	}
	return n
}

// Reason is the most frequent reason of failure, "" if nothing has failed.
func (r *Report) Reason() string {
	reason := ""
	for _, name := range slices.Sorted(maps.Keys(r.Failures)) {
		if reason == "" || r.Failures[name] > r.Failures[reason] {
			reason = name
		}
	}
	return reason
}
