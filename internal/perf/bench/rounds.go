// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/coaps-go/coaps/internal/load"
	"github.com/coaps-go/coaps/internal/perf"
	"github.com/coaps-go/coaps/security"
)

// A measure is what one contestant is asked to do in each round.
type measure struct {
	what, subject string
	who           *contestant
	kind          load.Kind
	path          string
}

// sessions is how many clients ask at a time, each from an address and a socket
// of its own, with one request in flight (NSTART); handshaking is how many
// handshakes are in progress.
const (
	sessions    = 64
	handshaking = 32
)

var measures = []measure{
	{"echo", "echo", echoServer, load.Echo, ""},
	{"get-nosec", "coaps", coapsServer, load.Requests, "/inline"},
	{"get-nosec", "libcoap", libcoapPlain, load.Requests, "/time"},
	{"get-psk", "coaps", coapsServer, load.Requests, "/inline"},
	{"get-psk", "coaps, on the pool", coapsServer, load.Requests, "/pool"},
	{"get-psk", "libcoap-gnutls", gnutlsPSK, load.Requests, "/time"},
	{"get-psk", "libcoap-openssl", opensslPSK, load.Requests, "/time"},
	{"get-psk", "pion", pionPSK, load.Requests, "/time"},
	{"handshake-psk", "coaps", coapsServer, load.Handshakes, ""},
	{"handshake-psk", "libcoap-gnutls", gnutlsPSK, load.Handshakes, ""},
	{"handshake-psk", "libcoap-openssl", opensslPSK, load.Handshakes, ""},
	{"handshake-psk", "pion", pionPSK, load.Handshakes, ""},
	{"handshake-rpk", "coaps", coapsServer, load.Handshakes, ""},
	{"handshake-rpk", "libcoap-gnutls", gnutlsRPK, load.Handshakes, ""},
	{"handshake-cert", "coaps", coapsServer, load.Handshakes, ""},
	{"handshake-cert", "libcoap-gnutls", gnutlsCert, load.Handshakes, ""},
	{"handshake-cert", "libcoap-openssl", opensslCert, load.Handshakes, ""},
	{"handshake-cert", "pion", pionCert, load.Handshakes, ""},
}

// modes are the security modes of what is measured.
var modes = map[string]string{
	"get-psk": modePSK, "handshake-psk": modePSK, "handshake-rpk": modeRPK, "handshake-cert": modeCert,
}

// config is the load of a measure.
func (b *bench) config(m measure, s *running) (load.Config, error) {
	cfg := load.Config{
		Kind: m.kind, Server: s.plain, Clients: sessions, Duration: b.plan.each, Warmup: b.plan.warmup, ServerPID: s.pid(),
		Mix: []load.Request{{Path: m.path}}, Timeout: 10 * time.Second, Seed: uint64(b.round),
	}
	switch m.kind {
	case load.Echo:
		cfg.Mix[0].PayloadSize = 60
	case load.Handshakes:
		cfg.Window = handshaking
	}
	if mode := modes[m.what]; mode != "" {
		return cfg, b.protect(&cfg, s, mode)
	}
	return cfg, nil
}

// protect makes the clients talk to the secure port in a mode.
func (b *bench) protect(cfg *load.Config, s *running, mode string) error {
	security_, err := b.keys.client(mode)
	cfg.Secure, cfg.Server, cfg.Host = true, s.secure, hostName
	cfg.Security = func(int) *security.Config { return security_ }
	return err
}

// doRound measures everything once. Each contestant is started anew, so that
// none has the others' past; who begins changes from round to round.
func (b *bench) doRound(ctx context.Context) error {
	for _, c := range orderOf(b.round) {
		if err := b.visit(ctx, c); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// orderOf is the order of the contestants in a round. The echo is always next
// to our server, which is compared with it to a few per cent.
func orderOf(round int) []*contestant {
	others := allContestants[1:] // coapsServer first
	turn := round % len(others)
	order := append(slices.Clone(others[turn:]), others[:turn]...)
	return slices.Insert(order, slices.Index(order, coapsServer), echoServer)
}

// visit does all measures of one contestant. Only the end of ctx is an error.
func (b *bench) visit(ctx context.Context, c *contestant) error {
	mine := slices.DeleteFunc(slices.Clone(measures), func(m measure) bool { return m.who != c || b.plan.leaves(m) })
	if len(mine) == 0 {
		return nil
	}
	s, err := b.begin(c)
	if err != nil {
		for _, m := range mine {
			b.skip(m, err.Error())
		}
		return nil
	}
	defer s.stop()
	for _, m := range mine {
		if c == coapsServer && m.what == "handshake-rpk" {
			b.primitives() // next to what is compared with them, while the server has nothing to do
		}
		if err := b.measure(ctx, m, s); err != nil {
			return err
		}
	}
	return nil
}

// skip says why a measure has no figures in this round.
func (b *bench) skip(m measure, why string) {
	b.results.Skip(m.what, m.subject, why)
	b.say("%-15s %-20s skipped: %s", m.what, m.subject, why)
}

// measure runs one load.
func (b *bench) measure(ctx context.Context, m measure, s *running) error {
	cfg, err := b.config(m, s)
	if err != nil {
		return err
	}
	r, err := load.Run(ctx, cfg)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		b.skip(m, err.Error())
		return nil
	case r.Operations == 0:
		b.skip(m, "no operation succeeded: "+r.Reason())
		return nil
	}
	b.results.Add(m.what, m.subject, b.values(r))
	if cfg.Secure {
		b.results.Note(m.what, m.subject, r.Config.Suite)
	}
	b.say("%-15s %-20s %s", m.what, m.subject, brief(r))
	return nil
}

// values are the figures of a report.
func (b *bench) values(r *load.Report) perf.Values {
	v := perf.Values{
		perf.Round: float64(b.round), perf.ClientUs: r.Client.CPUPerOp, perf.PerSecond: r.PerSecond,
		perf.P50Us: r.Latency.P50.Microseconds(), perf.P99Us: r.Latency.P99.Microseconds(), perf.P999Us: r.Latency.P999.Microseconds(),
		perf.MaxUs: r.Latency.Max.Microseconds(), perf.Failures: float64(r.Failed()), "retransmissions": float64(r.Wire.Retransmissions),
	}
	if r.Server != nil {
		v[perf.ServerUs] = r.Server.CPUPerOp
	}
	return v
}

// brief is a report on one line.
func brief(r *load.Report) string {
	server := 0.0
	if r.Server != nil {
		server = r.Server.CPUPerOp
	}
	return fmt.Sprintf("server %7.1f µs  client %7.1f µs  %9.0f/s  p50 %v  p99.9 %v  failures %d %s",
		server, r.Client.CPUPerOp, r.PerSecond, r.Latency.P50, r.Latency.P999, r.Failed(), r.Reason())
}
