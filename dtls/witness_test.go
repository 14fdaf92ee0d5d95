// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// witness sees every datagram of a handshake, and is told its master secret
// by both ends. It computes from the RFCs what the two computed, with
// bookkeeping of its own.
type witness struct {
	t       testing.TB
	suite   *suite.Suite
	said    []statement // in order, without the cookie exchange
	sealed  []sealedRecord
	partial map[bool]*statement // by direction: a message in fragments
	count   struct{ records, fragments int }

	masters                    [2][]byte // as the key logs of client and server have it
	clientRandom, serverRandom []byte
}

// statement is one handshake message, whole, with its header as if it had
// never been in fragments.
type statement struct {
	fromClient bool
	typ        wire.HandshakeType
	raw        []byte
	have       int
}

// sealedRecord is one record of epoch 1.
type sealedRecord struct {
	fromClient bool
	header     wire.RecordHeader
	fragment   []byte
}

// watch lets a witness see a handshake of two configurations.
func watch(t testing.TB, client, server *Config) (*witness, *pair) {
	w := &witness{t: t, partial: map[bool]*statement{}}
	for i, cfg := range []*Config{client, server} {
		cfg.KeyLog = func(_ string, _, secret []byte) { w.masters[i] = bytes.Clone(secret) }
	}
	p := newPair(t, client, server)
	p.sent = func(fromClient bool, d []byte) bool { w.see(fromClient, bytes.Clone(d)); return true }
	p.establish()
	w.suite = suite.ByID(p.client.Facts().CipherSuite)
	return w, p
}

// see reads one datagram.
func (w *witness) see(fromClient bool, d []byte) {
	w.t.Helper()
	for len(d) > 0 {
		h, ok := wire.ParseRecordHeader(d)
		if !ok {
			w.t.Fatalf("half a record: %x", d)
		}
		w.count.records++
		fragment := d[wire.RecordHeaderLen : wire.RecordHeaderLen+h.Length]
		d = d[wire.RecordHeaderLen+h.Length:]
		switch {
		case h.Epoch > 0:
			w.sealed = append(w.sealed, sealedRecord{fromClient, h, fragment})
		case h.Type == wire.ContentHandshake:
			w.hear(fromClient, fragment)
		}
	}
}

// hear reads the handshake fragments of one record. It knows peers that send
// them in order and each once.
func (w *witness) hear(fromClient bool, payload []byte) {
	w.t.Helper()
	for len(payload) > 0 {
		h, ok := wire.ParseHandshakeHeader(payload)
		if !ok {
			w.t.Fatalf("half a fragment: %x", payload)
		}
		w.count.fragments++
		body := payload[wire.HandshakeHeaderLen : wire.HandshakeHeaderLen+int(h.FragmentLength)]
		payload = payload[wire.HandshakeHeaderLen+len(body):]
		s := w.partial[fromClient]
		if s == nil {
			s = &statement{fromClient: fromClient, typ: h.Type}
			s.raw = binary.BigEndian.AppendUint32(nil, uint32(h.Type)<<24|h.Length)
			s.raw = binary.BigEndian.AppendUint16(s.raw, h.MessageSeq)
			s.raw = append(s.raw, 0, 0, 0, byte(h.Length>>16), byte(h.Length>>8), byte(h.Length))
			w.partial[fromClient] = s
		}
		if int(h.FragmentOffset) != s.have {
			w.t.Fatalf("fragment at %d, want %d", h.FragmentOffset, s.have)
		}
		s.raw, s.have = append(s.raw, body...), s.have+len(body)
		if s.have == int(h.Length) {
			w.partial[fromClient] = nil
			w.note(s)
		}
	}
}

// note takes a whole message. The first ClientHello and HelloVerifyRequest do
// not count.
func (w *witness) note(s *statement) {
	switch s.typ {
	case wire.HandshakeHelloVerifyRequest:
		w.said = nil
		return
	case wire.HandshakeClientHello:
		w.clientRandom = s.body()[2:34]
	case wire.HandshakeServerHello:
		w.serverRandom = s.body()[2:34]
	}
	w.said = append(w.said, *s)
}

func (s *statement) body() []byte { return s.raw[wire.HandshakeHeaderLen:] }

// find is the first message of a type, and all messages before it.
func (w *witness) find(t wire.HandshakeType) (m *statement, before []byte) {
	for i := range w.said {
		if w.said[i].typ == t {
			return &w.said[i], before
		}
		before = append(before, w.said[i].raw...)
	}
	return nil, before
}

// types lists what one side said in plaintext.
func (w *witness) types(fromClient bool) (list []wire.HandshakeType) {
	for _, s := range w.said {
		if s.fromClient == fromClient {
			list = append(list, s.typ)
		}
	}
	return list
}

func (w *witness) hash(b []byte) []byte { return digest(w.suite.Hash, b) }

func digest(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

// prf is the PRF of the suite over the master secret.
func (w *witness) prf(n int, label string, seed ...[]byte) []byte {
	out := make([]byte, n)
	suite.PRF(w.suite.Hash, out, w.masters[0], label, seed...)
	return out
}

// open decrypts a record of a suite with AES in CCM or GCM: the key and the
// salt are those of its direction (RFC 5246 §6.3), the nonce is the salt and
// the eight bytes that the record begins with.
func (w *witness) open(r sealedRecord) []byte {
	w.t.Helper()
	s := w.suite
	block := w.prf(2*(s.KeyLen+4), "key expansion", w.serverRandom, w.clientRandom)
	key, salt := block[:s.KeyLen], block[2*s.KeyLen:2*s.KeyLen+4]
	if !r.fromClient {
		key, salt = block[s.KeyLen:2*s.KeyLen], block[2*s.KeyLen+4:]
	}
	var nonce [12]byte
	copy(nonce[:], salt)
	copy(nonce[4:], r.fragment[:8])
	n := len(r.fragment) - 8 - s.TagLen
	aad := binary.BigEndian.AppendUint64(nil, uint64(r.header.Epoch)<<48|r.header.Sequence)
	aad = append(aad, byte(r.header.Type), 0xfe, 0xfd, byte(n>>8), byte(n))
	plain := bytes.Clone(r.fragment[8:])
	if _, ok := s.AEAD(key).Open(plain, &nonce, aad); !ok {
		w.t.Fatalf("record %+v does not open", r.header)
	}
	return plain[:n]
}

// asking is a server under test with a configuration of its own, and a puppet
// client.
func asking(t testing.TB, server *Config, id CipherSuite) (*pair, *puppet) {
	p := newPair(t, &Config{Credentials: with(Credentials{PSK: true})}, server)
	return p, newPuppet(p, true, id)
}

// asked is a client under test with a configuration of its own, and a puppet
// server that has heard its hello.
func asked(t testing.TB, client *Config, id CipherSuite) (*pair, *puppet) {
	p := newPair(t, client, &Config{Credentials: with(Credentials{PSK: true})})
	u := newPuppet(p, false, id)
	u.listen()
	return p, u
}

// editOffer changes the extensions of a puppet client's hello.
func editOffer(t testing.TB, u *puppet, edit func(e *wire.ClientExtensions)) {
	t.Helper()
	var e wire.ClientExtensions
	if err := e.Parse(u.hello.Extensions); err != nil {
		t.Fatal(err)
	}
	edit(&e)
	u.hello.Extensions = e.Append(nil)
}

// leaveOut removes extensions from a puppet client's hello.
func leaveOut(types ...wire.ExtensionType) func(e *wire.ClientExtensions) {
	return func(e *wire.ClientExtensions) {
		for _, t := range types {
			e.Present &^= t.Bit()
		}
	}
}

// heardHello is the ServerHello that a puppet client heard, if any.
func heardHello(t testing.TB, u *puppet) (h wire.ServerHello, e wire.ServerExtensions, ok bool) {
	t.Helper()
	body := heardBody(u, wire.HandshakeServerHello)
	if body == nil {
		return h, e, false
	}
	if h.Parse(body) != nil || e.Parse(h.Extensions) != nil {
		t.Fatalf("ServerHello %x does not parse", body)
	}
	return h, e, true
}

// heardBody is the body of the first message of a type that a puppet heard,
// nil if there was none.
func heardBody(u *puppet, typ wire.HandshakeType) []byte {
	for i := range u.heard {
		if m := &u.heard[i]; m.Type == typ {
			return m.Body()
		}
	}
	return nil
}

// checkAlert checks that the puppet heard one alert, and no handshake came of
// it.
func checkAlert(t testing.TB, name string, u *puppet, want Alert) {
	t.Helper()
	if len(u.alerts) != 1 || u.alerts[0] != want || u.p.server.established || u.p.client.established {
		t.Errorf("%s: alerts %v, want %v", name, u.alerts, want)
	}
}
