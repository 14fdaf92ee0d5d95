// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"io"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Timers is how long a handshake waits, and how often it tries. Both ends
// should have the same: an end with a shorter Handshake is gone while the other
// still tries, and one with a shorter Initial burdens a slow network with
// copies of what is still on its way.
type Timers struct {
	// Initial is the time after which a flight that nothing answers is sent
	// again; each further wait is twice as long, up to Cap
	// (RFC 6347 §4.2.4.1). Zero: 1 s and 60 s.
	Initial, Cap time.Duration
	// Retransmissions is how often one flight is sent again before the
	// handshake fails. Zero: 6. Negative: never.
	Retransmissions int
	// Handshake bounds the whole handshake; on a server it counts from the
	// cookie. Zero: 60 s, which bears five losses of one flight with an
	// Initial of 1 s and two with one of 9 s.
	Handshake time.Duration
	// LastFlight is how long the side that sent the last flight keeps it, to
	// send it again for a peer that did not get it: twice the maximum
	// segment lifetime (RFC 6347 §4.2.4). Zero: 240 s.
	LastFlight time.Duration
}

// Config is a configuration with every default filled in. Sessions share it;
// it does not change.
type Config struct {
	Suites  []*suite.Suite         // in order of preference
	Groups  []wire.Group           // likewise
	Schemes []wire.SignatureScheme // likewise

	Credentials func(serverName string) *Credentials

	MTU               int
	RecordSizeLimit   int // 0: not asked for
	MaxFragmentLength int // 0: not asked for
	RequireEMS        bool

	Timing           flight.Timing
	HandshakeTimeout time.Duration
	LastFlight       time.Duration

	MaxHandshakeBytes int
	MaxPSKIdentity    int
	RecordLimits      record.Limits

	KeyLog func(label string, clientRandom, secret []byte)
	Rand   io.Reader
}

// HasGroup reports whether g may be used.
func (c *Config) HasGroup(g wire.Group) bool {
	for _, own := range c.Groups {
		if own == g {
			return true
		}
	}
	return false
}

// HasScheme reports whether s may be used.
func (c *Config) HasScheme(s wire.SignatureScheme) bool {
	for _, own := range c.Schemes {
		if own == s {
			return true
		}
	}
	return false
}

// Suite returns the suite with a code point if it may be used, and nil else.
func (c *Config) Suite(id wire.CipherSuite) *suite.Suite {
	for _, s := range c.Suites {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// CredentialsFor asks the application; nil if it has none for the name.
func (c *Config) CredentialsFor(serverName string) *Credentials {
	if c.Credentials == nil {
		return nil
	}
	return c.Credentials(serverName)
}

// Lengths in bytes that no message of its type needs to exceed.
const (
	maxClientHello = 1 << 14
	maxServerHello = 1 << 10
	maxHelloVerify = 2 + 1 + 255
	maxSignature   = 1 << 11 // an RSA signature of 16384 bits
	maxECPart      = 1 + 2 + 1 + 255
	maxVector16    = 2 + 1<<16 - 1

	// maxCertificates is several times what a chain of three with RSA keys has. A
	// session keeps its peer's chain for all its life, and the peer decides what it
	// shows beside its own certificate.
	maxCertificates = 1 << 14

	finishedLen = suite.VerifyDataLen
)

// MaxOCSP is the length in bytes of the longest OCSP response that is shown or
// taken. One with an RSA signature and the responder's own certificate has some
// 2,000.
const MaxOCSP = 1 << 13

// MessageLen is the policy of how long a handshake message may be, from its
// header alone. It reports false for a type that DTLS 1.2 does not have.
func (c *Config) MessageLen(t wire.HandshakeType) (max int, ok bool) {
	switch t {
	case wire.HandshakeHelloRequest, wire.HandshakeServerHelloDone:
		return 0, true
	case wire.HandshakeClientHello:
		return maxClientHello, true
	case wire.HandshakeServerHello:
		return maxServerHello, true
	case wire.HandshakeHelloVerifyRequest:
		return maxHelloVerify, true
	case wire.HandshakeCertificate:
		return min(maxCertificates, c.MaxHandshakeBytes), true
	case wire.HandshakeServerKeyExchange:
		return maxVector16 + maxECPart + maxSignature, true
	case wire.HandshakeCertificateRequest:
		return 1<<8 + 2*maxVector16, true
	case wire.HandshakeCertificateVerify:
		return maxSignature, true
	case wire.HandshakeClientKeyExchange:
		return 2 + c.MaxPSKIdentity + 1<<8, true
	case wire.HandshakeFinished:
		return finishedLen, true
	case wire.HandshakeCertificateStatus:
		return min(1+3+MaxOCSP, c.MaxHandshakeBytes), true
	case wire.HandshakeNewSessionTicket:
		// Never asked for; the state table refuses it by name.
		return maxVector16, true
	}
	return 0, false
}
