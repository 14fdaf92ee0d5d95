// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// This file plays random words of messages against a session, in the manner
// of those who learn state machines of implementations, and compares the
// outcome with a grammar written down from RFC 5246 §7.3 and RFC 6347 §4.2.

// letter is one thing a peer can say.
type letter struct {
	content wire.ContentType
	message wire.HandshakeType // content handshake
	stale   bool               // with a message_seq that is already used
	epoch   uint16
	alert   [2]byte
}

func (l letter) String() string {
	name := l.content.String()
	switch l.content {
	case wire.ContentHandshake:
		name = l.message.String()
	case wire.ContentAlert:
		name = fmt.Sprintf("alert %d %v", l.alert[0], Alert(l.alert[1]))
	}
	if l.stale {
		name = "stale " + name
	}
	return fmt.Sprintf("%s@%d", name, l.epoch)
}

// right says that a handshake message comes in the epoch it belongs to.
func (l letter) right() bool {
	return (l.message == wire.HandshakeFinished) == (l.epoch == 1)
}

// grammar is what may come in each state, and the state it leads to; the last
// state is connected.
type grammar struct {
	name   string
	suite  CipherSuite
	client bool // the role of the puppet
	ocsp   bool // the puppet shows a certificate, and may show a response
	states []map[wire.HandshakeType]int
	ccs    int // from this state on a ChangeCipherSpec counts
	keys   int // from this state on the puppet has the right keys
}

var grammars = []grammar{
	{
		name: "server, raw public keys", suite: rpkSuite, client: true,
		states: []map[wire.HandshakeType]int{
			{wire.HandshakeCertificate: 1},
			{wire.HandshakeClientKeyExchange: 2},
			{wire.HandshakeCertificateVerify: 3},
			{wire.HandshakeFinished: 4},
		},
		ccs: 0, keys: 2,
	},
	{
		name: "server, PSK", suite: pskSuite, client: true,
		states: []map[wire.HandshakeType]int{
			{wire.HandshakeClientKeyExchange: 1},
			{wire.HandshakeFinished: 2},
		},
		ccs: 0, keys: 1,
	},
	{
		name: "client, raw public keys", suite: rpkSuite,
		states: []map[wire.HandshakeType]int{
			{wire.HandshakeHelloVerifyRequest: 0, wire.HandshakeServerHello: 1},
			{wire.HandshakeCertificate: 2},
			{wire.HandshakeServerKeyExchange: 3},
			{wire.HandshakeCertificateRequest: 4, wire.HandshakeServerHelloDone: 5},
			{wire.HandshakeServerHelloDone: 5},
			{wire.HandshakeFinished: 6},
		},
		ccs: 5, keys: 5,
	},
	{
		name: "client, PSK", suite: pskSuite,
		states: []map[wire.HandshakeType]int{
			{wire.HandshakeHelloVerifyRequest: 0, wire.HandshakeServerHello: 1},
			{wire.HandshakeServerKeyExchange: 2, wire.HandshakeServerHelloDone: 3},
			{wire.HandshakeServerHelloDone: 3},
			{wire.HandshakeFinished: 4},
		},
		ccs: 3, keys: 3,
	},
	{
		name: "client, certificates with OCSP", suite: rpkSuite, ocsp: true,
		states: []map[wire.HandshakeType]int{
			{wire.HandshakeHelloVerifyRequest: 0, wire.HandshakeServerHello: 1},
			{wire.HandshakeCertificate: 2},
			{wire.HandshakeCertificateStatus: 3, wire.HandshakeServerKeyExchange: 4},
			{wire.HandshakeServerKeyExchange: 4},
			{wire.HandshakeCertificateRequest: 5, wire.HandshakeServerHelloDone: 6},
			{wire.HandshakeServerHelloDone: 6},
			{wire.HandshakeFinished: 7},
		},
		ccs: 6, keys: 6,
	},
}

// prediction is what the grammar says of the letters so far.
type prediction struct {
	g      *grammar
	state  int
	cookie int
	ccs    bool
	early  bool // the right Finished has come, and ChangeCipherSpec has not
	dead   bool
	gap    bool // a number is missing: no message gets through any more
	madeUp bool // the puppet has made up its keys
}

func (m *prediction) connected() bool { return m.state == len(m.g.states) }

// next takes one letter.
func (m *prediction) next(l letter) {
	if m.state < m.g.keys && (l.epoch == 1 || l.message == wire.HandshakeFinished) {
		m.madeUp = true
	}
	switch {
	case m.dead:
	case m.connected():
		// Established sessions end by protected alerts only, and those of a
		// peer that is done with them are not part of these words.
	case l.epoch == 1 && m.state < m.g.keys:
		m.gap = m.gap || l.message == wire.HandshakeFinished && !l.stale
	case l.content == wire.ContentAlert:
		m.dead = l.epoch == 0 && !m.ccs && (l.alert[0] == 2 || l.alert[1] == 0)
	case l.content == wire.ContentChangeCipherSpec:
		m.changeCipherSpec(l)
	case l.content == wire.ContentHandshake:
		m.handshake(l)
	}
}

func (m *prediction) changeCipherSpec(l letter) {
	if l.epoch == 0 && m.state >= m.g.ccs {
		m.ccs = true
		if m.early {
			m.state = len(m.g.states)
		}
	}
}

func (m *prediction) handshake(l letter) {
	if l.stale || !l.right() || m.gap || m.early || l.message == wire.HandshakeHelloRequest {
		return
	}
	to, ok := m.g.states[m.state][l.message]
	switch {
	case l.message == wire.HandshakeFinished && (!ok || m.madeUp):
		// Its record does not open, and its number is gone.
		m.gap = true
	case l.message == wire.HandshakeFinished && !m.ccs:
		m.early = true
	case !ok:
		m.dead = true
	default:
		m.state = to
	}
}

// play sends a letter.
func (u *puppet) play(l letter) {
	switch l.content {
	case wire.ContentAlert:
		u.send(u.record(l.epoch, l.content, l.alert[:]))
	case wire.ContentChangeCipherSpec:
		u.send(u.record(l.epoch, l.content, ccsContent))
	case wire.ContentApplicationData:
		if l.epoch == 0 {
			u.send(plainRecord(l.content, 0, 900, []byte("data")))
			return
		}
		u.send(u.record(l.epoch, l.content, []byte("data")))
	case wire.ContentHandshake:
		u.playHandshake(l)
	}
}

func (u *puppet) playHandshake(l letter) {
	if l.epoch == 1 {
		u.derive()
	}
	seq, transcript := u.seq, u.transcript
	unused := u.seq == 0 // and so no number can be stale
	if l.stale && !unused {
		u.seq--
	}
	raw := u.compose(l.message)
	if l.stale || !l.right() || l.message == wire.HandshakeHelloRequest {
		u.seq, u.transcript = seq, transcript // it does not count
	} else if u.client && l.message == wire.HandshakeClientKeyExchange {
		u.derive()
	}
	if l.stale && unused {
		return
	}
	u.send(u.record(l.epoch, wire.ContentHandshake, raw))
}

// compose makes a message of any type.
func (u *puppet) compose(t wire.HandshakeType) []byte {
	switch t {
	case wire.HandshakeClientHello:
		return u.clientHello()
	case wire.HandshakeHelloVerifyRequest:
		h := wire.HelloVerifyRequest{Version: wire.VersionDTLS10, Cookie: fmt.Appendf(nil, "cookie %d", u.seq)}
		return u.message(t, h.Append(nil))
	case wire.HandshakeServerHello:
		h := u.serverHello()
		return u.message(t, h.Append(nil))
	case wire.HandshakeCertificate:
		if u.chain != nil {
			return u.message(t, wire.AppendCertificates(nil, u.chain.DER))
		}
		return u.certificate(u.key.SPKI)
	case wire.HandshakeCertificateStatus:
		return u.message(t, wire.AppendCertificateStatus(nil, response))
	case wire.HandshakeServerKeyExchange:
		x := u.serverKeyExchange()
		return u.message(t, x.Append(nil, u.form()))
	case wire.HandshakeCertificateRequest:
		return u.message(t, u.certificateRequest())
	case wire.HandshakeCertificateVerify:
		return u.certificateVerify()
	case wire.HandshakeClientKeyExchange:
		x := wire.ClientKeyExchange{Identity: []byte("dev1"), Point: u.private.PublicKey().Bytes()}
		return u.message(t, x.Append(nil, u.form()))
	case wire.HandshakeFinished:
		return u.finished()
	}
	return u.message(t, nil)
}

// alphabet is every letter.
func alphabet() (letters []letter) {
	types := []wire.HandshakeType{
		wire.HandshakeHelloRequest, wire.HandshakeClientHello, wire.HandshakeServerHello, wire.HandshakeHelloVerifyRequest,
		wire.HandshakeNewSessionTicket, wire.HandshakeCertificate, wire.HandshakeServerKeyExchange,
		wire.HandshakeCertificateRequest, wire.HandshakeServerHelloDone, wire.HandshakeCertificateVerify,
		wire.HandshakeClientKeyExchange, wire.HandshakeFinished, wire.HandshakeCertificateStatus,
	}
	for _, t := range types {
		for epoch := range uint16(2) {
			for _, stale := range []bool{false, true} {
				letters = append(letters, letter{content: wire.ContentHandshake, message: t, epoch: epoch, stale: stale})
			}
		}
	}
	for epoch := range uint16(2) {
		letters = append(letters,
			letter{content: wire.ContentChangeCipherSpec, epoch: epoch},
			letter{content: wire.ContentApplicationData, epoch: epoch},
			letter{content: wire.ContentAlert, epoch: epoch, alert: [2]byte{1, 90}},
		)
	}
	return append(letters,
		letter{content: wire.ContentAlert, alert: [2]byte{1, 0}},
		letter{content: wire.ContentAlert, alert: [2]byte{2, 40}})
}

// word makes a random word that follows the grammar for a part of the way.
func (g *grammar) word(r *rand.Rand, letters []letter) (word []letter) {
	m := prediction{g: g}
	faithful := r.Float64() // how well this word keeps to the grammar
	for range 3 + r.IntN(12) {
		l := letters[r.IntN(len(letters))]
		if r.Float64() < faithful && !m.connected() {
			l = g.good(&m, r)
		}
		if l.stale && (m.gap || m.early) {
			continue // its number is one that is still waited for
		}
		if l.message == wire.HandshakeHelloVerifyRequest {
			if m.cookie++; m.cookie > 3 {
				continue // a client answers so many and no more
			}
		}
		word = append(word, l)
		m.next(l)
	}
	return word
}

// good is a letter that the grammar wants next.
func (g *grammar) good(m *prediction, r *rand.Rand) letter {
	if m.state == len(g.states)-1 && !m.ccs {
		return letter{content: wire.ContentChangeCipherSpec}
	}
	var choices []wire.HandshakeType
	for t := range wire.HandshakeType(255) {
		if _, ok := g.states[m.state][t]; ok {
			choices = append(choices, t)
		}
	}
	l := letter{content: wire.ContentHandshake, message: choices[r.IntN(len(choices))]}
	if l.message == wire.HandshakeFinished {
		l.epoch = 1
	}
	return l
}

// speak plays a word and compares what becomes of the session with what the
// grammar says.
func (g *grammar) speak(t *testing.T, word []letter) (connected bool) {
	t.Helper()
	var p *pair
	var u *puppet
	if g.client {
		p, u = newServerUnderTest(t, g.suite)
		u.greet()
	} else if g.ocsp {
		p, u = clientOf(t, true)
		u.chain = new(testKeys().chain(testKeys().p256))
	} else {
		p, u = newClientUnderTest(t, g.suite)
	}
	sut := &p.client
	if g.client {
		sut = &p.server
	}
	p.oneSession = true
	m := prediction{g: g}
	for i, l := range word {
		u.play(l)
		m.next(l)
		if sut.established != m.connected() || (sut.State() == Closed) != m.dead {
			var said []string
			for _, l := range word[:i+1] {
				said = append(said, l.String())
			}
			t.Fatalf("%s: after\n\t%s\nestablished is %v, want %v; state is %v (%v), dead %v",
				g.name, strings.Join(said, "\n\t"), sut.established, m.connected(), sut.State(), sut.Err(), m.dead)
		}
	}
	return m.connected()
}

// Random words of every message, with right and wrong numbers and epochs:
// only those of the grammar lead to an established session, and each of those
// does.
//
// Pitfall P13, T12, W13, E1: words of all messages and alerts neither crash nor complete a session
// Pitfall P4, W12, T9, W11: messages left out, doubled, swapped and misplaced
// Pitfall T2, W7, O23, O25: messages in the wrong epoch, alerts, HelloVerifyRequest and HelloRequest anywhere
func TestOnlyTheGrammarConnects(t *testing.T) {
	words := 400
	if testing.Short() {
		words = 50
	}
	letters := alphabet()
	for i := range grammars {
		g := &grammars[i]
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			connected := 0
			for seed := range words {
				r := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
				if g.speak(t, g.word(r, letters)) {
					connected++
				}
			}
			if connected < words/20 || connected > words*9/10 {
				t.Errorf("%d of %d words connect: the test does not see both sides", connected, words)
			}
		})
	}
}

// Every letter after every prefix of the right word.
//
// Pitfall W13, W23: each (state, message) has one outcome, ChangeCipherSpec repeated included
func TestEveryLetterInEveryState(t *testing.T) {
	letters := alphabet()
	for i := range grammars {
		g := &grammars[i]
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			right := []letter{}
			for m := (prediction{g: g}); ; {
				for _, l := range letters {
					g.speak(t, append(right[:len(right):len(right)], l))
				}
				if m.connected() {
					break
				}
				l := g.good(&m, r)
				for l.message == wire.HandshakeHelloVerifyRequest {
					l = g.good(&m, r)
				}
				right = append(right, l)
				m.next(l)
			}
		})
	}
}
