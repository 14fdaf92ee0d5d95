// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/udp"
)

const subjectPlain, subjectSecure = "192.0.2.1:5683", "192.0.2.1:5684"

// A subject is a server that is observed, in a bubble where time is not real.
type subject struct {
	t         *testing.T
	air       *air
	server    *Server
	directory *directory
	log       *lockedBuffer
	served    chan error
	onlookers int
	client    *Client
}

// observed runs a test of a server. prepare may be nil.
func observed(t *testing.T, h Handler, prepare func(*Server), f func(s *subject)) {
	t.Helper()
	inBubble(t, func(t *testing.T, a *air) {
		s := &subject{t: t, air: a, directory: newDirectory(), log: new(lockedBuffer), served: make(chan error, 1)}
		s.server = &Server{
			NoSec: true, Addr: subjectPlain, SecureAddr: subjectSecure, Handler: h,
			Security:     &security.Config{PSK: new(keys.PSKMap), Directory: s.directory},
			Logger:       slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			ListenPacket: func(_, addr string) (udp.Conn, error) { return a.listen(addr), nil },
		}
		var sent atomic.Int64
		a.setFate(func(_, _ netip.AddrPort, _ []byte) []time.Duration {
			return []time.Duration{airTime + time.Duration(sent.Add(1))} // in the order of sending
		})
		if prepare != nil {
			prepare(s.server)
		}
		if err := s.server.Listen(); err != nil {
			t.Fatal(err)
		}
		go func() { s.served <- s.server.Serve(context.Background()) }()
		synctest.Wait()
		defer func() {
			s.server.Close()
			if err := <-s.served; !errors.Is(err, ErrServerClosed) {
				t.Error(err)
			}
			time.Sleep(time.Hour) // what is late finds nobody
		}()
		f(s)
	})
}

// onlooker is a client of the plain port that does what the test says.
func (s *subject) onlooker() *scripted {
	s.onlookers++
	c := newScripted(s.t, s.air, fmt.Sprintf("198.51.100.7:%d", 7000+s.onlookers))
	c.peer = netip.MustParseAddrPort(subjectPlain)
	s.t.Cleanup(func() { c.conn.Close() })
	return c
}

// with is a client of the secure port.
func (s *subject) with(psk keys.PSK) *Client {
	c := &Client{Security: &security.Config{ClientPSK: &psk}, ListenPacket: s.air.anywhere}
	s.t.Cleanup(func() { c.Close() })
	return c
}

const noObserve = 1 << 30

// asks sends a confirmable GET.
func (s *scripted) asks(path, token string, action uint32, more ...coap.Option) {
	s.t.Helper()
	s.mid++
	var options coap.OptionList
	if action != noObserve {
		options.AddUint(coap.Observe, action)
	}
	for _, segment := range strings.Split(path, "/")[1:] {
		options.AddString(coap.URIPath, segment)
	}
	options = append(options, more...)
	s.send(coap.Message{Type: coap.Confirmable, Code: coap.GET, MessageID: s.mid, Token: []byte(token), Options: options.Encode(nil)})
}

// wantsText wants the next message to be a representation, and returns it.
func (s *scripted) wantsText(token, text string) coap.Message {
	s.t.Helper()
	m := s.next(time.Minute)
	if m.Code != coap.Content || string(m.Token) != token || string(m.Payload) != text {
		s.t.Fatalf("%v %v token %q: %q, want %q of %q", m.Type, m.Code, m.Token, m.Payload, text, token)
	}
	return m
}

// numbered wants a notification and returns its sequence number.
func numbered(t testing.TB, m coap.Message) uint32 {
	t.Helper()
	n, ok := m.Options.GetUint(coap.Observe)
	if !ok {
		t.Fatalf("%v %v %q is no notification", m.Type, m.Code, m.Payload)
	}
	if !m.Options.Has(coap.MaxAge) {
		t.Errorf("no Max-Age")
	}
	return n
}

func (s *scripted) acknowledges(m coap.Message) {
	s.t.Helper()
	if m.Type != coap.Confirmable {
		s.t.Fatalf("%v is to be acknowledged", m.Type)
	}
	s.send(coap.Message{Type: coap.Acknowledgement, MessageID: m.MessageID})
}

// registers begins an observation.
func (s *scripted) registers(path, token, text string) (number uint32) {
	s.t.Helper()
	s.asks(path, token, observeRegister)
	return numbered(s.t, s.wantsText(token, text))
}

// wants checks how many observers there are when all has come to rest.
func (s *subject) wants(n int) Stats {
	s.t.Helper()
	synctest.Wait()
	stats := s.server.Stats()
	if stats.Observers != n {
		s.t.Fatalf("%d observers, want %d", stats.Observers, n)
	}
	return stats
}

// A state is what a resource shows.
type state struct {
	mu    sync.Mutex
	text  string
	shown int // how often
}

func (v *state) set(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.text = text
}

func (v *state) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.shown
}

func (v *state) ServeCOAP(w ResponseWriter, _ *Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shown++
	w.SetUint(coap.MaxAge, 1<<24) // its clients have no reason to ask again
	if code, err := coap.ParseCode(v.text); err == nil {
		w.SetCode(code)
	}
	_, _ = w.Write([]byte(v.text))
}

// muxOf registers a handler at /v.
func muxOf(h Handler) *Mux {
	m := NewMux()
	m.Handle("GET /v", h)
	m.Handle("/w/", h)
	m.Handle("/plain", say)
	return m
}

// wantLog wants a line that has all the words.
func (s *subject) wantLog(words ...string) {
	s.t.Helper()
	synctest.Wait()
	for line := range strings.Lines(s.log.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return
		}
	}
	s.t.Errorf("no line with %q in\n%s", words, s.log)
}
