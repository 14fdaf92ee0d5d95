// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"crypto/rand"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/perf"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// The keys in a folder serve both ends in every mode.
func TestMaterial(t *testing.T) {
	dir := t.TempDir()
	if err := writeMaterial(dir); err != nil {
		t.Fatal(err)
	}
	client, err := readMaterial(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	server, err := readMaterial(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{modePSK, modeRPK, modeCert} {
		config, err := client.client(mode)
		if err == nil {
			_, err = config.Client(keys.Authority{Host: hostName})
		}
		if err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
	config, err := server.server()
	if err == nil {
		_, err = config.Server()
	}
	if err != nil {
		t.Error(err)
	}
	if _, err := client.client("nosec"); err == nil {
		t.Error("a mode that needs no keys has some")
	}
}

// None of what the flood sends gets a session, or an answer larger than itself.
func TestForgeriesAreRefused(t *testing.T) {
	kinds, err := forgeries()
	if err != nil {
		t.Fatal(err)
	}
	now := tick.Time(2 * time.Hour)
	gate, err := dtls.NewGate(&dtls.Config{
		CipherSuites: []dtls.CipherSuite{pskSuite}, Rand: rand.Reader,
		Credentials: func(string) *dtls.Credentials { return &dtls.Credentials{PSK: true} },
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	d := udp.Datagram{Buf: make([]byte, 512)}
	reply := make([]byte, 512)
	answered, locals := 0, map[netip.Addr]bool{}
	for range 1000 {
		forge(&d, kinds)
		locals[d.Local] = true
		s := gate.Screen(now, netip.AddrPortFrom(d.Local, 5), slices.Clone(d.Payload()), reply)
		if s.Session != nil {
			t.Fatal("a forged hello has a session")
		}
		if s.Reply > d.N {
			t.Fatalf("%d bytes are answered by %d", d.N, s.Reply)
		}
		if s.Reply > 0 {
			answered++
		}
	}
	if answered < 200 || answered > 800 {
		t.Errorf("%d of 1000 are answered: hello and junk are to be mixed", answered)
	}
	if len(locals) < 990 {
		t.Errorf("only %d addresses", len(locals))
	}
}

func TestRecordPrimitives(t *testing.T) {
	v := perf.Values{}
	if err := recordPrimitives(v, 5*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"seal_ns", "open_ns", perf.RecordNs, perf.GCMNs} {
		if v[name] <= 0 {
			t.Errorf("%s is %v", name, v[name])
		}
	}
	if v[perf.RecordAllocs] > 0.01 {
		t.Errorf("%v allocations a record", v[perf.RecordAllocs])
	}
}

func TestHandshakePrimitives(t *testing.T) {
	dir := t.TempDir()
	if err := writeMaterial(dir); err != nil {
		t.Fatal(err)
	}
	v := perf.Values{}
	if err := handshakePrimitives(v, dir, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if v[perf.SumCert] <= v[perf.SumRPK] || v[perf.SumRPK] <= v["verify_us"]+v["sign_us"] {
		t.Errorf("the sums are no sums: %v", v)
	}
	client, err := readMaterial(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	server, err := readMaterial(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifyChain(server.trust, client.own.DER); err != nil {
		t.Errorf("what is measured is a refusal: %v", err)
	}
}

func TestCrowdsAreLimited(t *testing.T) {
	p := plans["full"]
	p.limit(5000, false)
	if len(p.crowds) != len(small) || p.beside != 5000 {
		t.Errorf("%d crowds, requests beside %d", len(p.crowds), p.beside)
	}
	p = plans["full"]
	p.limit(2_000_000, true)
	if p.crowds[len(p.crowds)-1] != millionRPK || p.beside != 1_000_000 {
		t.Errorf("crowds %v, requests beside %d", p.crowds, p.beside)
	}
}

// Each contestant that is installed has a command with a port in it, and each
// that is not has a reason.
func TestContestants(t *testing.T) {
	b := &bench{self: "bench", pion: "pion", dir: "keys"}
	for _, c := range append(slices.Clone(allContestants), careful) {
		_, argv, err := c.command(b, 7000)
		switch {
		case err != nil:
			t.Logf("%s: %v", c.name, err)
		case !strings.Contains(strings.Join(argv, " "), "700"):
			t.Errorf("%s is not told its port: %v", c.name, argv)
		case strings.Contains(strings.Join(argv, " "), "$"):
			t.Errorf("%s: %v", c.name, argv)
		}
		if c != careful && !slices.ContainsFunc(measures, func(m measure) bool { return m.who == c }) {
			t.Errorf("%s is never measured", c.name)
		}
	}
}

// Each round has every contestant once, and the echo just before our server.
func TestOrder(t *testing.T) {
	begins := map[*contestant]bool{}
	for round := range 20 {
		order := orderOf(round)
		if i := slices.Index(order, echoServer); len(order) != len(allContestants) || i+1 >= len(order) || order[i+1] != coapsServer {
			t.Fatalf("round %d: our server is not next to the echo", round)
		}
		for _, c := range allContestants {
			if !slices.Contains(order, c) {
				t.Errorf("round %d is without %s", round, c.name)
			}
		}
		begins[order[0]] = true
	}
	if len(begins) < len(allContestants)-1 {
		t.Errorf("only %d of them ever begin", len(begins))
	}
}

func TestIsBound(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	port := conn.LocalAddr().(*net.UDPAddr).Port
	if !isBound(port) {
		t.Error("a bound port is not found")
	}
	conn.Close()
}

// A process that ends before it listens is not waited for.
func TestReadyGivesUp(t *testing.T) {
	server, _, err := cores()
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(server, nil, "sh", "-c", "echo no such option >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if err := p.ready(1); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("error %v", err)
	}
}
