// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// Receive takes a datagram, which is then opened in place, record by record,
// as Next is called.
func (c *Conn) Receive(datagram []byte) { c.input = datagram }

// Next reports whether there is news and writes it to ev.
func (c *Conn) Next(now tick.Time, ev *hs.Event) bool {
	for {
		if c.tell(ev) {
			return true
		}
		if c.over != nil {
			c.dropInput()
			return false
		}
		if c.dispatch(now) {
			continue
		}
		var r record.Record
		if !c.nextRecord(&r) {
			return false
		}
		if payload, ok := c.receive(now, &r); ok {
			*ev = hs.Event{Kind: hs.EventData, Data: payload}
			return true
		}
	}
}

// tell writes the news that waits, if any, to ev.
func (c *Conn) tell(ev *hs.Event) bool {
	if r := c.suspicion; r != hs.ReasonNone {
		c.suspicion = hs.ReasonNone
		*ev = hs.Event{Kind: hs.EventSuspect, Reason: r}
		return true
	}
	kind := c.news
	c.news = hs.EventNone
	switch kind {
	case hs.EventNone:
		if c.over == nil || c.over.told {
			return false
		}
		c.over.told = true
		*ev = hs.Event{Kind: hs.EventClosed, Err: &c.over.err}
	case hs.EventWantPSK:
		*ev = hs.Event{Kind: kind, Identity: c.hs.psk.identity, Hint: c.hs.psk.hint, ServerName: c.facts.ServerName}
	case hs.EventNeedJob:
		*ev = hs.Event{Kind: kind, Job: c.hs.job}
	default:
		*ev = hs.Event{Kind: kind}
	}
	return true
}

// nextRecord cuts the next record to open: first those that had to wait for
// their keys, then those of the datagram.
func (c *Conn) nextRecord(r *record.Record) (ok bool) {
	if *r, ok = c.layer.NextHeld(); ok {
		return true
	}
	if len(c.input) == 0 {
		c.input = nil // which would hold the datagram in memory
		return false
	}
	if *r, c.input, ok = record.Cut(c.input); !ok {
		c.counters.Add(hs.DropMalformedRecord)
	}
	return ok
}

// dropInput counts what comes for a session that is over.
func (c *Conn) dropInput() {
	if len(c.input) > 0 {
		c.counters.Add(hs.DropClosed)
		c.input = nil
	}
}

// dropOf names the drops of the record layer in the session's terms.
var dropOf = [record.NumResults]hs.Drop{
	record.DropTruncated:    hs.DropMalformedRecord,
	record.DropVersion:      hs.DropRecordVersion,
	record.DropType:         hs.DropRecordType,
	record.DropEmpty:        hs.DropMalformedRecord,
	record.DropTooShort:     hs.DropMalformedRecord,
	record.DropTooLong:      hs.DropOversized,
	record.DropPlaintext:    hs.DropPlaintext,
	record.DropCipherChange: hs.DropChangeCipherSpec,
	record.DropEpoch:        hs.DropEpoch,
	record.DropReplay:       hs.DropReplay,
	record.DropForged:       hs.DropForged,
	record.DropForgeryLimit: hs.DropForged,
	record.DropHeldTwice:    hs.DropReplay,
	record.DropHeldFull:     hs.DropEarlyFull,
}

// receive opens one record. It reports true with the content of application
// data.
func (c *Conn) receive(now tick.Time, r *record.Record) (data []byte, ok bool) {
	payload, result := c.layer.Open(r)
	switch result {
	case record.Opened:
	case record.Held:
		return nil, false
	default:
		c.drop(result)
		return nil, false
	}
	switch r.Header.Type {
	case wire.ContentApplicationData:
		// Only after Finished, as the record layer holds it until then.
		c.receivedData()
		return payload, true
	case wire.ContentHandshake:
		c.receiveHandshake(now, r.Header.Epoch, payload)
	case wire.ContentChangeCipherSpec:
		c.receiveChangeCipherSpec(payload)
	case wire.ContentAlert:
		c.receiveAlert(r.Header.Epoch, payload)
	}
	return nil, false
}

// drop counts a record that could not be opened: "invalid records SHOULD be
// silently discarded" (RFC 6347 §4.1.2.7). Too many forgeries end the
// session, as silently.
func (c *Conn) drop(result record.Result) {
	c.counters.Add(dropOf[result])
	if result != record.DropForged && result != record.DropForgeryLimit {
		return
	}
	if c.hs != nil {
		c.suspect()
	}
	if c.layer.ReadExhausted() {
		c.end(hs.ReasonForgeryLimit)
	}
}

// suspect notes that a record under the new keys, which should have been
// Finished, did not authenticate. A server tells its operator what that means
// for a PSK, at the same moment for an unknown identity and for a wrong key,
// and only the first time: the record may be anybody's. Nothing else follows
// from it.
func (c *Conn) suspect() {
	h := c.hs
	if h.psk.forged {
		return
	}
	h.psk.forged = true
	switch {
	case h.state != serverFinished || !h.suite.KeyExchange.UsesPSK():
	case h.psk.unknown:
		c.suspicion = hs.ReasonUnknownIdentity
	default:
		c.suspicion = hs.ReasonBadPSK
	}
}

// receivedData is called for each authentic record of application data. Who
// sends data has our Finished: the last flight will not be asked for again.
// Data that came before that flight was sent proves nothing.
func (c *Conn) receivedData() {
	if c.last != nil && c.last.Sent() {
		c.last = nil
	}
}

// receiveHandshake sorts the fragments of a record.
func (c *Conn) receiveHandshake(now tick.Time, epoch uint16, payload []byte) {
	for len(payload) > 0 && c.over == nil {
		h, ok := wire.ParseHandshakeHeader(payload)
		if !ok {
			c.counters.Add(hs.DropFragment)
			return
		}
		fragment := payload[:wire.HandshakeHeaderLen+int(h.FragmentLength)]
		payload = payload[len(fragment):]
		if c.hs == nil {
			c.receiveLate(now, h)
		} else {
			c.receiveFragment(now, epoch, h, fragment)
		}
	}
}

// receiveFragment takes one fragment during the handshake.
func (c *Conn) receiveFragment(now tick.Time, epoch uint16, h wire.HandshakeHeader, fragment []byte) {
	switch {
	case h.Type == wire.HandshakeHelloRequest:
		// "This message will be ignored by the client if the client is
		// currently negotiating a session" (RFC 5246 §7.4.1.1), and must not
		// take the place of a message with its number.
		c.counters.Add(hs.DropHelloRequest)
		return
	case epoch > 0 && h.Type != wire.HandshakeFinished:
		// Only Finished comes under the new keys,
		c.counters.Add(hs.DropEpoch)
		return
	case epoch == 0 && h.Type == wire.HandshakeFinished:
		// and it comes under no other.
		c.counters.Add(hs.DropPlaintext)
		return
	case h.Type == wire.HandshakeHelloVerifyRequest:
		c.rewindForCookie(h, fragment)
	}
	result, _, _ := c.hs.in.Add(epoch, fragment)
	switch result {
	case flight.Stored, flight.Completed:
	case flight.Repeated:
		c.counters.Add(hs.DropStaleMessage)
		c.peerRepeats(now, h)
	case flight.Ahead:
		c.counters.Add(hs.DropFutureMessage)
	case flight.NoRoom, flight.Refused:
		c.hs.refused = true
		c.counters.Add(hs.DropReassemblyFull)
	default:
		c.counters.Add(hs.DropFragment)
	}
}

// peerRepeats sends our flight again when the peer repeats the one before it:
// "the implementation transitions to the SENDING state, where it retransmits
// the flight" (RFC 6347 §4.2.4). The timer keeps that rare.
func (c *Conn) peerRepeats(now tick.Time, m wire.HandshakeHeader) {
	h := c.hs
	if int16(m.MessageSeq-h.flightStart) < 0 && !h.parked() && h.timer.Prompt(now) {
		h.out.Rewind()
	}
}

// receiveLate takes one authentic fragment after the handshake.
func (c *Conn) receiveLate(now tick.Time, h wire.HandshakeHeader) {
	switch h.Type {
	case wire.HandshakeFinished:
		c.counters.Add(hs.DropStaleMessage)
		// The peer has not got our Finished: "the node that transmits the
		// last flight" sends it again (RFC 6347 §4.2.4).
		if c.last != nil {
			c.last.Prompt(now)
		}
	case wire.HandshakeHelloRequest, wire.HandshakeClientHello:
		// Renegotiation is refused (RFC 5246 §7.2.2, no_renegotiation): once,
		// as who asks a hundred times has been told.
		c.counters.Add(hs.DropRenegotiation)
		c.refuse = !c.refused
	default:
		c.counters.Add(hs.DropStaleMessage)
	}
}

// receiveChangeCipherSpec notes that the peer has changed its keys. The
// message has no sequence number, so it can come too early, too late and
// twice: it counts when the table allows it, and does what it does when
// Finished is due.
func (c *Conn) receiveChangeCipherSpec(payload []byte) {
	h := c.hs
	if h == nil || h.ccs || !states[h.state].ccs || len(payload) != 1 || payload[0] != 1 {
		c.counters.Add(hs.DropChangeCipherSpec)
		return
	}
	h.ccs = true
	c.changeReadKeys()
}

// receiveAlert judges an alert. A plaintext alert counts only while the peer
// may have no keys yet: a server's handshake_failure has no other form. After
// its ChangeCipherSpec, and in an established session, only protected alerts
// count. Anyone who can send from the peer's address can end a handshake so;
// who can do that can as well answer in the peer's place.
func (c *Conn) receiveAlert(epoch uint16, payload []byte) {
	level, a, err := wire.ParseAlert(payload)
	if err != nil || epoch == 0 && (c.hs == nil || c.hs.ccs) {
		c.counters.Add(hs.DropAlert)
		return
	}
	switch {
	case a == wire.AlertCloseNotify:
		c.endByPeer(c.reasonForAlert(a), a, epoch > 0)
	case level == wire.LevelFatal:
		c.endByPeer(c.reasonForAlert(a), a, false)
	default:
		c.counters.Add(hs.DropWarning)
	}
}

// reasonForAlert is what an alert means. To a PSK client, after its Finished,
// each of these says the one thing it can know.
func (c *Conn) reasonForAlert(a wire.Alert) hs.Reason {
	if h := c.hs; h != nil && h.state == clientFinished && h.suite.KeyExchange.UsesPSK() {
		switch a {
		case wire.AlertBadRecordMAC, wire.AlertDecryptError, wire.AlertUnknownPSKIdentity,
			wire.AlertHandshakeFailure, wire.AlertAccessDenied, wire.AlertCloseNotify:
			return hs.ReasonBadPSKOrUnknownIdentity
		}
	}
	if a == wire.AlertCloseNotify {
		return hs.ReasonPeerClosed
	}
	return hs.ReasonForAlert(a)
}
