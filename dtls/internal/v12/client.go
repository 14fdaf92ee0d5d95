// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"bytes"
	"errors"
	"io"

	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// The client's handshake (RFC 6347 §4.2.4, RFC 5246 §7.3):
//
//	flight 1  ClientHello           ->
//	flight 2                        <-  HelloVerifyRequest     onHelloVerifyRequest
//	flight 3  ClientHello, cookie   ->
//	flight 4                        <-  ServerHello            onServerHello
//	                                    Certificate*           onServerCertificate
//	                                    CertificateStatus*     onCertificateStatus
//	                                    ServerKeyExchange*     onServerKeyExchange
//	                                    CertificateRequest*    onCertificateRequest
//	                                    ServerHelloDone        onServerHelloDone
//	            job: verify the server's signature, agree      serverProved
//	            caller: verdict, or PSK                        sendClientKeys, clientKeyFound
//	flight 5  Certificate*
//	          ClientKeyExchange
//	            job: sign                                      clientSigned
//	          CertificateVerify*
//	          [ChangeCipherSpec]
//	          Finished              ->
//	flight 6                        <-  [ChangeCipherSpec]
//	                                    Finished               onServerFinished

// clientScratch is what only a client's handshake holds.
type clientScratch struct {
	hello    wire.ClientHello
	offered  wire.ClientExtensions
	requests int    // HelloVerifyRequests answered
	lastSeq  uint16 // message_seq of the last one

	exchange wire.ServerKeyExchange
	request  *wire.CertificateRequest // nil: the server did not ask
	showing  *hs.Showing              // what we answer it with
	ocsp     bool                     // the server may show an OCSP response
}

// maxCookies is how many HelloVerifyRequests a client answers. One is the
// rule, a second comes when the server's key has just changed.
const maxCookies = 5

// ErrNoCredentials says that a client has nothing to make a handshake with.
var ErrNoCredentials = errors.New("dtls: no credentials for any cipher suite")

// StartClient starts a handshake. serverName is a DNS name in lower case, or
// empty.
func (c *Conn) StartClient(cfg *hs.Config, counters *hs.Counters, now tick.Time, serverName string) error {
	c.start(cfg, counters, now, 0)
	h := c.hs
	c.facts.ServerName = serverName
	if h.creds = cfg.CredentialsFor(serverName); h.creds == nil {
		return ErrNoCredentials
	}
	suites := hs.OfferSuites(cfg, h.creds)
	if len(suites) == 0 {
		return ErrNoCredentials
	}
	if _, err := io.ReadFull(cfg.Rand, h.clientRandom[:]); err != nil {
		return err
	}
	c.offer(suites)
	c.await(clientHello)
	c.sendClientHello(now, 1)
	return nil
}

// offer composes the ClientHello (RFC 5246 §7.4.1.2).
func (c *Conn) offer(suites []wire.CipherSuite) {
	h := c.hs
	// RFC 5746 §3.4: an empty renegotiation_info extension, or this.
	suites = append(suites, wire.TLS_EMPTY_RENEGOTIATION_INFO_SCSV)
	h.client.offered = clientExtensions(c.hs.cfg, h.creds, c.facts.ServerName, suites)
	h.client.hello = wire.ClientHello{
		Version: wire.VersionDTLS12, Random: h.clientRandom[:],
		CipherSuites: wire.ListOf(suites), Compression: []byte{0},
		Extensions: h.client.offered.Append(nil),
	}
}

// clientExtensions is what a client asks for. An extension that would say
// what its absence says stays out.
func clientExtensions(cfg *hs.Config, creds *hs.Credentials, serverName string, suites []wire.CipherSuite) (e wire.ClientExtensions) {
	add := func(t wire.ExtensionType) { e.Present |= t.Bit() }
	add(wire.ExtExtendedMasterSecret)
	e.ExtendedMasterSecret = true
	if serverName != "" {
		add(wire.ExtServerName)
		e.ServerName = []byte(serverName)
	}
	if cfg.MaxFragmentLength != 0 {
		add(wire.ExtMaxFragmentLength)
		e.MaxFragmentLength = wire.MaxFragmentLengthCode(cfg.MaxFragmentLength)
	}
	if cfg.RecordSizeLimit != 0 {
		add(wire.ExtRecordSizeLimit)
		e.RecordSizeLimit = uint16(cfg.RecordSizeLimit)
	}
	curves, certificates := needs(suites)
	if curves {
		add(wire.ExtSupportedGroups)
		add(wire.ExtECPointFormats)
		e.Groups = wire.ListOf(cfg.Groups)
		e.PointFormats = []byte{wire.PointUncompressed}
	}
	if certificates {
		add(wire.ExtSignatureAlgorithms)
		e.Schemes = wire.ListOf(cfg.Schemes)
		addCertTypes(&e, creds)
		if creds.AcceptCertificates && creds.AskOCSP {
			add(wire.ExtStatusRequest)
		}
	}
	return e
}

// addCertTypes offers certificate types other than X.509 alone (RFC 7250 §4.1).
func addCertTypes(e *wire.ClientExtensions, creds *hs.Credentials) {
	onlyX509 := []byte{byte(wire.CertX509)}
	if types := creds.ShownTypes(); len(types) > 0 && !bytes.Equal(types, onlyX509) {
		e.Present |= wire.ExtClientCertType.Bit()
		e.ClientCertTypes = types
	}
	if types := creds.AcceptedTypes(); !bytes.Equal(types, onlyX509) {
		e.Present |= wire.ExtServerCertType.Bit()
		e.ServerCertTypes = types
	}
}

// needs says what the suites of an offer need beside themselves.
func needs(suites []wire.CipherSuite) (curves, certificates bool) {
	for _, id := range suites {
		if s := suite.ByID(id); s != nil {
			curves = curves || s.KeyExchange.UsesECDHE()
			certificates = certificates || !s.KeyExchange.UsesPSK()
		}
	}
	return curves, certificates
}

// sendClientHello sends flight 1 or 3.
func (c *Conn) sendClientHello(now tick.Time, number int) {
	h := c.hs
	h.begin(number)
	h.say(0, wire.HandshakeClientHello, h.client.hello.Append)
	h.sent(now)
}

// rewindForCookie makes way for a HelloVerifyRequest with a new cookie that
// has the number of the one before it: a server without state may give every
// one the number 0.
func (c *Conn) rewindForCookie(m wire.HandshakeHeader, fragment []byte) {
	h := c.hs
	if h.state != clientHello || h.client.requests == 0 || !m.Whole() || m.MessageSeq != h.client.lastSeq {
		return
	}
	var request wire.HelloVerifyRequest
	if request.Parse(fragment[wire.HandshakeHeaderLen:]) == nil && !bytes.Equal(request.Cookie, h.client.hello.Cookie) {
		h.expect(m.MessageSeq)
	}
}

// onHelloVerifyRequest answers with the same hello and the cookie. "Clients
// SHOULD handle this by sending a new ClientHello with a cookie in response
// to the new HelloVerifyRequest" (RFC 6347 §4.2.1).
func (c *Conn) onHelloVerifyRequest(now tick.Time, m *flight.Message) hs.Reason {
	var request wire.HelloVerifyRequest
	// The version says nothing (RFC 6347 §4.2.1), but it is a version.
	if request.Parse(m.Body()) != nil || !request.Version.IsDTLS() {
		return hs.ReasonDecodeError
	}
	h := c.hs
	if h.client.requests == maxCookies {
		c.counters.Add(hs.DropStaleMessage)
		return hs.ReasonNone
	}
	h.client.requests++
	h.client.lastSeq = m.Seq
	h.client.hello.Cookie = append([]byte(nil), request.Cookie...)
	h.transcript.Reset()
	c.sendClientHello(now, 3)
	return hs.ReasonNone
}

// onServerHello checks the server's choices against the offer (RFC 5246
// §7.4.1.3, §7.4.1.4).
func (c *Conn) onServerHello(now tick.Time, m *flight.Message) hs.Reason {
	var hello wire.ServerHello
	if hello.Parse(m.Body()) != nil {
		return hs.ReasonDecodeError
	}
	h := c.hs
	s := c.hs.cfg.Suite(hello.CipherSuite)
	offered := s != nil && h.client.hello.CipherSuites.Contains(s.ID)
	switch {
	case hello.Version != wire.VersionDTLS12 && !offered:
		return hs.ReasonVersionMismatch
	// A suite of ours needs DTLS 1.2: "Clients MUST check the TLS version and
	// generate a fatal "illegal_parameter" alert if they detect an incorrect
	// version" (RFC 6655 §5, RFC 7251 §3).
	case hello.Version != wire.VersionDTLS12, !offered, hello.Compression != 0:
		return hs.ReasonIllegalParameter
	}
	if bytes.Equal(hello.Random, h.clientRandom[:]) {
		return hs.ReasonReflection
	}
	copy(h.serverRandom[:], hello.Random)
	h.suite = s
	c.facts.Version, c.facts.CipherSuite = hello.Version, s.ID
	if r := c.readServerExtensions(&hello); r != hs.ReasonNone {
		return r
	}
	h.transcript.Start(s.Hash, !s.KeyExchange.UsesPSK())
	switch s.KeyExchange {
	case suite.PSK:
		return c.await(clientHintOrDone)
	case suite.ECDHEPSK:
		return c.await(clientKeyExchange)
	}
	return c.await(clientCertificate)
}

// readServerExtensions takes the server's answers to what was asked for.
func (c *Conn) readServerExtensions(hello *wire.ServerHello) hs.Reason {
	var e wire.ServerExtensions
	switch err := e.Parse(hello.Extensions); {
	case errors.Is(err, wire.ErrUnsupportedExtension):
		return hs.ReasonUnsupportedExtension
	case err != nil:
		return hs.ReasonDecodeError
	}
	offered := &c.hs.client.offered
	// "An extension type MUST NOT appear in the ServerHello unless the same
	// extension type appeared in the corresponding ClientHello" (RFC 5246
	// §7.4.1.4). The signalling suite stands for renegotiation_info.
	if e.Present&^(offered.Present|wire.ExtRenegotiationInfo.Bit()) != 0 {
		return hs.ReasonUnsupportedExtension
	}
	if len(e.RenegotiationInfo) != 0 {
		return hs.ReasonBadRenegotiationInfo // RFC 5746 §3.4
	}
	if e.Present.Has(wire.ExtECPointFormats) && bytes.IndexByte(e.PointFormats, wire.PointUncompressed) < 0 {
		return hs.ReasonIllegalParameter // RFC 8422 §5.2
	}
	if c.facts.ExtendedMasterSecret = e.ExtendedMasterSecret; !e.ExtendedMasterSecret && c.hs.cfg.RequireEMS {
		return hs.ReasonNoExtendedMasterSecret // RFC 7627 §5.3
	}
	if r := c.readCertTypes(&e); r != hs.ReasonNone {
		return r
	}
	return c.readServerLimits(&e)
}

// readCertTypes takes the negotiated certificate types: one of those offered
// for each side, X.509 where there is no extension (RFC 7250 §4.2).
func (c *Conn) readCertTypes(e *wire.ServerExtensions) hs.Reason {
	offered := &c.hs.client.offered
	if e.Present.Has(wire.ExtServerCertType) && bytes.IndexByte(offered.ServerCertTypes, byte(e.ServerCertType)) < 0 ||
		e.Present.Has(wire.ExtClientCertType) && bytes.IndexByte(offered.ClientCertTypes, byte(e.ClientCertType)) < 0 {
		return hs.ReasonIllegalParameter
	}
	c.facts.PeerCertType, c.facts.LocalCertType = e.ServerCertType, e.ClientCertType
	// A response is about a certificate, and a raw public key has none.
	c.hs.client.ocsp = e.Present.Has(wire.ExtStatusRequest) && e.ServerCertType == wire.CertX509
	if c.hs.suite.KeyExchange.UsesPSK() || c.hs.creds.AcceptCertificates || c.facts.PeerCertType != wire.CertX509 {
		return hs.ReasonNone
	}
	return hs.ReasonNoCommonCertType
}

// readServerLimits takes the record sizes that the server agreed to.
func (c *Conn) readServerLimits(e *wire.ServerExtensions) hs.Reason {
	fragment := e.Present.Has(wire.ExtMaxFragmentLength)
	limit := e.Present.Has(wire.ExtRecordSizeLimit)
	switch {
	case fragment && limit:
		return hs.ReasonIllegalParameter // RFC 8449 §5
	case fragment:
		// "If a client receives a maximum fragment length negotiation
		// response that differs from the length it requested, it MUST also
		// abort the handshake" (RFC 6066 §4).
		if e.MaxFragmentLength != c.hs.client.offered.MaxFragmentLength {
			return hs.ReasonIllegalParameter
		}
		n := wire.MaxFragmentLengthOf(e.MaxFragmentLength)
		c.layer.SetSendLimit(n, n)
		c.layer.SetReceiveLimit(n)
	case limit:
		if e.RecordSizeLimit < minRecordSizeLimit {
			return hs.ReasonIllegalParameter
		}
		c.layer.SetSendLimit(int(e.RecordSizeLimit), 0)
		c.layer.SetReceiveLimit(c.hs.cfg.RecordSizeLimit)
	}
	return hs.ReasonNone
}

// minRecordSizeLimit is the smallest value of record_size_limit (RFC 8449 §4).
const minRecordSizeLimit = 64

// onServerCertificate takes the server's key (RFC 5246 §7.4.2, RFC 7250 §3).
func (c *Conn) onServerCertificate(now tick.Time, m *flight.Message) hs.Reason {
	peer, r := hs.ParsePeerKey(m.Body(), c.facts.PeerCertType)
	switch {
	case r != hs.ReasonNone:
		return r
	case peer == nil:
		return hs.ReasonNoPeerKey
	case !peer.Usable(c.hs.cfg, c.hs.suite.KeyExchange, true):
		return hs.ReasonCertUnsupported
	}
	c.hs.peer = peer
	if c.hs.client.ocsp {
		return c.await(clientStatus)
	}
	return c.await(clientKeyExchange)
}

// onCertificateStatus takes the OCSP response about the server's certificate,
// for whoever gives the verdict. The server may leave it out (RFC 6066 §8).
func (c *Conn) onCertificateStatus(now tick.Time, m *flight.Message) hs.Reason {
	response, err := wire.ParseCertificateStatus(m.Body())
	if err != nil {
		return hs.ReasonDecodeError
	}
	c.facts.OCSP = append([]byte(nil), response...)
	return c.await(clientKeyExchange)
}

// onServerKeyExchange takes the server's ephemeral key, signed, and a PSK
// identity hint (RFC 8422 §5.4, RFC 4279 §2, RFC 5489 §2). The signature is
// verified with the rest of the public-key work, before anything is sent.
func (c *Conn) onServerKeyExchange(now tick.Time, m *flight.Message) hs.Reason {
	h := c.hs
	x, f := &h.client.exchange, form(h.suite)
	if x.Parse(m.Body(), f) != nil {
		return hs.ReasonDecodeError
	}
	if f.ECDHE {
		if !h.client.offered.Groups.Contains(x.Group) {
			return hs.ReasonIllegalParameter
		}
		c.facts.Group = x.Group
	}
	if f.Signed {
		// Only a scheme that was offered, and only one for the key shown.
		if !h.client.offered.Schemes.Contains(x.Scheme) || !hs.SchemeFits(x.Scheme, h.peer.Public) {
			return hs.ReasonIllegalParameter
		}
		c.facts.SignatureScheme = x.Scheme
		return c.await(clientRequestOrDone)
	}
	h.psk.hint = x.Hint
	c.facts.PSKHint = append([]byte{}, x.Hint...)
	return c.await(clientDone)
}

// onCertificateRequest notes that the server asks for our key (RFC 5246
// §7.4.4). The table lets it come in handshakes with certificates only.
func (c *Conn) onCertificateRequest(now tick.Time, m *flight.Message) hs.Reason {
	request := new(wire.CertificateRequest)
	if request.Parse(m.Body()) != nil {
		return hs.ReasonDecodeError
	}
	c.hs.client.request = request
	return c.await(clientDone)
}

// onServerHelloDone ends the server's flight.
func (c *Conn) onServerHelloDone(now tick.Time, m *flight.Message) hs.Reason {
	h := c.hs
	if !h.suite.KeyExchange.UsesECDHE() {
		return c.enter(clientPSK, hs.EventWantPSK)
	}
	x := &h.client.exchange
	share, err := hs.NewShare(c.hs.cfg.Rand, x.Group)
	if err != nil {
		return hs.ReasonInternal
	}
	h.share = share
	h.job = &hs.Job{Share: share, PeerPoint: x.Point}
	if h.peer != nil {
		h.job.Verification = &hs.Verification{
			Key: h.peer.Public, Scheme: x.Scheme, Message: signedParams(h, x.Params), Signature: x.Signature,
		}
	}
	return c.enter(clientProof, hs.EventNeedJob)
}

// signedParams is what the signature of a ServerKeyExchange covers: both
// randoms and the curve part (RFC 8422 §5.4).
func signedParams(h *handshake, params []byte) []byte {
	message := append([]byte(nil), h.clientRandom[:]...)
	message = append(message, h.serverRandom[:]...)
	return append(message, params...)
}

// serverProved goes on when the ephemeral secret is there and the server's
// signature, if the suite has one, is good.
func (c *Conn) serverProved(now tick.Time, job *hs.Job) hs.Reason {
	h := c.hs
	h.shared, job.Secret = job.Secret, nil
	if h.peer == nil {
		return c.enter(clientPSK, hs.EventWantPSK)
	}
	c.facts.PeerRawKey, c.facts.PeerChain = h.peer.SPKI, h.peer.Chain
	return c.enter(clientVerdict, hs.EventWantVerdict)
}

// clientKeyFound sends flight 5 of a PSK handshake (RFC 4279 §2).
func (c *Conn) clientKeyFound(now tick.Time, identity, key []byte) hs.Reason {
	h := c.hs
	if len(key) == 0 {
		return hs.ReasonNoCredential
	}
	premaster, ok := pskPremaster(h.suite, h.shared, key)
	if !ok || len(identity) > maxIdentity {
		return hs.ReasonNoCredential
	}
	c.facts.PSKIdentity = append([]byte{}, identity...)
	h.begin(5)
	c.sayClientKeyExchange(wire.ClientKeyExchange{Identity: identity})
	c.derive(premaster, true)
	return c.sendClientFinished(now)
}

// maxIdentity is what fits a ClientKeyExchange (RFC 4279 §5.3).
const maxIdentity = 1<<16 - 1

// sendClientKeys begins flight 5 of a handshake with certificates, once the
// server is trusted. If a signature is to be made, a job makes it before the
// flight goes out.
func (c *Conn) sendClientKeys(now tick.Time) hs.Reason {
	h := c.hs
	h.begin(5)
	if h.client.request != nil {
		c.sayClientCertificate()
	}
	c.sayClientKeyExchange(wire.ClientKeyExchange{})
	c.derive(h.shared, true)
	showing := h.client.showing
	if showing == nil {
		return c.sendClientFinished(now)
	}
	h.job = &hs.Job{Signing: &hs.Signing{
		Signer: showing.Signer, Scheme: showing.Scheme, Rand: c.hs.cfg.Rand, Message: h.transcript.Raw(),
	}}
	return c.enter(clientSignature, hs.EventNeedJob)
}

// sayClientCertificate answers a CertificateRequest with a key of the
// negotiated type, or with an empty Certificate: "If no suitable certificate
// is available, the client MUST send a certificate message containing no
// certificates" (RFC 5246 §7.4.6).
func (c *Conn) sayClientCertificate() {
	h := c.hs
	t := c.facts.LocalCertType
	h.client.showing = hs.ChooseClientShowing(c.hs.cfg, h.creds, t, h.client.request)
	c.sayCertificate(h.client.showing)
}

// sayCertificate adds a Certificate message with a key, or with none.
func (c *Conn) sayCertificate(s *hs.Showing) {
	c.hs.say(0, wire.HandshakeCertificate, func(b []byte) []byte {
		switch {
		case s == nil && c.facts.LocalCertType == wire.CertRawPublicKey:
			return wire.AppendRawPublicKey(b, nil)
		case s == nil:
			return wire.AppendCertificates(b, nil)
		case s.Type == wire.CertRawPublicKey:
			return wire.AppendRawPublicKey(b, s.RawKey)
		}
		return wire.AppendCertificates(b, s.Chain)
	})
}

// sayClientKeyExchange adds the ClientKeyExchange (RFC 8422 §5.7, RFC 4279 §2).
func (c *Conn) sayClientKeyExchange(x wire.ClientKeyExchange) {
	h := c.hs
	if h.share != nil {
		x.Point = h.share.Public()
	}
	h.say(0, wire.HandshakeClientKeyExchange, func(b []byte) []byte { return x.Append(b, form(h.suite)) })
}

// clientSigned adds the CertificateVerify (RFC 5246 §7.4.8).
func (c *Conn) clientSigned(now tick.Time, job *hs.Job) hs.Reason {
	v := wire.CertificateVerify{Scheme: job.Signing.Scheme, Signature: job.Signature}
	c.facts.LocalSignatureScheme = v.Scheme
	c.hs.say(0, wire.HandshakeCertificateVerify, v.Append)
	return c.sendClientFinished(now)
}

// sendClientFinished ends flight 5.
func (c *Conn) sendClientFinished(now tick.Time) hs.Reason {
	h := c.hs
	h.transcript.DropRaw(false)
	verifyData := h.schedule.ClientVerifyData(h.transcript.Sum())
	// "A Finished message is always sent immediately after a change cipher
	// spec message" (RFC 5246 §7.4.9).
	h.out.AddChangeCipherSpec(0)
	if r := c.changeWriteKeys(); r != hs.ReasonNone {
		return r
	}
	h.say(c.layer.WriteEpoch(), wire.HandshakeFinished, func(b []byte) []byte { return append(b, verifyData[:]...) })
	h.sent(now)
	return c.await(clientFinished)
}

// onServerFinished ends the handshake (RFC 5246 §7.4.9).
func (c *Conn) onServerFinished(now tick.Time, m *flight.Message) hs.Reason {
	h := c.hs
	if !finishedMatches(m.Body(), h.schedule.ServerVerifyData(h.transcript.Sum())) {
		return hs.ReasonBadFinished
	}
	c.complete()
	return hs.ReasonNone
}
