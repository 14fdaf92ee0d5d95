// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"net/netip"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// Gate stands before a server's sessions (RFC 6347 §4.2.1). It holds two
// cookie keys and nothing about anybody: whoever has not shown that it can
// receive at its address costs one HMAC, and no memory. It is not for
// concurrent use.
type Gate struct {
	cfg      *hs.Config
	counters Counters
	cookies  cookies
	guard    Guard // may be nil
}

// A Guard bounds what strangers may cost each second. It counts itself what it
// refuses.
type Guard interface {
	// Answer is asked before an answer is computed, so that one more
	// ClientHello than it allows costs no cryptography.
	Answer(now tick.Time) bool
	// Begin is asked when a cookie has held, before a Session is made.
	Begin(now tick.Time, remote netip.Addr) bool
}

// Guard sets the guard, none if it is nil.
func (g *Gate) Guard(guard Guard) { g.guard = guard }

// Screening is what a Gate makes of a datagram: a new Session, or an answer
// of Reply bytes to send, or nothing. Drop says why there is no session; it is
// DropNone if the Guard did not want one.
type Screening struct {
	Drop    Drop
	Reply   int
	Session *Session
}

// NewGate makes the gate of a server.
//
// Errors: a Config that cannot work; what Config.Rand says.
func NewGate(cfg *Config, now tick.Time) (*Gate, error) {
	resolved, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	g := &Gate{cfg: resolved}
	if err := g.cookies.start(resolved.Rand, now); err != nil {
		return nil, err
	}
	return g, nil
}

// SetConfig changes the configuration of sessions to come. Cookies stay good.
// Those that have begun keep what they began with. After an error, which is
// NewGate's, nothing has changed.
func (g *Gate) SetConfig(cfg *Config) error {
	resolved, err := cfg.resolve()
	if err == nil {
		g.cfg = resolved
	}
	return err
}

// Counters holds what the gate and its sessions dropped.
func (g *Gate) Counters() *Counters { return &g.counters }

// Screen judges a datagram from an address that has no session, or that
// IsClientHello. An answer is written to reply, which should hold 128 bytes,
// and is never larger than the datagram. A Session has taken the ClientHello,
// and copied it; call its Next and Transmit.
func (g *Gate) Screen(now tick.Time, remote netip.AddrPort, datagram, reply []byte) Screening {
	h, drop := parseHello(datagram)
	switch {
	case drop != hs.DropNone:
		return g.refuse(drop, 0)
	case !hs.ChooseVersion(h.hello.Version):
		if !g.mayAnswer(now) {
			return g.refuse(hs.DropVersion, 0)
		}
		answer := h.appendVersionAlert(reply[:0])
		return g.refuse(hs.DropVersion, g.fit(answer, reply, datagram))
	case !g.cookies.verify(g.cfg.Rand, now, remote, &h.hello):
		return g.ask(now, remote, &h, datagram, reply)
	case g.guard != nil && !g.guard.Begin(now, remote.Addr()):
		return Screening{}
	}
	s := new(Session)
	s.conn.StartServer(g.cfg, &g.counters, now, h.record, h.payload)
	return Screening{Session: s}
}

// ask answers a ClientHello with a cookie. "If a server receives a ClientHello
// with an invalid cookie, it SHOULD treat it the same as a ClientHello with no
// cookie" (RFC 6347 §4.2.1).
func (g *Gate) ask(now tick.Time, remote netip.AddrPort, h *plainHello, datagram, reply []byte) Screening {
	drop := hs.DropNoCookie
	if len(h.hello.Cookie) > 0 {
		drop = hs.DropBadCookie
	}
	if !g.mayAnswer(now) {
		return g.refuse(drop, 0)
	}
	cookie := g.cookies.make(remote, &h.hello)
	answer := h.appendVerifyRequest(reply[:0], cookie[:])
	return g.refuse(drop, g.fit(answer, reply, datagram))
}

func (g *Gate) mayAnswer(now tick.Time) bool { return g.guard == nil || g.guard.Answer(now) }

// refuse counts a datagram that makes no session.
func (g *Gate) refuse(drop Drop, reply int) Screening {
	g.counters.Add(drop)
	return Screening{Drop: drop, Reply: reply}
}

// fit is the length of an answer, or 0 if it must not be sent: it would be
// larger than the question, or did not fit the buffer.
func (g *Gate) fit(answer, reply, question []byte) int {
	if len(answer) > len(question) || len(answer) > len(reply) {
		g.counters.Add(hs.DropAnswerTooLarge)
		return 0
	}
	return len(answer)
}

// IsClientHello reports whether a datagram begins with a ClientHello in
// plaintext, with which a peer asks for a new session.
func IsClientHello(datagram []byte) bool {
	_, drop := parseHello(datagram)
	return drop == hs.DropNone
}

// IsProtected reports whether a datagram has a record that an established
// session could open: one that is not in plaintext.
func IsProtected(datagram []byte) bool {
	for {
		h, ok := wire.ParseRecordHeader(datagram)
		if !ok {
			return false
		}
		if h.Epoch > 0 {
			return h.Type >= wire.ContentAlert && h.Type <= wire.ContentApplicationData && h.Version.IsDTLS()
		}
		datagram = datagram[wire.RecordHeaderLen+h.Length:]
	}
}

// plainHello is a ClientHello as it lies in a datagram.
type plainHello struct {
	record  wire.RecordHeader
	message wire.HandshakeHeader
	hello   wire.ClientHello
	payload []byte // of the record, with the handshake header
}

// parseHello reads the ClientHello at the front of a datagram. It must be
// alone in its record and in one piece: joining fragments takes memory, which
// nobody has earned yet.
func parseHello(datagram []byte) (h plainHello, drop Drop) {
	var ok bool
	if h.record, ok = wire.ParseRecordHeader(datagram); !ok ||
		h.record.Type != wire.ContentHandshake || h.record.Epoch != 0 || !h.record.Version.IsDTLS() {
		return h, hs.DropNotHello
	}
	h.payload = datagram[wire.RecordHeaderLen : wire.RecordHeaderLen+h.record.Length]
	if len(h.payload) == 0 || wire.HandshakeType(h.payload[0]) != wire.HandshakeClientHello {
		return h, hs.DropNotHello
	}
	if h.message, ok = wire.ParseHandshakeHeader(h.payload); !ok {
		return h, hs.DropMalformedHello
	}
	if !h.message.Whole() {
		return h, hs.DropFragmentedHello
	}
	body := h.payload[wire.HandshakeHeaderLen:]
	if len(body) != int(h.message.Length) || h.hello.Parse(body) != nil || !h.hello.Version.IsDTLS() {
		return h, hs.DropMalformedHello
	}
	return h, hs.DropNone
}

// appendVersionAlert appends the answer to a client that speaks nothing later
// than DTLS 1.0, which is not spoken here (RFC 8996).
func (h *plainHello) appendVersionAlert(dst []byte) []byte {
	header := wire.RecordHeader{
		Type: wire.ContentAlert, Version: h.record.Version, Sequence: h.record.Sequence, Length: wire.AlertLen,
	}
	return wire.AppendAlert(header.Append(dst), wire.LevelFatal, wire.AlertProtocolVersion)
}

// appendVerifyRequest appends a HelloVerifyRequest. It has the record
// sequence number of the hello ("the server MUST use the record sequence
// number in the ClientHello as the record sequence number in the
// HelloVerifyRequest", RFC 6347 §4.2.1) and, as the server knows of no
// earlier one, its message_seq too.
func (h *plainHello) appendVerifyRequest(dst, cookie []byte) []byte {
	// "DTLS 1.2 server implementations SHOULD use DTLS version 1.0
	// regardless of the version of TLS that is expected to be negotiated."
	request := wire.HelloVerifyRequest{Version: wire.VersionDTLS10, Cookie: cookie}
	n := 2 + 1 + len(cookie)
	header := wire.RecordHeader{
		Type: wire.ContentHandshake, Version: h.record.Version, Sequence: h.record.Sequence,
		Length: wire.HandshakeHeaderLen + n,
	}
	message := wire.HandshakeHeader{
		Type: wire.HandshakeHelloVerifyRequest, Length: uint32(n),
		MessageSeq: h.message.MessageSeq, FragmentLength: uint32(n),
	}
	return request.Append(message.Append(header.Append(dst)))
}
