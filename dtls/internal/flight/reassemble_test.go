// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package flight

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// header is a handshake header of a Certificate, the type of most tests.
func header(seq uint16, length, offset, n int) wire.HandshakeHeader {
	return wire.HandshakeHeader{
		Type: wire.HandshakeCertificate, Length: uint32(length), MessageSeq: seq,
		FragmentOffset: uint32(offset), FragmentLength: uint32(n),
	}
}

// fragment is a fragment of the message whose body counts from 0.
func fragment(seq uint16, length, offset, n int) []byte {
	b := header(seq, length, offset, n).Append(nil)
	for i := range n {
		b = append(b, byte(offset+i))
	}
	return b
}

// whole is the message that those fragments make.
func whole(seq uint16, length int) []byte { return fragment(seq, length, 0, length) }

// add feeds one fragment and checks what became of it.
func add(t testing.TB, r *Reassembler, fragment []byte, want Result) {
	t.Helper()
	got, _, rest := r.Add(0, fragment)
	if got != want || len(rest) > 0 {
		t.Errorf("%x: %v with %d bytes of rest, want %v", fragment[:min(len(fragment), 12)], got, len(rest), want)
	}
}

// next checks that the next message is the one that counts.
func next(t testing.TB, r *Reassembler, seq uint16, length int) {
	t.Helper()
	m, ok := r.Next()
	if !ok || m.Seq != seq || m.Type != wire.HandshakeCertificate || !bytes.Equal(m.Raw, whole(seq, length)) {
		t.Errorf("next message is %v %d %x, %t, want %d of %d bytes", m.Type, m.Seq, m.Raw, ok, seq, length)
	} else if !bytes.Equal(m.Body(), m.Raw[12:]) {
		t.Errorf("the body of message %d is %x", seq, m.Body())
	}
}

func noNext(t testing.TB, r *Reassembler) {
	t.Helper()
	if m, ok := r.Next(); ok {
		t.Errorf("message %d is complete", m.Seq)
	}
}

// TestEveryCutOfASmallMessage delivers a message of 4 bytes in every sequence
// of two and three fragments there is, overlapping, repeated and empty ones
// included.
//
// Proves rfc6347 §4.2.3: "DTLS
// implementations MUST be able to handle overlapping fragment ranges."
//
// Proves rfc6347 §4.2.3: "When a DTLS implementation receives a handshake message fragment, it
// MUST buffer it until it has the entire handshake message."
//
// Pitfall P3: zero-length fragments at every offset of empty and non-empty messages end at once
func TestEveryCutOfASmallMessage(t *testing.T) {
	const length = 4
	var cuts [][2]int
	for from := range length + 1 {
		for to := from; to <= length; to++ {
			cuts = append(cuts, [2]int{from, to})
		}
	}
	try := func(order ...[2]int) {
		r := NewReassembler(Limits{Bytes: 100}, 7)
		var have [length]bool
		for _, cut := range order {
			r.Add(0, fragment(7, length, cut[0], cut[1]-cut[0]))
			for i := cut[0]; i < cut[1]; i++ {
				have[i] = true
			}
		}
		m, ok := r.Next()
		if want := !slices.Contains(have[:], false); ok != want {
			t.Errorf("%v: complete %t, want %t", order, ok, want)
		} else if ok && !bytes.Equal(m.Raw, whole(7, length)) {
			t.Errorf("%v: message is %x", order, m.Raw)
		}
	}
	for _, a := range cuts {
		for _, b := range cuts {
			try(a, b)
			for _, c := range cuts {
				try(a, b, c)
			}
		}
	}
	r := NewReassembler(Limits{Bytes: 100}, 0)
	add(t, r, fragment(0, 0, 0, 0), Completed)
	next(t, r, 0, 0)
	for offset := range length + 1 {
		add(t, r, fragment(1, length, offset, 0), Empty)
	}
	if r.Buffered() != 0 {
		t.Errorf("empty fragments reserved %d bytes", r.Buffered())
	}
}

// TestHeaderArithmetic tries every small combination of offset, fragment
// length, message length and bytes present.
//
// Pitfall T5, G4: a fragment beyond its record or its message is refused, and no length underflows
func TestHeaderArithmetic(t *testing.T) {
	const limit = 6
	for length := range limit {
		for offset := range limit {
			for n := range limit {
				for present := range limit {
					r := NewReassembler(Limits{Bytes: 100}, 0)
					payload := append(header(0, length, offset, n).Append(nil), make([]byte, present)...)
					result, _, rest := r.Add(0, payload)
					bad := offset+n > length || n > present
					if bad != (result == Malformed) {
						t.Errorf("length %d, offset %d, fragment %d, present %d: %v", length, offset, n, present, result)
					}
					if want := max(0, present-n); !bad && len(rest) != want || bad && rest != nil {
						t.Errorf("length %d, offset %d, fragment %d, present %d: %d bytes of rest", length, offset, n, present, len(rest))
					}
				}
			}
		}
	}
	const huge = 1<<24 - 1
	for _, h := range []wire.HandshakeHeader{header(0, huge, huge, huge), header(0, huge, huge, 1), header(0, 0, huge, huge), header(0, 1, 2, 0)} {
		add(t, NewReassembler(Limits{Bytes: 1 << 25}, 0), append(h.Append(nil), 0), Malformed)
	}
	for n := range wire.HandshakeHeaderLen {
		add(t, NewReassembler(Limits{Bytes: 100}, 0), whole(0, 0)[:n], Malformed)
	}
}

// Pitfall O7, G3, G5: a fragment with another length or type than the first of its message is dropped, and the message survives
func TestInconsistentFragments(t *testing.T) {
	r := NewReassembler(Limits{Bytes: 1000}, 0)
	add(t, r, fragment(0, 10, 0, 5), Stored)
	for _, length := range []int{5, 9, 11, 100} {
		add(t, r, fragment(0, length, 0, 5), Inconsistent)
	}
	other := fragment(0, 10, 5, 5)
	other[0] = byte(wire.HandshakeFinished)
	add(t, r, other, Inconsistent)
	add(t, r, fragment(0, 10, 5, 5), Completed)
	add(t, r, fragment(0, 11, 0, 5), Inconsistent)
	add(t, r, fragment(0, 10, 5, 5), Repeated)
	next(t, r, 0, 10)
}

// TestEpochsDoNotMix: a message is of one epoch, which the state machine
// compares with the one that it is due in. What came under keys displaces
// what anyone could have sent.
//
// Pitfall W5: a message that shares a record with those before a key change carries their epoch
func TestEpochsDoNotMix(t *testing.T) {
	r := NewReassembler(Limits{Bytes: 1000}, 0)
	both := slices.Concat(whole(0, 3), whole(1, 12)) // ClientKeyExchange and Finished in one record
	_, _, rest := r.Add(0, both)
	r.Add(0, rest)
	for seq := range uint16(2) {
		if m, ok := r.Next(); !ok || m.Epoch != 0 || m.Seq != seq {
			t.Errorf("message %d: %+v, %t", seq, m, ok)
		}
	}

	add(t, r, fragment(2, 12, 0, 6), Stored) // forged, in plaintext
	if result, _, _ := r.Add(1, fragment(2, 12, 0, 6)); result != Stored {
		t.Errorf("the protected fragment: %v", result)
	}
	add(t, r, fragment(2, 12, 6, 6), Inconsistent)
	if result, _, _ := r.Add(1, fragment(2, 12, 6, 6)); result != Completed {
		t.Errorf("the second protected fragment: %v", result)
	}
	if m, ok := r.Next(); !ok || m.Epoch != 1 || r.Buffered() != 0 {
		t.Errorf("message %+v, %t, %d bytes left", m, ok, r.Buffered())
	}
}

// Proves rfc6347 §4.2.2: "If the sequence number is less than next_receive_seq, the
// message MUST be discarded."
//
// Proves rfc6347 §4.2.2: "If the sequence number is greater than
// next_receive_seq, the implementation SHOULD queue the message but MAY
// discard it."
func TestMessageOrder(t *testing.T) {
	r := NewReassembler(Limits{Bytes: 1000}, 65534) // across the wrap, too
	for _, seq := range []uint16{2, 0, 1, 65535} {
		add(t, r, whole(seq, 5), Completed)
		noNext(t, r)
	}
	add(t, r, whole(65534, 5), Completed)
	for _, seq := range []uint16{65534, 65535, 0, 1, 2} {
		next(t, r, seq, 5)
	}
	noNext(t, r)
	add(t, r, whole(2, 5), Repeated)
	add(t, r, whole(65534, 5), Repeated)
	if r.NextSeq() != 3 || r.Buffered() != 0 {
		t.Errorf("next is %d, %d bytes are buffered", r.NextSeq(), r.Buffered())
	}
	add(t, r, whole(3+maxAhead-1, 5), Completed)
	add(t, r, whole(3+maxAhead, 5), Ahead)
}

// Pitfall W6, O9: a message longer than its type may be is refused at its header, whatever the fragment
func TestMessagePolicy(t *testing.T) {
	r := NewReassembler(Limits{Bytes: 1 << 20, MessageLen: func(typ wire.HandshakeType) (int, bool) {
		return 100, typ == wire.HandshakeCertificate
	}}, 0)
	add(t, r, fragment(0, 101, 0, 1), Refused)
	add(t, r, fragment(1, 1<<24-1, 0, 1), Refused)
	other := whole(0, 5)
	other[0] = byte(wire.HandshakeHelloRequest)
	add(t, r, other, Refused)
	if r.Buffered() != 0 {
		t.Errorf("%d bytes are buffered", r.Buffered())
	}
	add(t, r, whole(0, 100), Completed)
	next(t, r, 0, 100)
}

// Pitfall P2, O18: first fragments of many huge messages stay under the peer's cap, and memory follows what has come, not what was announced
func TestMemoryIsBounded(t *testing.T) {
	const limit = 16 << 10
	announce := func(length int) (cost uint64) {
		r := NewReassembler(Limits{Bytes: limit}, 0)
		one := fragment(0, length, 0, 1)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for seq := range 1000 {
			one[4], one[5] = byte(seq>>8), byte(seq)
			r.Add(0, one)
		}
		runtime.ReadMemStats(&after)
		if r.Buffered() > limit {
			t.Errorf("%d bytes buffered of at most %d", r.Buffered(), limit)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	// The least of three, as the counter is the whole process's.
	if n := min(announce(1<<24-1), announce(1<<24-1), announce(1<<24-1)); n > limit/2 {
		t.Errorf("messages of 16 MiB cost %d bytes", n)
	}
	// Bits for what has come are the only memory of an announced length.
	const fits = limit - wire.HandshakeHeaderLen
	if n := min(announce(fits), announce(fits), announce(fits)); n > limit/2 {
		t.Errorf("a single byte of a message cost %d bytes", n)
	}
}

// What lies behind what has come costs memory for what has not, so only so much
// of that is allowed, in all messages together.
//
// Pitfall P2: a byte at the end of a huge message takes no more than a byte at its beginning
func TestHolesAreBounded(t *testing.T) {
	const length = 9000
	r := NewReassembler(Limits{Bytes: 80 << 10}, 0)
	for seq := range uint16(maxAhead) {
		add(t, r, fragment(seq, length, length-1, 1), Ahead)
	}
	if r.Buffered() > 0 {
		t.Errorf("%d bytes counted", r.Buffered())
	}
	add(t, r, fragment(0, length, 7000, 100), Stored)
	add(t, r, fragment(1, length, 1192, 100), Stored) // all that is allowed
	add(t, r, fragment(2, length, 1, 100), Ahead)
	add(t, r, fragment(0, length, 7101, 100), Ahead)
	add(t, r, fragment(0, length, 7100, 100), Stored)
	add(t, r, fragment(0, length, 1000, 100), Stored)
	add(t, r, fragment(2, length, 100, 100), Stored) // in place of what has come
	add(t, r, fragment(2, length, 201, 100), Ahead)
}

// Any order of a message larger than that completes, too, since the peer
// repeats it.
func TestReversedMessageCompletes(t *testing.T) {
	const length, step = 16_000, 1000
	r := NewReassembler(Limits{Bytes: 80 << 10}, 0)
	rounds := 0
	for ; r.slots[0].raw == nil || r.slots[0].missing > 0; rounds++ {
		if rounds == 5 {
			t.Fatal("it does not complete")
		}
		for offset := length - step; offset >= 0; offset -= step {
			r.Add(0, fragment(0, length, offset, step))
		}
	}
	next(t, r, 0, length)
}

// The message that is due first gets room at the cost of later ones, never
// the other way round, so that a full buffer cannot stop the handshake.
func TestRoomGoesToTheFirstMessage(t *testing.T) {
	r := NewReassembler(Limits{Bytes: 300}, 0)
	add(t, r, whole(2, 50), Completed)
	add(t, r, fragment(1, 200, 0, 1), Stored)
	add(t, r, fragment(3, 15, 0, 1), NoRoom)
	add(t, r, fragment(0, 289, 0, 1), NoRoom) // does not fit alone
	if r.Buffered() != 12+50+12+200 {
		t.Errorf("%d bytes are buffered", r.Buffered())
	}
	add(t, r, fragment(0, 15, 0, 1), Stored) // throws out 2
	add(t, r, whole(2, 50), NoRoom)
	add(t, r, fragment(1, 200, 1, 199), Completed)
	add(t, r, fragment(0, 15, 1, 14), Completed)
	next(t, r, 0, 15)
	next(t, r, 1, 200)
	add(t, r, whole(2, 288), Completed)
	next(t, r, 2, 288)
}

// TestReassemblyProperties delivers messages cut at random, with overlaps,
// repetitions and any order, in several records, until all are there.
//
// Pitfall S7: any order of the fragments of a flight completes
func TestReassemblyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(0, 300), 1, maxAhead).Draw(t, "lengths")
		first := rapid.Uint16().Draw(t, "first")
		var fragments [][]byte
		for i, length := range lengths {
			seq := first + uint16(i)
			fragments = append(fragments, cut(t, seq, length)...)
			for range rapid.IntRange(0, 3).Draw(t, "extra") {
				from := rapid.IntRange(0, length).Draw(t, "from")
				to := rapid.IntRange(from, length).Draw(t, "to")
				fragments = append(fragments, fragment(seq, length, from, to-from))
			}
		}
		fragments = rapid.Permutation(fragments).Draw(t, "order")
		r := NewReassembler(Limits{Bytes: 1 << 16}, first)
		var got []Message
		for len(fragments) > 0 {
			n := rapid.IntRange(1, min(3, len(fragments))).Draw(t, "fragments in the record")
			for rest := slices.Concat(fragments[:n]...); len(rest) > 0; {
				_, _, rest = r.Add(0, rest)
			}
			fragments = fragments[n:]
			for m, ok := r.Next(); ok; m, ok = r.Next() {
				got = append(got, m)
			}
		}
		for i, length := range lengths {
			if i >= len(got) || !bytes.Equal(got[i].Raw, whole(first+uint16(i), length)) {
				t.Fatalf("message %d is wrong or missing", i)
			}
		}
		if len(got) != len(lengths) || r.Buffered() != 0 {
			t.Fatalf("%d messages, want %d, and %d bytes are left", len(got), len(lengths), r.Buffered())
		}
	})
}

// cut divides a message into fragments without overlap.
func cut(t *rapid.T, seq uint16, length int) (fragments [][]byte) {
	most := rapid.SampledFrom([]int{1, 7, 64, 300}).Draw(t, "largest fragment")
	for offset := 0; offset < length; {
		n := rapid.IntRange(1, min(most, length-offset)).Draw(t, "fragment")
		fragments = append(fragments, fragment(seq, length, offset, n))
		offset += n
	}
	if length == 0 {
		fragments = append(fragments, fragment(seq, 0, 0, 0))
	}
	return fragments
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

// FuzzReassembler feeds records of any content in two epochs. Nothing may
// panic or exceed the limit, and a message that comes out must be of the
// length it says.
func FuzzReassembler(f *testing.F) {
	f.Add(whole(0, 5), whole(1, 0))
	f.Add(slices.Concat(fragment(0, 9, 0, 4), fragment(0, 9, 3, 6)), fragment(1, 9, 0, 0))
	f.Add(fragment(1, 9, 8, 1), fragment(0, 1<<24-1, 0, 3))
	f.Add(slices.Concat(fragment(2, 70, 0, 1), fragment(2, 70, 69, 1)), fragment(2, 70, 0, 70))
	f.Fuzz(func(t *testing.T, plain, protected []byte) {
		const limit = 500
		r := NewReassembler(Limits{Bytes: limit}, 0)
		for epoch, rest := range [][]byte{plain, protected} {
			for steps := len(rest)/wire.HandshakeHeaderLen + 1; len(rest) > 0; steps-- {
				if steps < 0 {
					t.Fatal("a record takes more steps than it has fragments")
				}
				_, _, rest = r.Add(uint16(epoch), rest)
				if r.Buffered() > limit {
					t.Fatalf("%d bytes buffered", r.Buffered())
				}
			}
		}
		for seq := uint16(0); ; seq++ {
			m, ok := r.Next()
			if !ok {
				break
			}
			h, ok := wire.ParseHandshakeHeader(m.Raw)
			if !ok || !h.Whole() || len(m.Raw) != wire.HandshakeHeaderLen+int(h.Length) || h.MessageSeq != seq || m.Seq != seq {
				t.Errorf("message %d is %x", seq, m.Raw)
			}
		}
	})
}

func BenchmarkReassemble(b *testing.B) {
	for _, n := range []int{1, 4} {
		b.Run(fmt.Sprintf("%d fragments", n), func(b *testing.B) {
			const length = 1000
			fragments := make([][]byte, n)
			for i := range fragments {
				fragments[i] = fragment(0, length, i*length/n, length/n)
			}
			b.ReportAllocs()
			for b.Loop() {
				r := NewReassembler(Limits{Bytes: 4096}, 0)
				for _, f := range fragments {
					r.Add(0, f)
				}
				if _, ok := r.Next(); !ok {
					b.Fatal("not complete")
				}
			}
		})
	}
}
