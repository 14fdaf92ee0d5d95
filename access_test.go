// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/tick"
)

// Who has proved who he is and may not is told 4.03, who has not 4.01, before
// anybody looks whether there is such a resource; inline handlers included.
//
// Proves rfc7252 §9: "During the provisioning phase, a CoAP device is provided with
// the security information that it needs, including keying materials and access
// control lists."
// Proves rfc7252 §5.9.2.2: "The client is not authorized to perform the requested
// action."
func TestAccess(t *testing.T) {
	mux := NewMux()
	mux.Handle("/telemetry/", say)
	mux.Handle("/inline", Inline(say))
	mux.Handle("/public", say)
	s, d := newGuarded(t, mux, func(s *Server) {
		s.Access = rules("allow authenticated POST,GET /telemetry/{device}", "allow anybody GET /public", "allow group:admins * /**", "deny device:eve * /**")
	})
	sensor, admin, eve := s.with(d.add("sensor-7")), s.with(d.add("root", "admins")), s.with(d.add("eve", "admins"))
	nobody := s.client(security.NoSec)
	for _, test := range []struct {
		c    *Client
		uri  string
		want string
	}{
		{sensor, s.secure + "/telemetry/sensor-7", "PreSharedKey sensor-7 device=sensor-7 groups="},
		{sensor, s.secure + "/telemetry/sensor-8", "4.03 Forbidden"},
		{sensor, s.secure + "/missing", "4.03 Forbidden"},
		{sensor, s.secure + "/inline", "4.03 Forbidden"},
		{sensor, s.secure + "/.well-known/core", "4.03 Forbidden"},
		{admin, s.secure + "/inline", "PreSharedKey root device=root groups=admins"},
		{admin, s.secure + "/missing", "4.04 Not Found"},
		{eve, s.secure + "/inline", "4.03 Forbidden"},
		{eve, s.secure + "/public", "4.03 Forbidden"},
		{nobody, s.plain + "/public", "NoSec  device= groups="},
		{nobody, s.plain + "/inline", "4.01 Unauthorized"},
		{nobody, s.plain + "/missing", "4.01 Unauthorized"},
	} {
		for range 2 { // the second time its path is known
			if got := get(t, test.c, test.uri); got != test.want {
				t.Errorf("%s: %q, want %q", test.uri, got, test.want)
			}
		}
	}
	if r, err := sensor.Put(timeout(t), s.secure+"/telemetry/sensor-7", coap.TextPlain, nil); err != nil || r.Code != coap.Forbidden || len(r.Payload) != 0 {
		t.Errorf("PUT: %v, %v", r, err)
	}
	s.wantLog(LogRequestDenied, "reason=access", "peer=127.0.0.1:", "identity=sensor-7", "device=sensor-7", "method=GET", "path=/telemetry/sensor-8", "rule=\"no rule\"", "code=\"4.03 Forbidden\"")
	s.wantLog(LogRequestDenied, "identity=eve", "rule=\"rule 4\"")
	if got := s.server.Stats().RequestsDenied; got != 17 {
		t.Errorf("%d denied", got)
	}
	s.server.SetAccess(rules("allow device:sensor-7 GET /inline"))
	if got := get(t, sensor, s.secure+"/inline"); !strings.Contains(got, "sensor-7") {
		t.Errorf("with other rules: %s", got)
	}
	if got := get(t, admin, s.secure+"/inline"); got != "4.03 Forbidden" {
		t.Errorf("with other rules: %s", got)
	}
	s.server.SetAccess(nil)
	if got := get(t, admin, s.secure+"/inline"); got != "4.03 Forbidden" {
		t.Errorf("with no list: %s", got)
	}
	s.server.ClearAccess()
	if got := get(t, nobody, s.plain+"/missing"); got != "4.04 Not Found" {
		t.Errorf("without rules: %s", got)
	}
}

// Denied answers for what is there and what is not are the same to the bit but
// for the token and the Message ID, unless that is not wanted.
func TestDeniedTellsNothing(t *testing.T) {
	for _, reveal := range []bool{false, true} {
		mux := NewMux()
		mux.Handle("/secret", say)
		mux.Handle("/tree/", say)
		s, d := newGuarded(t, mux, func(s *Server) {
			s.Access, s.RevealMissing = rules("allow device:other * /**"), reveal
		})
		c := s.with(d.add("sensor-7"))
		ask := func(method coap.Code, path string) string {
			r, err := c.Do(timeout(t), &Request{Method: method, URI: s.secure + path, Payload: []byte("x")})
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%v %v %q", r.Code, r.Options, r.Payload)
		}
		for _, method := range []coap.Code{coap.GET, coap.POST, coap.PUT, coap.DELETE} {
			there, missing := ask(method, "/secret"), ask(method, "/nothing")
			if there != `4.03 Forbidden [] ""` || (missing == there) == reveal {
				t.Errorf("reveal %v: %v: %s and %s", reveal, method, there, missing)
			}
			if tree := ask(method, "/tree/leaf"); tree != there {
				t.Errorf("%v below a tree: %s", method, tree)
			}
		}
	}
}

// The list has what the client may touch by any method, and nothing else.
func TestListOfWhatIsAllowed(t *testing.T) {
	mux := NewMux()
	for _, pattern := range []string{"GET /read", "POST /write", "/any", "/other"} {
		mux.Handle(pattern, say)
	}
	s, d := newGuarded(t, mux, func(s *Server) {
		s.Access = rules("allow anybody GET /.well-known/core", "allow authenticated GET /read", "allow authenticated GET /write", "allow authenticated DELETE /any")
	})
	c := s.with(d.add("sensor-7"))
	if got := get(t, c, s.secure+"/.well-known/core"); got != "</read>,</any>" {
		t.Errorf("list %s", got)
	}
	if got := get(t, s.client(security.NoSec), s.plain+"/.well-known/core"); got != "" {
		t.Errorf("list of nobody: %s", got)
	}
	s.server.ClearAccess()
	if got := get(t, c, s.secure+"/.well-known/core"); strings.Count(got, ",") != 3 {
		t.Errorf("list without rules %s", got)
	}
}

// Who may read and not observe gets a plain answer: the handler does not see that
// it was asked for more.
func TestObserveWithoutTheRight(t *testing.T) {
	var seen []bool
	s, d := newGuarded(t, Inline(HandlerFunc(func(_ ResponseWriter, r *Request) { seen = append(seen, r.Options.Has(coap.Observe)) })), func(s *Server) {
		s.Access = rules("allow anybody GET /a", "allow anybody GET,OBSERVE /b")
	})
	c := s.with(d.add("sensor-7"))
	for _, path := range []string{"/a", "/b"} {
		r := &Request{URI: s.secure + path}
		r.Options.Add(coap.Observe, nil)
		if answer, err := c.Do(timeout(t), r); err != nil || answer.Code != coap.Content {
			t.Errorf("%s: %v, %v", path, answer, err)
		}
	}
	s.close() // so that seen may be looked at
	go func() { s.served <- ErrServerClosed }()
	if !slices.Equal(seen, []bool{false, true}) {
		t.Errorf("Observe seen: %v", seen)
	}
}

// A token in a request makes an anonymous client somebody: for rules, for
// handlers, over sleep, and for AnonymousTime. Without one the session ends.
func TestAnonymousThenToken(t *testing.T) {
	mux := NewMux()
	mux.HandleFunc("POST /token", func(w ResponseWriter, r *Request) {
		if string(r.Payload) != "the token" {
			WriteError(w, coap.Unauthorized, "")
			return
		}
		if err := r.Authorize(security.Principal{Device: "phone", Tenant: "home", Groups: []string{"people"}}); err != nil {
			t.Error(err)
		}
		if !r.Allowed(coap.GET, "/me") || r.Peer.Identity.Device() != "phone" {
			t.Errorf("it is not at once who it is: %v", r.Peer.Identity)
		}
	})
	mux.Handle("/me", say)
	s, _ := newGuarded(t, mux, func(s *Server) {
		s.Security.AllowAnonymousClients = true
		s.AnonymousTime = 2 * time.Second
		s.Limits.SleepAfter = 50 * time.Millisecond
		s.Access = rules("allow anybody POST /token", "allow group:people,tenant:home,mode:token GET /me")
	})
	good, bad := s.anonymous(), s.anonymous()
	for _, c := range []*Client{good, bad} {
		if got := get(t, c, s.secure+"/me"); got != "4.01 Unauthorized" {
			t.Errorf("without a token: %s", got)
		}
	}
	if r, err := bad.Post(timeout(t), s.secure+"/token", coap.TextPlain, []byte("a guess")); err != nil || r.Code != coap.Unauthorized {
		t.Errorf("a guess: %v, %v", r, err)
	}
	if r, err := good.Post(timeout(t), s.secure+"/token", coap.TextPlain, []byte("the token")); err != nil || r.Code != coap.Changed {
		t.Fatalf("the token: %v, %v", r, err)
	}
	want := "RawPublicKey phone device=phone groups=people"
	if got := get(t, good, s.secure+"/me"); got != want {
		t.Errorf("with a token: %s", got)
	}
	s.wantLog(LogAuthorized, "identity=phone", "device=phone", "tenant=home", "peer=127.0.0.1:")
	s.wantLog(LogSessionRevoked, "reason=not_authorized", "action=close", "mode=RawPublicKey")
	eventually(t, "sleep", func() bool { got := s.server.Stats(); return got.Sessions == 1 && got.Awake == 0 })
	if got := get(t, good, s.secure+"/me"); got != want {
		t.Errorf("after sleep: %s", got)
	}
	if got := s.server.Stats().SessionsRevoked; got != 1 {
		t.Errorf("%d revoked", got)
	}
	for session := range s.server.Sessions(timeout(t)) {
		if !session.Authorized || session.Identity.Device() != "phone" {
			t.Errorf("session %+v", session)
		}
	}
}

// However many strangers come, they do not take the place of who has brought a token.
func TestStrangersLeaveTheAuthorized(t *testing.T) {
	mux := NewMux()
	mux.HandleFunc("POST /token", func(_ ResponseWriter, r *Request) {
		if err := r.Authorize(security.Principal{Device: "phone"}); err != nil {
			t.Error(err)
		}
	})
	mux.Handle("/me", say)
	s, _ := newGuarded(t, mux, func(s *Server) {
		s.Security.AllowAnonymousClients = true
		s.Loops, s.Limits.Sessions, s.Limits.EvictAfter = 1, 3, time.Millisecond
		s.Access = rules("allow anybody POST /token", "allow device:phone GET /me")
	})
	phone := s.anonymous()
	if r, err := phone.Post(timeout(t), s.secure+"/token", coap.TextPlain, nil); err != nil || r.Code != coap.Changed {
		t.Fatalf("the token: %v, %v", r, err)
	}
	for range 5 {
		get(t, s.anonymous(), s.secure+"/me")
	}
	if got := s.server.Stats().Drops[endpoint.DropSessionEvicted]; got != 3 {
		t.Errorf("%d gave way, of 6 in room for 3", got)
	}
	if got := get(t, phone, s.secure+"/me"); got != "RawPublicKey phone device=phone groups=" {
		t.Errorf("with a token: %s", got)
	}
}

// Authorize is for sessions, and for somebody.
func TestAuthorizeErrors(t *testing.T) {
	errs := make(chan error, 3)
	handler := HandlerFunc(func(_ ResponseWriter, r *Request) {
		errs <- r.Authorize(security.Principal{Device: "phone"})
		errs <- r.Authorize(security.Principal{Tenant: "home"})
		errs <- r.Authorize(security.Principal{Device: strings.Repeat("long", 1000)})
	})
	s, d := newGuarded(t, handler, nil)
	_ = get(t, s.client(security.NoSec), s.plain+"/")
	for range 3 {
		if err := <-errs; !errors.Is(err, ErrNoSession) {
			t.Errorf("without DTLS: %v", err)
		}
	}
	_ = get(t, s.with(d.add("sensor-7")), s.secure+"/")
	if err := <-errs; err != nil {
		t.Errorf("of a device: %v", err)
	}
	if err := <-errs; !errors.Is(err, ErrNobody) {
		t.Errorf("nobody: %v", err)
	}
	if err := <-errs; err == nil {
		t.Error("a name of any length is taken")
	}
	if err := (&Request{}).Authorize(security.Principal{Device: "phone"}); !errors.Is(err, ErrNoSession) {
		t.Errorf("of a client: %v", err)
	}
}

// Whoever panics after he has authorized somebody has not.
func TestAuthorizePanics(t *testing.T) {
	s, d := newGuarded(t, HandlerFunc(func(w ResponseWriter, r *Request) {
		if r.Path == "/panic" {
			r.Authorize(security.Principal{Device: "other"})
			panic("after all")
		}
		say(w, r)
	}), nil)
	c := s.with(d.add("sensor-7"))
	_ = get(t, c, s.secure+"/panic")
	if got := get(t, c, s.secure+"/"); !strings.Contains(got, "device=sensor-7") {
		t.Errorf("got %s", got)
	}
}

// What is kept of a session says the same after it was read, and a glance at it
// says what it ends by.
func TestSessionNote(t *testing.T) {
	for _, n := range []sessionNote{
		{},
		{mode: security.Certificate, anonymous: true, established: 12_345_678_000_000},
		{mode: security.PreSharedKey, forbidden: true, authorized: true, principal: security.Principal{Device: "d", Groups: []string{"g"}, Mark: 7}},
		{established: 1_000_000, principal: security.Principal{Group: "g", NotAfter: time.Unix(1<<33, 0).UTC()}},
		{doubted: true, principal: security.Principal{Device: "d"}},
		{authorized: true, own: &security.Principal{Device: "own", Host: "h", Mark: 5}, principal: security.Principal{Device: "d", Host: "h"}},
		{authorized: true, anonymous: true, own: &security.Principal{}, principal: security.Principal{Device: "d", NotAfter: time.Unix(5000, 0).UTC()}},
	} {
		b := n.append(nil)
		got, ok := parseNote(b)
		if !ok || !bytes.Equal(got.append(nil), b) || got.mode != n.mode || got.established != n.established || got.principal.Device != n.principal.Device ||
			got.proved().Device != n.proved().Device || got.proved().Host != n.proved().Host {
			t.Errorf("%+v came back as %+v", n, got)
		}
		if g := glance(b); g.established != n.established || g.anonymous != n.anonymous || !g.notAfter().Equal(n.notAfter()) {
			t.Errorf("%+v at a glance is %+v", n, g)
		}
		if allocated := testing.AllocsPerRun(10, func() { glance(b) }); allocated != 0 {
			t.Errorf("%.0f allocations", allocated)
		}
	}
	if _, ok := parseNote(nil); ok {
		t.Error("nothing is a note")
	}
	// What finds room in the cells of a session that sleeps is tested with those.
	usual := sessionNote{mode: security.PreSharedKey, established: tick.Time(30 * 24 * time.Hour), principal: security.Principal{
		Device: "sensor-7", Groups: []string{"sensors"}, Credential: "psk", Mark: 1 << 31,
	}}
	if n := len(usual.append(nil)); n > 38 {
		t.Errorf("a note has %d octets", n)
	}
}

// Of the ends of an authorized session the earlier one counts.
func TestEndOfAuthorized(t *testing.T) {
	early, late := time.Unix(1000, 0).UTC(), time.Unix(2000, 0).UTC()
	for _, test := range []struct{ own, who, want time.Time }{
		{}, {early, time.Time{}, early}, {time.Time{}, early, early}, {early, late, early}, {late, early, early},
	} {
		n := sessionNote{principal: security.Principal{Device: "own", NotAfter: test.own}}
		n.authorize(security.Principal{Device: "who", NotAfter: test.who})
		if g := glance(n.append(nil)); !n.notAfter().Equal(test.want) || !g.notAfter().Equal(test.want) {
			t.Errorf("%+v: it ends at %v, at a glance %v", test, n.notAfter(), g.notAfter())
		}
		n.authorize(security.Principal{Device: "another"})
		if !n.notAfter().Equal(test.own) || n.proved().Device != "own" {
			t.Errorf("%+v: authorized again, %s ends at %v", test, n.proved().Device, n.notAfter())
		}
	}
}

// Whom a request is from, for rules: each mode is its own, and only a token makes
// somebody of an anonymous peer.
func TestSubject(t *testing.T) {
	s := newStage(t, say, nil)
	p := must(newServerPolicy(s.server.Security))
	phone := security.Principal{Device: "phone"}
	for _, test := range []struct {
		facts dtls.Facts
		note  sessionNote
		want  acl.Subject
	}{
		{dtls.Facts{PSKIdentity: []byte("x")}, sessionNote{}, acl.Subject{Mode: acl.PSK, Authenticated: true}},
		{dtls.Facts{PeerRawKey: s.clientKey.SPKI, PeerTrusted: true}, sessionNote{principal: phone}, acl.Subject{Device: "phone", Mode: acl.RPK, Authenticated: true}},
		{dtls.Facts{PeerChain: []*x509.Certificate{s.clientChain.Leaf}, PeerTrusted: true}, sessionNote{}, acl.Subject{Mode: acl.Certificate, Authenticated: true}},
		{dtls.Facts{LocalCertType: dtls.CertRawPublicKey}, sessionNote{anonymous: true}, acl.Subject{Mode: acl.RPK}},
		{dtls.Facts{}, sessionNote{authorized: true, principal: phone}, acl.Subject{Device: "phone", Mode: acl.Token, Authenticated: true}},
	} {
		got := p.session(&Peer{}, &test.facts, &test.note).subject
		if got.Device != test.want.Device || got.Mode != test.want.Mode || got.Authenticated != test.want.Authenticated {
			t.Errorf("%+v is %+v, want %+v", test.facts, got, test.want)
		}
	}
}
