// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package dtls is Datagram Transport Layer Security 1.2 (RFC 6347) for CoAP
// (RFC 7252 §9): pre-shared keys, raw public keys and certificates, as client
// and as server.
//
// The package does no input or output. A [Session] is one association with
// one peer; it is fed datagrams and the time, and asked for datagrams, events
// and the next deadline:
//
//	s.Receive(now, datagram)
//	for s.Next(now, &ev) { ... }          // Established, Data, WantPSK, ...
//	for n := s.Transmit(now, buf); n > 0; n = s.Transmit(now, buf) { send(buf[:n]) }
//	wait until s.Deadline() at most; then s.Expire(now)
//
// A server puts a [Gate] before its sessions. It answers a ClientHello with a
// cookie and keeps nothing, until the cookie comes back from the address it
// was sent to; only then does it make a Session.
//
// An established session that is at rest can sleep, in a few hundred bytes
// without pointers, and wake: see [Session.Sleep].
//
// # What the network can do
//
// Before the cookie comes back: cause one answer, not larger than the
// question. During a handshake, whoever can send from the peer's address can
// make it fail, as its messages are not yet protected, and cannot make it
// succeed. After it: nothing. A record that does not authenticate is counted
// under a name (see [Drop]) and is no error, no event and no reason to send.
//
// A known PSK identity with a wrong key and an unknown identity are answered
// alike, by silence; the server's own [EventSuspect] and [Error] tell them
// apart.
//
// # What is not done
//
// DTLS 1.0 is refused with protocol_version: RFC 8996 has forbidden what
// RFC 7252 still allowed. There is no renegotiation, no session resumption and
// no connection identifier. There are no suites with CBC, without
// authentication, or with static RSA keys, and no finite-field Diffie-Hellman.
// A ClientHello must come in one piece. Of the OCSP responses of a chain a server
// shows one, that of its own certificate (RFC 6066 §8); nobody here fetches or
// checks one: it is among the Facts when the verdict is asked for.
//
// Nothing here is safe for concurrent use, and nothing waits: what takes time
// is an event (a pre-shared key to look up, a peer to judge, a public-key
// operation to run) that the caller answers when it can.
package dtls

import (
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Vocabulary of the wire. The values and names are IANA's.
type (
	// Version is a protocol version.
	Version = wire.Version
	// CipherSuite is a TLS 1.2 cipher suite; String gives IANA's name.
	CipherSuite = wire.CipherSuite
	// Group is an elliptic curve for ephemeral keys.
	Group = wire.Group
	// SignatureScheme is a signature algorithm with its hash.
	SignatureScheme = wire.SignatureScheme
	// CertType is X.509 or raw public key.
	CertType = wire.CertType
	// Alert is an alert description.
	Alert = wire.Alert
)

// Versions.
const (
	VersionDTLS12 = wire.VersionDTLS12
)

// Groups.
const (
	GroupSecp256r1 = wire.GroupSecp256r1
	GroupSecp384r1 = wire.GroupSecp384r1
	GroupX25519    = wire.GroupX25519
)

// Certificate types.
const (
	CertX509         = wire.CertX509
	CertRawPublicKey = wire.CertRawPublicKey
)

// Vocabulary of handshakes.
type (
	// KeyPair is a raw public key with its private half:
	// Signer crypto.Signer, SPKI []byte (DER SubjectPublicKeyInfo).
	KeyPair = hs.KeyPair
	// Chain is a certificate chain with the private key of its leaf:
	// DER [][]byte (leaf first), Leaf *x509.Certificate, Signer crypto.Signer.
	Chain = hs.Chain
	// Credentials is what one side can show and what it takes from the other.
	Credentials = hs.Credentials
	// Timers is how long a handshake waits and how often it tries.
	Timers = hs.Timers
	// Facts is what a handshake has established.
	Facts = hs.Facts
	// Error is what ended a session: Reason, and the Alert Sent or Received.
	Error = hs.Error
	// Reason is one word for why a session ended.
	Reason = hs.Reason
	// Drop names why something that the network sent had no effect.
	Drop = hs.Drop
	// Counters holds how often each thing was dropped.
	Counters = hs.Counters
	// Event is one piece of news from a session.
	Event = hs.Event
	// EventKind says what an Event is.
	EventKind = hs.EventKind
	// Job is a public-key operation that may run on any goroutine.
	Job = hs.Job
)

// Events.
const (
	EventNone        = hs.EventNone
	EventEstablished = hs.EventEstablished
	EventData        = hs.EventData
	EventClosed      = hs.EventClosed
	EventWantPSK     = hs.EventWantPSK
	EventWantVerdict = hs.EventWantVerdict
	EventNeedJob     = hs.EventNeedJob
	EventSuspect     = hs.EventSuspect
)

// Reasons; see [Reason].
const (
	ReasonNone                    = hs.ReasonNone
	ReasonTimeout                 = hs.ReasonTimeout
	ReasonMTUSuspected            = hs.ReasonMTUSuspected
	ReasonLimit                   = hs.ReasonLimit
	ReasonSequenceExhausted       = hs.ReasonSequenceExhausted
	ReasonForgeryLimit            = hs.ReasonForgeryLimit
	ReasonAlert                   = hs.ReasonAlert
	ReasonPeerClosed              = hs.ReasonPeerClosed
	ReasonCanceled                = hs.ReasonCanceled
	ReasonVersionMismatch         = hs.ReasonVersionMismatch
	ReasonNoCommonCipher          = hs.ReasonNoCommonCipher
	ReasonNoCommonGroup           = hs.ReasonNoCommonGroup
	ReasonNoCommonSignature       = hs.ReasonNoCommonSignature
	ReasonNoCommonCertType        = hs.ReasonNoCommonCertType
	ReasonNoExtendedMasterSecret  = hs.ReasonNoExtendedMasterSecret
	ReasonDecodeError             = hs.ReasonDecodeError
	ReasonUnexpectedMessage       = hs.ReasonUnexpectedMessage
	ReasonIllegalParameter        = hs.ReasonIllegalParameter
	ReasonUnsupportedExtension    = hs.ReasonUnsupportedExtension
	ReasonBadRenegotiationInfo    = hs.ReasonBadRenegotiationInfo
	ReasonBadPSKOrUnknownIdentity = hs.ReasonBadPSKOrUnknownIdentity
	ReasonUnknownIdentity         = hs.ReasonUnknownIdentity
	ReasonBadPSK                  = hs.ReasonBadPSK
	ReasonNoCredential            = hs.ReasonNoCredential
	ReasonUnknownServerName       = hs.ReasonUnknownServerName
	ReasonBadSignature            = hs.ReasonBadSignature
	ReasonBadFinished             = hs.ReasonBadFinished
	ReasonNoPeerKey               = hs.ReasonNoPeerKey
	ReasonRPKNotPinned            = hs.ReasonRPKNotPinned
	ReasonCertBad                 = hs.ReasonCertBad
	ReasonCertExpired             = hs.ReasonCertExpired
	ReasonCertNotYetValid         = hs.ReasonCertNotYetValid
	ReasonCertBadUsage            = hs.ReasonCertBadUsage
	ReasonCertUnknownCA           = hs.ReasonCertUnknownCA
	ReasonCertNameMismatch        = hs.ReasonCertNameMismatch
	ReasonCertRevoked             = hs.ReasonCertRevoked
	ReasonCertUnsupported         = hs.ReasonCertUnsupported
	ReasonReflection              = hs.ReasonReflection
	ReasonCredentialDisabled      = hs.ReasonCredentialDisabled
	ReasonCredentialExpired       = hs.ReasonCredentialExpired
	ReasonCredentialNotYetValid   = hs.ReasonCredentialNotYetValid
	ReasonDeviceDisabled          = hs.ReasonDeviceDisabled
	ReasonWrongNode               = hs.ReasonWrongNode
	ReasonStoreUnavailable        = hs.ReasonStoreUnavailable
	ReasonWeakPSK                 = hs.ReasonWeakPSK
	ReasonCertStatusMissing       = hs.ReasonCertStatusMissing
	ReasonCertStatusBad           = hs.ReasonCertStatusBad
	ReasonCertStatusUnknown       = hs.ReasonCertStatusUnknown
	ReasonInternal                = hs.ReasonInternal
)

// ReasonForAlert is the reason of a session that a received alert ended.
func ReasonForAlert(a Alert) Reason { return hs.ReasonForAlert(a) }

// ReasonForFlight is the reason of a handshake whose flight n (1 to 6,
// RFC 6347 §4.2.4) nothing answered.
func ReasonForFlight(n int) Reason { return hs.ReasonForFlight(n) }

// MaxOCSP is the length in bytes of the longest OCSP response that is shown or
// taken.
const MaxOCSP = hs.MaxOCSP

// NumDrops is the number of names of [Drop].
const NumDrops = hs.NumDrops
