// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// close_notify ends both sides, and is answered.
//
// Proves rfc5246 §7.2.1: "The other party MUST respond with a close_notify
// alert of its own and close down the connection immediately, discarding any
// pending writes."
func TestCloseNotify(t *testing.T) {
	for _, clientCloses := range []bool{true, false} {
		p := established(t)
		from, to := &p.client, &p.server
		if !clientCloses {
			from, to = to, from
		}
		from.Close(p.now)
		if from.State() != Closed || from.Err().Reason != ReasonCanceled || from.Deadline() != tick.Never {
			t.Errorf("closer: %v, %v", from.State(), from.Err())
		}
		farewell := p.take(from)
		to.Receive(p.now, farewell[0])
		p.pump(to)
		if e := to.closed; e == nil || e.Reason != ReasonPeerClosed || !e.Received || !e.Sent || e.Alert != wire.AlertCloseNotify {
			t.Errorf("other side: %+v", e)
		}
		if answer := p.take(to); len(answer) != 1 || len(answer[0]) != len(farewell[0]) {
			t.Errorf("answered with %x", answer)
		}
		if from.closed != nil {
			t.Error("the closer is told what it did")
		}
	}
	// In the middle of a handshake it is said in plaintext.
	p := newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, &Config{Credentials: with(Credentials{PSK: true})})
	p.take(&p.client)
	p.client.Close(p.now)
	if d := p.take(&p.client); len(d) != 1 || !bytes.HasSuffix(d[0], []byte{0, 2, 1, 0}) {
		t.Errorf("said %x", d)
	}
}

// A protected alert ends an established session if it is fatal, and else
// changes nothing.
//
// Proves rfc5246 §7.2: "Alert messages with a level of fatal result in the
// immediate termination of the connection."
func TestProtectedAlerts(t *testing.T) {
	for _, test := range []struct {
		alert  []byte
		reason Reason
	}{
		{[]byte{2, 80}, ReasonForAlert(wire.AlertInternalError)},
		{[]byte{2, 20}, ReasonForAlert(wire.AlertBadRecordMAC)},
		{[]byte{2, 200}, ReasonForAlert(200)},
		{[]byte{1, 0}, ReasonPeerClosed},
		{[]byte{2, 0}, ReasonPeerClosed},
		{[]byte{1, 90}, ReasonNone},
		{[]byte{1, 100}, ReasonNone},
		{[]byte{1, 250}, ReasonNone},
		{[]byte{3, 0}, ReasonNone},
		{[]byte{2}, ReasonNone},
		{[]byte{2, 80, 2, 80}, ReasonNone},
	} {
		p, u := newServerUnderTest(t, pskSuite)
		u.greet()
		u.flight5()
		u.send(u.record(1, wire.ContentAlert, test.alert))
		e := p.server.closed
		if test.reason == ReasonNone {
			drops := p.server.Counters()[hs.DropAlert] + p.server.Counters()[hs.DropWarning]
			if e != nil || drops != 1 || len(u.alerts) != 0 {
				t.Errorf("alert %v: %v, %d drops", test.alert, e, drops)
			}
			continue
		}
		if e == nil || e.Reason != test.reason || !e.Received || e.Flight != 0 {
			t.Errorf("alert %v: %+v", test.alert, e)
		}
	}
}

// Renegotiation is refused, once per session, and changes nothing.
//
// Proves rfc5746 §4.2: "Clients that do so MUST respond to such requests with a
// "no_renegotiation" alert (RFC 5246 requires this alert to be at the "warning"
// level)."
// Pitfall T10, G7, LS15: a ClientHello or HelloRequest inside epoch 1 gets no_renegotiation, and no state
func TestRenegotiationIsRefused(t *testing.T) {
	p, u := newServerUnderTest(t, pskSuite)
	u.greet()
	u.flight5()
	facts := fmt.Sprint(*p.server.Facts())
	for range 10 {
		u.hello.Cookie = nil
		u.send(u.record(1, wire.ContentHandshake, rawMessage(wire.HandshakeClientHello, 0, u.hello.Append(nil))))
	}
	if fmt.Sprint(u.alerts) != "[no_renegotiation]" || p.server.State() != Established || fmt.Sprint(*p.server.Facts()) != facts {
		t.Errorf("server: alerts %v, %v", u.alerts, p.server.State())
	}
	if n := p.server.Counters()[hs.DropRenegotiation]; n != 10 {
		t.Errorf("%d counted", n)
	}

	p, u = newClientUnderTest(t, pskSuite)
	u.flight4()
	u.flight6()
	for range 10 {
		u.send(u.record(1, wire.ContentHandshake, rawMessage(wire.HandshakeHelloRequest, 0, nil)))
	}
	if fmt.Sprint(u.alerts) != "[no_renegotiation]" || p.client.State() != Established {
		t.Errorf("client: alerts %v, %v", u.alerts, p.client.State())
	}
	u.send(u.record(1, wire.ContentHandshake, rawMessage(wire.HandshakeServerHelloDone, 9, nil)))
	u.send(u.record(1, wire.ContentApplicationData, []byte("still here")))
	if len(p.client.data) != 1 {
		t.Error("the session does not live on")
	}
}

// A device that has lost its session makes a new one from the same address.
// The old one lives until the new one is established, and each datagram finds
// its own.
//
// Proves rfc6347 §4.2.8: "In cases where a server believes it has an existing
// association on a given host/port quartet and it receives an epoch=0
// ClientHello, it SHOULD proceed with a new handshake but MUST NOT destroy the
// existing association until the client has demonstrated reachability either by
// completing a cookie exchange or by completing a complete handshake including
// delivering a verifiable Finished message."
// Pitfall M1, M2: a forged hello, a cookie exchange and a new handshake leave the old session as it was
func TestTwoSessionsAtOneAddress(t *testing.T) {
	p := established(t)
	oldClient, oldServer := p.client, p.server
	hello := func() []byte {
		p.restart(&Config{Credentials: with(Credentials{RawKey: rawKey(testKeys().p256), AcceptRawKeys: true}), Rand: rand.Reader})
		return p.take(&p.client)[0]
	}
	p.silently(&oldServer, hello())

	p.server = peer{}
	p.deliver(true, hello())
	if p.server.Session != nil {
		t.Fatal("session without cookie")
	}
	for _, d := range p.take(&p.client) {
		if !IsClientHello(d) || oldServer.RepeatsHello(d) {
			t.Error("the new hello is not told from the old")
		}
		p.deliver(true, d)
		if !p.server.RepeatsHello(d) || p.server.RepeatsHello(hello()) {
			t.Error("a repetition is not told from another hello")
		}
	}
	// In the middle of the new handshake the old session works.
	record, err := oldClient.Seal(nil, []byte("old"))
	if err != nil {
		t.Fatal(err)
	}
	mixed := append(plainRecord(wire.ContentAlert, 0, 3, []byte{2, 40}), record...)
	if !oldServer.Authenticates(record) || !oldServer.Authenticates(mixed) || p.server.Authenticates(record) {
		t.Error("a record of the old session is not recognised")
	}
	oldServer.Receive(p.now, record)
	p.pump(&oldServer)
	if len(oldServer.data) != 1 {
		t.Error("the old session is gone")
	}
	if oldServer.Authenticates(record[:20]) || oldServer.Authenticates(plainRecord(23, 1, 99, make([]byte, 40))) || oldServer.Authenticates(nil) {
		t.Error("what is not authentic is recognised")
	}
}

// The exporter gives both sides the same, and different things for different
// labels, contexts and sessions.
func TestExporter(t *testing.T) {
	p, q := established(t), established(t)
	seen := map[string]string{}
	for _, label := range []string{"EXPORTER-a", "EXPORTER-b"} {
		for name, context := range map[string][]byte{"none": nil, "empty": {}, "c": []byte("c")} {
			for i, pp := range []*pair{p, q} {
				c, err1 := pp.client.Export(label, context, 40)
				s, err2 := pp.server.Export(label, context, 40)
				if err1 != nil || err2 != nil || !bytes.Equal(c, s) || len(c) != 40 {
					t.Fatalf("%s %s: %x %x %v %v", label, name, c, s, err1, err2)
				}
				what := fmt.Sprint(label, name, i)
				if other, ok := seen[string(c)]; ok {
					t.Errorf("%s exports the same as %s", what, other)
				}
				seen[string(c)] = what
			}
		}
	}
	for _, label := range []string{"", "client finished", "key expansion", "master secret", "extended master secret"} {
		if _, err := p.client.Export(label, nil, 8); err == nil {
			t.Errorf("label %q is allowed", label)
		}
	}
	if _, err := p.client.Export("EXPORTER-a", make([]byte, 65536), 8); err == nil {
		t.Error("a context of 65536 bytes is allowed")
	}
	fresh := newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, &Config{Credentials: with(Credentials{PSK: true})})
	if _, err := fresh.client.Export("EXPORTER-a", nil, 8); !errors.Is(err, ErrNotEstablished) {
		t.Errorf("before the handshake: %v", err)
	}
	if _, err := fresh.client.Seal(nil, nil); !errors.Is(err, ErrNotEstablished) || fresh.client.MaxPayload() != 0 {
		t.Errorf("before the handshake: %v", err)
	}
}

// Both sides log the same secret, in the form that analysers read.
func TestKeyLog(t *testing.T) {
	var lines []string
	log := func(label string, random, secret []byte) {
		if len(random) != 32 || len(secret) != 48 {
			t.Errorf("random of %d bytes, secret of %d", len(random), len(secret))
		}
		lines = append(lines, label+" "+hex.EncodeToString(random)+" "+hex.EncodeToString(secret))
	}
	psk := with(Credentials{PSK: true})
	p := newPair(t, &Config{Credentials: psk, KeyLog: log}, &Config{Credentials: psk, KeyLog: log})
	p.establish()
	if len(lines) != 2 || lines[0] != lines[1] || lines[0][:14] != "CLIENT_RANDOM " {
		t.Errorf("logged %q", lines)
	}
}

// Configurations that cannot work are refused at once.
func TestConfigErrors(t *testing.T) {
	psk := with(Credentials{PSK: true})
	good := func() *Config { return &Config{Credentials: psk, Rand: rand.Reader} }
	for name, edit := range map[string]func(c *Config){
		"no randomness":         func(c *Config) { c.Rand = nil },
		"randomness that fails": func(c *Config) { c.Rand = bytes.NewReader(nil) },
		"no suites":             func(c *Config) { c.CipherSuites = []CipherSuite{} },
		"unknown suite":         func(c *Config) { c.CipherSuites = []CipherSuite{0xc023} },
		"unknown group":         func(c *Config) { c.Groups = []Group{25} },
		"unknown scheme":        func(c *Config) { c.SignatureSchemes = []SignatureScheme{0x0203} },
		"tiny MTU":              func(c *Config) { c.MTU = 127 },
		"huge MTU":              func(c *Config) { c.MTU = 65536 },
		"record size":           func(c *Config) { c.RecordSizeLimit = 63 },
		"record size beyond":    func(c *Config) { c.RecordSizeLimit = 16385 },
		"fragment length":       func(c *Config) { c.MaxFragmentLength = 1000 },
		"handshake memory":      func(c *Config) { c.MaxHandshakeBytes = 10 },
		"identity":              func(c *Config) { c.MaxPSKIdentity = 65536 },
		"no credentials":        func(c *Config) { c.Credentials = nil },
		"credentials for none":  func(c *Config) { c.Credentials = func(string) *Credentials { return nil } },
		"nothing to judge":      func(c *Config) { c.Credentials = with(Credentials{RawKey: rawKey(testKeys().p256)}) },
	} {
		cfg := good()
		edit(cfg)
		if s, err := NewClient(cfg, 0, ""); err == nil || s != nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewClient(good(), 0, ""); err != nil {
		t.Error(err)
	}
	if _, err := NewGate(&Config{}, 0); err == nil {
		t.Error("gate without randomness")
	}
	if _, err := NewGate(&Config{Rand: bytes.NewReader(nil)}, 0); err == nil {
		t.Error("gate with randomness that fails")
	}
}

// Randomness that fails later ends the handshake, and nothing else.
func TestRandomnessFails(t *testing.T) {
	p := newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, &Config{Credentials: with(Credentials{PSK: true})})
	p.gate.cfg.Rand = bytes.NewReader(nil)
	p.run()
	if e := p.server.closed; e == nil || e.Reason != ReasonInternal {
		t.Errorf("server: %v", e)
	}
	// The gate goes on with the key it has.
	p.now = p.now.Add(time.Hour)
	p.gate.cfg.Rand = rand.Reader
	p.server = peer{key: []byte("0123456789abcdef")}
	p.restart(&Config{Credentials: with(Credentials{PSK: true}), Rand: rand.Reader})
	p.establish()
}

// While a job runs the session keeps what comes, within its bounds, and goes
// on when the job is back. A job for a session that is over does no harm, nor
// does one that has not run, or a stranger's.
func TestJobsTakeTime(t *testing.T) {
	k := testKeys()
	mk := func(key *KeyPair) *Config {
		return &Config{Credentials: with(Credentials{RawKey: key, AcceptRawKeys: true, RequirePeerKey: true})}
	}
	p := newPair(t, mk(rawKey(k.p256)), mk(rawKey(k.p256b)))
	p.client.holdJobs, p.server.holdJobs = true, true
	datagrams := 0
	for range 20 {
		datagrams += p.exchange()
		// Long work is no reason to send anything again.
		for _, e := range []*peer{&p.client, &p.server} {
			if len(e.jobs) > 0 && e.Deadline().Sub(p.now) < 30*time.Second {
				t.Errorf("deadline %v while a job runs", e.Deadline().Sub(p.now))
			}
		}
		for _, e := range []*peer{&p.client, &p.server} {
			for _, job := range e.jobs {
				e.Complete(p.now, job)      // has not run: ignored
				e.Complete(p.now, nil)      //
				e.Complete(p.now, new(Job)) // a stranger's
				job.Run()
				job.Run()
				e.Complete(p.now, job)
				e.Complete(p.now, job) // twice: ignored
			}
			e.jobs = nil
		}
	}
	if !p.client.established || !p.server.established {
		t.Fatalf("%v %v", p.client.Err(), p.serverErr())
	}
	if datagrams != 5 {
		t.Errorf("%d datagrams, want one for each flight", datagrams)
	}
	p.echo()

	p = newPair(t, mk(rawKey(k.p256)), mk(rawKey(k.p256b)))
	p.server.holdJobs = true
	p.exchange()
	job := p.server.jobs[0]
	p.server.Close(p.now)
	job.Run()
	p.server.Complete(p.now, job)
	if p.server.State() != Closed || job.Secret != nil {
		t.Error("a late job changes a closed session")
	}
	if got := fmt.Sprintf("%v %+v %#v", job, job, job); got != "dtls.Job dtls.Job dtls.Job" {
		t.Errorf("a job prints as %s", got)
	}
}

// A caller that never answers loses its handshake to the time limit, and to
// nothing before it.
func TestCallerNeverAnswers(t *testing.T) {
	p := newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, &Config{Credentials: with(Credentials{PSK: true})})
	p.client.silent = true
	p.exchange()
	limit := p.client.Deadline()
	if got := limit.Sub(p.now); got != 60*time.Second {
		t.Errorf("deadline in %v", got)
	}
	for p.now = p.now.Add(time.Second); p.now.Before(limit); p.now = p.now.Add(time.Second) {
		p.client.Expire(p.now)
		if p.client.Transmit(p.now, p.buf) != 0 || p.client.State() != Handshaking {
			t.Fatalf("at %v: %v", p.now, p.client.Err())
		}
	}
	p.client.Expire(limit)
	p.pump(&p.client)
	if e := p.client.closed; e == nil || e.Reason.Kind() != ReasonTimeout {
		t.Errorf("ended with %v", e)
	}
}

// Answers that nobody asked for are ignored.
func TestUnaskedAnswers(t *testing.T) {
	p := newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, &Config{Credentials: with(Credentials{PSK: true})})
	for range 3 {
		p.client.ProvidePSK(p.now, []byte("x"), []byte("y"))
		p.client.ProvideVerdict(p.now, ReasonNone)
		p.client.ProvideVerdict(p.now, ReasonInternal)
		p.exchange()
	}
	if !p.client.established {
		t.Errorf("client: %v", p.client.Err())
	}
	p.echo()
}

// A client does not talk to itself.
//
// Pitfall A4: the same configuration as client and server with one PSK works between two, and reflected messages do not
func TestSelfie(t *testing.T) {
	psk := with(Credentials{PSK: true})
	p := newPair(t, &Config{Credentials: psk}, &Config{Credentials: psk})
	for range 5 {
		for _, d := range p.take(&p.client) {
			p.client.Receive(p.now, d)
			p.pump(&p.client)
		}
		p.now = tick.First(p.client.Deadline(), p.now.Add(time.Minute))
		p.client.Expire(p.now)
	}
	if p.client.established {
		t.Error("a client completes with itself")
	}
}

// setWriteSequence moves the number of a session's next record.
func setWriteSequence(s *Session, n uint64) {
	f := reflect.ValueOf(&s.conn).Elem().FieldByName("layer").FieldByName("write").FieldByName("next")
	reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem().SetUint(n)
}

// A session ends before its sequence numbers, or the records that its key may
// protect, are used up; the last number says goodbye.
//
// Proves rfc6347 §4.1: "As in TLS, implementations MUST either abandon an
// association or rehandshake prior to allowing the sequence number to wrap."
// Pitfall W14, T14: with the counter at 2^48-3 the third record fails and the session is closed
// Pitfall A8: a key protects so many records and no more
func TestSequenceExhaustion(t *testing.T) {
	for id, limit := range map[CipherSuite]uint64{
		wire.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256: wire.MaxSequence,
		pskSuite: 1 << 23,
	} {
		p, payload, _ := sealed(t, id)
		setWriteSequence(p.client.Session, limit-2)
		for i := range 2 {
			record, err := p.client.Seal(nil, payload)
			if err != nil {
				t.Fatalf("%v: record %d: %v", id, i, err)
			}
			p.server.Receive(p.now, record)
			p.pump(&p.server)
		}
		if len(p.server.data) != 2 {
			t.Errorf("%v: %d records arrive", id, len(p.server.data))
		}
		if _, err := p.client.Seal(nil, payload); !errors.Is(err, ErrExhausted) {
			t.Errorf("%v: third record: %v", id, err)
		}
		p.pump(&p.client)
		if e := p.client.closed; e == nil || e.Reason != ReasonSequenceExhausted || p.client.State() != Closed {
			t.Errorf("%v: %v", id, e)
		}
		for _, d := range p.take(&p.client) {
			p.server.Receive(p.now, d)
			p.pump(&p.server)
		}
		if e := p.server.closed; e == nil || e.Reason != ReasonPeerClosed {
			t.Errorf("%v: server: %v", id, e)
		}
		if _, err := p.client.Seal(nil, payload); !errors.Is(err, ErrClosed) {
			t.Errorf("%v: after the end: %v", id, err)
		}
	}
}

// Every reason has a word of its own, and the errors name what happened.
func TestReasonWords(t *testing.T) {
	for reason, want := range map[Reason]string{
		ReasonBadPSKOrUnknownIdentity: "bad_psk_or_unknown_identity", ReasonNoCommonCipher: "no_common_cipher",
		ReasonNoCommonGroup: "no_common_group", ReasonVersionMismatch: "version_mismatch", ReasonCertExpired: "cert_expired",
		ReasonCertUnknownCA: "cert_unknown_ca", ReasonCertNameMismatch: "cert_name_mismatch", ReasonRPKNotPinned: "rpk_not_pinned",
		ReasonForAlert(wire.AlertHandshakeFailure): "alert_handshake_failure", ReasonForFlight(3): "timeout_flight_3",
		ReasonMTUSuspected: "mtu_suspected", ReasonUnknownIdentity: "unknown_identity", ReasonBadPSK: "bad_psk",
		ReasonForAlert(200): "alert_200", Reason(0xfe00): "unknown",
	} {
		if got := reason.String(); got != want {
			t.Errorf("reason %d is %q, want %q", reason, got, want)
		}
	}
	if ReasonForFlight(3).Kind() != ReasonTimeout || ReasonForAlert(40).Kind() != ReasonAlert {
		t.Error("kinds")
	}
	for err, want := range map[*Error]string{
		{Reason: ReasonNoCommonCipher, Sent: true, Alert: wire.AlertHandshakeFailure}:          "dtls: no_common_cipher (sent alert handshake_failure)",
		{Reason: ReasonForAlert(48), Received: true, Alert: wire.AlertUnknownCA}:               "dtls: alert_unknown_ca",
		{Reason: ReasonBadPSKOrUnknownIdentity, Received: true, Alert: wire.AlertDecryptError}: "dtls: bad_psk_or_unknown_identity (received alert decrypt_error)",
	} {
		if got := err.Error(); got != want {
			t.Errorf("error %q, want %q", got, want)
		}
	}
}
