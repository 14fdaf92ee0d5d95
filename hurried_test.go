// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
)

// slowly has each look-up take a while.
type slowly struct {
	*directory
	takes time.Duration
}

func (l *slowly) Fetch(ctx context.Context, c *security.Claim, now time.Time) security.Entry {
	e := l.directory.Fetch(ctx, c, now)
	time.Sleep(l.takes)
	return e
}

// While everybody is looked at, which takes seconds, a change of one device
// reaches it before that is over, and what was found out about it before the change
// does not undo that.
func TestChangeDuringAWalk(t *testing.T) {
	for _, action := range []RevokeAction{RevokeClose, RevokeForbid} {
		t.Run(action.String(), func(t *testing.T) { changeDuringAWalk(t, action) })
	}
}

func changeDuringAWalk(t *testing.T, action RevokeAction) {
	s, d := newGuarded(t, say, func(s *Server) {
		s.Security.Directory = &slowly{s.Security.Directory.(*directory), 5 * time.Millisecond}
		s.OnRevoke = action
	})
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/")
	psk := d.add("crowd")
	s.crowd(func(name string) {
		d.change(func(d *directory) {
			d.entries["/"+name] = security.Entry{Principal: security.Principal{Device: name, Credential: "psk"}, Key: psk.Key}
			d.cached["/"+name] = true
		})
	}, psk, 2000)
	d.change(func(d *directory) { clear(d.cached) })
	s.server.Recheck(nil)
	s.onLoop(func() {}) // sensor-7 comes first, so that its answer is under way
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	began := time.Now()
	s.server.Recheck(named("sensor-7"))
	s.wantLog(LogSessionRevoked, "reason=device_disabled", "device=sensor-7")
	if took := time.Since(began); took > promptly {
		t.Errorf("it took %v", took)
	}
	one := s.server.secure.shards[0]
	if s.onLoop(func() {
		if !one.recheck.walking {
			t.Error("the walk was over by then")
		}
	}); action == RevokeClose {
		return
	}
	for walking := true; walking; s.onLoop(func() { walking = one.recheck.walking }) {
		if got := get(t, c, s.secure+"/"); got != "4.03 Forbidden" {
			t.Errorf("during the walk: %s", got)
		}
		time.Sleep(20 * time.Millisecond)
	}
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonNone })
	s.server.Recheck(named("sensor-7"))
	eventually(t, "allowed again", func() bool { return strings.Contains(get(t, c, s.secure+"/"), "sensor-7") })
}
