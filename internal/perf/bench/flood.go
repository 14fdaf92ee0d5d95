// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	randv2 "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/load"
	"github.com/coaps-go/coaps/internal/perf"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// flood measures what established sessions keep of their throughput while the
// server is sent hellos from forged addresses, and junk. The sender shares the
// core of the clients, so it also runs against a socket that nobody reads: that
// takes the same from the clients and nothing from the server.
func (b *bench) flood(ctx context.Context) error {
	s, err := b.begin(careful)
	if err != nil {
		return err
	}
	defer s.stop()
	for b.round = 1; b.round <= b.plan.rounds; b.round++ {
		sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return err
		}
		nobody := sink.LocalAddr().(*net.UDPAddr).AddrPort()
		for _, stage := range []struct {
			subject string
			target  netip.AddrPort
		}{{perf.Quiet, netip.AddrPort{}}, {perf.FloodElsewhere, nobody}, {perf.Flood, s.secure}, {perf.AfterFlood, netip.AddrPort{}}} {
			if err := b.underFlood(ctx, stage.subject, stage.target, s); err != nil {
				sink.Close()
				return err
			}
		}
		sink.Close()
	}
	return nil
}

// underFlood measures requests while the target, if there is one, is flooded.
func (b *bench) underFlood(ctx context.Context, subject string, target netip.AddrPort, s *running) error {
	const what = "flood"
	cfg, err := b.config(measure{what, subject, careful, load.Requests, "/inline"}, s)
	if err == nil {
		err = b.protect(&cfg, s, modePSK)
	}
	if err != nil {
		return err
	}
	// The flood begins when all sessions are established: newcomers would
	// measure the chance of a hello among forged ones.
	var stop func() flooded
	var floodErr error
	cfg.Warmup += floodRises
	cfg.Progress = func(now load.Snapshot) {
		if target.IsValid() && stop == nil && floodErr == nil && now.Phase >= load.WarmingUp {
			stop, floodErr = b.startFlood(target)
		}
	}
	before, _ := rss(s.pid())
	was, _ := s.gauges(false)
	r, err := load.Run(ctx, cfg)
	is, _ := s.gauges(false)
	after, _ := rss(s.pid())
	var sent flooded
	if stop != nil {
		sent = stop()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case floodErr != nil:
		return floodErr
	case err != nil:
		b.results.Skip(what, subject, err.Error())
		return nil
	}
	v := b.values(r)
	v["rss_before_bytes"], v["rss_after_bytes"] = float64(before), float64(after)
	v[perf.FloodRate], v[perf.Sessions] = sent.PerSecond, float64(r.Connected)
	if r.Handshakes != nil {
		v["handshakes"] = float64(r.Handshakes.Completed)
	}
	old := drops(&was)
	for name, n := range drops(&is) {
		if n > old[name] {
			v[perf.Dropped+name] = float64(n - old[name])
		}
	}
	b.results.Add(what, subject, v)
	b.say("%-15s %-20s %s  flood %.0f/s", what, subject, brief(r), sent.PerSecond)
	return nil
}

// floodRises is how much longer a warm-up is for the flood to be noticed, begun
// and at its height.
const floodRises = 1500 * time.Millisecond

// flooded is what the sender says at its end.
type flooded struct {
	Sent      uint64  `json:"sent"`
	PerSecond float64 `json:"per_second"`
}

// startFlood floods the target until the function it returns is called.
func (b *bench) startFlood(target netip.AddrPort) (stop func() flooded, err error) {
	p, err := start(b.results.Machine.ClientCore, nil, b.self, "flood", "-target", target.String())
	if err != nil {
		return nil, err
	}
	time.Sleep(200 * time.Millisecond)
	return func() (f flooded) {
		p.cmd.Process.Signal(syscall.SIGINT)
		json.NewDecoder(p.stdout).Decode(&f)
		p.stop()
		return f
	}, nil
}

// floodCommand sends as fast as it can until it is interrupted.
func floodCommand(args []string) error {
	set := flag.NewFlagSet("flood", flag.ExitOnError)
	to := set.String("target", "", "`address` to send to")
	set.Parse(args)
	target, err := netip.ParseAddrPort(*to)
	if err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	conn, err := coaps.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		return err
	}
	kinds, err := forgeries()
	if err != nil {
		return err
	}
	var batch [64]udp.Datagram
	for i := range batch {
		batch[i] = udp.Datagram{Buf: make([]byte, 512), Remote: target}
	}
	f, began := flooded{}, time.Now()
	for {
		select {
		case <-interrupted:
			f.PerSecond = float64(f.Sent) / time.Since(began).Seconds()
			return json.NewEncoder(os.Stdout).Encode(f)
		default:
		}
		for i := range batch {
			forge(&batch[i], kinds)
		}
		for rest := batch[:]; len(rest) > 0; {
			n, err := conn.Send(rest)
			f.Sent += uint64(n)
			if err == nil {
				break
			}
			rest = rest[min(n+1, len(rest)):]
		}
	}
}

// A forgery is a datagram of which the bytes in between are drawn anew each
// time.
type forgery struct {
	datagram []byte
	from, to int
}

// random is where a ClientHello has its random bytes: after the record header,
// the message header and the version.
const random = 13 + 12 + 2

// forgeries are a hello, a hello with a cookie of another server's, a record of
// a session that is not there, a CoAP request in the clear, and noise.
func forgeries() ([]forgery, error) {
	cfg := &dtls.Config{
		CipherSuites: []dtls.CipherSuite{pskSuite}, Rand: rand.Reader,
		Credentials: func(string) *dtls.Credentials { return &dtls.Credentials{PSK: true} },
	}
	now := tick.Time(time.Hour)
	client, err := dtls.NewClient(cfg, now, "")
	if err != nil {
		return nil, err
	}
	gate, err := dtls.NewGate(cfg, now)
	if err != nil {
		return nil, err
	}
	buf, reply := make([]byte, 512), make([]byte, 512)
	hello := slices.Clone(buf[:client.Transmit(now, buf)])
	screening := gate.Screen(now, netip.MustParseAddrPort("127.0.0.2:5"), slices.Clone(hello), reply)
	hear(client, now, reply[:screening.Reply])
	withCookie := slices.Clone(buf[:client.Transmit(now, buf)])
	if len(withCookie) <= len(hello) {
		return nil, errors.New("no hello with a cookie")
	}
	record := append([]byte{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 51}, make([]byte, 51)...)
	request := append([]byte{0x44, 0x01, 0, 0, 1, 2, 3, 4, 0xb4}, "time"...)
	return []forgery{
		{hello, random, random + 32}, {hello, random, random + 32}, {withCookie, random, random + 32},
		{record, 5, len(record) - 51}, {request, 2, 8}, {make([]byte, 80), 0, 80},
	}, nil
}

// forge makes the next datagram of the flood, from any address of 127.0.0.0/8.
func forge(d *udp.Datagram, kinds []forgery) {
	k := kinds[randv2.IntN(len(kinds))]
	d.N = copy(d.Buf, k.datagram)
	for i := k.from; i < k.to; i++ {
		d.Buf[i] = byte(randv2.Uint32())
	}
	a := randv2.Uint32()
	d.Local = netip.AddrFrom4([4]byte{127, byte(a >> 16), byte(a >> 8), 1 + byte(a)%250})
}
