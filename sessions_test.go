// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coaps-go/coaps/security"
)

// All sessions are listed, asleep or awake, with who they are, and can be
// dropped by what they are called.
func TestSessions(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { s.Limits.SleepAfter = 300 * time.Millisecond })
	clients := map[string]*Client{}
	const n = 3*sessionsListed + 1
	began := time.Now()
	for i := range n {
		name := fmt.Sprint("device-", i)
		clients[name] = s.with(d.add(name, "group"))
		_ = get(t, clients[name], s.secure+"/")
		if i == n/2 {
			s.asleep()
		}
	}
	_ = get(t, s.client(security.NoSec), s.plain+"/")
	seen, asleep := map[string]SessionID{}, 0
	for session := range s.server.Sessions(timeout(t)) {
		device := session.Identity.Device()
		if _, twice := seen[device]; twice || clients[device] == nil || session.Mode != security.PreSharedKey || session.CipherSuite == 0 || !session.Addr.IsValid() {
			t.Errorf("session %+v", session)
		}
		if e, l := session.Established, session.LastSeen; e.Before(began.Add(-time.Second)) || e.After(time.Now()) || l.Before(began.Add(-time.Second)) || l.After(time.Now()) {
			t.Errorf("established %v, last seen %v", e, l)
		}
		if session.Asleep {
			asleep++
		}
		seen[device] = session.ID
	}
	if len(seen) != n || asleep == 0 {
		t.Errorf("%d of %d, %d asleep", len(seen), n, asleep)
	}
	text, err := seen["device-7"].MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var id SessionID
	if err := id.UnmarshalText(text); err != nil || id != seen["device-7"] {
		t.Fatalf("%s is %v: %v", text, id, err)
	}
	if err := s.server.Drop(timeout(t), id); err != nil {
		t.Fatal(err)
	}
	s.wantLog(LogSessionEnded, "reason=closed")
	for _, gone := range []SessionID{id, {}, {shard: 7}, {shard: -1}} {
		if err := s.server.Drop(timeout(t), gone); !errors.Is(err, ErrNoSession) {
			t.Errorf("drop of %v: %v", gone, err)
		}
	}
	if got := s.server.Stats().Sessions; got != n-1 {
		t.Errorf("%d sessions", got)
	}
	for range s.server.Sessions(timeout(t)) {
		break // is no reason to hang
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for range s.server.Sessions(canceled) {
		time.Sleep(time.Millisecond)
	}
}

// A name of a session is three numbers, and nothing else is.
func TestParseSessionID(t *testing.T) {
	for _, text := range []string{"0.0.0", "1.2a.17", "0.7fffffff.7fffffff"} {
		if id, err := ParseSessionID(text); err != nil || id.String() != text {
			t.Errorf("%s is %v: %v", text, id, err)
		}
	}
	for _, text := range []string{"", "1", "1.2", "1.2.3.4", "1.2.g", "-1.2.3", "1.2.100000000", "1..3", "+1.2.3", " 1.2.3"} {
		if id, err := ParseSessionID(text); err == nil {
			t.Errorf("%q is %v", text, id)
		}
	}
}

// Before the server serves, and after, it has no sessions.
func TestNoSessions(t *testing.T) {
	s := newStage(t, say, nil)
	c := s.client(security.PreSharedKey)
	_ = get(t, c, s.secure+"/")
	s.server.Close()
	for session := range s.server.Sessions(timeout(t)) {
		t.Errorf("session %v", session.ID)
	}
	if err := s.server.Drop(timeout(t), SessionID{}); !errors.Is(err, ErrNoSession) {
		t.Error(err)
	}
	s.server.Recheck(nil)
	if err := s.server.SetSecurity(s.server.Security); !errors.Is(err, ErrServerClosed) {
		t.Error(err)
	}
	fresh := new(Server)
	for session := range fresh.Sessions(timeout(t)) {
		t.Errorf("session %v", session.ID)
	}
	if err := fresh.Drop(timeout(t), SessionID{}); !errors.Is(err, ErrNoSession) {
		t.Error(err)
	}
}
