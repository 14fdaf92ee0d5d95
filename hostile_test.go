// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
)

// The answer to a look-up that comes too late does nothing for whoever has the
// address now.
func TestLateLookUp(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { s.LookupTime = 300 * time.Millisecond })
	victim := d.add("victim")
	d.change(func(d *directory) { d.hangs = true })
	address := freePort(t)
	first := s.with(victim)
	first.LocalAddr = address
	ctx, cancel := context.WithCancel(context.Background())
	go first.Get(ctx, s.secure+"/")
	eventually(t, "a look-up", func() bool { return d.asked() == 1 })
	cancel()
	first.Close()
	second := s.with(d.add("second"))
	second.LocalAddr = address
	d.remember("second")
	if got := get(t, second, s.secure+"/"); !strings.Contains(got, "device=second ") {
		t.Errorf("got %s", got)
	}
	eventually(t, "the end of the look-up", func() bool { return s.server.Stats().LookupsFailed == 1 })
	if got := get(t, second, s.secure+"/"); !strings.Contains(got, "device=second ") {
		t.Errorf("afterwards %s", got)
	}
}

// A Directory whose names are longer than a session can keep lets nobody in.
func TestNamesWithoutEnd(t *testing.T) {
	s, d := newGuarded(t, say, nil)
	psk := d.add("sensor-7")
	d.set("sensor-7", func(e *security.Entry) { e.Groups = []string{strings.Repeat("group", 1000)} })
	_, err := s.with(psk).Get(timeout(t), s.secure+"/")
	wantReason(t, err, "alert_internal_error")
	d.set("sensor-7", func(e *security.Entry) { e.Groups = nil })
	c := s.with(psk)
	_ = get(t, c, s.secure+"/")
	d.set("sensor-7", func(e *security.Entry) { e.Groups = []string{strings.Repeat("group", 1000)} })
	s.server.Recheck(nil)
	eventually(t, "the end of a session that nobody would know again", func() bool { return s.server.Stats().Sessions == 0 })
}

// Whoever asks for what he may not have, as fast as he can, fills no log.
func TestDenialsInTheLogAreBounded(t *testing.T) {
	var buf bytes.Buffer
	log := newServerLog(slog.New(slog.NewTextHandler(&buf, nil)))
	for i := range 1000 {
		log.denied(&Request{Path: fmt.Sprint("/", i)}, coap.Forbidden, ReasonAccess, nil, acl.NoRule)
		log.revoked(&Peer{}, "reason", RevokeClose)
	}
	if n := strings.Count(buf.String(), LogRequestDenied); n > 2*linesLogged || n < linesLogged {
		t.Errorf("%d lines for 1000 denials", n)
	}
	if n := strings.Count(buf.String(), LogSessionRevoked); n > 2*linesLogged || n < linesLogged {
		t.Errorf("%d lines for 1000 revocations: one message takes the room of another", n)
	}
	log.flush()
	for _, message := range []string{LogRequestDenied, LogSessionRevoked} {
		all := strings.Count(buf.String(), "msg=\""+message)
		for line := range strings.Lines(buf.String()) {
			if _, count, ok := strings.Cut(line, `message="`+message+`" count=`); ok { // two, if another second has begun
				all += must(strconv.Atoi(strings.TrimSpace(count)))
			}
		}
		if all != 1000 {
			t.Errorf("%s: %d are logged or counted, of 1000:\n%s", message, all, buf.String())
		}
	}
}

// What a peer has chosen is one printable word of a bounded length in the log.
func TestNamesInTheLog(t *testing.T) {
	for name, want := range map[string]string{
		"sensor-7":               "sensor-7",
		"Gerät 7":                "Gerät 7",
		"a\nlevel=ERROR forged":  `a\nlevel=ERROR forged`,
		"\x1b[31mred":            `\x1b[31mred`,
		"\u202edevil":            `\u202edevil`,
		"\xff\xfe":               `\xff\xfe`,
		strings.Repeat("x", 500): strings.Repeat("x", textLogged) + "...",
		strings.Repeat("ä", 150): strings.Repeat("ä", textLogged/2) + "...",
	} {
		if got := clip(name); got != want {
			t.Errorf("%q is logged as %q, want %q", name, got, want)
		}
	}
}

// A session that has been forbidden stays so, whoever the application takes it
// for meanwhile.
func TestForbiddenIsNotAuthorized(t *testing.T) {
	release := make(chan struct{})
	s, d := newGuarded(t, HandlerFunc(func(w ResponseWriter, r *Request) {
		if r.Path == "/slow" {
			<-release
			r.Authorize(security.Principal{Device: "other"})
		}
		say(w, r)
	}), func(s *Server) { s.OnRevoke = RevokeForbid })
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/")
	slow := make(chan string, 1)
	go func() { slow <- get(t, c, s.secure+"/slow") }()
	eventually(t, "a handler at work", func() (working bool) {
		s.onLoop(func() { working = s.server.secure.shards[0].inHand == 1 })
		return working
	})
	d.change(func(d *directory) { clear(d.entries) })
	s.server.Recheck(nil)
	s.wantLog(LogSessionRevoked, "reason=unknown_identity", "action=forbid")
	close(release)
	<-slow
	if got := get(t, c, s.secure+"/"); got != "4.03 Forbidden" {
		t.Errorf("got %s", got)
	}
}
