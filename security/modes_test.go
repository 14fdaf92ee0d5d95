// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"bytes"
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/internal/unverified"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
)

// party is one end of a handshake with the policy that answers for it.
type party struct {
	*dtls.Session
	policy   *Policy
	identity Identity // of the peer, once established
	data     []byte
	closed   *dtls.Error
}

// answer plays the application: it answers what the session asks.
func (p *party) answer(now tick.Time) {
	var ev dtls.Event
	for p.Next(now, &ev) {
		switch ev.Kind {
		case dtls.EventEstablished:
			p.identity = p.policy.Identify(p.Facts(), nil)
		case dtls.EventData:
			p.data = bytes.Clone(ev.Data)
		case dtls.EventClosed:
			p.closed = ev.Err
		case dtls.EventWantPSK:
			presented := ev.Hint
			if p.policy.server {
				presented = ev.Identity
			}
			identity, key := p.policy.PSK(ev.ServerName, presented)
			p.ProvidePSK(now, identity, key)
		case dtls.EventWantVerdict:
			p.ProvideVerdict(now, p.policy.Verdict(p.Facts(), noon))
		case dtls.EventNeedJob:
			ev.Job.Run()
			p.Complete(now, ev.Job)
		}
	}
}

// outbox returns what the session wants to send.
func (p *party) outbox(now tick.Time) (datagrams [][]byte) {
	var buf [2048]byte
	for n := p.Transmit(now, buf[:]); n > 0; n = p.Transmit(now, buf[:]) {
		datagrams = append(datagrams, bytes.Clone(buf[:n]))
	}
	return datagrams
}

// meet runs a handshake between two policies and then sends a byte each way.
func meet(t *testing.T, client, server *Policy) (c, s *party) {
	t.Helper()
	now := tick.Time(time.Hour)
	gate := must(dtls.NewGate(server.DTLS(rand.Reader), now))
	c = &party{policy: client, Session: must(dtls.NewClient(client.DTLS(rand.Reader), now, client.ServerName()))}
	s = &party{policy: server}
	remote := netip.MustParseAddrPort("192.0.2.1:5684")
	for range 50 {
		c.answer(now)
		for _, d := range c.outbox(now) {
			if s.Session != nil {
				s.Receive(now, d)
				s.answer(now)
				continue
			}
			var reply [128]byte
			screening := gate.Screen(now, remote, d, reply[:])
			if s.Session = screening.Session; s.Session != nil {
				s.answer(now)
			} else if screening.Reply > 0 {
				c.Receive(now, reply[:screening.Reply])
				c.answer(now)
			}
		}
		if s.Session == nil {
			continue
		}
		for _, d := range s.outbox(now) {
			c.Receive(now, d)
			c.answer(now)
		}
	}
	for _, way := range [][2]*party{{c, s}, {s, c}} {
		if way[0].Session == nil || way[1].Session == nil {
			continue
		}
		if record, err := way[0].Seal(nil, []byte("x")); err == nil {
			way[1].Receive(now, record)
			way[1].answer(now)
		}
	}
	return c, s
}

// One server with all there is serves a client of every mode, each with its
// identity, on one port; the plain mode is served beside it on the other.
//
// Proves rfc7252 §9: "The result is a security association that can be used to
// authenticate (within the limits of the security model) and, based on this
// authentication, authorize the communication partner."
func TestAllModesAtOnce(t *testing.T) {
	w := theWorld()
	server := must((&Config{PSK: w.pskMap(), RawKey: w.serverKey, Chains: []dtls.Chain{w.server}, Pins: w.pins, Trust: w.trust}).Server())
	keyName := func(k *dtls.KeyPair) string { return keys.NameOf(k.SPKI, keys.SHA256_120).String() }
	shortPins := must(keys.NewPins(keys.NameOf(w.serverKey.SPKI, keys.SHA256_120)))
	for _, test := range []struct {
		what           string
		config         Config
		client, server string // how each end looks to the other
	}{
		{"PSK", Config{ClientPSK: &w.psk}, "PreSharedKey dev1", "PreSharedKey dev1"},
		{"RPK", Config{RawKey: w.clientKey, Pins: w.pins}, "RawPublicKey " + keyName(w.clientKey), "RawPublicKey " + keyName(w.serverKey)},
		{"RPK, pin of 120 bits", Config{RawKey: w.clientKey, Pins: shortPins}, "RawPublicKey " + keyName(w.clientKey), "RawPublicKey " + keyName(w.serverKey)},
		{"certificate", Config{Chains: []dtls.Chain{w.client}, Trust: w.trust}, "Certificate client", "Certificate coaps://a.example"},
		{"RPK to a certificate", Config{RawKey: w.clientKey, Trust: w.trust}, "RawPublicKey " + keyName(w.clientKey), "Certificate coaps://a.example"},
		{"certificate to RPK", Config{Chains: []dtls.Chain{w.client}, Pins: w.pins}, "Certificate client", "RawPublicKey " + keyName(w.serverKey)},
	} {
		c, s := meet(t, must(test.config.Client(aExample)), server)
		if c.State() != dtls.Established || s.State() != dtls.Established {
			t.Errorf("%s: client %v, server %v", test.what, c.Err(), s.Err())
			continue
		}
		if got := s.identity.String(); got != test.client || !s.identity.Verified() {
			t.Errorf("%s: the client is %s, want %s", test.what, got, test.client)
		}
		if got := c.identity.String(); got != test.server || !c.identity.Verified() {
			t.Errorf("%s: the server is %s, want %s", test.what, got, test.server)
		}
		if string(c.data) != "x" || string(s.data) != "x" {
			t.Errorf("%s: data does not flow", test.what)
		}
	}
}

// Who is not believed gets no session, whichever side does not believe, and no
// data flows.
//
// Proves rfc7250 §4.4: "When the TLS server has specified RawPublicKey as the
// server_certificate_type, authentication of the TLS server to the TLS client is
// supported only through authentication of the received client
// SubjectPublicKeyInfo via an out-of-band method."
//
// Pitfall O19: the key of a stranger is refused inside the handshake.
// Pitfall L3, M7: so it does for a certificate of another host.
func TestStrangersAreRefused(t *testing.T) {
	w := theWorld()
	all := Config{PSK: w.pskMap(), RawKey: w.serverKey, Chains: []dtls.Chain{w.server}, Pins: w.pins, Trust: w.trust}
	strangers := Config{RawKey: w.strangerKey, Chains: []dtls.Chain{w.stranger}, AllowAnonymousClients: true}
	otherPSK := must(keys.NewPSK([]byte("dev1"), []byte("another key here")))
	unknownPSK := must(keys.NewPSK([]byte("dev2"), []byte("sixteen byte key")))
	strangerPin := new(keys.Pins)
	strangerPin.AddKey(w.strangerKey.SPKI)
	strangerClient := must(must(keys.NewCA(seeded(30), "Test CA", noon, time.Hour)).IssueClient(seeded(31), w.strangerKey, "client", noon, time.Hour))
	for _, test := range []struct {
		what           string
		client, server Config
		host           string
		refuser        string
		want           dtls.Reason
	}{
		{"server not pinned", Config{RawKey: w.clientKey, Pins: strangerPin}, all, "", "client", dtls.ReasonRPKNotPinned},
		{"client not pinned", Config{RawKey: w.strangerKey, Pins: w.pins}, all, "", "server", dtls.ReasonRPKNotPinned},
		{"client without key", Config{Pins: w.pins}, all, "", "server", dtls.ReasonNoPeerKey},
		{"server of an unknown authority", Config{Trust: w.trust}, strangers, "a.example", "client", dtls.ReasonCertUnknownCA},
		{"server of another name", Config{Chains: []dtls.Chain{w.client}, Trust: w.trust}, all, "b.example", "client", dtls.ReasonCertNameMismatch},
		{"client of an unknown authority", Config{Chains: []dtls.Chain{strangerClient}, Trust: w.trust}, all, "a.example", "server", dtls.ReasonCertUnknownCA},
		{"client with a server's certificate", Config{Chains: []dtls.Chain{w.server}, Trust: w.trust}, all, "a.example", "server", dtls.ReasonCertBadUsage},
		{"wrong pre-shared key", Config{ClientPSK: &otherPSK}, all, "", "", 0},
		{"unknown identity", Config{ClientPSK: &unknownPSK}, all, "", "", 0},
	} {
		c, s := meet(t, must(test.client.Client(keys.Authority{Host: test.host})), must(test.server.Server()))
		refuser, refused := s, c
		if test.refuser == "client" {
			refuser, refused = c, s
		}
		if c.State() == dtls.Established || s.State() == dtls.Established {
			t.Errorf("%s: established", test.what)
		}
		if test.want != 0 && (refuser.Err() == nil || refuser.Err().Reason != test.want) {
			t.Errorf("%s: %v, want %s", test.what, refuser.Err(), test.want)
		}
		if alert, _ := test.want.Alert(); test.want != 0 && (refused.Err() == nil || refused.Err().Reason != dtls.ReasonForAlert(alert)) {
			t.Errorf("%s: the refused end says %v, want alert %s", test.what, refused.Err(), alert)
		}
		if c.data != nil || s.data != nil || !c.identity.Anonymous() || !s.identity.Anonymous() {
			t.Errorf("%s: data or an identity came through", test.what)
		}
	}
}

// What only a configuration by name allows.
func TestAllowances(t *testing.T) {
	w := theWorld()
	open := must((&Config{RawKey: w.serverKey, AllowAnonymousClients: true}).Server())
	c, s := meet(t, must((&Config{Pins: w.pins}).Client(keys.Authority{})), open)
	if c.State() != dtls.Established || !s.identity.Anonymous() || s.identity.Mode() != RawPublicKey || s.data == nil {
		t.Errorf("anonymous client: %v, %v, %s", c.Err(), s.Err(), s.identity)
	}
	strangers := must((&Config{RawKey: w.strangerKey, AllowAnonymousClients: true}).Server())
	c, _ = meet(t, must((&Config{ServerCheck: unverified.AnyServer()}).Client(aExample)), strangers)
	if c.State() != dtls.Established || c.identity.Verified() || c.identity.Anonymous() {
		t.Errorf("insecure client: %v, %s", c.Err(), c.identity)
	}
	weak := must((&Config{PSK: must(keys.NewPSKMap(weakPSK)), AllowWeakPSK: true}).Server())
	c, s = meet(t, must((&Config{ClientPSK: &weakPSK, AllowWeakPSK: true}).Client(aExample)), weak)
	if c.State() != dtls.Established || s.identity.Name() != "weak" {
		t.Errorf("weak key: %v, %s", c.Err(), s.identity)
	}
	for _, allow := range []bool{false, true} {
		old := must((&Config{PSK: w.pskMap(), AllowNoExtendedMasterSecret: allow}).Server())
		if got := old.DTLS(rand.Reader).AllowNoExtendedMasterSecret; got != allow {
			t.Errorf("without extended master secret: %v, want %v", got, allow)
		}
	}
}
