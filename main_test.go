// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/testlog"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/portable"
)

// No test may leave a goroutine. Some start this program again for something
// that needs a process of its own.
func TestMain(m *testing.M) {
	if addr := os.Getenv(listenElsewhereAt); addr != "" {
		listenHere(addr)
		return
	}
	goleak.VerifyTestMain(m)
}

const listenElsewhereAt = "COAPS_TEST_LISTEN"

// listenHere opens a server and tells what became of it.
func listenHere(addr string) {
	s := &Server{NoSec: true, Addr: addr, Loops: 2}
	switch err := s.Listen(); {
	case err == nil:
		fmt.Println("taken over")
	case errors.Is(err, syscall.EADDRINUSE):
		fmt.Println("in use")
	default:
		fmt.Println(err)
	}
}

// A stage is a server of all four modes on two ports of the loopback, and the
// credentials to talk to it.
type stage struct {
	t      testing.TB
	server *Server
	served chan error
	log    *lockedBuffer
	plain  string // "coap://127.0.0.1:port"
	secure string // "coaps://127.0.0.1:port"

	psk                  keys.PSK
	serverKey, clientKey *dtls.KeyPair
	ca                   *keys.CA
	clientChain          dtls.Chain
}

type lockedBuffer = testlog.Buffer

// impatient makes failures quick: what takes 93 s by default ends in 2 s.
var impatient = message.Params{AckTimeout: 150 * time.Millisecond, MaxRetransmit: 2}

// patient is for a machine that may be busy.
var patient = message.Params{AckTimeout: time.Second, MaxRetransmit: 4}

var unhurried = dtls.Timers{Initial: time.Second, Retransmissions: 6, Handshake: 30 * time.Second}

var hasty = dtls.Timers{Initial: 150 * time.Millisecond, Retransmissions: 2, Handshake: 2 * time.Second}

// promptly is what a test allows for what takes milliseconds, and is promised
// within a second, on a machine that has other things to do.
const promptly = 5 * time.Second

// newStage starts a server. prepare may change it before it listens.
func newStage(t testing.TB, handler Handler, prepare func(*Server)) *stage {
	t.Helper()
	plain, secure := socket(t), socket(t)
	s := &stage{t: t, log: new(lockedBuffer), served: make(chan error, 1)}
	s.plain, s.secure = "coap://"+plain.LocalAddr().String(), "coaps://"+secure.LocalAddr().String()
	s.server = &Server{
		NoSec: true, Addr: "plain", SecureAddr: "secure", Security: s.credentials(secure.LocalAddr()), Handler: handler,
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		ListenPacket: func(_, addr string) (udp.Conn, error) {
			if addr == "plain" {
				return plain, nil
			}
			return secure, nil
		},
	}
	if prepare != nil {
		prepare(s.server)
	}
	if err := s.server.Listen(); err != nil {
		t.Fatal(err)
	}
	go func() { s.served <- s.server.Serve(context.Background()) }()
	t.Cleanup(s.close)
	return s
}

func (s *stage) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.t.Errorf("Shutdown: %v", err)
	}
	if err := <-s.served; !errors.Is(err, ErrServerClosed) {
		s.t.Errorf("Serve: %v", err)
	}
}

func socket(t testing.TB) udp.Conn {
	t.Helper()
	conn, err := portable.Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// credentials makes the keys of both sides and returns the server's.
func (s *stage) credentials(addr netip.AddrPort) *security.Config {
	s.t.Helper()
	now := time.Now()
	s.psk = must(keys.RandomPSK(rand.Reader, []byte("device")))
	s.serverKey, s.clientKey = must(keys.NewKey(rand.Reader)), must(keys.NewKey(rand.Reader))
	s.ca = must(keys.NewCA(rand.Reader, "test CA", now, time.Hour))
	s.clientChain = must(s.ca.IssueClient(rand.Reader, must(keys.NewKey(rand.Reader)), "02-00-5E-FF-FE-10-00-01", now, time.Hour))
	authority := keys.Authority{Host: addr.Addr().String(), Port: addr.Port()}
	chain := must(s.ca.IssueServer(rand.Reader, must(keys.NewKey(rand.Reader)), []keys.Authority{authority}, now, time.Hour))
	return &security.Config{
		PSK:    must(keys.NewPSKMap(s.psk)),
		RawKey: s.serverKey,
		Chains: []dtls.Chain{chain},
		Pins:   pin(s.clientKey),
		Trust:  keys.NewTrust([]*x509.Certificate{s.ca.Certificate}),
	}
}

func pin(pair *dtls.KeyPair) *keys.Pins {
	p := new(keys.Pins)
	p.AddKey(pair.SPKI)
	return p
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// clientConfig is one of the four ways to talk to a stage, by its mode.
func (s *stage) clientConfig(mode security.Mode) *security.Config {
	switch mode {
	case security.PreSharedKey:
		return &security.Config{ClientPSK: &s.psk}
	case security.RawPublicKey:
		return &security.Config{RawKey: s.clientKey, Pins: pin(s.serverKey)}
	case security.Certificate:
		return &security.Config{
			Chains: []dtls.Chain{s.clientChain}, Trust: keys.NewTrust([]*x509.Certificate{s.ca.Certificate}),
		}
	}
	return nil
}

// client returns a client that is closed with the test.
func (s *stage) client(mode security.Mode) *Client {
	c := &Client{Security: s.clientConfig(mode), Timers: unhurried, Params: patient}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// hurried is a client for tests that wait for a request to fail.
func (s *stage) hurried(mode security.Mode) *Client {
	c := s.client(mode)
	c.Timers, c.Params = hasty, impatient
	return c
}

func (s *stage) uri(mode security.Mode) string {
	if mode == security.NoSec {
		return s.plain
	}
	return s.secure
}

func timeout(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A deadline is a context whose time is over when the test says so.
type deadline struct {
	context.Context
	over chan struct{}
}

func newDeadline(t testing.TB) deadline { return deadline{timeout(t), make(chan struct{})} }

func (d deadline) Done() <-chan struct{} { return d.over }

func (d deadline) Err() error {
	select {
	case <-d.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// wantReason checks an error's named reason.
func wantReason(t testing.TB, err error, reasons ...string) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error %v is no *Error", err)
	}
	for _, r := range reasons {
		if e.Reason == r {
			return e
		}
	}
	t.Fatalf("reason %q (%v), want one of %q", e.Reason, err, reasons)
	return nil
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// wantLog waits for a line of the server's log that has all the words.
func (s *stage) wantLog(words ...string) {
	s.t.Helper()
	eventually(s.t, "log line with "+strings.Join(words, " "), func() bool {
		for line := range strings.Lines(s.log.String()) {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return true
			}
		}
		return false
	})
}

// freePort is an address nobody listens at.
func freePort(t testing.TB) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}
