// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// A path is one way through the server that is taken often. Its clients are
// made by hand or recorded beforehand, always the same number of times, so that
// the difference between two runs is the server's work alone.
type path struct {
	name string
	what string
	few  int // repetitions of the shorter run
	many int // and of the longer one
	run  func(most, n int) error
}

var paths = []path{
	{"nosec-request", "a GET without DTLS: Receive, Next, Respond, Transmit", 1000, 9000, func(most, n int) error { return requests(false, most, n) }},
	{"psk-request", "the same in a session with TLS_PSK_WITH_AES_128_CCM_8", 1000, 9000, func(most, n int) error { return requests(true, most, n) }},
	{"psk-handshake", "a handshake with cookie, TLS_PSK_WITH_AES_128_CCM_8, the server's side", 100, 600, handshakes},
}

const (
	clients = 64                    // that take turns
	step    = 20 * time.Millisecond // between requests, and between handshakes

	// warm is how many requests come before the first that counts: at step, the
	// server remembers about so many for EXCHANGE_LIFETIME (RFC 7252 section
	// 4.8.2), and forgets one for each that comes.
	warm = 13_000
)

var (
	identity = []byte("device-0001")
	key      = []byte("0123456789abcdef")
	answer   = []byte("Nov 22 10:07:45")
)

// config is that of both ends. The randomness is a sequence of its own for each
// seed, and always the same.
func config(seed byte) *dtls.Config {
	return &dtls.Config{
		CipherSuites: []dtls.CipherSuite{0xC0A8}, // TLS_PSK_WITH_AES_128_CCM_8, RFC 6655
		Credentials:  func(string) *dtls.Credentials { return &dtls.Credentials{PSK: true} },
		Rand:         rand.NewChaCha8([32]byte{seed}),
	}
}

// A server is an endpoint whose requests are all answered at once, as an inline
// route answers them.
type server struct {
	*endpoint.Endpoint
	now     tick.Time
	in, out udp.Datagram
	ev      endpoint.Event
	answers int
}

func newServer(secure bool) (*server, error) {
	cfg := endpoint.Config{Server: true, Rand: rand.NewChaCha8([32]byte{1})}
	if secure {
		cfg.DTLS = config(2)
	}
	s := &server{now: tick.Time(time.Hour)}
	s.in, s.out = udp.Datagram{Buf: make([]byte, 2048)}, udp.Datagram{Buf: make([]byte, 2048)}
	ep, err := endpoint.New(cfg, s.now)
	s.Endpoint = ep
	return s, err
}

// receive takes one datagram, answers what is in it, and hands what is to be
// sent to sent, which may be nil.
func (s *server) receive(from netip.AddrPort, payload []byte, sent func([]byte)) {
	s.in.N, s.in.Remote = copy(s.in.Buf, payload), from
	s.Receive(s.now, &s.in)
	for s.Next(&s.ev) {
		switch s.ev.Kind {
		case endpoint.EventRequest:
			if s.Respond(s.now, s.ev.Exchange, request.Outgoing{Code: coap.Content, Payload: answer}) == nil {
				s.answers++
			}
		case endpoint.EventWantPSK:
			s.ProvidePSK(s.now, s.ev.Peer(), identity, key)
		}
	}
	for s.Transmit(s.now, &s.out) {
		if sent != nil {
			sent(s.out.Payload())
		}
	}
	s.now = s.now.Add(step)
	if s.Deadline() <= s.now {
		s.Expire(s.now)
	}
}

// question is the GET that clients send; its Message ID is in bytes 2 and 3.
func question() []byte {
	m := coap.Message{Type: coap.Confirmable, Code: coap.GET, Token: []byte("tokn")}
	m.Options = coap.OptionList{{Number: coap.URIPath, Value: []byte("time")}}.Encode(nil)
	encoded, _ := m.AppendTo(nil)
	return encoded
}

// address is that of a client; each has a prefix of its own.
func address(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(1 + i>>8), byte(i), 1}), 40000)
}

// requests runs n of most requests through a server, after those that warm it
// up. All of most are sealed whatever n is.
func requests(secure bool, most, n int) error {
	s, err := newServer(secure)
	if err != nil {
		return err
	}
	var sessions [clients]*dtls.Session
	for i := 0; secure && i < clients; i++ {
		if sessions[i], err = s.handshake(address(i), byte(10+i), nil); err != nil {
			return err
		}
	}
	datagrams := make([][]byte, warm+most)
	message, room := question(), make([]byte, 0, (warm+most)*80)
	for i := range datagrams {
		binary.BigEndian.PutUint16(message[2:], uint16(i/clients))
		start := len(room)
		if session := sessions[i%clients]; session == nil {
			room = append(room, message...)
		} else if room, err = session.Seal(room, message); err != nil {
			return err
		}
		datagrams[i] = room[start:]
	}
	for i, d := range datagrams[:warm+n] {
		s.receive(address(i%clients), d, nil)
	}
	if s.answers != warm+n {
		return fmt.Errorf("%d answers to %d requests", s.answers, warm+n)
	}
	return nil
}

// handshakes records most handshakes with one server and has another, which
// draws the same random bytes, hear n of them.
func handshakes(most, n int) error {
	first, err := newServer(true)
	if err != nil {
		return err
	}
	recorded := make([][][]byte, most)
	for i := range recorded {
		note := func(datagram []byte) { recorded[i] = append(recorded[i], slices.Clone(datagram)) }
		if _, err := first.handshake(address(i), byte(i), note); err != nil {
			return err
		}
	}
	second, err := newServer(true)
	if err != nil {
		return err
	}
	for i, datagrams := range recorded[:n] {
		for _, d := range datagrams {
			second.receive(address(i), d, nil)
		}
	}
	if got := second.Stats().Handshakes; got != uint64(n) {
		return fmt.Errorf("%d handshakes of %d when they are repeated", got, n)
	}
	return nil
}

// handshake makes a session with the server and tells note of each datagram that
// the client sends.
func (s *server) handshake(from netip.AddrPort, seed byte, note func([]byte)) (*dtls.Session, error) {
	client, err := dtls.NewClient(config(seed), s.now, "")
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 2048)
	for client.State() == dtls.Handshaking {
		n := client.Transmit(s.now, buf)
		if n == 0 {
			return nil, fmt.Errorf("the handshake from %v came to a stop", from)
		}
		if note != nil {
			note(buf[:n])
		}
		s.receive(from, buf[:n], func(reply []byte) { hear(client, s.now, reply) })
	}
	if client.State() != dtls.Established {
		return nil, fmt.Errorf("the handshake from %v failed", from)
	}
	return client, nil
}

// hear gives a datagram to a client.
func hear(client *dtls.Session, now tick.Time, datagram []byte) {
	var ev dtls.Event
	client.Receive(now, slices.Clone(datagram))
	for client.Next(now, &ev) {
		if ev.Kind == dtls.EventWantPSK {
			client.ProvidePSK(now, identity, key)
		}
	}
}
