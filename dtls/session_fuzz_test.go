// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// A session under test is given the datagrams that a true peer once sent, in
// an order and a state that a program decides. As all randomness is fixed,
// they are as good as they were then, and the program reaches as deep.

// recording is what two ends with fixed randomness sent each other: a
// handshake, then some data.
type recording struct {
	configs func() (client, server *Config)
	sent    [2][][]byte        // by the server, by the client
	sealed  [2]map[string]bool // their protected records
}

// said are payloads of the recorded data, by the server and by the client.
var said = [2][]string{{"s0", "s1", "s2"}, {"c0", "c1", "c2"}}

func index(client bool) int {
	if client {
		return 1
	}
	return 0
}

// seeded is randomness that is the same each time.
func seeded(seed uint64) io.Reader {
	var key [32]byte
	key[0] = byte(seed)
	return rand.NewChaCha8(key)
}

// newRecording plays a handshake between two ends, and writes it down.
func newRecording(t testing.TB, id CipherSuite, creds Credentials) *recording {
	r := &recording{sealed: [2]map[string]bool{{}, {}}}
	r.configs = func() (client, server *Config) {
		cfg := func(seed uint64) *Config {
			return &Config{CipherSuites: []CipherSuite{id}, Credentials: with(creds), Rand: seeded(seed), Groups: []Group{GroupX25519}}
		}
		return cfg(1), cfg(2)
	}
	client, server := r.configs()
	p := newPair(t, client, server)
	note := func(fromClient bool, d []byte) bool {
		i := index(fromClient)
		r.sent[i] = append(r.sent[i], bytes.Clone(d))
		for rest := d; ; {
			cut, after, ok := record.Cut(rest)
			if !ok {
				return true
			}
			if cut.Header.Epoch > 0 {
				r.sealed[i][string(rest[:len(rest)-len(after)])] = true
			}
			rest = after
		}
	}
	p.sent = note
	p.establish()
	for i, e := range []*peer{&p.server, &p.client} {
		for _, text := range said[i] {
			d, err := e.Seal(nil, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			note(i == 1, d)
		}
	}
	return r
}

// recordings are one of each kind of key exchange whose signatures, if it has
// any, are the same each time.
func recordings(t testing.TB) []*recording {
	ed := Credentials{RawKey: rawKey(testKeys().ed), AcceptRawKeys: true, RequirePeerKey: true}
	return []*recording{
		newRecording(t, pskSuite, Credentials{PSK: true, PSKHint: []byte("hint")}),
		newRecording(t, wire.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, Credentials{PSK: true}),
		newRecording(t, rpkSuite, ed),
	}
}

// stage is a session under test and the recording that is played to it.
type stage struct {
	t    testing.TB
	r    *recording
	p    *pair
	e    *peer // under test
	role bool  // it is the client
	next int   // what its true peer sends next
}

func newStage(t testing.TB, r *recording, client bool) *stage {
	c, s := r.configs()
	p := newPair(t, c, s)
	g := &stage{t: t, r: r, p: p, e: &p.server, role: client}
	if client {
		g.e = &p.client
	}
	p.sent = func(bool, []byte) bool { return false }
	g.settle()
	return g
}

// datagram is one that the true peer sent, by any number.
func (g *stage) datagram(n byte) []byte {
	list := g.r.sent[index(!g.role)]
	return bytes.Clone(list[int(n)%len(list)])
}

// settle takes what the session has to send, and checks what must always hold.
func (g *stage) settle() (datagrams int) {
	g.t.Helper()
	if g.e.Session == nil {
		return 0
	}
	datagrams = len(g.p.take(g.e))
	if datagrams > 12 {
		g.t.Fatalf("%d datagrams at once", datagrams)
	}
	if handshake, held := buffered(g.e.Session); handshake > defaultMaxHandshakeBytes || held > record.DefaultHeldBytes {
		g.t.Fatalf("%d bytes of messages and %d bytes of records are kept", handshake, held)
	}
	heard := map[string]int{}
	for _, d := range g.e.data {
		heard[string(d)]++
	}
	for _, text := range said[index(!g.role)] {
		if heard[text] > 1 {
			g.t.Fatalf("%q is delivered %d times", text, heard[text])
		}
		delete(heard, text)
	}
	if len(heard) > 0 {
		g.t.Fatalf("nobody said %v", heard)
	}
	if g.e.State() == Established && !g.e.established {
		g.t.Fatal("established, and nobody was told")
	}
	return datagrams
}

// buffered is what a session keeps of what its peer sent and it could not use
// yet: bytes of handshake messages, and of records.
func buffered(s *Session) (handshake, held int) {
	conn := reflect.ValueOf(&s.conn).Elem()
	if hs := conn.FieldByName("hs"); !hs.IsNil() {
		handshake = int(hs.Elem().FieldByName("in").FieldByName("bytes").Int())
	}
	if h := conn.FieldByName("layer").FieldByName("held"); !h.IsNil() {
		held = int(h.Elem().FieldByName("bytes").Int())
	}
	return handshake, held
}

// genuine reports whether a datagram holds a protected record just as the
// true peer sealed it.
func (g *stage) genuine(d []byte) bool {
	for {
		_, rest, ok := record.Cut(d)
		if !ok {
			return false
		}
		if g.r.sealed[index(!g.role)][string(d[:len(d)-len(rest)])] {
			return true
		}
		d = rest
	}
}

// deliver gives a datagram to the session. One that is established and gets
// nothing genuine shows nothing.
func (g *stage) deliver(d []byte) {
	g.t.Helper()
	proof := g.e.Session != nil && g.e.State() != Handshaking && !g.genuine(d)
	var before string
	if proof {
		before = snapshot(g.e)
	}
	if g.role {
		g.p.client.Receive(g.p.now, d)
		g.p.pump(&g.p.client)
	} else {
		g.p.deliver(true, d)
	}
	n := g.settle()
	// A hello to a server whose session is over begins a new one.
	fresh := !g.role && IsClientHello(d)
	if proof && !fresh && (n != 0 || snapshot(g.e) != before) {
		g.t.Fatalf("datagram %x has an effect on a session that is %v", d, g.e.State())
	}
}

// pass lets time pass.
func (g *stage) pass(d time.Duration) {
	g.p.now = g.p.now.Add(d)
	if g.e.Session != nil {
		g.e.Expire(g.p.now)
		g.settle()
	}
}

// steps are what a program can do, each with three numbers.
var steps = []func(g *stage, a, b, c byte){
	0: func(g *stage, _, _, _ byte) { // what is due
		g.deliver(g.datagram(byte(g.next)))
		g.next++
	},
	1: func(g *stage, a, _, _ byte) { g.deliver(g.datagram(a)) }, // any, again or early
	2: func(g *stage, _, _, _ byte) { g.next++ },                 // loss
	3: func(g *stage, a, _, _ byte) { g.pass(time.Duration(a) * 100 * time.Millisecond) },
	4: func(g *stage, a, b, c byte) { // one byte wrong
		d := g.datagram(a)
		d[int(b)%len(d)] ^= c
		g.deliver(d)
	},
	5: func(g *stage, a, b, _ byte) { // cut
		d := g.datagram(a)
		g.deliver(d[:int(b)%len(d)])
	},
	6: func(g *stage, a, b, _ byte) { g.deliver(append(g.datagram(a), g.datagram(b)...)) }, // two in one
	7: func(g *stage, a, b, c byte) { // a field of the record header
		d := g.datagram(a)
		d[int(b)%wire.RecordHeaderLen] = c
		g.deliver(d)
	},
	8: func(g *stage, a, b, c byte) { // a field of the handshake header
		d := g.datagram(a)
		d[(wire.RecordHeaderLen+int(b)%wire.HandshakeHeaderLen)%len(d)] = c
		g.deliver(d)
	},
	9: func(g *stage, a, b, _ byte) { // in pieces
		for _, piece := range pieces(g.datagram(a), 1+int(b)) {
			g.deliver(piece)
		}
	},
	10: func(g *stage, a, _, _ byte) { // its own datagrams, as an attacker sends them back
		list := g.r.sent[index(g.role)]
		g.deliver(bytes.Clone(list[int(a)%len(list)]))
	},
	11: func(g *stage, a, b, c byte) { // a plain record of anything
		g.deliver(plainRecord(wire.ContentType(a), uint16(b)%3, uint64(c), bytes.Repeat([]byte{b}, int(c))))
	},
	12: func(g *stage, a, b, c byte) { // a handshake message of any type and number
		g.deliver(plainRecord(wire.ContentHandshake, 0, uint64(a), rawMessage(wire.HandshakeType(a%24), uint16(b%8), make([]byte, c))))
	},
	13: func(g *stage, a, b, c byte) { // ten bytes of messages that announce many
		for seq := range uint16(10) {
			h := wire.HandshakeHeader{Type: wire.HandshakeType(a % 24), MessageSeq: uint16(b%4) + seq, Length: uint32(c)<<8 + 255, FragmentLength: 10}
			g.deliver(plainRecord(wire.ContentHandshake, 0, uint64(a), append(h.Append(nil), make([]byte, 10)...)))
		}
	},
	14: func(g *stage, _, _, _ byte) { // a sleep, if it is at rest
		if g.e.Session == nil {
			return
		}
		before, counters := snapshot(g.e), g.e.Counters()
		if asleep, ok := g.e.Sleep(g.p.now, nil); ok {
			g.e.Wake(g.p.now, counters, asleep)
		}
		if after := snapshot(g.e); after != before {
			g.t.Fatalf("slept as %s\nand woke as %s", before, after)
		}
	},
}

// pieces cuts the plain handshake messages of a datagram into fragments of n
// bytes, each in a record and a datagram of its own. Other records stay whole.
func pieces(d []byte, n int) (out [][]byte) {
	for len(d) > 0 && len(out) < 100 {
		cut, rest, ok := record.Cut(d)
		if !ok {
			return append(out, d)
		}
		whole := d[:len(d)-len(rest)]
		d = rest
		h, ok := wire.ParseHandshakeHeader(whole[wire.RecordHeaderLen:])
		if cut.Header.Epoch > 0 || cut.Header.Type != wire.ContentHandshake || !ok || !h.Whole() {
			out = append(out, whole)
			continue
		}
		body := whole[wire.RecordHeaderLen+wire.HandshakeHeaderLen:][:h.Length]
		for off := 0; off < len(body) && len(out) < 100; off += n {
			h.FragmentOffset, h.FragmentLength = uint32(off), uint32(min(n, len(body)-off))
			fragment := append(h.Append(nil), body[off:off+int(h.FragmentLength)]...)
			out = append(out, plainRecord(wire.ContentHandshake, 0, uint64(len(out)), fragment))
		}
	}
	return out
}

// run plays a program: the recording, then steps of four bytes.
func (g *stage) run(program []byte) {
	for i := 0; len(program) >= 4 && i < 100; i++ {
		steps[int(program[0])%len(steps)](g, program[1], program[2], program[3])
		program = program[4:]
	}
}

// straight is the program in which nothing goes wrong.
func straight(r *recording, client bool) []byte {
	return make([]byte, 4*len(r.sent[index(!client)]))
}

// disturbed inserts a step before each step of the straight program.
func disturbed(r *recording, client bool, step ...byte) (program []byte) {
	for i := range r.sent[index(!client)] {
		program = append(program, step[0], byte(i), step[1], step[2])
		program = append(program, 0, 0, 0, 0)
	}
	return program
}

// The recordings are good: played straight, each completes and delivers all
// data, on either side; so it does when each datagram comes in pieces, twice,
// late, after a cut copy of itself, or before all that the session said comes
// back to it.
func TestRecordingsPlay(t *testing.T) {
	for i, r := range recordings(t) {
		for _, client := range []bool{false, true} {
			for name, program := range map[string][]byte{
				"straight": straight(r, client), "in pieces": disturbed(r, client, 9, 60, 0), "twice": disturbed(r, client, 1, 0, 0),
				"late": disturbed(r, client, 3, 0, 0), "cut": disturbed(r, client, 5, 20, 0), "sleepy": disturbed(r, client, 14, 0, 0), "reflected, then": append(straight(r, client), disturbed(r, client, 10, 0, 0)...),
			} {
				g := newStage(t, r, client)
				g.run(program)
				if !g.e.established || fmt.Sprint(len(g.e.data)) != "3" {
					t.Errorf("recording %d, client %v, %s: established %v, data %q, error %v", i, client, name, g.e.established, g.e.data, g.e.Err())
				}
			}
		}
	}
}

// Programs by chance: what FuzzClientSession and FuzzServerSession do for
// longer.
func TestSessionsUnderRandomPrograms(t *testing.T) {
	all := recordings(t)
	chance := rand.New(rand.NewPCG(1, 2))
	established := 0
	for i := range 600 {
		r, client := all[i%len(all)], i/len(all)%2 == 0
		var program []byte
		for range 40 {
			step := byte(0)
			if chance.IntN(3) == 0 {
				step = byte(chance.IntN(len(steps)))
			}
			program = append(program, step, byte(chance.IntN(12)), byte(chance.Uint32()), byte(chance.Uint32()))
		}
		g := newStage(t, r, client)
		if g.run(program); g.e.established {
			established++
		}
	}
	if established < 60 {
		t.Errorf("only %d of 600 sessions are established", established)
	}
}

func fuzzSession(f *testing.F, client bool) {
	all := recordings(f)
	for i, r := range all {
		f.Add(byte(i), straight(r, client))
		for step := range steps {
			f.Add(byte(i), disturbed(r, client, byte(step), 13, 1))
			f.Add(byte(i), append(straight(r, client), disturbed(r, client, byte(step), 25, 0x80)...))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, program []byte) {
		newStage(t, all[int(which)%len(all)], client).run(program)
	})
}

// FuzzClientSession plays programs to a client.
//
// Pitfall O1, P13, P5, P6, T5, G4: true datagrams of a server, damaged, moved and mixed with junk, in every state
func FuzzClientSession(f *testing.F) { fuzzSession(f, true) }

// FuzzServerSession plays programs to a gate and its server.
//
// Pitfall O1, P13, T5, T12, G4: true datagrams of a client, damaged, moved and mixed with junk, in every state
func FuzzServerSession(f *testing.F) { fuzzSession(f, false) }
