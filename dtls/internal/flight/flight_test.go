// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package flight

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

var testSuites = []*suite.Suite{
	suite.ByID(wire.TLS_PSK_WITH_AES_128_CCM_8),
	suite.ByID(wire.TLS_PSK_WITH_AES_256_GCM_SHA384),
	suite.ByID(wire.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256),
}

// layers returns a sender and a receiver of one direction, in the handshake,
// with plaintext and epoch 1.
func layers(s *suite.Suite) (sender, receiver *record.Layer) {
	random := make([]byte, suite.RandomLen)
	keys, _ := s.MasterSecret([]byte("premaster"), random, random).KeyBlock(random, random)
	sender, receiver = new(record.Layer), new(record.Layer)
	again := keys
	if err := errors.Join(sender.SetWriteKeys(s, &keys), receiver.SetReadKeys(s, &again)); err != nil {
		panic(err)
	}
	return sender, receiver
}

// flight5 is a client's last flight: messages of given lengths in plaintext,
// ChangeCipherSpec, and a protected Finished.
func flight5(lengths ...int) (f Flight, finished uint16) {
	for i, length := range lengths {
		f.AddMessage(0, whole(uint16(i), length))
	}
	f.AddChangeCipherSpec(0)
	finished = uint16(len(lengths))
	f.AddMessage(1, whole(finished, suite.VerifyDataLen))
	return f, finished
}

// receiver puts datagrams back together.
type receiver struct {
	layer     *record.Layer
	messages  *Reassembler
	ccs       int      // ChangeCipherSpec records
	records   []string // what they were, in short
	sequences map[uint64]bool
}

func newReceiver(l *record.Layer) *receiver {
	return &receiver{layer: l, messages: NewReassembler(Limits{Bytes: 1 << 20}, 0), sequences: map[uint64]bool{}}
}

type failer interface{ Fatalf(string, ...any) }

func (c *receiver) receive(t failer, datagram []byte) {
	for len(datagram) > 0 {
		r, rest, ok := record.Cut(datagram)
		if !ok {
			t.Fatalf("%d bytes are no record", len(datagram))
		}
		payload, result := c.layer.Open(&r)
		if result != record.Opened {
			t.Fatalf("a record is %v", result)
		}
		number := uint64(r.Header.Epoch)<<48 | r.Header.Sequence
		if c.sequences[number] {
			t.Fatalf("record %x comes twice", number)
		}
		c.sequences[number] = true
		c.records = append(c.records, fmt.Sprintf("%d:%v:%d", r.Header.Epoch, r.Header.Type, len(payload)))
		switch r.Header.Type {
		case wire.ContentChangeCipherSpec:
			c.ccs++
			if len(payload) != 1 || payload[0] != 1 || r.Header.Epoch != 0 {
				t.Fatalf("ChangeCipherSpec is %x in epoch %d", payload, r.Header.Epoch)
			}
		case wire.ContentHandshake:
			for len(payload) > 0 {
				_, _, payload = c.messages.Add(r.Header.Epoch, payload)
			}
		default:
			t.Fatalf("a record of type %v", r.Header.Type)
		}
		datagram = rest
	}
}

// transmit sends a whole flight, each datagram under the next MTU.
func transmit(t failer, f *Flight, l *record.Layer, mtu func() int) (datagrams [][]byte, mtus []int) {
	for f.Pending() {
		m := mtu()
		buf := bytes.Repeat([]byte{0xee}, m+5)
		n, err := f.Transmit(l, buf, m)
		if err != nil || n == 0 || n > m {
			t.Fatalf("mtu %d: %d bytes, %v", m, n, err)
		}
		if !bytes.Equal(buf[m:], bytes.Repeat([]byte{0xee}, 5)) {
			t.Fatalf("mtu %d: wrote past it", m)
		}
		datagrams, mtus = append(datagrams, buf[:n]), append(mtus, m)
	}
	if n, err := f.Transmit(l, make([]byte, 100), 100); n != 0 || err != nil {
		t.Fatalf("after the flight: %d bytes, %v", n, err)
	}
	return datagrams, mtus
}

// TestFlightProperties sends random flights, thrice, each datagram under its
// own MTU, in any order, and puts them together.
//
// Proves rfc6347 §4.2.3: "These ranges MUST
// NOT be larger than the maximum handshake fragment size and MUST
// jointly contain the entire handshake message."
//
// Proves rfc6347 §4.2.3: "When transmitting the handshake message, the sender divides the
// message into a series of N contiguous data ranges."
//
// Proves rfc6347 §4.1.1: "Each DTLS record MUST fit within a single datagram."
//
// Pitfall O6: each retransmission is sealed under the keys of its epoch with fresh sequence numbers
func TestFlightProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(testSuites).Draw(t, "suite")
		lengths := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 80), rapid.IntRange(0, maxHoles/6)), 0, 6).Draw(t, "lengths")
		sender, receiving := layers(s)
		f, finished := flight5(lengths...)
		smallest := sender.Overhead(1) + wire.HandshakeHeaderLen + 1
		numbers := map[uint64]bool{}
		for round := range 3 {
			if round > 0 {
				f.Rewind()
			}
			draw := rapid.OneOf(rapid.IntRange(smallest, 100), rapid.IntRange(100, 1500))
			datagrams, mtus := transmit(t, &f, sender, func() int { return draw.Draw(t, "mtu") })
			for i, d := range datagrams[:len(datagrams)-1] {
				if room := mtus[i] - len(d); room >= smallest && !f.apart() {
					t.Fatalf("datagram %d leaves %d bytes", i, room)
				}
			}
			c := newReceiver(receiving)
			c.sequences = numbers
			for _, i := range rapid.Permutation(indices(len(datagrams))).Draw(t, "order") {
				c.receive(t, datagrams[i])
			}
			for seq := range finished + 1 {
				m, ok := c.messages.Next()
				want := suite.VerifyDataLen
				if seq < finished {
					want = lengths[seq]
				}
				if !ok || !bytes.Equal(m.Raw, whole(seq, want)) || m.Epoch != b2e(seq == finished) {
					t.Fatalf("round %d: message %d is wrong or missing", round, seq)
				}
			}
			if c.ccs != 1 {
				t.Fatalf("round %d: %d ChangeCipherSpec records", round, c.ccs)
			}
		}
	})
}

func indices(n int) []int {
	is := make([]int, n)
	for i := range is {
		is[i] = i
	}
	return is
}

func b2e(protected bool) uint16 {
	if protected {
		return 1
	}
	return 0
}

// TestPacking names the records of known flights.
//
// Proves rfc6347 §4.2.3: "Note that as with TLS, multiple handshake messages may be placed in
// the same DTLS record, provided that there is room and that they are
// part of the same flight."
//
// Proves rfc6347 §4.2.5: "As with TLS, the ChangeCipherSpec message is not technically a
// handshake message but MUST be treated as part of the same flight as
// the associated Finished message for the purposes of timeout and
// retransmission."
func TestPacking(t *testing.T) {
	tests := []struct {
		name    string
		lengths []int
		mtu     int
		limit   int // of plaintext in protected and plain records
		want    string
	}{
		{"PSK fits one datagram", []int{20}, 1232, 0, "[0:handshake:32 0:change_cipher_spec:1 1:handshake:24]"},
		// For tinydtls, which reads one message of a record.
		{"a record for each message of a short flight", []int{20, 30, 0}, 1232, 0, "[0:handshake:32 0:handshake:42 0:handshake:12 0:change_cipher_spec:1 1:handshake:24]"},
		{"messages of a longer one share a record", []int{20, 30, 0}, 150, 0, "[0:handshake:86 0:change_cipher_spec:1] [1:handshake:24]"},
		// 100 = 13 + 87; then 13 + 12 + 125 - 75 = 75, 13 + 1, and 11 are too few for Finished.
		{"cut where the datagram ends", []int{125}, 100, 0, "[0:handshake:87] [0:handshake:62 0:change_cipher_spec:1] [1:handshake:24]"},
		{"record limit of the peer", []int{40}, 1232, 20, "[0:handshake:20 0:handshake:20 0:handshake:20 0:handshake:20 0:handshake:20 0:change_cipher_spec:1 1:handshake:20 1:handshake:16]"},
	}
	for _, test := range tests {
		sender, receiving := layers(testSuites[0])
		sender.SetSendLimit(test.limit, test.limit)
		f, _ := flight5(test.lengths...)
		datagrams, _ := transmit(t, &f, sender, func() int { return test.mtu })
		var got []string
		c := newReceiver(receiving)
		for _, d := range datagrams {
			c.records = nil
			c.receive(t, d)
			got = append(got, fmt.Sprint(c.records))
		}
		if text := fmt.Sprint(got); text != "["+test.want+"]" {
			t.Errorf("%s: %s, want [%s]", test.name, text, test.want)
		}
	}
}

// TestPackingOfRetransmission: every other time, what is sent again has a
// datagram for each record.
func TestPackingOfRetransmission(t *testing.T) {
	sender, receiving := layers(testSuites[0])
	f, _ := flight5(20, 30)
	for i, want := range []int{1, 1, 4, 1, 4} {
		if i > 0 {
			f.Rewind()
		}
		datagrams, _ := transmit(t, &f, sender, func() int { return 1232 })
		if len(datagrams) != want {
			t.Fatalf("transmission %d has %d datagrams, want %d", i, len(datagrams), want)
		}
		for _, d := range datagrams {
			c := newReceiver(receiving)
			c.receive(t, d)
			if want > 1 && len(c.records) != 1 {
				t.Errorf("transmission %d: records %v share a datagram", i, c.records)
			}
		}
	}
}

// An mtu without room for a byte of a message sends nothing, loses nothing,
// and does not loop.
func TestMTUTooSmall(t *testing.T) {
	sender, receiving := layers(testSuites[0])
	f, _ := flight5(5)
	for mtu := -1; mtu < wire.RecordHeaderLen+wire.HandshakeHeaderLen+1; mtu++ {
		if n, err := f.Transmit(sender, make([]byte, 100), mtu); n != 0 || err != nil || !f.Pending() {
			t.Errorf("mtu %d: %d bytes, %v, pending %t", mtu, n, err, f.Pending())
		}
	}
	c := newReceiver(receiving)
	datagrams, _ := transmit(t, &f, sender, func() int { return 100 })
	for _, d := range datagrams {
		c.receive(t, d)
	}
	next(t, c.messages, 0, 5)
}

func TestFlightReportsWhatSealRefuses(t *testing.T) {
	f, _ := flight5()
	if _, err := f.Transmit(new(record.Layer), make([]byte, 100), 100); err != record.ErrEpoch {
		t.Errorf("without keys for Finished: %v", err)
	}
}

func TestFlightReset(t *testing.T) {
	sender, receiving := layers(testSuites[0])
	f, _ := flight5(5)
	f.Reset()
	if f.Pending() {
		t.Error("a reset flight has something to send")
	}
	f.AddMessage(0, whole(0, 6))
	c := newReceiver(receiving)
	datagrams, _ := transmit(t, &f, sender, func() int { return 100 })
	c.receive(t, datagrams[0])
	next(t, c.messages, 0, 6)
	if len(datagrams) != 1 || c.ccs != 0 {
		t.Errorf("%d datagrams, %d ChangeCipherSpec: something is left of the flight before", len(datagrams), c.ccs)
	}
}

func BenchmarkTransmit(b *testing.B) {
	sender, _ := layers(testSuites[0])
	f, _ := flight5(500, 70, 80)
	buf := make([]byte, 1232)
	b.ReportAllocs()
	for b.Loop() {
		for f.Rewind(); f.Pending(); {
			if _, err := f.Transmit(sender, buf, len(buf)); err != nil {
				b.Fatal(err)
			}
		}
	}
}
