// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"bytes"
	"io"
	"strings"

	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// The server's handshake (RFC 6347 §4.2.4, RFC 5246 §7.3). Flights 1 and 2
// are the gate's; a session begins with the cookie.
//
//	flight 3  ClientHello, cookie   ->                         onClientHello
//	            job: ephemeral key, sign                       serverSigned
//	flight 4                        <-  ServerHello
//	                                    Certificate*
//	                                    CertificateStatus*
//	                                    ServerKeyExchange*
//	                                    CertificateRequest*
//	                                    ServerHelloDone
//	flight 5  Certificate*          ->                         onClientCertificate
//	          ClientKeyExchange                                onClientKeyExchange
//	            job: agree; caller: PSK                        serverAgreed, serverKeyFound
//	          CertificateVerify*                               onCertificateVerify
//	            job: verify the client's signature             clientProved
//	            caller: verdict                                awaitClientFinished
//	          [ChangeCipherSpec]
//	          Finished                                         onClientFinished
//	flight 6                        <-  [ChangeCipherSpec]
//	                                    Finished

// serverScratch is what only a server's handshake holds.
type serverScratch struct {
	choice hs.Choice
	hello  wire.ServerHello
	ext    wire.ServerExtensions
}

// StartServer begins a session with a ClientHello whose cookie is good: its
// record header, and the payload of the record, which is copied.
func (c *Conn) StartServer(cfg *hs.Config, counters *hs.Counters, now tick.Time, header wire.RecordHeader, payload []byte) {
	m, _ := wire.ParseHandshakeHeader(payload)
	c.start(cfg, counters, now, m.MessageSeq)
	c.hs.sendSeq = m.MessageSeq
	// "The server MUST use the record sequence number in the ClientHello as
	// the record sequence number in its initial ServerHello" (RFC 6347 §4.2.1).
	c.layer.SetPlainSequence(header.Sequence)
	c.await(serverHello)
	c.receiveHandshake(now, 0, payload)
}

// RepeatsHello reports whether a ClientHello is the one that this handshake
// began with. It is asked until the client is known to have got the last
// flight: to take a late copy for a new association before would let the
// copies of the client's other messages fail in it, and its alert, being
// plaintext, would end the client's own handshake.
func (c *Conn) RepeatsHello(hello *wire.ClientHello) bool {
	switch {
	case c.hs != nil:
		return c.hs.creds != nil && bytes.Equal(hello.Random, c.hs.clientRandom[:])
	case c.last != nil:
		return bytes.Equal(hello.Random, c.exporter.clientRandom[:])
	}
	return false
}

// onClientHello chooses everything (RFC 5246 §7.4.1.2).
func (c *Conn) onClientHello(now tick.Time, m *flight.Message) hs.Reason {
	var hello wire.ClientHello
	offer := new(hs.Offer)
	if hello.Parse(m.Body()) != nil || offer.Parse(hello.Extensions) != nil {
		return hs.ReasonDecodeError
	}
	offer.Suites = hello.CipherSuites
	h := c.hs
	copy(h.clientRandom[:], hello.Random)
	if !hs.ChooseVersion(hello.Version) {
		return hs.ReasonVersionMismatch
	}
	if r := c.checkOffer(&hello, offer); r != hs.ReasonNone {
		return r
	}
	if h.creds = c.hs.cfg.CredentialsFor(c.facts.ServerName); h.creds == nil {
		if c.facts.ServerName != "" {
			return hs.ReasonUnknownServerName
		}
		return hs.ReasonNoCredential
	}
	choice, r := hs.ChooseServer(c.hs.cfg, h.creds, offer)
	if r != hs.ReasonNone {
		return r
	}
	h.server.choice = choice
	return c.answerHello(now, offer)
}

// checkOffer checks what every hello must have, whatever is chosen.
func (c *Conn) checkOffer(hello *wire.ClientHello, o *hs.Offer) hs.Reason {
	// "This vector MUST contain, and all implementations MUST support,
	// CompressionMethod.null" (RFC 5246 §7.4.1.2).
	if bytes.IndexByte(hello.Compression, 0) < 0 {
		return hs.ReasonIllegalParameter
	}
	// RFC 8422 §5.1.2: the list must contain the uncompressed format.
	if o.Present.Has(wire.ExtECPointFormats) && bytes.IndexByte(o.PointFormats, wire.PointUncompressed) < 0 {
		return hs.ReasonIllegalParameter
	}
	if len(o.RenegotiationInfo) != 0 {
		return hs.ReasonBadRenegotiationInfo // RFC 5746 §3.6
	}
	if c.facts.ExtendedMasterSecret = o.ExtendedMasterSecret; !o.ExtendedMasterSecret && c.hs.cfg.RequireEMS {
		return hs.ReasonNoExtendedMasterSecret // RFC 7627 §5.3
	}
	if !ValidName(o.ServerName) {
		return hs.ReasonIllegalParameter
	}
	c.facts.ServerName = strings.ToLower(string(o.ServerName))
	return c.readClientLimits(o)
}

// ValidName reports whether a server name can be one: it is "represented as
// a byte string using ASCII encoding without a trailing dot" (RFC 6066 §3).
func ValidName(name []byte) bool {
	for _, b := range name {
		if b <= ' ' || b >= 0x7f {
			return false
		}
	}
	return len(name) <= 255
}

// readClientLimits answers the client's record sizes. "A server that
// supports the record_size_limit extension MUST ignore a max_fragment_length
// that appears in a ClientHello if both extensions appear" (RFC 8449 §5).
func (c *Conn) readClientLimits(o *hs.Offer) hs.Reason {
	e := &c.hs.server.ext
	switch {
	case o.Present.Has(wire.ExtRecordSizeLimit):
		if o.RecordSizeLimit < minRecordSizeLimit {
			return hs.ReasonIllegalParameter
		}
		own := c.hs.cfg.RecordSizeLimit
		if own == 0 {
			own = wire.MaxPlaintextLen
		}
		e.Present |= wire.ExtRecordSizeLimit.Bit()
		e.RecordSizeLimit = uint16(own)
		c.layer.SetSendLimit(int(o.RecordSizeLimit), 0)
		c.layer.SetReceiveLimit(own)
	case o.Present.Has(wire.ExtMaxFragmentLength):
		n := wire.MaxFragmentLengthOf(o.MaxFragmentLength)
		if n == 0 {
			return hs.ReasonIllegalParameter // RFC 6066 §4
		}
		e.Present |= wire.ExtMaxFragmentLength.Bit()
		e.MaxFragmentLength = o.MaxFragmentLength
		c.layer.SetSendLimit(n, n)
		c.layer.SetReceiveLimit(n)
	}
	return hs.ReasonNone
}

// answerHello composes the ServerHello of the choice, and has the ephemeral
// key made and signed if there is one.
func (c *Conn) answerHello(now tick.Time, o *hs.Offer) hs.Reason {
	h := c.hs
	choice := &h.server.choice
	h.suite = choice.Suite
	h.transcript.Start(h.suite.Hash, choice.AskPeerKey)
	if _, err := io.ReadFull(c.hs.cfg.Rand, h.serverRandom[:]); err != nil {
		return hs.ReasonInternal
	}
	c.answerExtensions(o)
	h.server.hello = wire.ServerHello{
		Version: wire.VersionDTLS12, Random: h.serverRandom[:], CipherSuite: h.suite.ID,
		Extensions: h.server.ext.Append(make([]byte, 0, 64)),
	}
	f := c.facts
	f.Version, f.CipherSuite, f.Group = wire.VersionDTLS12, h.suite.ID, choice.Group
	if choice.Group == 0 {
		return c.sendServerFlight(now, nil)
	}
	share, err := hs.NewShare(c.hs.cfg.Rand, choice.Group)
	if err != nil {
		return hs.ReasonInternal
	}
	h.share = share
	h.job = &hs.Job{Share: share}
	if s := choice.Showing; s != nil {
		f.LocalCertType, f.LocalSignatureScheme, f.PeerCertType = s.Type, s.Scheme, choice.PeerCertType
		h.job.Signing = &hs.Signing{Signer: s.Signer, Scheme: s.Scheme, Rand: c.hs.cfg.Rand, Message: signedParams(h, nil), Params: true}
	}
	return c.enter(serverSignature, hs.EventNeedJob)
}

var pointFormats = [...]byte{wire.PointUncompressed}

// answerExtensions answers what the client asked for and the choice uses.
func (c *Conn) answerExtensions(o *hs.Offer) {
	e, choice := &c.hs.server.ext, &c.hs.server.choice
	add := func(t wire.ExtensionType, if_ bool) {
		if if_ {
			e.Present |= t.Bit()
		}
	}
	// RFC 6066 §3: an empty extension says that the name was used.
	add(wire.ExtServerName, c.facts.ServerName != "")
	add(wire.ExtExtendedMasterSecret, o.ExtendedMasterSecret)
	e.ExtendedMasterSecret = o.ExtendedMasterSecret
	// RFC 5746 §3.6: the extension, or the signalling suite.
	add(wire.ExtRenegotiationInfo, o.Present.Has(wire.ExtRenegotiationInfo) || o.Suites.Contains(wire.TLS_EMPTY_RENEGOTIATION_INFO_SCSV))
	add(wire.ExtECPointFormats, o.Present.Has(wire.ExtECPointFormats) && choice.Group != 0)
	e.PointFormats = pointFormats[:]
	if choice.Showing == nil {
		return
	}
	add(wire.ExtServerCertType, o.Present.Has(wire.ExtServerCertType))
	e.ServerCertType = choice.Showing.Type
	// RFC 6066 §8: the extension announces the message.
	add(wire.ExtStatusRequest, choice.Showing.OCSP != nil)
	// RFC 7250 §4.2: only with a CertificateRequest.
	add(wire.ExtClientCertType, o.Present.Has(wire.ExtClientCertType) && choice.AskPeerKey)
	e.ClientCertType = choice.PeerCertType
}

// serverSigned goes on when the ephemeral key is made and signed.
func (c *Conn) serverSigned(now tick.Time, job *hs.Job) hs.Reason {
	return c.sendServerFlight(now, job.Signature)
}

// sendServerFlight sends flight 4.
func (c *Conn) sendServerFlight(now tick.Time, signature []byte) hs.Reason {
	h := c.hs
	choice := &h.server.choice
	h.begin(4)
	h.say(0, wire.HandshakeServerHello, h.server.hello.Append)
	if choice.Showing != nil {
		c.sayCertificate(choice.Showing)
		c.sayCertificateStatus(choice.Showing.OCSP)
	}
	c.sayServerKeyExchange(signature)
	if choice.AskPeerKey {
		h.say(0, wire.HandshakeCertificateRequest, c.certificateRequest().Append)
	}
	h.say(0, wire.HandshakeServerHelloDone, func(b []byte) []byte { return b })
	h.sent(now)
	if choice.AskPeerKey {
		return c.await(serverCertificate)
	}
	return c.await(serverKeyExchange)
}

// sayCertificateStatus adds the OCSP response about the certificate, if there is
// one: "immediately after the "Certificate" message" (RFC 6066 §8).
func (c *Conn) sayCertificateStatus(ocsp []byte) {
	if ocsp != nil {
		c.hs.say(0, wire.HandshakeCertificateStatus, func(b []byte) []byte { return wire.AppendCertificateStatus(b, ocsp) })
	}
}

// sayServerKeyExchange adds the ServerKeyExchange. A plain PSK suite has one
// for the sake of a hint only: "In the case of PSK ... it SHOULD be omitted
// if there is no hint" (RFC 4279 §2).
func (c *Conn) sayServerKeyExchange(signature []byte) {
	h := c.hs
	f := form(h.suite)
	x := wire.ServerKeyExchange{Signature: signature}
	if f.PSK {
		x.Hint = h.creds.PSKHint
		if c.facts.PSKHint = x.Hint; x.Hint == nil && !f.ECDHE {
			return
		}
	}
	if f.ECDHE {
		x.Params = wire.AppendECParams(nil, h.share.Group(), h.share.Public())
	}
	if f.Signed {
		x.Scheme = h.server.choice.Showing.Scheme
	}
	h.say(0, wire.HandshakeServerKeyExchange, func(b []byte) []byte { return x.Append(b, f) })
}

// certificateRequest asks for a key (RFC 5246 §7.4.4). Its types follow from
// the schemes; Ed25519 goes by ecdsa_sign (RFC 8422 §5.5). Authorities are
// for certificates only.
func (c *Conn) certificateRequest() *wire.CertificateRequest {
	r := &wire.CertificateRequest{Schemes: wire.ListOf(c.hs.cfg.Schemes)}
	r.Types = hs.RequestTypes(c.hs.cfg.Schemes)
	if c.facts.PeerCertType == wire.CertX509 {
		for _, name := range c.hs.creds.Authorities {
			r.Authorities = wire.AppendAuthority(r.Authorities, name)
		}
	}
	return r
}

// onClientCertificate takes the client's key, or notes that it has none
// (RFC 5246 §7.4.6).
func (c *Conn) onClientCertificate(now tick.Time, m *flight.Message) hs.Reason {
	h := c.hs
	h.answered()
	peer, r := hs.ParsePeerKey(m.Body(), c.facts.PeerCertType)
	switch {
	case r != hs.ReasonNone:
		return r
	case peer == nil && h.creds.RequirePeerKey:
		return hs.ReasonNoPeerKey
	case peer != nil && !peer.Usable(c.hs.cfg, h.suite.KeyExchange, false):
		return hs.ReasonCertUnsupported
	}
	h.peer = peer
	return c.await(serverKeyExchange)
}

// onClientKeyExchange takes the client's ephemeral key and PSK identity
// (RFC 8422 §5.7, RFC 4279 §2).
func (c *Conn) onClientKeyExchange(now tick.Time, m *flight.Message) hs.Reason {
	h := c.hs
	h.answered()
	var x wire.ClientKeyExchange
	if x.Parse(m.Body(), form(h.suite)) != nil {
		return hs.ReasonDecodeError
	}
	if len(x.Identity) > c.hs.cfg.MaxPSKIdentity {
		return hs.ReasonLimit
	}
	h.psk.identity = x.Identity
	if !h.suite.KeyExchange.UsesECDHE() {
		return c.enter(serverPSK, hs.EventWantPSK)
	}
	h.job = &hs.Job{Share: h.share, PeerPoint: x.Point}
	return c.enter(serverAgreement, hs.EventNeedJob)
}

// serverAgreed goes on when the ephemeral secret is there.
func (c *Conn) serverAgreed(now tick.Time, job *hs.Job) hs.Reason {
	h := c.hs
	if h.suite.KeyExchange.UsesPSK() {
		h.shared, job.Secret = job.Secret, nil
		return c.enter(serverPSK, hs.EventWantPSK)
	}
	c.derive(job.Secret, false)
	return c.clientKeysDerived(now)
}

// serverKeyFound goes on with the key of an identity. An unknown identity
// gets a random key and then looks like a wrong one: "it is RECOMMENDED that
// the server not reveal whether the PSK identity was not known" is the use of
// decrypt_error in RFC 4279 §2; here neither is answered at all.
func (c *Conn) serverKeyFound(now tick.Time, _, key []byte) hs.Reason {
	h := c.hs
	// Drawn for known identities too, which keeps the time the same.
	if _, err := io.ReadFull(c.hs.cfg.Rand, h.psk.random[:]); err != nil {
		return hs.ReasonInternal
	}
	if h.psk.unknown = len(key) == 0; h.psk.unknown {
		key = h.psk.random[:]
	}
	premaster, ok := pskPremaster(h.suite, h.shared, key)
	if !ok {
		return hs.ReasonInternal
	}
	c.facts.PSKIdentity = append([]byte{}, h.psk.identity...)
	h.psk.identity = nil
	c.derive(premaster, false)
	return c.clientKeysDerived(now)
}

// clientKeysDerived waits for what the client's flight still has to bring.
func (c *Conn) clientKeysDerived(now tick.Time) hs.Reason {
	if c.hs.peer == nil {
		return c.awaitClientFinished(now)
	}
	return c.await(serverVerify)
}

// onCertificateVerify has the client's signature over all messages so far
// verified (RFC 5246 §7.4.8): a client that showed a key has to own it.
func (c *Conn) onCertificateVerify(now tick.Time, m *flight.Message) hs.Reason {
	h := c.hs
	var v wire.CertificateVerify
	if v.Parse(m.Body()) != nil {
		return hs.ReasonDecodeError
	}
	// Only a scheme that was offered, and only one for the key shown.
	if !c.hs.cfg.HasScheme(v.Scheme) || !hs.SchemeFits(v.Scheme, h.peer.Public) {
		return hs.ReasonIllegalParameter
	}
	c.facts.SignatureScheme = v.Scheme
	h.job = &hs.Job{Verification: &hs.Verification{
		Key: h.peer.Public, Scheme: v.Scheme, Message: h.transcript.Raw(), Signature: v.Signature,
	}}
	h.transcript.Add(m.Raw)
	return c.enter(serverProof, hs.EventNeedJob)
}

// clientProved asks the caller to judge a key that the client has proved to
// own.
func (c *Conn) clientProved(now tick.Time, job *hs.Job) hs.Reason {
	c.facts.PeerRawKey, c.facts.PeerChain = c.hs.peer.SPKI, c.hs.peer.Chain
	return c.enter(serverVerdict, hs.EventWantVerdict)
}

// awaitClientFinished waits for the last message, whose keys are now good.
func (c *Conn) awaitClientFinished(now tick.Time) hs.Reason {
	c.hs.transcript.DropRaw(false)
	r := c.await(serverFinished)
	c.changeReadKeys()
	return r
}

// onClientFinished verifies the client's Finished and ends the handshake with
// our own (RFC 5246 §7.4.9).
func (c *Conn) onClientFinished(now tick.Time, m *flight.Message) hs.Reason {
	h := c.hs
	if !finishedMatches(m.Body(), h.schedule.ClientVerifyData(h.transcript.Sum())) {
		return hs.ReasonBadFinished
	}
	h.transcript.Add(m.Raw)
	h.begin(6)
	if r := c.changeWriteKeys(); r != hs.ReasonNone {
		return r
	}
	c.keepLast(now, h.schedule.ServerVerifyData(h.transcript.Sum()))
	c.complete()
	return hs.ReasonNone
}
