// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/coaps-go/coaps/internal/echo"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
)

// With loss and reordering everything is answered in the end, by retransmission.
func TestLoss(t *testing.T) {
	s := serve(t)
	for name, cfg := range map[string]Config{"coap": s.open(), "coaps": s.secured()} {
		t.Run(name, func(t *testing.T) {
			cfg.Loss, cfg.Reorder, cfg.Seed = 0.05, 0.05, 7
			cfg.Duration = 700 * time.Millisecond
			rep := generate(t, cfg)
			whole(t, rep)
			if rep.Wire.Retransmissions == 0 {
				t.Error("nothing was repeated")
			}
		})
	}
}

// Handshakes get through too, and those that had to repeat a flight are counted.
func TestLossOfHandshakes(t *testing.T) {
	s := serve(t)
	cfg := s.secured()
	cfg.Kind, cfg.Loss, cfg.Seed = Handshakes, 0.05, 7
	cfg.Timers.Handshake = 20 * time.Second // what was lost is to be repeated, however often
	cfg.Count, cfg.Duration = 100, 0
	rep := generate(t, cfg)
	whole(t, rep)
	if slow := rep.Handshakes.Slow; slow == 0 || slow == 100 {
		t.Errorf("%d of 100 were slow", slow)
	}
}

// What is lost of Non-confirmable requests has failed, and holds nobody up.
func TestLossOfNon(t *testing.T) {
	s := serve(t)
	cfg := s.open()
	cfg.Loss, cfg.Seed, cfg.Timeout = 0.05, 7, 50*time.Millisecond
	cfg.Mix = []Request{{Path: "/hello", NonConfirmable: true}}
	rep := generate(t, cfg)
	if rep.Operations < 100 || rep.Failures["timeout"] == 0 || len(rep.Failures) != 1 {
		t.Errorf("%d operations, failures %v", rep.Operations, rep.Failures)
	}
}

func TestWrongPSK(t *testing.T) {
	s := serve(t)
	wrong := newPSK(t, "another key, also of 16 bytes")
	for _, kind := range []Kind{Requests, Handshakes, Sessions} {
		cfg := s.secured()
		cfg.Kind = kind
		cfg.Security = func(int) *security.Config { return &security.Config{ClientPSK: &wrong} }
		cfg.Duration, cfg.Timers.Handshake = 20*time.Second, time.Second
		began := time.Now()
		rep := generate(t, cfg)
		if rep.Failures["bad_psk_or_unknown_identity"] < uint64(cfg.Clients) || rep.Operations != 0 || rep.Connected != 0 {
			t.Errorf("%v: %d operations, failures %v", kind, rep.Operations, rep.Failures)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%v: took %v, where nothing can succeed", kind, took)
		}
	}
}

// free is an address at which nobody listens.
func free(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := listen("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr()
}

func TestNobodyThere(t *testing.T) {
	s := &target{psk: newPSK(t, "a key of 16 bytes")}
	for _, kind := range []Kind{Requests, Handshakes, Sessions, Echo} {
		for _, clients := range []int{4, 100} {
			cfg := s.secured()
			cfg.Kind, cfg.Clients, cfg.Server = kind, clients, free(t)
			cfg.Duration = 20 * time.Second
			if kind == Echo {
				cfg.Secure, cfg.Mix[0].PayloadSize = false, 20
			}
			began := time.Now()
			rep := generate(t, cfg)
			if once := uint64(clients); kind == Echo && (rep.Failures["refused"] != once || rep.Unfinished != 0) {
				t.Errorf("of %d echoes %v failed, and %d were unfinished", once, rep.Failures, rep.Unfinished)
			}
			if took := time.Since(began); took > 10*time.Second || rep.Reason() != "refused" || rep.Operations != 0 {
				t.Errorf("%v, %d clients: after %v %d operations, failures %v", kind, clients, took, rep.Operations, rep.Failures)
			}
		}
	}
}

// When an echo server goes away, each echo that it does not send back has failed
// once.
func TestEchoGoesAway(t *testing.T) {
	conn, err := listen("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- echo.Serve(conn) }()
	time.AfterFunc(200*time.Millisecond, func() { _ = conn.Close() })
	rep := generate(t, Config{
		Kind: Echo, Server: conn.LocalAddr(), Clients: 8, Duration: 900 * time.Millisecond, Timeout: 50 * time.Millisecond,
		Mix: []Request{{PayloadSize: 20}},
	})
	if err := <-served; err != nil {
		t.Error(err)
	}
	ended := rep.Operations + rep.Drained + rep.Unfinished + rep.Failed()
	if ended != rep.Wire.DatagramsUp || rep.Operations == 0 || rep.Failures["refused"] < uint64(rep.Config.Clients) {
		t.Errorf("%d sent, and %d came back, %d later, %d unfinished, %v failed",
			rep.Wire.DatagramsUp, rep.Operations, rep.Drained, rep.Unfinished, rep.Failures)
	}
}

// A server that does not answer is given up after the timeout.
func TestSilence(t *testing.T) {
	deaf, err := listen("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	s := &target{psk: newPSK(t, "a key of 16 bytes")}
	for reason, cfg := range map[string]Config{"timeout": s.open(), "timeout_flight_1": s.secured()} {
		cfg.Server, cfg.Timeout, cfg.Timers.Handshake = deaf.LocalAddr(), 200*time.Millisecond, 200*time.Millisecond
		rep := generate(t, cfg)
		if rep.Failures[reason] < uint64(cfg.Clients) || len(rep.Failures) != 1 || rep.Operations != 0 {
			t.Errorf("failures %v, want %q", rep.Failures, reason)
		}
	}
}

// When the context ends, the report is about what was done until then.
func TestInterrupted(t *testing.T) {
	s := serve(t)
	for _, kind := range []Kind{Requests, Handshakes, Sessions} {
		cfg := s.secured()
		cfg.Kind, cfg.Duration, cfg.Hold = kind, time.Hour, time.Hour
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		began := time.Now()
		rep, err := Run(ctx, cfg)
		cancel()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%v: took %v", kind, took)
		}
		if err != nil || !rep.Interrupted || rep.Operations == 0 || rep.Failed() != 0 {
			t.Errorf("%v: %v, %+v", kind, err, rep)
		}
	}
}

// RFC 7252 section 4.4: a client that has used all Message IDs it may stops, and
// the report says what to do.
// One that went on would be answered from the server's memory of duplicates.
func TestMessageIDsRunOut(t *testing.T) {
	if testing.Short() {
		t.Skip("70,000 requests")
	}
	s := serve(t)
	cfg := s.open()
	cfg.Clients, cfg.Window, cfg.Duration, cfg.Params = 1, 64, time.Minute, message.Params{}
	rep := generate(t, cfg)
	if rep.Failures["message_ids"] == 0 || len(rep.Failures) != 1 || len(rep.Notes) == 0 {
		t.Errorf("failures %v, notes %q", rep.Failures, rep.Notes)
	}
	if rep.Operations < midsPerLifetime || rep.Operations > 1<<16 {
		t.Errorf("%d operations by one client", rep.Operations)
	}
}

func TestRefused(t *testing.T) {
	good := Config{Server: netip.MustParseAddrPort("127.0.0.1:5683")}
	for want, spoil := range map[error]func(*Config){
		errNoServer:   func(c *Config) { c.Server = netip.AddrPort{} },
		errNoSecurity: func(c *Config) { c.Secure = true },
		errPlain:      func(c *Config) { c.Kind = Handshakes },
		errParts:      func(c *Config) { c.Loss = 5 },
		errNegative:   func(c *Config) { c.Duration = -1 },
		errClients:    func(c *Config) { c.Clients = 1 << 30 },
		errWindow:     func(c *Config) { c.Window = 1000 },
		errSmallEcho:  func(c *Config) { c.Kind = Echo },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := Run(context.Background(), cfg); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
