// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// report is written when the loops have ended.
func (r *run) report() *Report {
	all := newTally()
	rep := &Report{V: Version, Began: r.began, Machine: machine(), Config: r.echoed(), Interrupted: r.interrupted}
	var w wire
	for _, l := range r.loops {
		all.add(&l.tally)
		w = w.add(l.counted)
		rep.Overdue += l.overdue
		rep.Drained += l.drained
		rep.Unfinished += uint64(l.unfinished)
		rep.Connected += r.connectedOf(l)
	}
	rep.Operations, rep.Errors = all.operations, all.errors
	if !r.began.IsZero() {
		rep.Seconds = r.ended.Sub(r.began).Seconds()
		rep.PerSecond = float64(rep.Operations) / max(rep.Seconds, 1e-9)
	}
	rep.Latency = summary(all.latency)
	rep.Latency.AtLeast = all.atLeast
	rep.Series, rep.Wire, rep.Failures = r.steps.series, w.report(), all.failures
	rep.Codes = codes(&all)
	if len(rep.Failures) == 0 {
		rep.Failures = nil
	}
	rep.Server = r.server.usage(rep.Operations)
	if u := r.client.usage(rep.Operations); u != nil {
		rep.Client = *u
	}
	if r.cfg.Secure {
		rep.Handshakes = r.handshakes()
	}
	if r.cfg.Kind == Sessions {
		rep.Sessions = r.sessions(rep)
	}
	rep.Notes = r.notes(rep)
	return rep
}

// connectedOf is how many clients of a loop were up, or, where they come and
// go, ever have been.
func (r *run) connectedOf(l *loop) int {
	if r.cfg.Kind == Handshakes {
		return int(min(l.everUp, uint64(len(l.clients))))
	}
	return l.risen
}

func codes(t *tally) map[string]uint64 {
	m := make(map[string]uint64)
	for c, n := range t.codes {
		if n > 0 && c != 0 {
			m[coap.Code(c).Dotted()] = n
		}
	}
	return m
}

func (r *run) handshakes() *HandshakeReport {
	h := &HandshakeReport{}
	latency := newHistogram(histogramDigits)
	first, last := tick.Never, tick.Time(0)
	var w wire
	for _, l := range r.loops {
		h.Completed += uint64(l.handshake.TotalCount())
		h.Failed += l.hsFailed
		latency.Merge(l.handshake)
		if l.firstHello > 0 {
			first, last = min(first, l.firstHello), max(last, l.lastShaken)
		}
		w = w.add(l.shook)
	}
	if last > first {
		h.Seconds = last.Sub(first).Seconds()
		h.PerSecond = float64(h.Completed) / h.Seconds
	}
	h.Slow = above(latency, cmp.Or(r.cfg.Timers.Initial, defaultInitial))
	h.Latency, h.Wire = summary(latency), w.report()
	return h
}

// defaultInitial is the first retransmission timer of package dtls.
const defaultInitial = time.Second

// above is how many values are greater than d, as far as a histogram can tell.
func above(h *hdr.Histogram, d time.Duration) (n uint64) {
	for _, bar := range h.Distribution() {
		if bar.From >= int64(d) {
			n += uint64(bar.Count)
		}
	}
	return n
}

func (r *run) sessions(rep *Report) *SessionsReport {
	s := &SessionsReport{HeldSeconds: r.heldFor.Seconds(), TouchSeconds: r.touchedFor.Seconds()}
	latency := newHistogram(histogramDigits)
	for _, l := range r.loops {
		s.Established += l.everUp
		s.Lost += l.lost
		s.Touched += l.touched
		s.TouchFailed += l.touchFails
		latency.Merge(l.touch)
	}
	s.TouchLatency = summary(latency)
	s.BytesPerSession = perSession(rep.Server, s.Established)
	s.ClientBytesPerSession = perSession(&rep.Client, s.Established)
	return s
}

func perSession(u *Usage, n uint64) float64 {
	if u == nil || n == 0 {
		return 0
	}
	return (float64(u.RSSAfter) - float64(u.RSSBefore)) / float64(n)
}

// midsPerLifetime is how many messages one client can surely send to one server
// within EXCHANGE_LIFETIME (see package message).
const midsPerLifetime = 57344

// notes are what a reader should know before believing the figures.
func (r *run) notes(rep *Report) []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if n := rep.Failures[reasonMessageIDs]; n > 0 {
		lifetime := r.cfg.Params.ExchangeLifetime()
		span := min(max(rep.Seconds, 1), lifetime.Seconds())
		add("%d of %d clients ran out of Message IDs and stopped: RFC 7252 section 4.4 allows one client %d messages to one server in %.0f s. For %.0f a second use at least %.0f clients.",
			n, r.cfg.Clients, midsPerLifetime, lifetime.Seconds(), rep.PerSecond,
			math.Ceil(rep.PerSecond*max(span, r.cfg.Duration.Seconds())/midsPerLifetime)+1)
	}
	if rep.Overdue > 10+rep.Operations/100 {
		add("%d operations were due and could not be begun, as every client was waiting: the rate is more than the server gives, or there are too few clients. They would have taken longer than the latencies say, which count what they had waited by the end.", rep.Overdue)
	}
	if rep.Config.Rate > 0 && rep.Drained > 2+rep.Operations/100 {
		add("%d operations that were due in the measured part were completed only after it. Their latencies count; the operations a second are without them.", rep.Drained)
	}
	if busy := rep.Client.CPUSeconds / max(rep.Seconds, 1e-9) / float64(r.cfg.Loops); busy > 0.97 && rep.Operations > 0 {
		add("The clients' event loops were busy all the time, so the server may be able to do more: use more loops.")
	}
	if h := rep.Handshakes; h != nil && h.Slow > 0 && r.cfg.Loss == 0 && r.cfg.Rate == 0 {
		add("%d of %d handshakes had to repeat something: datagrams were lost, or the server begins no more handshakes a second than it did (servers bound that, also for each /24).", h.Slow, h.Completed)
	}
	if n := r.overran; n > 0 {
		add("The system dropped %d datagrams to the clients, which did not receive them in time.", n)
	}
	if rep.Interrupted {
		add("The run was interrupted.")
	}
	return notes
}

func (r *run) overflows() (n uint64) {
	for _, l := range r.loops {
		if c, ok := l.share.conn.(udp.OverflowCounter); ok {
			n += c.Overflows()
		}
	}
	return n
}

// echoed is the configuration as it is reported.
func (r *run) echoed() Echoed {
	c := &r.cfg
	e := Echoed{
		Kind: c.Kind, Server: c.Server.String(), Secure: c.Secure, Clients: c.Clients, Loops: c.Loops,
		Window: c.Window, Rate: c.Rate, Duration: Duration(c.Duration), Count: c.Count,
		Warmup: Duration(c.Warmup), Ramp: Duration(c.Ramp), Hold: Duration(c.Hold),
		Loss: c.Loss, Reorder: c.Reorder, Seed: c.Seed,
	}
	for _, l := range r.loops {
		e.Sockets += l.share.sockets
	}
	if id := r.suite.Load(); id != 0 {
		e.Suite = dtls.CipherSuite(id).String()
	}
	for _, m := range c.Mix {
		path := m.Path
		if len(m.Options) > 0 {
			path = m.Options.Path()
		}
		e.Mix = append(e.Mix, EchoedRequest{
			Weight: max(m.Weight, 1), Method: cmp.Or(m.Method, coap.GET).Name(), Path: path,
			Payload: m.PayloadSize, Non: m.NonConfirmable,
		})
	}
	return e
}

func machine() Machine {
	return Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: processor(), Cores: runtime.NumCPU(), Kernel: kernel(), Go: runtime.Version(),
	}
}
