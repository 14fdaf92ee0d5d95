// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
)

var allModes = []security.Mode{security.NoSec, security.PreSharedKey, security.RawPublicKey, security.Certificate}

// whoami tells what the server knows of the peer.
var whoami = HandlerFunc(func(w ResponseWriter, r *Request) {
	fmt.Fprintf(w, "%v %q", r.Peer.Mode, r.Peer.Identity.Name())
})

// Proves rfc7252 §9: "At the end of the provisioning phase, the device will be
// in one of four security modes with the following information for the given
// mode."
//
// Proves rfc7252 §9: "The NoSec and RawPublicKey modes are mandatory to implement
// for this specification."
//
// All four are served at once on one pair of ports.
func TestAllModes(t *testing.T) {
	s := newStage(t, whoami, nil)
	for _, mode := range allModes {
		t.Run(mode.String(), func(t *testing.T) {
			c := s.client(mode)
			r, err := c.Get(timeout(t), s.uri(mode)+"/whoami")
			if err != nil {
				t.Fatal(err)
			}
			wantName := map[security.Mode]string{
				security.NoSec: "", security.PreSharedKey: "device",
				security.Certificate: s.clientChain.Leaf.Subject.CommonName,
			}
			want, fixed := wantName[mode]
			if got := string(r.Payload); fixed && got != fmt.Sprintf("%v %q", mode, want) {
				t.Errorf("the server sees %s", got)
			}
			if mode == security.RawPublicKey && !strings.HasPrefix(string(r.Payload), `RawPublicKey "ni:///sha-256-120;`) {
				t.Errorf("the server sees %s", r.Payload)
			}
			if r.Code != coap.Content || r.Type != coap.Acknowledgement || r.Retransmissions != 0 || r.RTT <= 0 {
				t.Errorf("response %v %v after %v, %d retransmissions", r.Type, r.Code, r.RTT, r.Retransmissions)
			}
			if r.Peer.Mode != mode || r.Peer.Addr.Port() == 0 {
				t.Errorf("the client sees %v at %v", r.Peer.Mode, r.Peer.Addr)
			}
			if facts := r.Peer.Facts; (facts == nil) != (mode == security.NoSec) {
				t.Errorf("facts %v", facts)
			}
			checkSuite(t, mode, r.Peer.CipherSuite)
			rtt, err := c.Ping(timeout(t), s.uri(mode))
			if err != nil || rtt <= 0 {
				t.Errorf("Ping: %v, %v", rtt, err)
			}
		})
	}
	s.wantLog(LogHandshakeAccepted, "mode=PreSharedKey", "identity=device")
	s.wantLog(LogHandshakeAccepted, "mode=Certificate")
}

func checkSuite(t *testing.T, mode security.Mode, suite dtls.CipherSuite) {
	t.Helper()
	wants := map[security.Mode]string{
		security.PreSharedKey: "PSK", security.RawPublicKey: "ECDHE_ECDSA", security.Certificate: "ECDHE_ECDSA",
	}
	if want := wants[mode]; want == "" && suite != 0 || want != "" && !strings.Contains(suite.String(), want) {
		t.Errorf("cipher suite %v", suite)
	}
}

// The mandatory suites work when they are all there is.
//
// Proves rfc7252 §9.1.3.1: "Implementations in these modes MUST support the
// mandatory-to-implement cipher suite TLS_PSK_WITH_AES_128_CCM_8 as specified in
// [RFC6655]."
//
// Proves rfc7252 §9.1.3.2: "Implementations in RawPublicKey mode MUST support the
// mandatory-to-implement cipher suite TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 as
// specified in [RFC7251], [RFC5246], and [RFC4492]."
func TestMandatorySuites(t *testing.T) {
	s := newStage(t, whoami, nil)
	for mode, suite := range map[security.Mode]dtls.CipherSuite{
		security.PreSharedKey: 0xC0A8, security.RawPublicKey: 0xC0AE, security.Certificate: 0xC0AE,
	} {
		c := s.client(mode)
		c.Security.CipherSuites = []dtls.CipherSuite{suite}
		r, err := c.Get(timeout(t), s.secure+"/")
		if err != nil {
			t.Errorf("%v: %v", mode, err)
			continue
		}
		if r.Peer.CipherSuite != suite {
			t.Errorf("%v: suite %v, want %v", mode, r.Peer.CipherSuite, suite)
		}
	}
}

// Connect tells what the handshake has settled.
func TestConnect(t *testing.T) {
	s := newStage(t, whoami, nil)
	c := s.client(security.RawPublicKey)
	conn, err := c.Connect(timeout(t), s.secure)
	if err != nil {
		t.Fatal(err)
	}
	if conn.Peer().Mode != security.RawPublicKey || conn.HandshakeTime() <= 0 {
		t.Errorf("%v after %v", conn.Peer().Mode, conn.HandshakeTime())
	}
	flights := conn.Flights()
	if len(flights) != 6 {
		t.Fatalf("%d flights, want 6: %+v", len(flights), flights)
	}
	for i, f := range flights {
		if f.Sent != (i%2 == 0) || f.Datagrams == 0 || f.Bytes == 0 {
			t.Errorf("flight %d: %+v", i+1, f)
		}
	}
	a, err := conn.Export("EXPERIMENTAL test", nil, 20)
	b, _ := conn.Export("EXPERIMENTAL other", nil, 20)
	if err != nil || len(a) != 20 || string(a) == string(b) {
		t.Errorf("exported %x and %x, %v", a, b, err)
	}
	again, err := c.Connect(timeout(t), s.secure)
	if err != nil || again != conn {
		t.Errorf("the connection was not kept: %v", err)
	}
	conn.Close()
	if _, err := conn.Ping(timeout(t)); err == nil {
		t.Error("Ping on a closed connection worked")
	}
	if again, err = c.Connect(timeout(t), s.secure); err != nil || again == conn {
		t.Errorf("no new connection: %v", err)
	}
}

// One client speaks coap and coaps, and keeps one connection for each.
func TestConnectionsAreReused(t *testing.T) {
	s := newStage(t, whoami, nil)
	c := s.client(security.PreSharedKey)
	for range 10 {
		for _, uri := range []string{s.plain, s.secure} {
			if _, err := c.Get(timeout(t), uri+"/a"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := s.server.Stats(); got.Handshakes != 1 || got.Sessions != 1 || got.PlainPeers != 1 || got.Requests != 20 {
		t.Errorf("%d handshakes, %d sessions, %d plain peers, %d requests", got.Handshakes, got.Sessions, got.PlainPeers, got.Requests)
	}
	if len(c.lines) != 1 {
		t.Errorf("%d sockets", len(c.lines))
	}
}

// Every method, with options and payload both ways.
func TestMethods(t *testing.T) {
	mux := NewMux()
	mux.HandleFunc("/thing/", func(w ResponseWriter, r *Request) {
		if r.Method == coap.PUT {
			w.SetCode(coap.Created)
		}
		w.SetOption(coap.ETag, []byte{1, 2})
		w.SetUint(coap.MaxAge, 7)
		w.SetContentFormat(coap.JSON)
		format, _ := r.Options.GetUint(coap.ContentFormatOption)
		fmt.Fprintf(w, "%v %s %q %d %s", r.Method, r.Path, r.Query, format, r.Payload)
	})
	s := newStage(t, mux, nil)
	c := s.client(security.PreSharedKey)
	for _, tt := range []struct {
		method coap.Code
		non    bool
		code   coap.Code
	}{
		{coap.GET, false, coap.Content}, {coap.POST, false, coap.Changed}, {coap.PUT, false, coap.Created},
		{coap.DELETE, false, coap.Deleted}, {coap.FETCH, false, coap.Content}, {coap.PATCH, false, coap.Changed},
		{coap.GET, true, coap.Content},
	} {
		r := &Request{Method: tt.method, URI: s.secure + "/thing/caf%C3%A9?a=1&b", Payload: []byte("body"), NonConfirmable: tt.non}
		r.Options.AddUint(coap.ContentFormatOption, uint32(coap.CBOR))
		got, err := c.Do(timeout(t), r)
		if err != nil {
			t.Errorf("%v: %v", tt.method, err)
			continue
		}
		want := fmt.Sprintf(`%v /thing/caf%%C3%%A9 ["a=1" "b"] 60 body`, tt.method)
		if got.Code != tt.code || string(got.Payload) != want {
			t.Errorf("%v: %v %s, want %v %s", tt.method, got.Code, got.Payload, tt.code, want)
		}
		if age, _ := got.Options.GetUint(coap.MaxAge); age != 7 || !got.Options.Has(coap.ETag) {
			t.Errorf("%v: options %v", tt.method, got.Options)
		}
		if wantType := map[bool]coap.Type{false: coap.Acknowledgement, true: coap.NonConfirmable}[tt.non]; got.Type != wantType {
			t.Errorf("%v: response type %v", tt.method, got.Type)
		}
	}
}
