// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps"
)

// pinger is the ping command.
type pinger struct {
	*app
	client   clientFlags
	json     bool
	count    int
	interval time.Duration
	timeout  time.Duration
}

func (a *app) pingCommand() *cobra.Command {
	p := &pinger{app: a}
	cmd := &cobra.Command{
		Use:   "ping URI",
		Short: "see whether a server is alive, and how far",
		Long: `Send CoAP pings, empty Confirmable messages that every endpoint answers by a
Reset (RFC 7252 section 4.3), and report the round trips. For coaps:// they go
through a session, so a reply proves that the keys work too; the handshake is
made once and reported apart.

The path of the URI is ignored. -B bounds the handshake and each ping. The exit
code is 0 when at least one ping was answered. With --count 0 it goes on until
Ctrl-C.`,
		Example: `  coaps ping coap://localhost
  coaps ping --count 10 --interval 200ms --psk-file demo.psk coaps://localhost`,
		GroupID: groupTalk,
		Args:    p.client.uriArgument,
		RunE:    func(cmd *cobra.Command, args []string) error { return p.run(cmd, hideUserinfo(args[0])) },
	}
	p.client.register(cmd.Flags())
	set, done := beginGroup(cmd.Flags(), groupMessage)
	set.IntVar(&p.count, "count", 4, "send `N` pings; 0 goes on until interrupted")
	set.DurationVar(&p.interval, "interval", time.Second, "wait `TIME` from one ping to the next")
	registerTimeout(set, &p.timeout)
	done()
	registerJSON(cmd.Flags(), &p.json)
	return cmd
}

// pingTally collects round trips.
type pingTally struct {
	sent, received int
	least, most    time.Duration
	sum            time.Duration
	last           *failure // why the last one was lost
}

func (t *pingTally) add(rtt time.Duration) {
	if t.received == 0 || rtt < t.least {
		t.least = rtt
	}
	t.most = max(t.most, rtt)
	t.received++
	t.sum += rtt
}

// loss is the share of pings without a reply, in percent.
func (t *pingTally) loss() float64 {
	if t.sent == 0 {
		return 0
	}
	return 100 * float64(t.sent-t.received) / float64(t.sent)
}

func (p *pinger) run(cmd *cobra.Command, uri string) error {
	if p.count < 0 || p.interval < 0 {
		return usage(cmd, "--count and --interval cannot be negative")
	}
	t, err := p.client.open(p.app, cmd, uri, p.timeout)
	if err != nil {
		return p.failed(uri, err)
	}
	defer t.close()
	ctx := cmd.Context()
	connection, err := p.connect(ctx, t)
	if err != nil {
		return p.failed(uri, t.diagnose(ctx, t.failure("ping "+uri, err)))
	}
	var tally pingTally
	for p.count == 0 || tally.sent < p.count {
		if tally.sent > 0 && !sleep(ctx, p.interval) {
			break
		}
		p.once(ctx, t, connection, &tally)
		if ctx.Err() != nil {
			break
		}
	}
	if tally.received == 0 && tally.last != nil {
		tally.last = t.diagnose(ctx, tally.last)
	}
	return p.conclude(ctx, uri, &tally)
}

// connect makes the session apart from the first ping.
func (p *pinger) connect(ctx context.Context, t *transport) (*coaps.Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	stop := p.progress("waiting for " + t.uri.Authority())
	defer stop()
	connection, err := t.connect(ctx)
	if err == nil && t.uri.Secure() && !p.json && !p.quiet {
		peer := connection.Peer()
		fmt.Fprintf(p.err, "session with %s in %s [%s]\n", peer.Addr, milliseconds(connection.HandshakeTime()), reportPeer(&peer).short())
	}
	return connection, err
}

// once sends one ping and prints its line.
func (p *pinger) once(ctx context.Context, t *transport, connection *coaps.Connection, tally *pingTally) {
	limited, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	rtt, err := t.client.Ping(limited, t.uri.String())
	if err != nil && ctx.Err() != nil {
		return // the user has had enough; this one counts as never sent
	}
	tally.sent++
	switch {
	case err == nil:
		tally.add(rtt)
	default:
		tally.last = t.failure("ping "+t.uri.String(), err)
	}
	p.line(connection, tally, rtt, err)
}

// jsonPing is one line of ping --json; the last one is the summary.
type jsonPing struct {
	V      int        `json:"v"`
	Seq    int        `json:"seq"`
	OK     bool       `json:"ok"`
	RTT    *float64   `json:"rtt_ms,omitempty"`
	Reason *jsonError `json:"error,omitempty"`
}

// jsonPingSummary closes the stream.
type jsonPingSummary struct {
	V        int        `json:"v"`
	URI      string     `json:"uri"`
	OK       bool       `json:"ok"`
	Sent     int        `json:"sent"`
	Received int        `json:"received"`
	Loss     float64    `json:"loss_percent"`
	Min      *float64   `json:"rtt_min_ms,omitempty"`
	Avg      *float64   `json:"rtt_avg_ms,omitempty"`
	Max      *float64   `json:"rtt_max_ms,omitempty"`
	Error    *jsonError `json:"error,omitempty"`
}

func (p *pinger) line(connection *coaps.Connection, tally *pingTally, rtt time.Duration, err error) {
	if p.json {
		j := jsonPing{V: jsonSchemaVersion, Seq: tally.sent, OK: err == nil}
		if err == nil {
			ms := inMilliseconds(rtt)
			j.RTT = &ms
		} else {
			j.Reason = tally.last.json()
		}
		_ = writeJSON(p.out, j)
		return
	}
	if err != nil {
		fmt.Fprintf(p.out, "no answer: seq=%d %s\n", tally.sent, tally.last.reason)
		return
	}
	fmt.Fprintf(p.out, "pong from %s: seq=%d time=%s\n", connection.Peer().Addr, tally.sent, milliseconds(rtt))
}

// conclude prints the summary and decides the exit code: a single reply proves
// that the server is alive.
func (p *pinger) conclude(ctx context.Context, uri string, tally *pingTally) error {
	var f *failure
	switch {
	case ctx.Err() != nil && (p.count > 0 || tally.received == 0):
		f = fail("interrupted", "ping "+uri, "after %s", plural(tally.sent, "ping"))
	case tally.received == 0 && tally.last != nil:
		f = tally.last
	}
	if p.json {
		_ = writeJSON(p.out, tally.json(uri, f))
	} else if !p.quiet {
		fmt.Fprintf(p.err, "%d sent, %d answered, %.0f%% lost%s\n", tally.sent, tally.received, tally.loss(), tally.times())
	}
	if f == nil {
		return nil
	}
	return f
}

func (t *pingTally) times() string {
	if t.received == 0 {
		return ""
	}
	return fmt.Sprintf("; min/avg/max %s/%s/%s", milliseconds(t.least), milliseconds(t.sum/time.Duration(t.received)), milliseconds(t.most))
}

func (t *pingTally) json(uri string, f *failure) jsonPingSummary {
	s := jsonPingSummary{V: jsonSchemaVersion, URI: uri, OK: f == nil, Sent: t.sent, Received: t.received, Loss: t.loss()}
	if t.received > 0 {
		least, average, most := inMilliseconds(t.least), inMilliseconds(t.sum/time.Duration(t.received)), inMilliseconds(t.most)
		s.Min, s.Avg, s.Max = &least, &average, &most
	}
	if f != nil {
		s.Error = f.json()
	}
	return s
}

// failed is for what goes wrong before the first ping.
func (p *pinger) failed(uri string, err error) error {
	f, ok := errors.AsType[*failure](err)
	if ok && p.json && f.exitCode() != exitUsage {
		_ = writeJSON(p.out, jsonPingSummary{V: jsonSchemaVersion, URI: uri, Error: f.json()})
	}
	return err
}

// sleep waits, or returns false when the context ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
