// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/binary"
	"net/netip"
)

// Recut is a meddler that cuts the plaintext handshake messages of a path
// into fragments of its own choice, each in a record of its own, and gives
// the plaintext records new sequence numbers. ClientHello and
// HelloVerifyRequest stay as they are: they are exchanged before there is
// memory to put fragments together. What is protected it cannot touch.
type Recut struct {
	Fragment int // bytes of a message in one fragment; 0: whole messages
	Datagram int // bytes of records to pack into one datagram; 0: one record each

	next map[netip.AddrPort]uint64 // sequence number of the next plaintext record
}

// Rewrite is for [Network.Rewrite].
func (r *Recut) Rewrite(from netip.AddrPort, datagram []byte) [][]byte {
	if r.next == nil {
		r.next = map[netip.AddrPort]uint64{}
	}
	var out [][]byte
	for len(datagram) >= 13 {
		end := min(13+int(binary.BigEndian.Uint16(datagram[11:])), len(datagram))
		for _, record := range r.record(from, datagram[:end]) {
			out = r.pack(out, record)
		}
		datagram = datagram[end:]
	}
	return out
}

func (r *Recut) pack(out [][]byte, record []byte) [][]byte {
	if n := len(out); n > 0 && len(out[n-1])+len(record) <= r.Datagram {
		out[n-1] = append(out[n-1], record...)
		return out
	}
	return append(out, record)
}

// record returns the records that take the place of one.
func (r *Recut) record(from netip.AddrPort, record []byte) [][]byte {
	if binary.BigEndian.Uint16(record[3:]) != 0 {
		return [][]byte{append([]byte(nil), record...)}
	}
	body := record[13:]
	if record[0] != 22 || len(body) < 12 {
		return [][]byte{r.number(from, record[:3], body)}
	}
	if body[0] == 1 || body[0] == 3 {
		r.next[from] = max(r.next[from], binary.BigEndian.Uint64(record[3:])+1)
		return [][]byte{append([]byte(nil), record...)}
	}
	var out [][]byte
	for len(body) >= 12 {
		offset, length := uint24(body[6:]), uint24(body[9:])
		for _, fragment := range r.cut(body[:12], body[12:12+length], offset) {
			out = append(out, r.number(from, record[:3], fragment))
		}
		body = body[12+length:]
	}
	return out
}

// cut returns a handshake message, or a fragment of one, in fragments.
func (r *Recut) cut(header, body []byte, offset int) [][]byte {
	size := r.Fragment
	if size == 0 || len(body) == 0 {
		size = max(len(body), 1)
	}
	var out [][]byte
	for at := 0; at == 0 || at < len(body); at += size {
		part := body[at:min(at+size, len(body))]
		fragment := append([]byte(nil), header...)
		putUint24(fragment[6:], offset+at)
		putUint24(fragment[9:], len(part))
		out = append(out, append(fragment, part...))
	}
	return out
}

// number makes a plaintext record with the next sequence number.
func (r *Recut) number(from netip.AddrPort, start, body []byte) []byte {
	record := append([]byte(nil), start...)
	record = binary.BigEndian.AppendUint64(record, r.next[from])
	r.next[from]++
	record = binary.BigEndian.AppendUint16(record, uint16(len(body)))
	return append(record, body...)
}

func putUint24(b []byte, v int) { b[0], b[1], b[2] = byte(v>>16), byte(v>>8), byte(v) }
