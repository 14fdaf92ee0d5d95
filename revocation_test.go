// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/store"
)

// nap is a look-up of somebody whom nobody knows, in a store that is slow.
type nap struct{}

func (nap) run() { time.Sleep(100 * time.Millisecond) }

// Strangers who keep all workers for look-ups busy, and the line before them
// full, do not keep a revocation from being seen.
func TestRecheckBesideAFlood(t *testing.T) {
	s, d := newGuarded(t, say, nil)
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/")
	stop, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if !s.server.lookups.submit(nap{}) {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	eventually(t, "a full line", func() bool { return !s.server.lookups.submit(nap{}) })
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	began := time.Now()
	s.server.Recheck(named("sensor-7"))
	s.wantLog(LogSessionRevoked, "reason=device_disabled")
	if took := time.Since(began); took > promptly {
		t.Errorf("revoked after %v", took)
	}
}

// More sessions than may be looked at by themselves are looked at by a walk.
func TestManyAlone(t *testing.T) {
	s, d := newGuarded(t, say, nil)
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/")
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	s.onLoop(func() {
		one := s.server.secure.shards[0]
		one.recheck.alones = alonesAsked
		one.recheck.alone(one.clock.now(), one.anySession())
	})
	s.wantLog(LogSessionRevoked, "reason=device_disabled")
}

// Many that fail at once are one failure, and a change that is told of then does
// not wait for the next attempt.
func TestFailuresDoNotHoldUpChanges(t *testing.T) {
	s, d := newGuarded(t, say, nil)
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/")
	s.onLoop(func() {
		one := s.server.secure.shards[0]
		now := one.clock.now()
		for range 10 {
			one.recheck.again(now, nobody)
		}
		if one.recheck.backoff != recheckAgain {
			t.Errorf("the next attempt is after %v", one.recheck.backoff)
		}
		one.recheck.retry = now.Add(time.Hour)
	})
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	s.server.Recheck(named("sensor-7"))
	s.wantLog(LogSessionRevoked, "reason=device_disabled")
	s.onLoop(func() {
		if r := &s.server.secure.shards[0].recheck; len(r.later) > 0 {
			t.Errorf("the store is back, and %d wait until %v", len(r.later), r.retry)
		}
	})
}

func (s *shard) anySession() (id endpoint.PeerID) {
	s.ep.Walk(0, 1000, func(r *endpoint.Resident) bool { id = r.ID; return false })
	return id
}

// loginTo is a handler that authorizes whoever asks for /login, after wait, and
// tells others who they are.
func loginTo(who security.Principal, wait func()) Handler {
	return HandlerFunc(func(w ResponseWriter, r *Request) {
		if r.Path == "/login" {
			wait()
			_ = r.Authorize(who)
		}
		say(w, r)
	})
}

var atOnce = func() {}

// setClaim sets what a directory says of a principal with a credential, or
// without any.
func (d *directory) setClaim(credential string, e security.Entry) {
	d.change(func(d *directory) { d.entries["/credential "+credential] = e })
}

// A token that is revoked while the handler is at work that has found it good
// gives no session that lives on.
func TestTokenRevokedMeanwhile(t *testing.T) {
	other := security.Principal{Device: "other", Credential: "token"}
	release := make(chan struct{})
	s, d := newGuarded(t, loginTo(other, func() { <-release }), nil)
	d.setClaim("token", security.Entry{Principal: other})
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/")
	login := make(chan error, 1)
	go func() { _, err := c.Get(timeout(t), s.secure+"/login"); login <- err }()
	eventually(t, "a handler at work", func() (working bool) {
		s.onLoop(func() { working = s.server.secure.shards[0].inHand == 1 })
		return working
	})
	d.setClaim("token", security.Entry{Reason: dtls.ReasonCredentialDisabled, Principal: other})
	s.server.Recheck(named("other"))
	eventually(t, "the end of the walk", func() (ended bool) {
		s.onLoop(func() { ended = !s.server.secure.shards[0].recheck.walking })
		return ended
	})
	close(release)
	s.wantLog(LogSessionRevoked, "reason=credential_disabled", "device=other", "action=close")
	<-login // answered or not
}

// What a Directory gives an application may be out of date when it comes.
func TestTokenThatIsStale(t *testing.T) {
	other := security.Principal{Device: "other", Credential: "token"}
	s, d := newGuarded(t, loginTo(other, atOnce), nil)
	c := s.with(d.add("sensor-7"))
	d.change(func(d *directory) { d.stale = map[string]security.Entry{"/credential token": {Principal: other}} })
	if got := get(t, c, s.secure+"/login"); !strings.Contains(got, "device=other") {
		t.Errorf("got %s", got)
	}
	d.change(func(d *directory) { d.stale = nil }) // nobody has such a token
	s.wantLog(LogSessionRevoked, "reason=unknown_identity", "device=other")
}

// Where there is no Directory an application may call a credential what it likes.
func TestTokenWithoutADirectory(t *testing.T) {
	s := newStage(t, loginTo(security.Principal{Device: "other", Credential: "its own"}, atOnce), nil)
	c := s.client(security.PreSharedKey)
	_ = get(t, c, s.secure+"/login")
	s.server.Recheck(nil)
	s.onLoop(func() {})
	time.Sleep(50 * time.Millisecond)
	if got := get(t, c, s.secure+"/"); !strings.Contains(got, "device=other") || s.server.Stats().Handshakes != 1 {
		t.Errorf("got %s", got)
	}
}

// An authorized session has two credentials, and needs both: its own may be that
// of a device that has been removed, the other a token that has been taken back.
// A change of either is found by a match that knows one of them only.
func TestAuthorizedNeedsBoth(t *testing.T) {
	other := security.Principal{Device: "other", Credential: "token"}
	for _, match := range []string{"", "sensor-7", "other"} {
		for _, own := range []bool{false, true} {
			if match != "" && own != (match == "sensor-7") {
				continue
			}
			t.Run(match, func(t *testing.T) {
				s, d := newGuarded(t, loginTo(other, atOnce), func(s *Server) { dozing(s); s.OnRevoke = RevokeForbid })
				d.setClaim("token", security.Entry{Principal: other})
				c := s.with(d.add("sensor-7"))
				_ = get(t, c, s.secure+"/login")
				s.asleep()
				set := func(reason dtls.Reason) {
					if own {
						d.set("sensor-7", func(e *security.Entry) { e.Reason = reason })
					} else {
						d.setClaim("token", security.Entry{Reason: reason, Principal: other})
					}
					if match == "" {
						s.server.Recheck(nil)
					} else {
						s.server.Recheck(named(match))
					}
				}
				set(dtls.ReasonCredentialDisabled)
				s.wantLog(LogSessionRevoked, "reason=credential_disabled", "action=forbid", "device=other")
				if got := get(t, c, s.secure+"/login"); got != "4.03 Forbidden" {
					t.Errorf("got %s", got)
				}
				set(dtls.ReasonNone)
				eventually(t, "allowed", func() bool { return strings.HasSuffix(get(t, c, s.secure+"/"), "device=other groups=") })
			})
		}
	}
}

// One good credential does not lift what the other forbids.
func TestGoodTokenLiftsNothing(t *testing.T) {
	other := security.Principal{Device: "other", Credential: "token"}
	s, d := newGuarded(t, loginTo(other, atOnce), func(s *Server) { s.OnRevoke = RevokeForbid })
	d.setClaim("token", security.Entry{Principal: other})
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/login")
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	for _, match := range []Match{named("sensor-7"), named("other"), nil} {
		s.server.Recheck(match)
		s.wantLog(LogSessionRevoked, "reason=device_disabled")
		s.onLoop(func() {
			one := s.server.secure.shards[0]
			one.recheck.authorized(one.clock.now(), one.anySession())
		})
		time.Sleep(50 * time.Millisecond)
		if got := get(t, c, s.secure+"/"); got != "4.03 Forbidden" {
			t.Errorf("got %s", got)
		}
	}
}

// A certificate that is revoked ends the session that a token was brought in.
func TestAuthorizedNeedsItsCertificate(t *testing.T) {
	s := newStage(t, loginTo(security.Principal{Device: "other"}, atOnce), nil)
	c := s.client(security.Certificate)
	if got := get(t, c, s.secure+"/login"); !strings.Contains(got, "device=other") {
		t.Fatalf("got %s", got)
	}
	config := *s.server.Security
	config.Trust = nil
	if err := s.server.SetSecurity(&config); err != nil {
		t.Fatal(err)
	}
	s.server.Recheck(nil)
	s.wantLog(LogSessionRevoked, "device=other", "reason=")
}

// The end of a session's own credential is the session's, whoever it is by then.
func TestAuthorizedEndsWithItsCredential(t *testing.T) {
	s, d := newGuarded(t, loginTo(security.Principal{Device: "other"}, atOnce), dozing)
	c := s.with(d.add("sensor-7"))
	end := time.Now().Truncate(time.Second).Add(3 * time.Second)
	d.set("sensor-7", func(e *security.Entry) { e.NotAfter = end })
	_ = get(t, c, s.secure+"/login")
	for session := range s.server.Sessions(timeout(t)) {
		if !session.NotAfter.Equal(end) || session.Identity.Device() != "other" {
			t.Errorf("session %+v", session)
		}
	}
	s.wantLog(LogSessionRevoked, "reason=credential_expired", "device=other")
}

// A token under the name of another, as in a list of which the first has been
// removed, is another.
func TestTokenChangedUnderItsName(t *testing.T) {
	other := security.Principal{Device: "other", Credential: "1", Mark: 5}
	s, d := newGuarded(t, loginTo(other, atOnce), nil)
	d.setClaim("1", security.Entry{Principal: other})
	c := s.with(d.add("sensor-7"))
	if got := get(t, c, s.secure+"/login"); !strings.Contains(got, "device=other") {
		t.Errorf("got %s", got)
	}
	other.Mark = 7
	d.setClaim("1", security.Entry{Principal: other})
	s.server.Recheck(nil)
	s.wantLog(LogSessionRevoked, "reason=credential_changed", "device=other")
}

// What both principals need more than a note has room for is refused, and the
// session stays what it is.
func TestAuthorizedNamesTooLong(t *testing.T) {
	errs := make(chan error, 1)
	s, d := newGuarded(t, HandlerFunc(func(_ ResponseWriter, r *Request) {
		errs <- r.Authorize(security.Principal{Device: strings.Repeat("x", 700)})
	}), nil)
	device := d.add("sensor-7", strings.Repeat("g", 400))
	c := s.with(device)
	_ = get(t, c, s.secure+"/")
	if err := <-errs; err != endpoint.ErrNoteTooLong {
		t.Errorf("got %v", err)
	}
	for session := range s.server.Sessions(timeout(t)) {
		if session.Identity.Device() != "sensor-7" || session.Authorized {
			t.Errorf("session %+v", session)
		}
	}
}

// lagging is a directory of which one Fetch reads at once and answers late.
type lagging struct {
	*directory
	arm  chan bool
	read chan struct{}
	back chan struct{}
}

func newLagging(t *testing.T, handler Handler, action RevokeAction) (*stage, *lagging) {
	l := &lagging{arm: make(chan bool, 1), read: make(chan struct{}), back: make(chan struct{})}
	s, _ := newGuarded(t, handler, func(s *Server) {
		s.OnRevoke, l.directory = action, s.Security.Directory.(*directory)
		s.Security.Directory = l
	})
	return s, l
}

func (l *lagging) Fetch(ctx context.Context, c *security.Claim, now time.Time) security.Entry {
	e := l.directory.Fetch(ctx, c, now)
	select {
	case <-l.arm:
		close(l.read)
		<-l.back
	default:
	}
	return e
}

// The answer about one session that comes late, and was read before a change,
// does not lift what the walk after the change has found.
func TestLateAnswer(t *testing.T) {
	s, d := newLagging(t, say, RevokeForbid)
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/")
	d.arm <- true
	s.onLoop(func() {
		one := s.server.secure.shards[0]
		one.recheck.alone(one.clock.now(), one.anySession())
	})
	<-d.read
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	s.server.Recheck(nil)
	s.wantLog(LogSessionRevoked, "action=forbid")
	asked := d.asked()
	close(d.back)
	eventually(t, "another look", func() bool { return d.asked() > asked })
	time.Sleep(50 * time.Millisecond)
	if got := get(t, c, s.secure+"/"); got != "4.03 Forbidden" {
		t.Errorf("got %s", got)
	}
}

// Nor does a session escape by being authorized while its own credential is
// looked at.
func TestAuthorizedWhileLookedAt(t *testing.T) {
	s, d := newLagging(t, loginTo(security.Principal{Device: "other"}, atOnce), RevokeClose)
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/")
	d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	d.arm <- true
	s.server.Recheck(named("sensor-7"))
	<-d.read
	if got := get(t, c, s.secure+"/login"); !strings.Contains(got, "device=other") {
		t.Fatalf("got %s", got)
	}
	close(d.back)
	s.wantLog(LogSessionRevoked, "reason=device_disabled", "device=other")
}

// What a directory only remembers, while its store does not answer, is enough for
// a handshake and not for a second look: that is made again, also for sessions
// whose handshake was told so.
func TestStaleAnswers(t *testing.T) {
	for _, first := range []bool{false, true} {
		s, d := newGuarded(t, say, nil)
		psk := d.add("sensor-7")
		stale := func(d *directory) { d.stale = map[string]security.Entry{"/sensor-7": d.entries["/sensor-7"]} }
		if first {
			d.change(stale)
		}
		c := s.with(psk)
		_ = get(t, c, s.secure+"/")
		d.change(stale)
		d.set("sensor-7", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
		if !first {
			s.server.Recheck(nil)
		}
		eventually(t, "stale answers", func() bool { return d.asked() > 1 })
		if got := get(t, c, s.secure+"/"); !strings.Contains(got, "device=sensor-7") {
			t.Errorf("from memory: %s", got)
		}
		d.change(func(d *directory) { d.stale = nil })
		s.wantLog(LogSessionRevoked, "reason=device_disabled")
	}
}

// damaged is a directory of which one record cannot be read.
type damaged struct{ *directory }

func (d damaged) Fetch(ctx context.Context, c *security.Claim, now time.Time) security.Entry {
	if e := d.directory.Fetch(ctx, c, now); e.Device != "damaged" {
		return e
	}
	return security.Entry{Reason: dtls.ReasonStoreUnavailable, Err: store.ErrCorrupt}
}

// A record that cannot be read keeps nobody else from being looked at, and its own
// session waits for another time.
func TestRecheckBesideDamage(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { s.Security.Directory = damaged{s.Security.Directory.(*directory)} })
	for _, name := range []string{"device-1", "device-2", "device-3"} {
		_ = get(t, s.with(d.add(name)), s.secure+"/")
	}
	d.set("device-1", func(e *security.Entry) { e.Device = "damaged" })
	d.set("device-2", func(e *security.Entry) { e.Reason = dtls.ReasonDeviceDisabled })
	s.server.Recheck(nil)
	s.wantLog(LogSessionRevoked, "reason=device_disabled", "device=device-2")
	asked := d.asked()
	eventually(t, "another look", func() bool { return d.asked() > asked })
	time.Sleep(100 * time.Millisecond)
	if looks := d.asked() - asked; looks != 1 {
		t.Errorf("%d looks for the sake of one session", looks)
	}
	d.set("device-1", func(e *security.Entry) { e.Device, e.Reason = "device-1", dtls.ReasonCredentialDisabled })
	s.wantLog(LogSessionRevoked, "reason=credential_disabled", "device=device-1")
	if got := s.server.Stats().Sessions; got != 1 {
		t.Errorf("%d sessions", got)
	}
}

// slow is a directory that takes its time, and knows no certificates but by a
// look.
type slow struct{ *directory }

func (s slow) Fetch(ctx context.Context, c *security.Claim, now time.Time) security.Entry {
	time.Sleep(10 * time.Millisecond)
	return s.directory.Fetch(ctx, c, now)
}

// A certificate that is nobody's may be anybody's with each device that is added.
// To look costs something, so that with many changes it is not done for each; but
// it is after the last, and at once if everything is to be looked at.
func TestStrays(t *testing.T) {
	s, d := newGuarded(t, say, func(s *Server) { s.Security.Directory = slow{s.Security.Directory.(*directory)} })
	c := s.client(security.Certificate)
	_ = get(t, c, s.secure+"/")
	unowned := func(p *security.Principal, mode security.Mode) bool {
		return p.IsZero() && mode != security.PreSharedKey
	}
	strays := &s.server.secure.shards[0].strays
	looked := func() (looks int, resting bool) {
		s.onLoop(func() { resting = !strays.walking && strays.rest > strays.shard.clock.now() })
		return d.asked(), resting
	}
	before := d.asked()
	began := time.Now()
	for time.Since(began) < 300*time.Millisecond {
		s.server.Recheck(unowned)
		s.onLoop(func() {})
		time.Sleep(time.Millisecond)
	}
	most := int(time.Since(began)/(straysShare*10*time.Millisecond)) + 2
	if looks := d.asked() - before; looks == 0 || looks > most {
		t.Errorf("%d looks in %v, want %d at most", looks, time.Since(began), most)
	}
	eventually(t, "rest", func() bool { _, resting := looked(); return resting })
	before = d.asked()
	s.server.Recheck(nil)
	eventually(t, "a look at everything", func() bool { return d.asked() > before })
	d.change(func(d *directory) {
		d.entries["/"+keys.CertificateName(s.clientChain.Leaf)] = security.Entry{Reason: dtls.ReasonDeviceDisabled, Principal: security.Principal{Device: "new"}}
	})
	s.server.Recheck(unowned)
	s.wantLog(LogSessionRevoked, "reason=device_disabled", "mode=Certificate")
}
