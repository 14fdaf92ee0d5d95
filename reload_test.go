// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// Another configuration holds from the next handshake on, ciphers included.
func TestSetSecurity(t *testing.T) {
	s := newStage(t, say, nil)
	old := s.client(security.PreSharedKey)
	_ = get(t, old, s.secure+"/")
	psk := must(keys.RandomPSK(rand.Reader, []byte("new")))
	if err := s.server.SetSecurity(&security.Config{PSK: must(keys.NewPSKMap(psk)), CipherSuites: []dtls.CipherSuite{0xC0A4}}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s.with(psk), s.secure+"/"); !strings.HasPrefix(got, "PreSharedKey new") {
		t.Errorf("got %s", got)
	}
	for session := range s.server.Sessions(timeout(t)) {
		if session.Identity.Name() == "new" && session.CipherSuite != 0xC0A4 {
			t.Errorf("suite %v", session.CipherSuite)
		}
	}
	_, err := s.client(security.RawPublicKey).Get(timeout(t), s.secure+"/")
	wantReason(t, err, "alert_handshake_failure", "no_common_cipher")
	if got := get(t, old, s.secure+"/"); !strings.HasPrefix(got, "PreSharedKey device") {
		t.Errorf("the old one: %s", got)
	}
}

// What could not be safe or not work changes nothing.
func TestSetSecurityErrors(t *testing.T) {
	s := newStage(t, say, nil)
	for _, c := range []*security.Config{
		nil,
		{},
		{RawKey: s.serverKey},
		{PSK: s.server.Security.PSK, CipherSuites: []dtls.CipherSuite{1}},
	} {
		if err := s.server.SetSecurity(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
		for _, mode := range []security.Mode{security.PreSharedKey, security.RawPublicKey} {
			if got := get(t, s.client(mode), s.secure+"/"); !strings.HasPrefix(got, mode.String()) {
				t.Errorf("afterwards: %s", got)
			}
		}
	}
	plain := &Server{NoSec: true, Addr: "127.0.0.1:0"}
	if err := plain.SetSecurity(nil); err != nil {
		t.Error(err)
	}
	if err := plain.Listen(); err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := plain.SetSecurity(s.server.Security); !errors.Is(err, ErrFixed) {
		t.Errorf("of a plain server: %v", err)
	}
}

// Handlers, rules and credentials change again and again while clients ask: no
// request fails and no session is lost.
func TestReloadUnderLoad(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { s.Limits.SleepAfter = 5 * time.Millisecond })
	d.change(func(d *directory) { // who that is
		d.entries["/"+keys.NameOf(s.clientKey.SPKI, keys.SHA256_120).String()] = security.Entry{Principal: security.Principal{Device: "raw"}}
	})
	var asked atomic.Uint64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 8 {
		c := s.with(d.add("device-" + string(rune('a'+i))))
		if i%2 == 0 {
			c = s.client([]security.Mode{security.PreSharedKey, security.RawPublicKey, security.Certificate, security.PreSharedKey}[i/2])
			c.Timers, c.Params = unhurried, patient
		}
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				asked.Add(1)
				if r, err := c.Get(timeout(t), s.secure+"/"); err != nil || r.Code != coap.Content {
					t.Errorf("%v, %v", r, err)
				}
				time.Sleep(time.Duration(asked.Load()%13) * time.Millisecond)
			}
		})
	}
	eventually(t, "sessions", func() bool { return s.server.Stats().Sessions == 8 })
	for range 30 {
		config := *s.server.Security
		if err := s.server.SetSecurity(&config); err != nil {
			t.Error(err)
		}
		s.server.SetAccess(rules("allow anybody * /**"))
		s.server.SetHandler(Inline(say))
		s.server.SetHandler(say)
		s.server.Recheck(nil)
		for range s.server.Sessions(timeout(t)) {
		}
		time.Sleep(20 * time.Millisecond)
	}
	close(stop)
	clients.Wait()
	if got := s.server.Stats(); got.Sessions != 8 || got.Handshakes != 8 || asked.Load() < 100 || got.SessionsRevoked != 0 {
		t.Errorf("%d sessions, %d handshakes, %d requests, %d revoked", got.Sessions, got.Handshakes, asked.Load(), got.SessionsRevoked)
	}
}

// A handler is changed while the server serves; none is a server without
// resources.
func TestSetHandler(t *testing.T) {
	s := newStage(t, say, nil)
	c := s.client(security.PreSharedKey)
	for _, test := range []struct {
		h    Handler
		want string
	}{{nil, "4.04 Not Found"}, {Inline(say), "PreSharedKey device device= groups="}, {NewMux(), "4.04 Not Found"}} {
		s.server.SetHandler(test.h)
		if got := get(t, c, s.secure+"/"); got != test.want {
			t.Errorf("%v: %s", test.h, got)
		}
	}
}

// What is new after a reload is not had by rules that are not in force any more. The
// rules before take milliseconds for an answer, in which both are changed.
func TestNewHandlerHasNewRules(t *testing.T) {
	const depth = 13
	path := strings.Repeat("/a", depth)
	var slow []string
	for i := range 1 << depth {
		rule := "allow anybody GET "
		for bit := range depth {
			rule += "/" + string("a*"[i>>bit&1])
		}
		slow = append(slow, rule)
	}
	before, after := rules(slow...), rules("allow anybody GET "+path)
	s, _ := newGuarded(t, nil, nil)
	var early atomic.Int32
	newer := Inline(HandlerFunc(func(_ ResponseWriter, r *Request) {
		if r.access == before {
			early.Add(1)
		}
	}))
	c := s.client(security.NoSec)
	get(t, c, s.plain+path)
	for i := range 30 {
		s.server.SetHandler(Inline(say))
		s.server.SetAccess(before)
		answered := make(chan error)
		go func() {
			_, err := c.Get(timeout(t), s.plain+path)
			answered <- err
		}()
		time.Sleep(time.Duration(i) * 100 * time.Microsecond)
		s.server.SetAccess(after)
		s.server.SetHandler(newer)
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
	if n := early.Load(); n > 0 {
		t.Errorf("%d requests of the newer handler were decided by the rules before", n)
	}
}
