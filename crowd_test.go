// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/udp"
)

// crowdSize is how many sessions there are in tests of very many.
func crowdSize(few int) int {
	if n, err := strconv.Atoi(os.Getenv("COAPS_TEST_SESSIONS")); err == nil {
		return n
	}
	return few
}

// crowd lets n devices have sessions with the secure port, whose halves are
// forgotten at once. Their keys must be in memory, which add may see to. No socket is used: their datagrams are given to the endpoint.
func (s *stage) crowd(add func(name string), psk keys.PSK, n int) {
	s.t.Helper()
	shard := s.server.secure.shards[0]
	real, quick := shard.policy, *shard.policy
	quick.looksUp = false // answers at once
	s.onLoop(func() { shard.policy = &quick })
	defer s.onLoop(func() { shard.policy = real })
	for i := range n {
		name := fmt.Sprint("crowd-", i)
		if add != nil {
			add(name)
		}
		psk.Identity = []byte(name)
		config := security.Config{ClientPSK: &psk, CipherSuites: []dtls.CipherSuite{0xC0A8}}
		hello := must(config.Client(keys.Authority{})).DTLS(rand.Reader)
		s.onLoop(func() { s.member(must(dtls.NewClient(hello, 0, "")), &psk, i) })
	}
	eventually(s.t, "a crowd", func() bool { return s.server.Stats().Sessions >= n })
}

// member makes one handshake, on the event loop.
func (s *stage) member(c *dtls.Session, psk *keys.PSK, i int) {
	l := s.server.secure.shards[0].loop
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
	up, down := udp.Datagram{Buf: make([]byte, 2048)}, udp.Datagram{Buf: make([]byte, 2048)}
	for turns := 0; c.State() == dtls.Handshaking; turns++ {
		if turns == 100 {
			s.t.Errorf("the handshake of member %d stands still: is its key in memory?", i)
			return
		}
		for up.N = c.Transmit(0, up.Buf); up.N > 0; up.N = c.Transmit(0, up.Buf) {
			up.Remote, up.Local = addr, netip.MustParseAddr("127.0.0.1")
			l.ep.Receive(l.clock.now(), &up)
			l.events(l.clock.now())
		}
		for l.ep.Transmit(l.clock.now(), &down) {
			if down.Remote != addr {
				continue
			}
			c.Receive(0, down.Payload())
			for ev := (dtls.Event{}); c.Next(0, &ev); {
				if ev.Kind == dtls.EventWantPSK {
					c.ProvidePSK(0, psk.Identity, psk.Key.Bytes())
				}
			}
		}
	}
}

// A change of one device among very many is acted upon at once, and one that
// concerns them all in seconds, while requests are answered as ever.
func TestRecheckOfACrowd(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) {
		dozing(s)
		s.Logger = nil
		s.Limits.HandshakeRate, s.Limits.PrefixHandshakeRate, s.Limits.AnswerRate = -1, -1, -1
	})
	n := crowdSize(5000)
	psk := must(keys.RandomPSK(rand.Reader, []byte("crowd")))
	s.crowd(func(name string) {
		d.change(func(d *directory) {
			d.entries["/"+name] = security.Entry{Key: psk.Key, Principal: security.Principal{Device: name, Groups: []string{"crowd"}, Credential: "psk"}}
			d.cached["/"+name] = true
		})
	}, psk, n)
	c := newBareClient(t, s, true)
	quiet := c.pace()

	d.set("crowd-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	began := time.Now()
	s.server.Recheck(named("crowd-7"))
	for s.server.Stats().Sessions != n {
		if time.Since(began) > 10*time.Second {
			t.Fatal("it is not found")
		}
		time.Sleep(time.Millisecond)
	}
	one := time.Since(began)

	began = time.Now()
	asked := d.asked()
	s.server.Recheck(nil)
	var paces []time.Duration
	for walking := true; walking; {
		paces = append(paces, c.once())
		s.onLoop(func() { walking = s.server.secure.shards[0].recheck.walking })
	}
	all := time.Since(began)
	slices.Sort(paces)
	worst, median := paces[len(paces)-1], paces[len(paces)/2]
	t.Logf("%d sessions: one of them %v, all of them %v; a request %v, meanwhile %v, at worst %v", n, one, all, quiet, median, worst)
	if got := s.server.Stats(); got.Sessions != n || got.SessionsRevoked != 1 || got.LookupsRefused != 0 || d.asked() != asked {
		t.Errorf("%d sessions, %d revoked, %d refused, %d fetched", got.Sessions, got.SessionsRevoked, got.LookupsRefused, d.asked()-asked)
	}
	// This client waits for its answers in the runtime's poller, which looks every
	// 10 ms if nobody lets it.
	// What the race detector makes of each glance is no pace.
	if one > promptly || median > quiet+100*time.Millisecond && !instrumented() {
		t.Errorf("one of %d takes %v, a request meanwhile %v", n, one, median)
	}
}

// once is how long one request takes.
func (c *bareClient) once() time.Duration {
	start := time.Now()
	c.get()
	return time.Since(start)
}

// instrumented reports whether the race detector watches.
func instrumented() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
