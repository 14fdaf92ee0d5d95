// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

const (
	ccs       = wire.ContentChangeCipherSpec
	alert     = wire.ContentAlert
	handshake = wire.ContentHandshake
	data      = wire.ContentApplicationData
)

// ccm8 is the suite of tests that need only one.
var ccm8 = suite.ByID(wire.TLS_PSK_WITH_AES_128_CCM_8)

// oneOfEach is a suite of each AEAD.
var oneOfEach = []*suite.Suite{
	ccm8,
	suite.ByID(wire.TLS_PSK_WITH_AES_128_CCM),
	suite.ByID(wire.TLS_PSK_WITH_AES_128_GCM_SHA256),
	suite.ByID(wire.TLS_PSK_WITH_AES_256_GCM_SHA384),
	suite.ByID(wire.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256),
}

// keyBlock derives the keys of a session of its own number.
func keyBlock(s *suite.Suite, session byte) (client, server suite.Keys) {
	random := bytes.Repeat([]byte{session}, suite.RandomLen)
	return s.MasterSecret([]byte("premaster"), random, random).KeyBlock(random, random)
}

// setKeys begins the next epoch of both directions.
func setKeys(t testing.TB, l *Layer, s *suite.Suite, write, read suite.Keys) {
	t.Helper()
	if err := errors.Join(l.SetWriteKeys(s, &write), l.SetReadKeys(s, &read)); err != nil {
		t.Fatal(err)
	}
}

// pair returns the layers of two peers after their handshake.
func pair(t testing.TB, s *suite.Suite) (client, server *Layer) {
	t.Helper()
	clientKeys, serverKeys := keyBlock(s, 1)
	client, server = new(Layer), new(Layer)
	setKeys(t, client, s, clientKeys, serverKeys)
	setKeys(t, server, s, serverKeys, clientKeys)
	client.Complete()
	server.Complete()
	return client, server
}

// failed is how many records did not authenticate.
func failed(l *Layer) uint64 { return l.suite.OpenLimit - l.FailuresLeft() }

// seal returns one record in memory of its own.
func seal(t testing.TB, l *Layer, epoch uint16, typ wire.ContentType, payload string) []byte {
	t.Helper()
	raw, err := l.Seal(nil, epoch, typ, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// open opens a copy of a datagram's only record.
func open(t testing.TB, l *Layer, raw []byte) (string, Result) {
	t.Helper()
	r, rest, ok := Cut(bytes.Clone(raw))
	if !ok || len(rest) > 0 {
		t.Fatalf("%x is not one record", raw)
	}
	payload, result := l.Open(&r)
	return string(payload), result
}

// expect opens a record and checks what became of it.
func expect(t testing.TB, l *Layer, raw []byte, want Result) {
	t.Helper()
	if _, got := open(t, l, raw); got != want {
		t.Errorf("%x: %v, want %v", raw[:min(len(raw), 16)], got, want)
	}
}

// number is a header's epoch and sequence number, and the explicit nonce
// after it.
func number(raw []byte) (number, explicit string) { return string(raw[3:11]), string(raw[13:21]) }

// Proves rfc6347 §4.1.1: "Multiple DTLS records may be placed in a single datagram.  They are
// simply encoded consecutively."
//
// Proves rfc6347 §4.1.1: "Records may
// not span datagrams."
//
// Pitfall M6: a bad record does not take the good ones around it along
func TestDatagramWithBadRecordInTheMiddle(t *testing.T) {
	for _, s := range oneOfEach {
		client, server := pair(t, s)
		forged := seal(t, client, 1, data, "forged")
		forged[len(forged)-1] ^= 1
		datagram := bytes.Join([][]byte{
			seal(t, client, 1, data, "one"), forged, seal(t, client, 1, data, ""), seal(t, client, 1, data, "three"),
			seal(t, client, 1, data, "cut off")[:20],
		}, nil)
		var got []string
		for {
			r, rest, ok := Cut(datagram)
			if !ok {
				break
			}
			payload, result := server.Open(&r)
			got = append(got, fmt.Sprintf("%v %s", result, payload))
			datagram = rest
		}
		want := "opened one,bad_record_mac ,opened ,opened three"
		if text := strings.Join(got, ","); text != want {
			t.Errorf("%s: %s, want %s", s.Name, text, want)
		}
		if len(datagram) != 20 {
			t.Errorf("%s: %d bytes are left, want the record that was cut off", s.Name, len(datagram))
		}
	}
}

// Proves rfc6655 §3: "In DTLS, the 64-bit seq_num is the 16-bit epoch concatenated with the
// 48-bit seq_num."
//
// Proves rfc6655 §3: "Each value of the
// nonce_explicit MUST be distinct for each distinct invocation of the
// GCM encrypt function for any fixed key."
//
// Proves rfc7251 §2: "In DTLS, the 64-bit seq_num field is the 16-bit DTLS epoch field
// concatenated with the 48-bit sequence_number field."
//
// Pitfall P7: the explicit nonce of record k is epoch and sequence number, for 2^16 records of every type
func TestExplicitNonceIsEpochAndSequence(t *testing.T) {
	client, _ := pair(t, ccm8)
	var buf []byte
	for k := range uint64(1 << 16) {
		typ := []wire.ContentType{data, handshake, alert}[k%3]
		buf, _ = client.Seal(buf[:0], 1, typ, []byte("x"))
		header, explicit := number(buf)
		want := string([]byte{0, 1, 0, 0, 0, byte(k >> 24), byte(k >> 16), byte(k >> 8)}) + string([]byte{byte(k)})
		want = want[:2] + want[3:] // 16 bits of epoch, 48 of sequence
		if header != want || explicit != want {
			t.Fatalf("record %d: header %x, nonce %x, want %x", k, header, explicit, want)
		}
	}
}

// TestChaChaNonce checks RFC 7905 §2 against the AEAD itself: the nonce is
// the IV XOR the padded number, and the record has no explicit part.
func TestChaChaNonce(t *testing.T) {
	s := suite.ByID(wire.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256)
	keys, _ := keyBlock(s, 1)
	l := new(Layer)
	copyOfKeys := keys
	if err := l.SetWriteKeys(s, &copyOfKeys); err != nil {
		t.Fatal(err)
	}
	l.write.next = 0x0102030405
	raw := seal(t, l, 1, data, "hello")
	nonce := [suite.NonceLen]byte(keys.IV(s))
	for i, b := range []byte{0, 1, 0, 1, 2, 3, 4, 5} {
		nonce[4+i] ^= b
	}
	// RFC 5246 §6.2.3.3: seq_num + type + version + length of the plaintext.
	aad := []byte{0, 1, 0, 1, 2, 3, 4, 5, 23, 254, 253, 0, 5}
	n, ok := s.AEAD(keys.Key(s)).Open(raw[wire.RecordHeaderLen:], &nonce, aad)
	if !ok || string(raw[13:13+n]) != "hello" {
		t.Errorf("the record does not open with the nonce of RFC 7905")
	}
}

// A peer may choose explicit nonces of its own; they are read from the
// record, not taken from its header.
func TestForeignExplicitNonce(t *testing.T) {
	keys, _ := keyBlock(ccm8, 1)
	_, server := pair(t, ccm8)
	var nonce [suite.NonceLen]byte
	copy(nonce[:], keys.IV(ccm8))
	copy(nonce[4:], "whatever")
	h := wire.RecordHeader{Type: data, Version: wire.VersionDTLS12, Epoch: 1, Sequence: 7, Length: 8 + 2 + 8}
	raw := h.Append(nil)
	aad := append(bytes.Clone(raw[3:11]), 23, 254, 253, 0, 2)
	raw = append(raw, "whateverhi12345678"...)
	ccm8.AEAD(keys.Key(ccm8)).Seal(raw[21:], 2, &nonce, aad)
	if payload, result := open(t, server, raw); result != Opened || payload != "hi" {
		t.Errorf("%q, %v", payload, result)
	}
}

// TestSealedHeader checks the header's fields and that every byte of it is
// authenticated.
//
// Proves rfc5246 §6.2.3.3: "additional_data = seq_num + TLSCompressed.type +
// TLSCompressed.version + TLSCompressed.length;"
func TestSealedHeader(t *testing.T) {
	client, _ := pair(t, ccm8)
	raw := seal(t, client, 1, data, "hello")
	h, _ := wire.ParseRecordHeader(raw)
	want := wire.RecordHeader{Type: data, Version: wire.VersionDTLS12, Epoch: 1, Sequence: 0, Length: 8 + 5 + 8}
	if h != want || len(raw) != client.Overhead(1)+5 {
		t.Errorf("header is %+v of %d bytes, want %+v", h, len(raw), want)
	}
	for bit := range 8 * 11 { // a changed length is another record
		_, server := pair(t, ccm8)
		bad := bytes.Clone(raw)
		bad[bit/8] ^= 1 << (bit % 8)
		if _, result := open(t, server, bad); result == Opened {
			t.Errorf("opens with bit %d of the header changed", bit)
		}
	}
}

// Proves rfc6347 §4.1: "Sequence numbers
// are maintained separately for each epoch, with each sequence_number
// initially being 0 for each epoch."
//
// Pitfall O22: a server that answered without state goes on with the number of the hello that carried the cookie
func TestSequenceNumbersOfEachEpoch(t *testing.T) {
	keys, _ := keyBlock(ccm8, 1)
	l := new(Layer)
	l.SetPlainSequence(5)
	seal(t, l, 0, handshake, "x")
	if err := l.SetWriteKeys(ccm8, &keys); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ epoch, sequence byte }{{0, 6}, {1, 0}, {1, 1}, {0, 7}, {1, 2}} {
		got, _ := number(append(seal(t, l, uint16(want.epoch), handshake, "x"), make([]byte, 8)...))
		if got != string([]byte{0, want.epoch, 0, 0, 0, 0, 0, want.sequence}) {
			t.Errorf("number is %x, want epoch %d, sequence %d", got, want.epoch, want.sequence)
		}
	}
}

// TestSealInPlace lets the payload stand where the record will have it.
func TestSealInPlace(t *testing.T) {
	for _, s := range oneOfEach {
		client, server := pair(t, s)
		buf := make([]byte, 3, 200)
		payload := append(buf[:3+client.Headroom(1)], "in place"...)[3+client.Headroom(1):]
		out, err := client.Seal(buf, 1, data, payload)
		if err != nil || &out[0] != &buf[0] {
			t.Fatalf("%s: %v, or the buffer moved", s.Name, err)
		}
		if got, result := open(t, server, out[3:]); got != "in place" {
			t.Errorf("%s: opens to %q, %v", s.Name, got, result)
		}
	}
}

// Proves rfc6347 §4.1.2.6: "For each received record, the
// receiver MUST verify that the record contains a sequence number that
// does not duplicate the sequence number of any other record received
// during the life of this session."
//
// Proves rfc6347 §4.1.2.6: "If the MAC validation fails, the receiver MUST
// discard the received record as invalid."
//
// Proves rfc6347 §4.1.2.6: "The receive window is
// updated only if the MAC verification succeeds."
//
// Pitfall O17: a forged record with the highest number does not move the window
//
// Pitfall A9: replays are refused, and so is our own record sent back to us
func TestReplayReflectionForgery(t *testing.T) {
	for _, s := range oneOfEach {
		client, server := pair(t, s)
		first, second := seal(t, client, 1, data, "first"), seal(t, client, 1, data, "second")
		expect(t, server, second, Opened)

		forged := bytes.Clone(first)
		copy(forged[5:11], "\xff\xff\xff\xff\xff\xff")
		expect(t, server, forged, DropForged)
		if failed(server) != 1 {
			t.Errorf("%s: %d failures counted, want 1", s.Name, failed(server))
		}

		expect(t, server, first, Opened) // late, but not too late
		expect(t, server, first, DropReplay)
		expect(t, server, second, DropReplay)
		third := seal(t, client, 1, data, "third")
		expect(t, client, third, DropForged)
		expect(t, server, third, Opened)

		client.write.next += windowLen
		expect(t, server, seal(t, client, 1, data, "far"), Opened)
		client.write.next = 3
		expect(t, server, seal(t, client, 1, data, "left of the window"), DropReplay)
	}
}

// Pitfall T3: records of epochs 2 to 65535 leave window and keys untouched, before and after the handshake
//
// Pitfall T2: what claims another epoch than its own does not get in
func TestForeignEpochs(t *testing.T) {
	client, server := pair(t, ccm8)
	raw := seal(t, client, 1, data, "x")
	fresh := new(Layer)
	for epoch := 2; epoch <= 65535; epoch++ {
		raw[3], raw[4] = byte(epoch>>8), byte(epoch)
		raw[5] = 0xff
		expect(t, server, raw, DropEpoch)
		expect(t, fresh, raw, DropEpoch)
	}
	raw[3], raw[4], raw[5] = 0, 1, 0
	expect(t, server, raw, Opened)
	if failed(server) != 0 || fresh.HeldLen() != 0 {
		t.Errorf("%d failures counted, %d bytes held", failed(server), fresh.HeldLen())
	}
}

// Proves rfc6347 §4.1: "Until the handshake has completed,
// implementations MUST accept packets from the old epoch."
//
// Pitfall P1, W1: application data in plaintext is refused before, during and after the handshake
//
// Pitfall P10, W2, W7: after the handshake plaintext of no type is accepted
func TestPlaintext(t *testing.T) {
	sender, receiver := new(Layer), new(Layer)
	plain := func(typ wire.ContentType) []byte {
		h := wire.RecordHeader{Type: typ, Version: wire.VersionDTLS12, Length: 2}
		return append(h.Append(nil), 1, 2)
	}
	check := func(other Result) {
		t.Helper()
		for typ := range 256 {
			want := DropType
			switch wire.ContentType(typ) {
			case data:
				want = DropPlaintext
			case ccs, alert, handshake:
				want = other
			}
			expect(t, receiver, plain(wire.ContentType(typ)), want)
		}
	}
	check(Opened)
	client, server := keyBlock(ccm8, 1)
	setKeys(t, receiver, ccm8, server, client)
	check(Opened)
	receiver.Complete()
	check(DropPlaintext)

	if _, err := sender.Seal(nil, 0, data, []byte("x")); err != ErrEpoch {
		t.Errorf("sealing application data in plaintext: %v", err)
	}
}

// Pitfall P9, O13: ChangeCipherSpec in a protected epoch is authenticated and dropped
//
// Proves rfc5246 §6.2.1: "Implementations MUST NOT send zero-length fragments of Handshake,
// Alert, or ChangeCipherSpec content types."
func TestContentOfProtectedRecords(t *testing.T) {
	client, server := pair(t, ccm8)
	for _, test := range []struct {
		typ     wire.ContentType
		payload string
		want    Result
	}{
		{ccs, "\x01", DropCipherChange},
		{alert, "", DropEmpty},
		{handshake, "", DropEmpty},
		{data, "", Opened},
		{alert, "\x01\x00", Opened},
		{handshake, "x", Opened},
	} {
		raw := seal(t, client, 1, test.typ, test.payload)
		expect(t, server, raw, test.want)
		expect(t, server, raw, DropReplay) // authentic in any case
	}
	for _, typ := range []wire.ContentType{ccs, alert, handshake} {
		h := wire.RecordHeader{Type: typ, Version: wire.VersionDTLS12}
		expect(t, new(Layer), h.Append(nil), DropEmpty)
	}
}

// The version of a plaintext record is loose, as hellos may come as DTLS 1.0;
// that of a protected one is not.
func TestRecordVersion(t *testing.T) {
	client, server := pair(t, ccm8)
	for _, test := range []struct {
		version          wire.Version
		plain, protected Result
	}{
		{wire.VersionDTLS12, Opened, Opened},
		{wire.VersionDTLS10, Opened, DropVersion},
		{wire.VersionDTLS13, Opened, DropVersion},
		{0x0303, DropVersion, DropVersion},
		{0, DropVersion, DropVersion},
	} {
		h := wire.RecordHeader{Type: handshake, Version: test.version, Length: 1}
		expect(t, new(Layer), append(h.Append(nil), 1), test.plain)
		raw := seal(t, client, 1, data, "x")
		raw[1], raw[2] = byte(test.version>>8), byte(test.version)
		expect(t, server, raw, test.protected)
	}
}

// Authenticates finds the session a record belongs to, and changes neither.
func TestAuthenticates(t *testing.T) {
	for _, s := range oneOfEach {
		client, server := pair(t, s)
		otherKeys, otherPeer := keyBlock(s, 2)
		other := new(Layer)
		setKeys(t, other, s, otherPeer, otherKeys)

		raw := seal(t, client, 1, data, "hello")
		before := bytes.Clone(raw)
		r, _, _ := Cut(raw)
		if !server.Authenticates(&r, nil) || !server.Authenticates(&r, make([]byte, 100)) {
			t.Errorf("%s: its own session does not know the record", s.Name)
		}
		if other.Authenticates(&r, nil) || client.Authenticates(&r, nil) || new(Layer).Authenticates(&r, nil) {
			t.Errorf("%s: another session claims the record", s.Name)
		}
		if !bytes.Equal(raw, before) {
			t.Errorf("%s: the record changed", s.Name)
		}
		if failed(other) != 1 || failed(server) != 0 {
			t.Errorf("%s: failures %d and %d, want 1 and 0", s.Name, failed(other), failed(server))
		}
		expect(t, server, raw, Opened) // so the window had not moved
		if server.Authenticates(&r, nil) {
			t.Errorf("%s: a replay counts as authentic", s.Name)
		}
		plain, _, _ := Cut(seal(t, new(Layer), 0, handshake, "x"))
		if server.Authenticates(&plain, nil) {
			t.Errorf("%s: plaintext counts as authentic", s.Name)
		}
	}
}

func TestCompactExpandsAgain(t *testing.T) {
	for _, s := range oneOfEach {
		client, server := pair(t, s)
		for range 3 {
			expect(t, server, seal(t, client, 1, data, "x"), Opened)
			client.Compact()
			server.Compact()
			if client.write.cipher != nil || server.read.cipher != nil {
				t.Fatal("Compact kept an expanded key")
			}
		}
	}
}

// After Wipe no key is left, and none of the protected epochs can be used.
//
// Pitfall P17, W21: a session that was closed holds no secrets and seals nothing
func TestWipe(t *testing.T) {
	client, server := pair(t, ccm8)
	raw := seal(t, client, 1, data, "x")
	client.Wipe()
	server.Wipe()
	if server.read != (readState{}) || client.write != (writeState{}) {
		t.Error("keys are left")
	}
	for epoch := range uint16(3) {
		if _, err := client.Seal(nil, epoch, data, []byte("x")); err != ErrEpoch {
			t.Errorf("sealing in epoch %d: %v", epoch, err)
		}
	}
	expect(t, server, raw, DropEpoch)
	if client.Overhead(1) != wire.RecordHeaderLen || client.ReadExhausted() {
		t.Error("a wiped layer does not answer")
	}

	keys, _ := keyBlock(ccm8, 1)
	if err := new(Layer).SetWriteKeys(ccm8, &keys); err != nil || keys != (suite.Keys{}) {
		t.Errorf("%v, or the caller's copy of the keys was not wiped", err)
	}
}

func TestLayerDoesNotPrintKeys(t *testing.T) {
	client, _ := pair(t, ccm8)
	for _, v := range []any{client, *client} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x"} {
			if text := fmt.Sprintf(verb, v); text != "record.Layer{write epoch 1, read epoch 1}" {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
}

// TestLayerSize keeps an idle session small: its record layer without
// expanded keys.
func TestLayerSize(t *testing.T) {
	if size := unsafe.Sizeof(Layer{}); size > 208 {
		t.Errorf("a layer has %d bytes", size)
	}
}

func TestNamesOfResults(t *testing.T) {
	names := map[string]bool{}
	for r := range Result(NumResults) {
		if names[r.String()] || r.String() == "" {
			t.Errorf("result %d is called %q", r, r)
		}
		names[r.String()] = true
	}
}

func TestSealAndOpenDoNotAllocate(t *testing.T) {
	for _, s := range oneOfEach {
		client, server := pair(t, s)
		buf, payload := make([]byte, 0, 256), make([]byte, 64)
		roundTrip := func() {
			raw, err := client.Seal(buf, 1, data, payload)
			if err != nil {
				t.Fatal(err)
			}
			r, _, _ := Cut(raw)
			if _, result := server.Open(&r); result != Opened {
				t.Fatal(result)
			}
		}
		roundTrip() // expands the keys
		if allocs := testing.AllocsPerRun(100, roundTrip); allocs != 0 {
			t.Errorf("%s: %v allocations to seal and open", s.Name, allocs)
		}
	}
}
