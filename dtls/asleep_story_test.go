// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// layerOf is the record layer of a session, with which a test says what a
// session would not.
func layerOf(s *Session) *record.Layer {
	f := reflect.ValueOf(&s.conn).Elem().FieldByName("layer")
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Interface().(*record.Layer)
}

// sealAs is a record of a session with any content.
func sealAs(t testing.TB, s *Session, typ wire.ContentType, content []byte) []byte {
	t.Helper()
	out, err := layerOf(s).Seal(nil, 1, typ, content)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// step is one thing that happens to one side of a session, and who goes to
// sleep after it.
type step struct {
	what   string
	server bool
	n      int
	sleeps [2]bool
}

var happenings = []string{
	"seal", "seal", "seal", "deliver", "deliver", "deliver", "newest", "newest", "newest", "forge", "time", "time",
	"say", "hello", "authenticates", "export", "facts", "compact", "mtu", "close", "abort",
}

// story is a session, and what happened to it, told so that another session
// to which the same happened can be compared.
type story struct {
	*pair
	told   strings.Builder
	hello  []byte
	said   [2][][]byte // datagrams of the client and of the server
	asleep [2][]byte   // empty: awake
	ours   [2]*Counters
	drops  [2]Counters
}

// begin makes the session. With late the server's last flight is lost the
// first time, and the client is still waiting for it.
func begin(t testing.TB, client, server *Config, late bool) *story {
	client.Rand, server.Rand = rand.Reader, rand.Reader
	s := &story{pair: newPair(t, client, server)}
	s.sent = func(fromClient bool, d []byte) bool {
		if fromClient && IsClientHello(d) {
			s.hello = bytes.Clone(d)
		}
		return fromClient || !late || !s.server.established
	}
	s.exchange()
	if !s.server.established || s.client.established == late {
		t.Fatal("the story does not begin as it should")
	}
	s.sent = nil
	s.ours = [2]*Counters{s.client.Counters(), s.server.Counters()}
	return s
}

// end is one side, awake.
func (s *story) end(side int) *peer {
	e := []*peer{&s.client, &s.server}[side]
	if len(s.asleep[side]) > 0 {
		e.Wake(s.now, s.ours[side], s.asleep[side])
		s.asleep[side] = nil
	}
	return e
}

func (s *story) tell(format string, args ...any) { fmt.Fprintf(&s.told, format, args...) }

// do lets a step happen.
func (s *story) do(st step) {
	side := b2i(st.server)
	s.tell("\n%s %d %d:", st.what, side, st.n)
	if st.what == "time" {
		s.pass(st.n)
	} else {
		e := s.end(side)
		s.act(e, side, st)
		s.settle(e, side)
	}
	for side, sleeps := range st.sleeps {
		if e := s.end(side); sleeps {
			s.asleep[side], _ = e.Sleep(s.now, s.asleep[side])
		}
	}
}

// pass lets time pass. Who sleeps is not told.
func (s *story) pass(n int) {
	s.now = s.now.Add([]time.Duration{10 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 15 * time.Second, 241 * time.Second}[n%5])
	for side := range 2 {
		if len(s.asleep[side]) == 0 {
			e := s.end(side)
			e.Expire(s.now)
		}
	}
	for side := range 2 {
		s.settle(s.end(side), side)
	}
}

// act is what a step does to an end.
func (s *story) act(e *peer, side int, st step) {
	switch st.what {
	case "seal":
		out, err := e.Seal(nil, make([]byte, st.n%1300))
		s.say(side, out, err)
	case "say":
		s.sayOdd(e, side, st.n)
	case "deliver", "forge", "newest", "authenticates":
		s.deliverTo(e, side, st)
	case "hello":
		s.tell(" %v", e.RepeatsHello(s.hello))
	case "export":
		key, err := e.Export("EXPORTER-story", []byte{byte(st.n)}, 8)
		other := s.end(1 - side)
		key2, _ := other.Export("EXPORTER-story", []byte{byte(st.n)}, 8)
		s.tell(" %d %v %v", len(key), err, err != nil || bytes.Equal(key, key2) || other.State() != Established)
	case "facts":
		s.tell(" %s", summary(e.Facts()))
	case "compact":
		e.Compact()
	case "mtu":
		e.SetMTU(128 + st.n)
	case "close":
		e.Close(s.now)
	case "abort":
		e.Abort(s.now, ReasonLimit)
	}
}

// sayOdd says what no session says of itself.
func (s *story) sayOdd(e *peer, side, n int) {
	if e.State() != Established {
		return
	}
	odd := []struct {
		typ     wire.ContentType
		content []byte
	}{
		{wire.ContentHandshake, rawMessage(wire.HandshakeClientHello, 9, nil)},
		{wire.ContentHandshake, rawMessage(wire.HandshakeHelloRequest, 9, nil)},
		{wire.ContentHandshake, rawMessage(wire.HandshakeFinished, 3, make([]byte, 12))},
		{wire.ContentHandshake, rawMessage(wire.HandshakeFinished, 3, make([]byte, 12))},
		{wire.ContentAlert, []byte{1, byte(wire.AlertUserCanceled)}},
		{wire.ContentAlert, []byte{2, byte(wire.AlertDecodeError)}},
		{wire.ContentChangeCipherSpec, []byte{1}},
		{wire.ContentApplicationData, nil},
	}[n%8]
	s.say(side, sealAs(s.t, e.Session, odd.typ, odd.content), nil)
}

// say notes a datagram of one side.
func (s *story) say(side int, d []byte, err error) {
	if err != nil {
		s.tell(" %v", err)
		return
	}
	s.said[side] = append(s.said[side], bytes.Clone(d))
	for len(d) > 0 {
		h, ok := wire.ParseRecordHeader(d)
		if !ok {
			s.t.Fatal("half a record")
		}
		s.tell(" (%v %d %d, %d)", h.Type, h.Epoch, h.Sequence, h.Length)
		d = d[wire.RecordHeaderLen+h.Length:]
	}
}

// deliverTo hands an end a datagram of the other, old or new, or a forgery.
func (s *story) deliverTo(e *peer, side int, st step) {
	said := s.said[1-side]
	if len(said) == 0 {
		return
	}
	i := st.n % len(said)
	if st.what == "newest" {
		i = len(said) - 1
	}
	d := bytes.Clone(said[i])
	switch st.what {
	case "authenticates":
		s.tell(" %v", e.Authenticates(d))
		return
	case "forge":
		d[len(d)-1-st.n%8] ^= 1 << (st.n % 8)
	}
	e.Receive(s.now, d)
}

// settle lets an end say all it has, and tells how it stands.
func (s *story) settle(e *peer, side int) {
	e.data, e.suspected = nil, nil
	for _, d := range s.take(e) {
		s.say(side, d, nil)
	}
	deadline := time.Duration(-1)
	if d := e.Deadline(); d != tick.Never {
		deadline = d.Sub(s.now)
	}
	s.tell(" %v", []any{e.State(), len(e.data), e.established, e.closed, deadline, e.MaxPayload(), e.Err()})
	for _, d := range e.data {
		s.tell(" %d", len(d))
	}
	for i, n := range s.ours[side] {
		if was := s.drops[side][i]; n != was {
			s.tell(" %v+%d", Drop(i), n-was)
		}
	}
	s.drops[side] = *s.ours[side]
}

// Whatever happens to a session, it makes no difference whether it sleeps now
// and then: records in any order, again, or forged, alerts, a Finished that
// comes late, time, and the end.
func TestSleepMakesNoDifference(t *testing.T) {
	k := testKeys()
	chain := with(Credentials{Chains: []Chain{k.chain(k.ed)}, AcceptCertificates: true, RequirePeerKey: true})
	raw := with(Credentials{RawKey: rawKey(k.ed), AcceptRawKeys: true, RequirePeerKey: true})
	hint := with(Credentials{PSK: true, PSKHint: []byte("hint")})
	// Ed25519, whose signatures have all one length.
	kinds := []struct {
		suite  CipherSuite
		c      func(string) *Credentials
		server Config
	}{
		{pskSuite, with(Credentials{PSK: true}), Config{MaxRecordFailures: 4}},
		{wire.TLS_PSK_WITH_AES_256_GCM_SHA384, hint, Config{}},
		{wire.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, hint, Config{RecordSizeLimit: 200}},
		{suite.Default()[5], raw, Config{Timers: Timers{LastFlight: 10 * time.Second}}},
		{wire.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, chain, Config{MTU: 400}},
	}
	schemes := []SignatureScheme{wire.SchemeEd25519}
	rapid.Check(t, func(r *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(r, "kind")
		late := rapid.Bool().Draw(r, "late")
		play := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
			return step{
				what: rapid.SampledFrom(happenings).Draw(r, "what"), server: rapid.Bool().Draw(r, "server"), n: rapid.IntRange(0, 2000).Draw(r, "n"),
				sleeps: [2]bool{rapid.Bool().Draw(r, "client sleeps"), rapid.Bool().Draw(r, "server sleeps")},
			}
		}), 1, 40).Draw(r, "steps")
		server := kind.server
		server.CipherSuites, server.Credentials, server.SignatureSchemes = []CipherSuite{kind.suite}, kind.c, schemes
		client := Config{CipherSuites: server.CipherSuites, Credentials: kind.c, SignatureSchemes: schemes}
		awake, sleepy := begin(t, &client, &server, late), begin(t, &client, &server, late)
		for _, st := range play {
			sleepy.do(st)
			st.sleeps = [2]bool{}
			awake.do(st)
		}
		if a, b := strings.Split(awake.told.String(), "\n"), strings.Split(sleepy.told.String(), "\n"); !slices.Equal(a, b) {
			for i := range a {
				if a[i] != b[i] {
					r.Fatalf("without sleep: %s\nwith:          %s\nafter:%s", a[i], b[i], strings.Join(a[:i], "\n"))
				}
			}
		}
	})
}
