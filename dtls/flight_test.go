// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// mtus are the datagram sizes of the tests: the default, what IPv4 grants,
// and small ones that cut messages.
var mtus = []int{1232, 548, 256, 128}

// helloMTU leaves room for a client's hello in one piece.
const helloMTU = 256

// Every mode completes at every size, no datagram is larger than it, and
// messages share datagrams as far as it goes.
//
// Proves rfc6347 §4.2.3: "DTLS implementations MUST be able to handle
// overlapping fragment ranges."
// Proves rfc6347 §4.1.1: "Each DTLS record MUST fit within a single datagram."
func TestEveryMTU(t *testing.T) {
	forEachMode(t, func(t *testing.T, m mode, s *suite.Suite) {
		count := map[int]int{}
		for _, mtu := range mtus {
			client, server := m.configs(s)
			client.MTU, server.MTU = max(mtu, helloMTU), mtu
			p := newPair(t, client, server)
			p.sent = func(fromClient bool, d []byte) bool {
				count[mtu]++
				if len(d) > mtu && (!fromClient || len(d) > helloMTU) {
					t.Fatalf("datagram of %d bytes, MTU %d", len(d), mtu)
				}
				if fromClient && p.server.Session != nil {
					p.client.SetMTU(mtu) // the hello is through
				}
				return true
			}
			p.establish()
			p.echo()
			if n := p.server.MaxPayload(); n+p.server.Overhead() != mtu {
				t.Errorf("MTU %d: payload %d and overhead %d", mtu, n, p.server.Overhead())
			}
		}
		// Two hellos, a HelloVerifyRequest, and one datagram for each of the
		// other flights, unless a chain needs more.
		if m.name == "PSK" || m.name == "RPK mutual" {
			if count[1232] != 6 {
				t.Errorf("%d datagrams for a handshake", count[1232])
			}
		}
	})
}

// The size can change in the middle of a flight.
func TestMTUChanges(t *testing.T) {
	k := testKeys()
	p := newPair(t,
		&Config{Credentials: with(Credentials{Chains: []Chain{k.chain(k.p256)}, AcceptCertificates: true})},
		&Config{Credentials: with(Credentials{Chains: []Chain{k.chain(k.p256b)}, AcceptCertificates: true, RequirePeerKey: true})})
	mtu := 1232
	p.sent = func(fromClient bool, d []byte) bool {
		if len(d) > mtu {
			t.Errorf("datagram of %d bytes, MTU %d", len(d), mtu)
		}
		if !fromClient && p.server.Session != nil {
			mtu = 200
			p.server.SetMTU(mtu)
			p.client.SetMTU(mtu)
		}
		return true
	}
	p.establish()
	if got := p.client.MaxPayload() + p.client.Overhead(); got != 200 {
		t.Errorf("payload and overhead are %d", got)
	}
	p.client.SetMTU(1)
	if got := p.client.MaxPayload() + p.client.Overhead(); got != 128 {
		t.Errorf("after SetMTU(1): %d", got)
	}
	big := make([]byte, 201)
	if _, err := p.client.Seal(nil, big); err != ErrTooLarge {
		t.Errorf("Seal beyond the MTU: %v", err)
	}
}

// Each single datagram lost, then each pair: the handshake completes.
//
// Proves rfc6347 §4.2.4: "Although each flight of messages may consist of a
// number of messages, they should be viewed as monolithic for the purpose of
// timeout and retransmission."
// Pitfall O21: every single datagram lost, then every pair
func TestEveryLoss(t *testing.T) {
	forEachMode(t, func(t *testing.T, m mode, s *suite.Suite) {
		for _, mtu := range []int{1232, 300} {
			client, server := m.configs(s)
			client.MTU, server.MTU = mtu, mtu
			total := 0
			lose := func(a, b int) {
				p := newPair(t, client, server)
				n := 0
				p.sent = func(bool, []byte) bool {
					n++
					return n-1 != a && n-1 != b
				}
				p.run()
				// The last flight may have been lost with the server done: it
				// is repeated when the client asks.
				for range 3 {
					if !p.client.established {
						p.now = p.client.Deadline()
						p.client.Expire(p.now)
						p.exchange()
					}
				}
				if !p.client.established || !p.server.established {
					t.Fatalf("MTU %d, datagrams %d and %d lost: %v %v", mtu, a, b, p.client.Err(), p.serverErr())
				}
				p.sent = nil
				p.echo()
				total = n
			}
			lose(-1, -1)
			for a := range total {
				lose(a, -1)
				if mtu == 1232 {
					for b := a + 1; b < total+2; b++ {
						lose(a, b)
					}
				}
			}
		}
	})
}

// The last flight is sent again for an authentic repetition of the client's
// Finished and for nothing else, under the keys of its epoch, with new record
// numbers; for twice the maximum segment lifetime, or until the client's data
// shows that it arrived.
//
// Proves rfc6347 §4.2.4: "In addition, for at least twice the default MSL
// defined for [TCP], when in the FINISHED state, the node that transmits the
// last flight (the server in an ordinary handshake or the client in a resumed
// handshake) MUST respond to a retransmit of the peer's last flight with a
// retransmit of the last flight."
// Pitfall O6: the repeated last flight is sealed under its own keys and with fresh sequence numbers
func TestLastFlight(t *testing.T) {
	lost := func() (*pair, [][]byte, []byte) {
		k := testKeys()
		p := newPair(t,
			&Config{Credentials: with(Credentials{RawKey: rawKey(k.p256), AcceptRawKeys: true})},
			&Config{Credentials: with(Credentials{RawKey: rawKey(k.p256b), AcceptRawKeys: true})})
		var last, flight5 []byte
		p.sent = func(fromClient bool, d []byte) bool {
			if fromClient {
				flight5 = bytes.Clone(d)
			}
			if p.server.established && !fromClient {
				last = bytes.Clone(d)
				return false
			}
			return true
		}
		p.exchange()
		if last == nil || p.client.established {
			t.Fatal("the last flight was not lost")
		}
		return p, [][]byte{last}, flight5
	}
	p, first, flight5 := lost()
	// A copy of flight 5 is a replay, and a forged Finished is a forgery.
	p.now = p.now.Add(time.Second / 2)
	p.silently(&p.server, flight5)
	p.silently(&p.server, plainRecord(wire.ContentHandshake, 1, 50, make([]byte, 40)))
	p.silently(&p.server, plainRecord(wire.ContentHandshake, 0, 50, rawMessage(wire.HandshakeFinished, 5, make([]byte, 12))))

	p.now = p.client.Deadline()
	p.client.Expire(p.now)
	for _, d := range p.take(&p.client) {
		p.deliver(true, d)
	}
	again := p.take(&p.server)
	if len(again) != 1 || bytes.Equal(again[0], first[0]) || len(again[0]) != len(first[0]) {
		t.Fatalf("last flight sent again as %x, first as %x", again, first)
	}
	for i, r := range cutRecords(t, again[0]) {
		h, _ := wire.ParseRecordHeader(r)
		old, _ := wire.ParseRecordHeader(cutRecords(t, first[0])[i])
		if h.Epoch != old.Epoch || h.Sequence <= old.Sequence || h.Type != old.Type {
			t.Errorf("record %+v sent again as %+v", old, h)
		}
	}
	p.deliver(false, again[0])
	if !p.client.established {
		t.Fatalf("client: %v", p.client.Err())
	}
	p.echo()
	if p.server.Deadline() != tick.Never {
		t.Error("the last flight is kept although the client has shown that it arrived")
	}

	// Without data it is dropped when its time is over.
	p, _, _ = lost()
	if got := p.server.Deadline().Sub(p.now); got != 240*time.Second {
		t.Errorf("the last flight is kept for %v", got)
	}
	p.now = p.server.Deadline()
	p.server.Expire(p.now)
	if p.server.Deadline() != tick.Never || p.server.State() != Established {
		t.Error("the last flight is kept for longer")
	}
	p.client.Expire(p.client.Deadline())
	for _, d := range p.take(&p.client) {
		p.server.Receive(p.now, d)
		p.pump(&p.server)
	}
	if n := p.server.Transmit(p.now, p.buf); n != 0 {
		t.Error("the last flight is sent again after its time")
	}
}

// Flights that nothing answers are sent again after 1, 2, 4... seconds, each
// time with new record numbers and smaller datagrams, and the handshake fails
// with the number of the flight.
//
// Proves rfc6347 §4.2.4.1: "Implementations SHOULD use an initial timer value
// of 1 second (the minimum defined in RFC 6298 [RFC6298]) and double the value
// at each retransmission, up to no less than the RFC 6298 maximum of 60
// seconds."
// Pitfall L7: a handshake that nobody answers ends
func TestTimersOfAFlight(t *testing.T) {
	s, err := NewClient(&Config{Credentials: with(Credentials{PSK: true}), Rand: newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, &Config{}).gate.cfg.Rand}, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	var times []int
	now := tick.Time(0)
	buf := make([]byte, 2000)
	var last uint64
	for s.State() == Handshaking {
		n := s.Transmit(now, buf)
		if h, _ := wire.ParseRecordHeader(buf[:n]); n == 0 || len(times) > 0 && h.Sequence != last+1 {
			t.Fatalf("at %v: %d bytes, sequence %d after %d", now, n, h.Sequence, last)
		} else {
			last = h.Sequence
		}
		times = append(times, int(now.Sub(0)/time.Second))
		now = s.Deadline()
		s.Expire(now - 1) // too early: nothing happens
		if s.Transmit(now-1, buf) != 0 {
			t.Fatal("sent again before its time")
		}
		s.Expire(now)
	}
	if got := fmt.Sprint(times); got != "[0 1 3 7 15 31]" || now != tick.Time(60*time.Second) {
		t.Errorf("sent at %v seconds, ended at %v", got, now)
	}
	var ev Event
	if !s.Next(now, &ev) || ev.Kind != EventClosed || ev.Err.Reason != ReasonForFlight(1) || ev.Err.Sent || ev.Err.Flight != 1 {
		t.Errorf("event %+v", ev)
	}
	if ev.Err.Error() != "dtls: timeout_flight_1" {
		t.Errorf("error %q", ev.Err)
	}
}

// The count of retransmissions and the timers are the application's.
func TestTimersAreSettings(t *testing.T) {
	for _, test := range []struct {
		timers Timers
		want   time.Duration
	}{
		{Timers{Initial: 100 * time.Millisecond, Retransmissions: 2}, 700 * time.Millisecond},
		{Timers{Initial: time.Second, Cap: time.Second, Retransmissions: 5}, 6 * time.Second},
		{Timers{Retransmissions: -1}, time.Second},
		{Timers{Handshake: 2 * time.Second}, 2 * time.Second},
		{ProfileConstrained(), 300 * time.Second},
	} {
		p := newPair(t, &Config{Credentials: with(Credentials{PSK: true}), Timers: test.timers}, &Config{Credentials: with(Credentials{PSK: true})})
		start := p.now
		p.sent = func(bool, []byte) bool { return false }
		for p.client.State() == Handshaking {
			p.exchange()
			p.now = p.client.Deadline()
			p.client.Expire(p.now)
		}
		if got := p.now.Sub(start); got != test.want {
			t.Errorf("%+v: gave up after %v, want %v", test.timers, got, test.want)
		}
	}
}

// Repeated retransmissions use smaller datagrams.
//
// Proves rfc6347 §4.1.1.1: "If repeated retransmissions do not result in a
// response, and the PMTU is unknown, subsequent retransmissions SHOULD back
// off to a smaller record size, fragmenting the handshake message as
// appropriate."
func TestRetransmissionsShrink(t *testing.T) {
	k := testKeys()
	mk := func(key Chain) *Config {
		return &Config{Credentials: with(Credentials{Chains: []Chain{key}, AcceptCertificates: true, RequirePeerKey: true})}
	}
	p := newPair(t, mk(k.chain(k.p256)), mk(k.chain(k.p256b)))
	hole := 300 // larger datagrams vanish
	largest := 0
	p.sent = func(_ bool, d []byte) bool { largest = max(largest, len(d)); return len(d) <= hole }
	p.establish()
	if largest <= 548 {
		t.Errorf("the largest datagram has %d bytes: nothing was learnt", largest)
	}
}

// What is missing decides the name of the failure.
func TestReasonsForSilence(t *testing.T) {
	k := testKeys()
	rpk := func() (*Config, *Config) {
		return &Config{Credentials: with(Credentials{Chains: []Chain{k.chain(k.p256)}, AcceptCertificates: true})},
			&Config{Credentials: with(Credentials{Chains: []Chain{k.chain(k.p256b)}, AcceptCertificates: true})}
	}
	for _, test := range []struct {
		name       string
		arrives    func(fromClient bool, d []byte) bool
		client     Reason
		server     Reason
		clientFlit int
	}{
		{"nothing after the cookie", func(c bool, d []byte) bool { return len(d) < 60 || c }, ReasonForFlight(3), ReasonForFlight(4), 3},
		{"small datagrams only", func(c bool, d []byte) bool { return c || len(d) < 256 }, ReasonMTUSuspected, ReasonForFlight(4), 3},
	} {
		client, server := rpk()
		client.Timers.Handshake, server.Timers.Handshake = 40*time.Second, 40*time.Second
		client.Timers.Retransmissions = 100
		server.MTU = 700
		p := newPair(t, client, server)
		p.sent = test.arrives
		p.run()
		if e := p.client.closed; e == nil || e.Reason != test.client || e.Flight != test.clientFlit {
			t.Errorf("%s: client %v", test.name, e)
		}
		if e := p.server.closed; e == nil || e.Reason != test.server {
			t.Errorf("%s: server %v", test.name, e)
		}
	}
}

// Handshake memory is bounded, and a peer that needs more is told apart.
//
// Pitfall P2, O9, O18, W6: lengths announced in headers allocate nothing, and the sum is bounded
func TestHandshakeMemoryLimit(t *testing.T) {
	k := testKeys()
	p := newPair(t,
		&Config{Credentials: with(Credentials{AcceptCertificates: true}), MaxHandshakeBytes: 1024},
		&Config{Credentials: with(Credentials{Chains: []Chain{{DER: [][]byte{k.ca.Raw, k.ca.Raw, k.ca.Raw, k.ca.Raw}, Leaf: k.ca, Signer: k.caKey}}})})
	p.run()
	if e := p.client.closed; e == nil || e.Reason != ReasonLimit {
		t.Errorf("client %v", e)
	}
	if p.client.Counters()[hs.DropReassemblyFull] == 0 {
		t.Error("not counted")
	}
}

// A peer cannot have its session take much memory, asleep too, by showing
// certificates that nobody needs.
//
// Pitfall W6: every handshake message has a maximum size
func TestPaddedChain(t *testing.T) {
	k := testKeys()
	for _, test := range []struct {
		padding int
		want    Reason
	}{{10_000, ReasonNone}, {20_000, ReasonLimit}} {
		chain := k.chain(k.p256)
		chain.DER = append(chain.DER, k.padded(test.padding))
		p := newPair(t,
			&Config{Credentials: with(Credentials{Chains: []Chain{chain}, AcceptCertificates: true})},
			&Config{Credentials: with(Credentials{Chains: []Chain{k.chain(k.p256b)}, AcceptCertificates: true, RequirePeerKey: true})})
		p.run()
		if e := p.server.closed; p.server.established != (test.want == ReasonNone) || e != nil && e.Reason != test.want {
			t.Errorf("%d bytes: established %v, %v", test.padding, p.server.established, e)
		}
	}
}

// padded is a certificate of so many bytes and some more, by nobody.
func (k *keyring) padded(n int) []byte {
	tmpl := &x509.Certificate{
		SerialNumber:    big.NewInt(1),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, n)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.p256.Public(), k.p256)
	if err != nil {
		panic(err)
	}
	return der
}
