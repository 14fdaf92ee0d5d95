// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/udp"
)

// No test may leave a goroutine.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Failures come quickly with these.
var (
	impatient = message.Params{AckTimeout: 50 * time.Millisecond, MaxRetransmit: 6, MaxLatency: time.Second}
	hasty     = dtls.Timers{Initial: 50 * time.Millisecond, Handshake: 10 * time.Second}
)

// A target is a server on the loopback.
type target struct {
	plain, secure netip.AddrPort
	psk           keys.PSK
	key           *dtls.KeyPair // raw public key, of both sides

	mu    sync.Mutex
	who   map[string]int // requests by identity
	first time.Time      // request for /stall

	stuck atomic.Int32 // requests for /stall that wait
}

// /stall is quick for so long, and what is asked after that is answered at
// stallEnd, counted from the first request.
const (
	stallBegin = 300 * time.Millisecond
	stallEnd   = 1200 * time.Millisecond
)

func (s *target) stall(coaps.ResponseWriter, *coaps.Request) {
	s.mu.Lock()
	if s.first.IsZero() {
		s.first = time.Now()
	}
	since := time.Since(s.first)
	s.mu.Unlock()
	if since > stallBegin {
		s.stuck.Add(1)
		time.Sleep(stallEnd - since)
	}
}

// fleet is how many identities of their own clients can have.
const fleet = 20

func fleetPSK(i int) (identity, key []byte) {
	return fmt.Appendf(nil, "device %d", i), fmt.Appendf(nil, "the key of device number %d", i)
}

func newPSK(t testing.TB, key string) keys.PSK {
	t.Helper()
	psk, err := keys.NewPSK([]byte("device"), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return psk
}

// serve starts a server whose /hello is answered on the event loop.
func serve(t testing.TB) *target {
	t.Helper()
	s := &target{psk: newPSK(t, "a key of 16 bytes"), who: make(map[string]int)}
	var err error
	if s.key, err = keys.NewKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	known, err := keys.NewPSKMap(s.psk)
	if err != nil {
		t.Fatal(err)
	}
	for i := range fleet {
		psk, err := keys.NewPSK(fleetPSK(i))
		if err == nil {
			err = known.Add(psk)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	mux := coaps.NewMux()
	mux.Handle("GET /who", coaps.HandlerFunc(func(_ coaps.ResponseWriter, r *coaps.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.who[r.Peer.Identity.Name()]++
	}))
	hello := []byte("hello")
	mux.Handle("GET /hello", coaps.Inline(coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
		_, _ = w.Write(hello)
	})))
	mux.Handle("POST /store", coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) { w.SetCode(coap.Changed) }))
	mux.Handle("GET /slow", coaps.HandlerFunc(func(coaps.ResponseWriter, *coaps.Request) { time.Sleep(20 * time.Millisecond) }))
	mux.Handle("GET /stall", coaps.HandlerFunc(s.stall))
	server := &coaps.Server{
		NoSec: true, Addr: "plain", SecureAddr: "secure",
		Security: &security.Config{PSK: known, RawKey: s.key, Pins: pins(s.key)}, Handler: mux,
		Logger: slog.New(slog.DiscardHandler),
		ListenPacket: func(_, addr string) (udp.Conn, error) {
			conn, err := listen("udp4", "127.0.0.1:0")
			if err == nil && addr == "plain" {
				s.plain = conn.LocalAddr()
			} else if err == nil {
				s.secure = conn.LocalAddr()
			}
			return conn, err
		},
	}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background()) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, coaps.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

func pins(key *dtls.KeyPair) *keys.Pins {
	p := new(keys.Pins)
	p.AddKey(key.SPKI)
	return p
}

// secured is a configuration for the secure port.
func (s *target) secured() Config {
	cfg := &security.Config{ClientPSK: &s.psk}
	return Config{
		Server: s.secure, Secure: true, Security: func(int) *security.Config { return cfg },
		Clients: 8, Duration: 300 * time.Millisecond, Mix: []Request{{Path: "/hello"}},
		Params: impatient, Timers: hasty, Timeout: 5 * time.Second,
	}
}

func (s *target) open() Config {
	c := s.secured()
	c.Server, c.Secure, c.Security = s.plain, false, nil
	return c
}

func generate(t testing.TB, cfg Config) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rep, err := Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}
