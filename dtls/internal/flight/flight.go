// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package flight

import (
	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Flight is the messages that are sent together, and sent again together
// until the peer's next flight comes. It keeps each message with its epoch;
// records are made anew for each transmission, with fresh sequence numbers:
// "the retransmission is a new record" (RFC 6347 §4.2.2).
//
// The zero value is an empty flight.
type Flight struct {
	items  []item
	at     int  // first item not wholly sent in this transmission
	off    int  // bytes of its body that were
	again  uint // how often it was rewound
	single bool // each message has a record
}

// item is a handshake message or a ChangeCipherSpec.
type item struct {
	typ   wire.ContentType
	epoch uint16
	raw   []byte // of a handshake message, with its unfragmented header
}

// usualItems is how many most flights have.
const usualItems = 5

// Reset empties the flight, for the next one.
func (f *Flight) Reset() {
	clear(f.items)
	*f = Flight{items: f.items[:0]}
}

// AddMessage appends a handshake message to be sent in records of an epoch.
// Raw is the message with its header as if it were not fragmented; the
// flight keeps it and does not change it.
func (f *Flight) AddMessage(epoch uint16, raw []byte) {
	if len(raw) < wire.HandshakeHeaderLen {
		panic("flight: message without header")
	}
	if f.items == nil {
		f.items = make([]item, 0, usualItems)
	}
	f.items = append(f.items, item{wire.ContentHandshake, epoch, raw})
}

// AddChangeCipherSpec appends a ChangeCipherSpec to be sent in an epoch. It
// "MUST be treated as part of the same flight as the associated Finished
// message" (RFC 6347 §4.2.5).
func (f *Flight) AddChangeCipherSpec(epoch uint16) {
	f.items = append(f.items, item{wire.ContentChangeCipherSpec, epoch, []byte{1}})
}

// Rewind lets the flight be sent again from its beginning.
func (f *Flight) Rewind() { f.at, f.off, f.again = 0, 0, f.again+1 }

// apart reports whether each record is sent in a datagram of its own. It is so
// every other time that a flight is sent again. A peer that has all of the
// flight, and whose answer was lost, has done with the first epoch; libcoap
// 4.3 on GnuTLS then looks at one record of a datagram only, and would never
// come to the Finished, which tells it to answer again.
func (f *Flight) apart() bool { return f.again > 0 && f.again%2 == 0 }

// Pending reports whether Transmit has something to send.
func (f *Flight) Pending() bool { return f.at < len(f.items) }

// Transmit writes the next datagram of the flight to dst, at most mtu bytes
// long with all headers and tags, and returns its length. It is 0 when the
// flight is sent, or, with the flight still Pending, when there is not room
// for a single byte of a message.
//
// Records share datagrams, and a message is cut where the datagram ends. In a
// flight that takes more than one, messages share records. The mtu may differ
// from call to call. Errors are those of record.Layer.Seal.
func (f *Flight) Transmit(l *record.Layer, dst []byte, mtu int) (n int, err error) {
	room := max(0, min(mtu, len(dst)))
	out := dst[:0:room]
	f.single = f.fits(l, room)
	for f.Pending() && !(f.apart() && len(out) > 0) {
		longer, err := f.appendRecord(l, out)
		if err != nil {
			return len(out), err
		}
		if len(longer) == len(out) {
			break
		}
		out = longer
	}
	return len(out), nil
}

// fits reports whether one datagram has room for the whole flight with a record
// for each message. Then each gets one: that costs 13 bytes a message, and
// tinydtls, which is in many small devices, reads the first message of a record
// alone. It knows no flight that is longer.
func (f *Flight) fits(l *record.Layer, room int) bool {
	for i := range f.items {
		room -= l.Overhead(f.items[i].epoch) + len(f.items[i].raw)
	}
	return room >= 0
}

// appendRecord appends one record to the datagram out, as full as the
// capacity of out allows. It appends nothing if there is no room.
func (f *Flight) appendRecord(l *record.Layer, out []byte) ([]byte, error) {
	it := &f.items[f.at]
	room := min(cap(out)-len(out)-l.Overhead(it.epoch), l.MaxPlaintext(it.epoch))
	if room <= 0 {
		return out, nil
	}
	// The payload is written where it will stand in the record.
	start := len(out) + l.Headroom(it.epoch)
	payload := out[start : start : start+room]
	if it.typ == wire.ContentChangeCipherSpec {
		payload = append(payload, it.raw...)
		f.at++
	} else {
		payload = f.appendFragments(payload, it.epoch)
	}
	if len(payload) == 0 {
		return out, nil
	}
	return l.Seal(out, it.epoch, it.typ, payload)
}

// appendFragments fills a record's payload with the next handshake message or,
// unless each is to have a record, to its capacity with those of one epoch: "multiple handshake messages may be placed in the
// same DTLS record, provided that there is room and that they are part of the
// same flight" (RFC 6347 §4.2.3).
func (f *Flight) appendFragments(payload []byte, epoch uint16) []byte {
	for f.Pending() {
		it := &f.items[f.at]
		if it.typ != wire.ContentHandshake || it.epoch != epoch {
			break
		}
		room := cap(payload) - len(payload) - wire.HandshakeHeaderLen
		left := len(it.raw) - wire.HandshakeHeaderLen - f.off
		if room < min(left, 1) {
			break
		}
		n := min(left, room)
		payload = f.appendFragment(payload, it.raw, n)
		if n < left {
			f.off += n
			break
		}
		f.at, f.off = f.at+1, 0
		if f.single {
			break
		}
	}
	return payload
}

// appendFragment appends the next n bytes of a message under a header of
// their own.
func (f *Flight) appendFragment(payload, raw []byte, n int) []byte {
	h, _ := wire.ParseHandshakeHeader(raw)
	h.FragmentOffset, h.FragmentLength = uint32(f.off), uint32(n)
	payload = h.Append(payload)
	from := wire.HandshakeHeaderLen + f.off
	return append(payload, raw[from:from+n]...)
}
