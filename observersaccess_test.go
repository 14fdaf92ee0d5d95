// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// follows has a client observe, and takes the first response.
func (s *subject) follows(c *Client, path string) *Observation {
	s.t.Helper()
	o, err := c.Observe(s.t.Context(), &Request{URI: "coaps://" + subjectSecure + path})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { o.Close() })
	if r := s.news(o); r == nil || r.Code != coap.Content || !o.Observing() {
		s.t.Fatalf("%s is not observed: %v", path, r)
	}
	return o
}

// news is the next response within a second, nil if there is none.
func (s *subject) news(o *Observation) *Response {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
	defer cancel()
	r, err := o.Next(ctx)
	if err != nil {
		return nil
	}
	return r
}

const guardedRule = "allow group:readers GET,OBSERVE /v"

// Whatever takes somebody's right to see a resource away ends that he observes it:
// within a second, asleep or awake, without waiting for a change, and what the
// resource shows after that never comes to him.
func TestObserversWhoMayNoLonger(t *testing.T) {
	disable := func(s *subject) {
		s.directory.set("sensor", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
		s.server.Recheck(named("sensor"))
	}
	become := func(f func(p *security.Principal)) func(s *subject) {
		return func(s *subject) {
			s.directory.set("sensor", func(e *security.Entry) { f(&e.Principal) })
			s.server.Recheck(named("sensor"))
		}
	}
	expires := time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC) // a bubble begins in 2000
	expire := func(*subject) { time.Sleep(time.Until(expires)) }
	for _, c := range []struct {
		name     string
		rule     string
		onRevoke RevokeAction
		notAfter time.Time
		happens  func(s *subject)
		code     coap.Code // 0: the session is closed
		log      string
	}{
		{"rule removed", guardedRule, 0, time.Time{}, func(s *subject) { s.server.SetAccess(rules("allow group:others GET,OBSERVE /v")) }, coap.Forbidden, "reason=access"},
		{"rule denies", guardedRule, 0, time.Time{}, func(s *subject) { s.server.SetAccess(rules(guardedRule, "deny device:sensor GET /v")) }, coap.Forbidden, `rule="rule 2"`},
		{"may read only", guardedRule, 0, time.Time{}, func(s *subject) { s.server.SetAccess(rules("allow group:readers GET /v")) }, coap.Forbidden, "reason=access"},
		{"no list", guardedRule, 0, time.Time{}, func(s *subject) { s.server.SetAccess(nil) }, coap.Forbidden, "reason=access"},
		{"other groups", guardedRule, 0, time.Time{}, become(func(p *security.Principal) { p.Groups = []string{"others"} }), coap.Forbidden, "reason=access"},
		{"other tenant", "allow device:sensor GET,OBSERVE /v", RevokeForbid, time.Time{}, become(func(p *security.Principal) { p.Tenant = "acme" }), coap.Forbidden, "reason=forbidden"},
		{"disabled, forbid", guardedRule, RevokeForbid, time.Time{}, disable, coap.Forbidden, "reason=forbidden"},
		{"disabled, close", guardedRule, RevokeClose, time.Time{}, disable, 0, "reason=closed"},
		{"expired, forbid", guardedRule, RevokeForbid, expires, expire, coap.Forbidden, "reason=credential_expired"},
		{"expired, close", guardedRule, RevokeClose, expires, expire, 0, "reason=closed"},
		{"authorized as another", guardedRule, 0, time.Time{}, func(s *subject) {
			if got := get(s.t, s.client, "coaps://"+subjectSecure+"/login"); !strings.Contains(got, "device=other") {
				s.t.Errorf("logged in: %s", got)
			}
		}, coap.Forbidden, "device=other"},
	} {
		for _, asleep := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: ", asleep"}[asleep], func(t *testing.T) {
				v := &state{text: "for readers"}
				mux := muxOf(Observable(v))
				mux.Handle("/login", loginTo(security.Principal{Device: "other"}, atOnce))
				observed(t, mux, func(s *Server) {
					s.OnRevoke, s.Access = c.onRevoke, rules(c.rule, "allow anybody GET /login")
				}, func(s *subject) {
					psk := s.directory.add("sensor", "readers")
					s.directory.set("sensor", func(e *security.Entry) { e.Principal.NotAfter = c.notAfter })
					s.client = s.with(psk)
					o := s.follows(s.client, "/v")
					s.server.Notify("/v")
					if r := s.news(o); r == nil || string(r.Payload) != "for readers" {
						t.Fatalf("before: %v", r)
					}
					if asleep {
						time.Sleep(10 * time.Second)
						if n := s.server.Stats().Awake; n != 0 {
							t.Fatalf("%d are awake", n)
						}
					}
					c.happens(s)
					v.set("not any more for him")
					r := s.news(o)
					switch {
					case c.code == 0 && r != nil, c.code != 0 && (r == nil || r.Code != c.code || r.Options.Has(coap.Observe) || len(r.Payload) > 0):
						t.Fatalf("after: %v", r)
					}
					got := s.wants(0)
					if got.ObserversDenied+got.ObserversDisconnected != 1 {
						t.Errorf("%d denied, %d disconnected", got.ObserversDenied, got.ObserversDisconnected)
					}
					shown := v.count()
					s.server.Notify("/v")
					if time.Sleep(time.Second); v.count() != shown {
						t.Error("it is shown still")
					}
					s.wantLog(LogObservationEnded, "identity=", "path=/v", c.log)
					for session := range s.server.Sessions(s.t.Context()) {
						if session.Observations != 0 {
							t.Errorf("%d observations", session.Observations)
						}
					}
				})
			})
		}
	}
}

// Whatever leaves somebody's right as it is leaves him what he observes.
func TestObserversWhoStay(t *testing.T) {
	for name, happens := range map[string]func(s *subject){
		"same rules":    func(s *subject) { s.server.SetAccess(rules("deny device:other * /**", guardedRule)) },
		"no rules":      func(s *subject) { s.server.ClearAccess() },
		"all looked at": func(s *subject) { s.server.Recheck(nil) },
		"kept": func(s *subject) {
			s.directory.set("sensor", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
			s.server.Recheck(nil)
		},
		"another group": func(s *subject) {
			s.directory.set("sensor", func(e *security.Entry) { e.Principal.Groups = []string{"x", "readers"} })
			s.server.Recheck(nil)
		},
		"policy changed": func(s *subject) {
			_ = s.server.SetSecurity(&security.Config{PSK: new(keys.PSKMap), Directory: s.directory})
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := &state{text: "a"}
			observed(t, muxOf(Observable(v)), func(s *Server) { s.OnRevoke, s.Access = RevokeKeep, rules(guardedRule) }, func(s *subject) {
				o := s.follows(s.with(s.directory.add("sensor", "readers")), "/v")
				happens(s)
				if r := s.news(o); r != nil {
					t.Errorf("%v", r.Code)
				}
				v.set("b")
				s.server.Notify("/v")
				if r := s.news(o); r == nil || string(r.Payload) != "b" {
					t.Errorf("after: %v", r)
				}
				s.wants(1)
			})
		})
	}
}

// A right that ends while a notification is made, or waits to be sent or to be
// acknowledged, takes that notification back.
func TestRightsThatEndOnTheWay(t *testing.T) {
	expires := time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		happens func(s *subject)
	}{
		{"rule removed", func(s *subject) { s.server.SetAccess(rules("allow group:others GET,OBSERVE /v")) }},
		{"groups", func(s *subject) {
			s.directory.set("sensor", func(e *security.Entry) { e.Principal.Groups = nil })
			s.server.Recheck(nil)
		}},
		{"forbidden", func(s *subject) {
			s.directory.set("sensor", func(e *security.Entry) { e.Reason = dtls.ReasonCredentialDisabled })
			s.server.Recheck(nil)
		}},
		{"expired", func(*subject) { time.Sleep(time.Until(expires) + time.Microsecond) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var holds atomic.Bool
			h := Observable(HandlerFunc(func(w ResponseWriter, _ *Request) {
				if holds.Load() {
					_, _ = w.Write([]byte("secret"))
					time.Sleep(5 * time.Second)
					return
				}
				_, _ = w.Write([]byte("before"))
			}))
			observed(t, muxOf(h), func(s *Server) { s.OnRevoke, s.Access = RevokeForbid, rules(guardedRule) }, func(s *subject) {
				psk := s.directory.add("sensor", "readers")
				if c.name == "expired" {
					s.directory.set("sensor", func(e *security.Entry) { e.Principal.NotAfter = expires })
				}
				o := s.follows(s.with(psk), "/v")
				if c.name == "expired" {
					time.Sleep(time.Until(expires) - time.Second)
				}
				holds.Store(true)
				s.server.Notify("/v")
				synctest.Wait() // the handler has begun
				c.happens(s)
				for r := s.news(o); ; r = s.news(o) {
					if r == nil {
						t.Fatal("no last notification")
					}
					if string(r.Payload) == "secret" {
						t.Fatal("it has got what it may not see")
					}
					if r.Code == coap.Forbidden {
						break
					}
				}
				time.Sleep(time.Minute)
				s.wants(0)
			})
		})
	}
}

// Whoever is found out by a change of what he observes, in the moment in which his
// credential has ended, is named in the log like all others.
func TestObserverWhoExpiresIsNamed(t *testing.T) {
	expires := time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)
	observed(t, muxOf(Observable(&state{text: "a"})), func(s *Server) { s.Access = rules(guardedRule) }, func(s *subject) {
		psk := s.directory.add("sensor", "readers")
		s.directory.set("sensor", func(e *security.Entry) { e.Principal.NotAfter = expires })
		s.follows(s.with(psk), "/v")
		time.Sleep(time.Until(expires) + time.Microsecond) // sessions are ended a millisecond later
		s.server.Notify("/v")
		synctest.Wait()
		s.wants(0)
		s.wantLog(LogObservationEnded, "peer=", "mode=PreSharedKey", "identity=sensor", "device=sensor", "reason=credential_expired", "path=/v")
	})
}

// What was sent and not acknowledged is not sent again when it may not be seen any
// more, and what waits behind it is not sent at all.
//
// Pitfall S5: nothing is sent that was decided for somebody else
func TestRightsThatEndBeforeARetransmission(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), func(s *Server) { s.Access = rules("allow anybody GET,OBSERVE /**") }, func(s *subject) {
		c := s.onlooker()
		c.registers("/v", "1", "a")
		c.registers("/w/1", "2", "a")
		v.set("secret")
		s.server.Notify("/v")
		_ = c.wantsText("1", "secret") // is lost
		s.server.Notify("/w/1")        // waits for it
		synctest.Wait()
		s.server.SetAccess(rules("allow authenticated GET,OBSERVE /**"))
		for ended := map[string]bool{}; len(ended) < 2; {
			m := c.next(time.Minute)
			if m.Code != coap.Unauthorized || m.Options.Has(coap.Observe) || len(m.Payload) > 0 {
				t.Fatalf("%v %q", m.Code, m.Payload)
			}
			ended[string(m.Token)] = true
			c.acknowledges(m)
		}
		c.quiet(time.Hour)
		if got := s.wants(0); got.ObserversDenied != 2 {
			t.Errorf("%d denied", got.ObserversDenied)
		}
	})
}

// Who takes the place of a session, at its own address, gets nothing of what that
// observed.
//
// Proves rfc7641 §7: "All notifications resulting from a GET request with an Observe
// Option MUST be returned within the same epoch of the same connection as the
// request."
// Pitfall S5: what one session observes is not told to the next one
func TestSessionReplacedWhileItObserves(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), func(s *Server) { s.Access = rules("allow anybody GET,OBSERVE /**") }, func(s *subject) {
		at := func(string, string) (udp.Conn, error) { return s.air.listen("198.51.100.9:9999"), nil }
		a, b := s.with(s.directory.add("a")), s.with(s.directory.add("b"))
		a.ListenPacket, b.ListenPacket = at, at
		_ = s.follows(a, "/v")
		v.set("for a alone")
		var toB atomic.Int64
		s.air.setFate(func(from, to netip.AddrPort, d []byte) []time.Duration {
			if to.Port() == 9999 {
				toB.Add(1)
			}
			return arrives
		})
		if got := get(t, b, "coaps://"+subjectSecure+"/plain"); !strings.Contains(got, "device=b") {
			t.Fatal(got)
		}
		if got := s.wants(0); got.ObserversDisconnected != 1 {
			t.Errorf("%d disconnected", got.ObserversDisconnected)
		}
		before := toB.Load()
		s.server.Notify("/v")
		time.Sleep(time.Minute)
		if n := toB.Load() - before; n != 0 {
			t.Errorf("%d datagrams for b", n)
		}
	})
}

// A client without DTLS is not forgotten while it observes, however long it is
// silent. When it has to give way to others, so does what it observes.
func TestPlainObserversAreKept(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(Observable(v)), func(s *Server) { s.Limits.PlainPeers = 2 }, func(s *subject) {
		c := s.onlooker()
		c.registers("/v", "1", "a")
		time.Sleep(100 * time.Hour)
		s.server.Notify("/v")
		c.acknowledges(c.wantsText("1", "a"))
		for range 3 {
			other := s.onlooker() // who does not observe keeps nobody out who does
			other.asks("/v", "t", noObserve)
			other.wantsText("t", "a")
			time.Sleep(time.Second)
		}
		s.wants(1)
		for range 2 {
			s.onlooker().registers("/v", "t", "a")
			time.Sleep(time.Second)
		}
		if got := s.wants(2); got.ObserversDisconnected != 1 {
			t.Errorf("%d disconnected", got.ObserversDisconnected)
		}
		s.server.Notify("/v")
		c.quiet(time.Hour)
	})
}

// A burst of changes is shown by messages without acknowledgement, but for every
// fifth, and the last of it is confirmed. To who may have given somebody else's
// address all are confirmable.
//
// Proves rfc7641 §4.5: "A server that transmits notifications mostly in
// non-confirmable messages MUST send a notification in a confirmable message instead
// of a non-confirmable message at least every 24 hours."
// Proves rfc7641 §7: "Without client authentication, a server therefore MUST strictly
// limit the number of notifications that it sends between receiving acknowledgements
// that confirm the actual interest of the client in the data"
// Pitfall A18: no more than one notification to an address that does not answer
func TestNonConfirmable(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(NonConfirmable(v)), nil, func(s *subject) {
		o := s.follows(s.with(s.directory.add("sensor")), "/v")
		plain := s.onlooker()
		plain.registers("/v", "p", "a")
		var types strings.Builder
		for range 12 {
			s.server.Notify("/v")
			m := plain.wantsText("p", "a")
			plain.acknowledges(m) // fails if it is not confirmable
			r := s.news(o)
			if r == nil {
				t.Fatalf("after %s nothing", &types)
			}
			types.WriteString(r.Type.String()[:1])
			time.Sleep(4 * time.Second)
		}
		if types.String() != "CNNNNCNNNNCN" {
			t.Errorf("types %s", &types)
		}
		time.Sleep(7 * time.Second)
		if r := s.news(o); r == nil || r.Type != coap.Confirmable {
			t.Errorf("after a burst: %v", r)
		}
		time.Sleep(time.Hour)
		if r := s.news(o); r != nil {
			t.Errorf("and then %v", r)
		}
		s.server.Notify("/v") // alone
		if r := s.news(o); r == nil || r.Type != coap.Confirmable {
			t.Errorf("after an hour: %v", r)
		}
	})
}

// What is lost without acknowledgement is shown in the end.
func TestNonConfirmableLost(t *testing.T) {
	v := &state{text: "a"}
	observed(t, muxOf(NonConfirmable(v)), nil, func(s *subject) {
		o := s.follows(s.with(s.directory.add("sensor")), "/v")
		s.server.Notify("/v")
		if r := s.news(o); r == nil || r.Type != coap.Confirmable {
			t.Fatalf("first %v", r)
		}
		s.air.setFate(func(from, to netip.AddrPort, d []byte) []time.Duration { return nil })
		time.Sleep(time.Second)
		v.set("b")
		s.server.Notify("/v")
		time.Sleep(time.Second)
		s.air.setFate(nil)
		time.Sleep(settleTime)
		if r := s.news(o); r == nil || string(r.Payload) != "b" {
			t.Errorf("in the end %v", r)
		}
	})
}

// Each notification is decided when it is made and once more when it is sent, also
// if nobody has looked at its observer since the rules have changed.
func TestEachNotificationIsDecided(t *testing.T) {
	for name, during := range map[string]bool{"before": false, "meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			v := &state{text: "a"}
			h := HandlerFunc(func(w ResponseWriter, r *Request) {
				v.ServeCOAP(w, r)
				time.Sleep(time.Second)
			})
			observed(t, muxOf(Observable(h)), func(s *Server) { s.Access = rules("allow anybody GET,OBSERVE /**") }, func(s *subject) {
				c := s.onlooker()
				c.registers("/v", "t", "a")
				v.set("secret")
				if during {
					s.server.Notify("/v")
					time.Sleep(time.Millisecond)
				}
				s.server.access.Store(rules("allow authenticated GET,OBSERVE /**")) // and nobody is told
				if !during {
					s.server.Notify("/v")
				}
				if m := c.next(time.Minute); m.Code != coap.Unauthorized || len(m.Payload) > 0 {
					t.Errorf("%v %q", m.Code, m.Payload)
				}
				if made := v.count() - 1; (made == 1) != during {
					t.Errorf("made %d times", made)
				}
				s.wants(0)
			})
		})
	}
}

// A notification that finds no room is made again until it does.
func TestNotificationsWithoutRoom(t *testing.T) {
	v := &state{text: strings.Repeat("a", 900)}
	observed(t, muxOf(Observable(v)), func(s *Server) { s.Limits.Bytes = 1500 }, func(s *subject) {
		a, b := s.onlooker(), s.onlooker()
		a.registers("/v", "a", v.text)
		time.Sleep(time.Hour) // nothing of it is remembered
		b.registers("/v", "b", v.text)
		time.Sleep(time.Hour)
		v.set(strings.Repeat("b", 900))
		s.server.Notify("/v")
		synctest.Wait()
		var waiting uint32
		s.onLoop(func(o *observers) { waiting = o.pausing.Len })
		if waiting != 1 {
			t.Errorf("%d wait for room", waiting)
		}
		for _, c := range []*scripted{a, b} {
			var last coap.Message
			for m, ok := c.hear(time.Minute); ok; m, ok = c.hear(time.Minute) {
				last = m
				c.acknowledges(m)
			}
			if string(last.Payload) != v.text {
				t.Errorf("in the end %.3q", last.Payload)
			}
		}
		s.wants(2)
	})
}

// onLoop runs f on the event loop of the plain port.
func (s *subject) onLoop(f func(o *observers)) {
	one, done := s.server.plain.shards[0], make(chan struct{})
	_ = one.mail.post(note(func(tick.Time) { f(one.observers); close(done) }), true)
	<-done
}
