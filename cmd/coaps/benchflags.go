// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/internal/load"
)

// benchLoadFlags say how much load, for how long, from where.
type benchLoadFlags struct {
	clients, window int
	rate            float64
	duration        time.Duration
	count           uint64
	warmup, ramp    time.Duration
	hold            time.Duration
	touch, keepOpen bool
	loops, sockets  int
	sources         []string
	reorder         string
	seed            uint64
	serverPID       int
	failAbove       string
}

// Defaults of the load, which the help shows.
const (
	defaultClients  = 64
	defaultSessions = 1000
	defaultAtOnce   = 32 // handshakes in progress
	defaultDuration = 10 * time.Second
	defaultHold     = 10 * time.Second
)

func (f *benchLoadFlags) register(all *pflag.FlagSet, kind load.Kind) {
	set, done := beginGroup(all, groupLoad)
	defer done()
	f.registerAmount(set, kind)
	f.registerTime(set, kind)
	f.registerOrigin(set)
	set.IntVar(&f.serverPID, "server-pid", 0, "report the CPU time and memory of the server, process `PID` on this machine")
	set.StringVar(&f.failAbove, "fail-above", "", "end with exit code 9 if more than this `RATE` of the operations failed, were not answered, or were answered by 4.xx or 5.xx: 1% or 0.01")
}

func (f *benchLoadFlags) registerAmount(set *pflag.FlagSet, kind load.Kind) {
	clients, window, windowHelp, rateHelp := defaultClients, 1, "requests in flight of each client", "`N` requests a second of all clients together, whether earlier ones are answered or not; latency counts from when a request was due (default: a closed loop)"
	switch kind {
	case load.Handshakes:
		window, windowHelp = defaultAtOnce, "handshakes in progress at a time, of all clients together"
		rateHelp = "begin `N` handshakes a second, whether earlier ones are done or not (default: a closed loop)"
	case load.Sessions:
		clients, window, windowHelp = defaultSessions, defaultAtOnce, "handshakes in progress at a time, of all clients together"
		rateHelp = "connect `N` clients a second, and let as many ask after the hold (default: a closed loop)"
	}
	set.IntVar(&f.clients, "clients", clients, "emulate `N` clients, each with its own session")
	set.IntVar(&f.window, "window", window, "closed loop: `N` "+windowHelp)
	set.Float64Var(&f.rate, "rate", 0, rateHelp)
}

func (f *benchLoadFlags) registerTime(set *pflag.FlagSet, kind load.Kind) {
	if kind == load.Sessions {
		set.DurationVar(&f.hold, "hold", defaultHold, "let the sessions rest for `TIME`")
		set.BoolVar(&f.touch, "touch", true, "let each session ask once after that")
		set.BoolVar(&f.keepOpen, "keep-open", false, "leave the sessions open on the server at the end, as devices that vanish do")
		return
	}
	set.DurationVar(&f.duration, "duration", defaultDuration, "measure for `TIME`; with --count, no longer than that if given")
	set.Uint64Var(&f.count, "count", 0, "end after `N` operations")
	set.DurationVar(&f.warmup, "warmup", 0, "run for `TIME` before measuring (default: a tenth of --duration, at most 1s)")
	if kind == load.Requests {
		set.DurationVar(&f.ramp, "ramp", 0, "spread the connections over `TIME`")
	}
}

func (f *benchLoadFlags) registerOrigin(set *pflag.FlagSet) {
	set.IntVar(&f.loops, "loops", 1, "use `N` event loops, each worth a core")
	set.IntVar(&f.sockets, "sockets", 0, "share `N` sockets among the clients (default: one each, up to 64)")
	set.StringSliceVar(&f.sources, "sources", nil, "send from these `ADDRESSES`, one a client: IPv4 prefixes such as 10.0.0.0/24, separated by commas (default: all of 127.0.0.0/8 for a server there, else what the system chooses)")
	set.StringVar(&f.reorder, "reorder", "", "let later datagrams overtake this `PART` of them, in each direction: 1% or 0.01")
	set.Uint64Var(&f.seed, "seed", 1, "`NUMBER` that loss, reordering and the order of the mix follow from")
}

// benchRequestFlags say what to ask for.
type benchRequestFlags struct {
	method        string
	mix           string
	payloadSize   int
	non           bool
	contentFormat string
	accept        string
	options       []string
	timeout       time.Duration
}

func (f *benchRequestFlags) register(all *pflag.FlagSet, kind load.Kind) {
	set, done := beginGroup(all, groupMessage)
	defer done()
	if kind != load.Handshakes {
		set.StringVarP(&f.method, "method", "m", "get", "`METHOD` of the requests for the URI: get, post, put, delete, fetch, patch or ipatch")
		set.IntVar(&f.payloadSize, "payload-size", 0, "give each request a payload of `N` bytes")
		set.BoolVarP(&f.non, "non", "N", false, "send non-confirmable: once, without acknowledgement")
		set.StringVarP(&f.contentFormat, "content-format", "t", "", "payload's `FORMAT`: json, cbor, text, link, ..., a media type or a number")
		set.StringVarP(&f.accept, "accept", "A", "", "wanted `FORMAT`: json, cbor, text, link, ..., a media type or a number")
		set.StringArrayVarP(&f.options, "option", "O", nil, "add `OPTION`: NAME,VALUE or NUMBER,VALUE; the value is text, a number or 0xHEX; repeatable")
	}
	if kind == load.Requests {
		set.StringVar(&f.mix, "mix", "", mixForms)
	}
	registerTimeout(set, &f.timeout)
}

// benchOutputFlags shape what is printed.
type benchOutputFlags struct {
	json     bool
	html     string
	progress string
}

// progressModes are the values of --progress.
var progressModes = []string{"auto", "plain", "off"}

func (f *benchOutputFlags) register(all *pflag.FlagSet) {
	set, done := beginGroup(all, groupOutput)
	defer done()
	set.BoolVar(&f.json, "json", false, "print one JSON object instead of text, described in docs/bench.md")
	set.StringVar(&f.html, "html", "", "write the report as a page with pictures to `FILE`")
	set.StringVar(&f.progress, "progress", "auto", "progress on stderr: `MODE` is auto (on a terminal), plain (lines) or off")
}
