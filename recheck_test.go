// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
)

// dozing has sessions sleep as soon as they are silent.
func dozing(s *Server) { s.Limits.SleepAfter = 20 * time.Millisecond }

func (s *stage) asleep() {
	s.t.Helper()
	eventually(s.t, "all asleep", func() bool { return s.server.Stats().Awake == 0 })
}

// named matches the sessions of one device.
func named(device string) Match {
	return func(p *security.Principal, _ security.Mode) bool { return p.Device == device }
}

// A credential that is not good any more, is another's or has another key ends
// the session that was established with it within a second, asleep or awake, as
// OnRevoke says; others stay.
func TestRevocation(t *testing.T) {
	other := must(keys.RandomPSK(rand.Reader, []byte("other")))
	for _, change := range []struct {
		reason string
		f      func(*security.Entry)
	}{
		{"credential_disabled", func(e *security.Entry) { e.Reason = dtls.ReasonCredentialDisabled }},
		{"device_disabled", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled }},
		{"unknown_identity", func(e *security.Entry) { e.Reason = dtls.ReasonUnknownIdentity }},
		{"wrong_node", func(e *security.Entry) { e.Nodes = []string{"elsewhere"} }},
		{"credential_changed", func(e *security.Entry) { e.Key = other.Key }},
		{"credential_changed", func(e *security.Entry) { e.Device = "somebody else" }},
	} {
		for _, action := range []RevokeAction{RevokeClose, RevokeForbid, RevokeKeep} {
			t.Run(change.reason+" "+action.String(), func(t *testing.T) { revocation(t, change.reason, change.f, action) })
		}
	}
}

func revocation(t *testing.T, reason string, f func(*security.Entry), action RevokeAction) {
	s, d := newGuarded(t, say, func(s *Server) { dozing(s); s.OnRevoke = action })
	good, bad := s.with(d.add("good")), s.with(d.add("bad"))
	for _, c := range []*Client{good, bad} {
		_ = get(t, c, s.secure+"/")
	}
	s.asleep()
	d.set("bad", f)
	s.server.Recheck(named("bad"))
	s.wantLog(LogSessionRevoked, "reason="+reason, "identity=bad", "device=bad", "action="+action.String())
	switch got := s.server.Stats(); {
	case action == RevokeClose && got.Sessions != 1, action != RevokeClose && got.Sessions != 2, got.SessionsRevoked != 1:
		t.Errorf("%d sessions, %d revoked", got.Sessions, got.SessionsRevoked)
	}
	if got := get(t, good, s.secure+"/"); !strings.Contains(got, "device=good") {
		t.Errorf("another device: %s", got)
	}
	switch action {
	case RevokeForbid:
		if got := get(t, bad, s.secure+"/"); got != "4.03 Forbidden" {
			t.Errorf("forbidden: %s", got)
		}
		s.wantLog(LogRequestDenied, "reason=forbidden", "identity=bad")
		s.asleep()
		if got := get(t, bad, s.secure+"/"); got != "4.03 Forbidden" {
			t.Errorf("forbidden, after sleep: %s", got)
		}
	case RevokeKeep:
		if got := get(t, bad, s.secure+"/"); !strings.Contains(got, "device=bad") {
			t.Errorf("kept: %s", got)
		}
	}
}

// Who was forbidden may again when the credential is good again, and a device's
// other groups hold from its next request on.
func TestRecheckRenews(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { dozing(s); s.OnRevoke = RevokeForbid })
	c := s.with(d.add("sensor-7", "sensors"))
	_ = get(t, c, s.secure+"/")
	for _, sleep := range []bool{false, true} {
		d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
		s.server.Recheck(nil)
		eventually(t, "forbidden", func() bool { return get(t, c, s.secure+"/") == "4.03 Forbidden" })
		if sleep {
			s.asleep()
		}
		d.set("sensor-7", func(e *security.Entry) { e.Reason, e.Groups = dtls.ReasonNone, []string{"retired", fmt.Sprint(sleep)} })
		s.server.Recheck(nil)
		eventually(t, "allowed", func() bool { return strings.HasSuffix(get(t, c, s.secure+"/"), fmt.Sprint("groups=retired,", sleep)) })
	}
	if got := s.server.Stats(); got.Handshakes != 1 {
		t.Errorf("%d handshakes", got.Handshakes)
	}
}

// While the store is away nothing happens to sessions; afterwards they are looked
// at, without being told again.
func TestRecheckWithoutAStore(t *testing.T) {
	s, d := newGuarded(t, say, nil)
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/")
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	d.change(func(d *directory) { d.away = true })
	s.server.Recheck(nil)
	s.wantLog(LogLookupFailed, "reason=store_unavailable")
	if got := get(t, c, s.secure+"/"); !strings.Contains(got, "device=sensor-7") {
		t.Errorf("without a store: %s", got)
	}
	d.change(func(d *directory) { d.away = false })
	s.wantLog(LogSessionRevoked, "reason=device_disabled")
}

// What changes while a handshake lasts is seen when it ends.
func TestChangeDuringAHandshake(t *testing.T) {
	s, d := newGuarded(t, say, nil)
	psk := d.add("sensor-7")
	d.remember("sensor-7")
	c := s.with(psk)
	// Between the answer to the handshake's question and its end.
	s.onLoop(func() {
		l := s.server.secure.shards[0].loop
		old := l.handle
		l.handle = func(now tick.Time, ev *endpoint.Event) {
			if ev.Kind == endpoint.EventConnected {
				d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
				recheckLetter{s.server.secure.shards[0], nobody}.deliver(now)
			}
			old(now, ev)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _, _ = c.Connect(ctx, s.secure+"/"); close(done) }()
	s.wantLog(LogSessionRevoked, "reason=device_disabled", "identity=sensor-7")
	cancel()
	<-done
}

func nobody(*security.Principal, security.Mode) bool { return false }

// A certificate that was revoked, and a raw key that is pinned no more, end their
// sessions when the configuration has changed and they are looked at again; until
// then sessions keep the identity they have proved.
func TestRecheckOfKeys(t *testing.T) {
	s := newStage(t, say, func(s *Server) { dozing(s) })
	raw, cert, psk := s.client(security.RawPublicKey), s.client(security.Certificate), s.client(security.PreSharedKey)
	before := map[*Client]string{}
	for _, c := range []*Client{raw, cert, psk} {
		before[c] = get(t, c, s.secure+"/")
	}
	config := *s.server.Security
	stranger := must(keys.NewCA(rand.Reader, "another CA", time.Now(), time.Hour))
	config.Pins, config.Trust = pin(s.serverKey), keys.NewTrust([]*x509.Certificate{stranger.Certificate})
	config.PSK = must(keys.NewPSKMap(must(keys.RandomPSK(rand.Reader, []byte("device")))))
	if err := s.server.SetSecurity(&config); err != nil {
		t.Fatal(err)
	}
	s.asleep()
	for c, want := range before {
		if got := get(t, c, s.secure+"/"); got != want {
			t.Errorf("after SetSecurity: %s, want %s", got, want)
		}
	}
	s.server.Recheck(nil)
	s.wantLog(LogSessionRevoked, "mode=RawPublicKey", "reason=rpk_not_pinned", "identity=ni:")
	s.wantLog(LogSessionRevoked, "mode=Certificate", "reason=cert_unknown_ca", "identity=")
	s.wantLog(LogSessionRevoked, "mode=PreSharedKey", "reason=credential_changed", "identity=device")
	if got := s.server.Stats(); got.Sessions != 0 || got.SessionsRevoked != 3 {
		t.Errorf("%d sessions, %d revoked", got.Sessions, got.SessionsRevoked)
	}
}

// Whom the application has authorized is asked for by the credential that it has
// named, and stays if it has named none.
func TestRecheckOfTokens(t *testing.T) {
	s, d := newGuarded(t, HandlerFunc(func(w ResponseWriter, r *Request) {
		switch r.Path {
		case "/token":
			r.Authorize(security.Principal{Device: "phone", Credential: "token-1"})
		case "/own":
			r.Authorize(security.Principal{Device: "own"})
		}
		say(w, r)
	}), func(s *Server) { s.Security.AllowAnonymousClients = true; dozing(s) })
	phone, own := s.anonymous(), s.anonymous()
	token := security.Entry{Principal: security.Principal{Device: "phone", Credential: "token-1"}}
	d.change(func(d *directory) { d.entries["/credential token-1"] = token })
	_, _ = get(t, phone, s.secure+"/token"), get(t, own, s.secure+"/own")
	token.Groups = []string{"people"}
	d.change(func(d *directory) { d.entries["/credential token-1"] = token })
	s.server.Recheck(nil)
	eventually(t, "groups", func() bool { return strings.HasSuffix(get(t, phone, s.secure+"/"), "device=phone groups=people") })
	token.Reason = dtls.ReasonCredentialDisabled
	d.change(func(d *directory) { d.entries["/credential token-1"] = token })
	s.server.Recheck(nil)
	s.wantLog(LogSessionRevoked, "reason=credential_disabled", "identity=phone")
	if got := get(t, own, s.secure+"/"); !strings.Contains(got, "device=own") || s.server.Stats().Sessions != 1 {
		t.Errorf("got %s", got)
	}
}

// A credential ends by itself when its time is over: the session is closed, or,
// if that is not wanted, its requests are refused.
func TestNotAfter(t *testing.T) {
	for _, action := range []RevokeAction{RevokeClose, RevokeForbid, RevokeKeep} {
		t.Run(action.String(), func(t *testing.T) {
			t.Parallel() // they wait
			s, d := newGuarded(t, say, func(s *Server) { dozing(s); s.OnRevoke = action })
			c, other := s.with(d.add("sensor-7")), s.with(d.add("other"))
			end := time.Now().Truncate(time.Second).Add(3 * time.Second)
			d.set("sensor-7", func(e *security.Entry) { e.NotAfter = end })
			d.set("other", func(e *security.Entry) { e.NotAfter = end.Add(time.Hour) })
			for _, c := range []*Client{c, other} {
				if got := get(t, c, s.secure+"/"); !strings.Contains(got, "device=") {
					t.Errorf("at first: %s", got)
				}
			}
			s.asleep()
			time.Sleep(time.Until(end) + 50*time.Millisecond)
			switch action {
			case RevokeClose:
				s.wantLog(LogSessionRevoked, "reason=credential_expired", "identity=sensor-7", "action=close")
				if got := s.server.Stats().Sessions; got != 1 {
					t.Errorf("%d sessions", got)
				}
				if late := time.Since(end); late > promptly {
					t.Errorf("closed %v late", late)
				}
			case RevokeForbid:
				for one := range s.server.Sessions(t.Context()) {
					if over := one.Identity.Device() == "sensor-7"; one.Forbidden != over {
						t.Errorf("session of %s: forbidden %v", one.Identity.Device(), one.Forbidden)
					}
				}
				if got := get(t, c, s.secure+"/"); got != "4.03 Forbidden" {
					t.Errorf("got %s", got)
				}
				s.wantLog(LogRequestDenied, "reason=credential_expired", "identity=sensor-7")
			case RevokeKeep:
				if got := get(t, c, s.secure+"/"); !strings.Contains(got, "device=sensor-7") {
					t.Errorf("got %s", got)
				}
			}
			if got := get(t, other, s.secure+"/"); !strings.Contains(got, "device=other") {
				t.Errorf("other: %s", got)
			}
		})
	}
}

// Changes without end do not pile up: beyond so many all sessions are looked at.
func TestManyRechecks(t *testing.T) {
	s, d := newGuarded(t, say, nil)
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/")
	most := 0
	s.onLoop(func() {
		r := &s.server.secure.shards[0].recheck
		for range 10 * matchesKept {
			r.add(0, nobody)
			most = max(most, len(r.waiting))
		}
	})
	if most > matchesKept {
		t.Errorf("%d wait", most)
	}
	if got := get(t, c, s.secure+"/"); !strings.Contains(got, "sensor-7") {
		t.Errorf("got %s", got)
	}
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	for range 3 * matchesKept {
		s.server.Recheck(named("sensor-7"))
	}
	s.wantLog(LogSessionRevoked, "reason=device_disabled")
}
