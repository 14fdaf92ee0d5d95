// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/record"
	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// Config is what an application decides. It must not be changed after its
// first use. Every field but Rand and Credentials has a usable zero value.
type Config struct {
	// CipherSuites, Groups and SignatureSchemes are what may be used, in
	// order of preference; nil is the default order. What is not listed is
	// off, the suites that RFC 7252 makes mandatory included.
	CipherSuites     []CipherSuite
	Groups           []Group
	SignatureSchemes []SignatureScheme

	// Credentials returns what this side shows and takes. A server calls it
	// with the name in the client's hello ("" for none), which is how one
	// address serves several names (RFC 6066 §3); a client calls it once with
	// the name it asks for. Nil refuses the handshake. It must not block.
	Credentials func(serverName string) *Credentials

	// MTU is the largest UDP payload to send, in bytes, headers and tags
	// included. Zero: 1232 (IPv6's minimum). At least 128; a client should
	// leave room for its hello, some 250 bytes, as servers that keep no state
	// before the cookie cannot join the pieces of one.
	MTU int
	// RecordSizeLimit is the largest plaintext in bytes that the peer is
	// asked to put into one record (RFC 8449), 64 to 16384; zero does not
	// ask. MaxFragmentLength asks likewise by the older extension (RFC 6066
	// §4): 512, 1024, 2048 or 4096; clients only.
	RecordSizeLimit, MaxFragmentLength int

	// AllowNoExtendedMasterSecret accepts peers without RFC 7627. Their
	// sessions can be made to share keys with others'.
	AllowNoExtendedMasterSecret bool

	Timers Timers

	// MaxHandshakeBytes bounds what one handshake may hold in memory of what
	// its peer sent. Zero: 72 KiB. A chain of certificates, which stays with the
	// session, has 16 KiB at most. MaxPSKIdentity bounds the identity that a
	// server looks up; zero: 65535, as long as one can be.
	MaxHandshakeBytes, MaxPSKIdentity int
	// MaxRecordFailures is how many records may fail to authenticate before
	// the session ends (RFC 9147 §4.5.3). Zero: what the suite's cipher
	// bears, which is least for CCM_8: 2^20. It is the one thing that somebody
	// without keys can do to an established session: 30 MB of forged records
	// from its address end it, and the client has to make another. Without a
	// limit, so many would bring him nearer to one that is taken for genuine.
	MaxRecordFailures uint64

	// Counters, if set, is where the sessions of clients count what they
	// drop; else each has its own. It must be used by one goroutine at a
	// time, as the sessions. A Gate has its own for all of its sessions.
	Counters *Counters

	// KeyLog, if set, is given the secrets of each handshake, for analysis of
	// captures: lines of the form "LABEL clientRandom secret" in hexadecimal
	// make the SSLKEYLOGFILE of other tools. The slices are valid during the
	// call.
	KeyLog func(label string, clientRandom, secret []byte)

	// Rand is the source of all randomness: crypto/rand.Reader outside of
	// tests. Jobs hand it to Signers, so it must be safe for concurrent use
	// if they run on other goroutines.
	Rand io.Reader
}

// ProfileConstrained is the timing for networks on which a flight can take
// many seconds: an initial timeout of 9 s (RFC 7925 §11). Set it on both ends:
// a server that gives a handshake the default 60 s has forgotten it when such
// a client repeats a flight for the third time, after 63 s.
func ProfileConstrained() Timers {
	return Timers{Initial: 9 * time.Second, Cap: 60 * time.Second, Handshake: 300 * time.Second}
}

// Defaults and bounds of Config.
const (
	defaultMTU               = 1232 // IPv6's minimum of 1280 less its headers (RFC 8200 §5)
	minMTU                   = 128
	maxMTU                   = 1<<16 - 1
	defaultHandshakeTimeout  = 60 * time.Second
	defaultLastFlight        = 240 * time.Second // 2 x MSL of RFC 793
	defaultMaxHandshakeBytes = 72 << 10          // room for a PSK identity of any length
	minHandshakeBytes        = 1 << 10
	maxPSKIdentity           = 1<<16 - 1
	minRecordSize            = 64 // RFC 8449 §4
)

// resolve checks a configuration and fills in the defaults, in a copy of its
// own.
func (c *Config) resolve() (*hs.Config, error) {
	if c.Rand == nil {
		return nil, errors.New("dtls: Config.Rand is not set")
	}
	r := &hs.Config{
		Groups:            orDefault(c.Groups, hs.DefaultGroups),
		Schemes:           orDefault(c.SignatureSchemes, hs.DefaultSchemes),
		Credentials:       c.Credentials,
		MTU:               orElse(c.MTU, defaultMTU),
		RecordSizeLimit:   c.RecordSizeLimit,
		MaxFragmentLength: c.MaxFragmentLength,
		RequireEMS:        !c.AllowNoExtendedMasterSecret,
		Timing: flight.Timing{
			Initial: c.Timers.Initial, Cap: c.Timers.Cap, Retransmissions: c.Timers.Retransmissions,
		},
		HandshakeTimeout:  orElse(c.Timers.Handshake, defaultHandshakeTimeout),
		LastFlight:        orElse(c.Timers.LastFlight, defaultLastFlight),
		MaxHandshakeBytes: orElse(c.MaxHandshakeBytes, defaultMaxHandshakeBytes),
		MaxPSKIdentity:    orElse(c.MaxPSKIdentity, maxPSKIdentity),
		RecordLimits:      record.Limits{Failures: c.MaxRecordFailures},
		KeyLog:            c.KeyLog,
		Rand:              c.Rand,
	}
	for _, id := range orDefault(c.CipherSuites, suite.Default) {
		s := suite.ByID(id)
		if s == nil {
			return nil, fmt.Errorf("dtls: cipher suite %v is not implemented", id)
		}
		r.Suites = append(r.Suites, s)
	}
	return r, check(r)
}

// check refuses what cannot work.
func check(r *hs.Config) error {
	for _, g := range r.Groups {
		if !hs.KnownGroup(g) {
			return fmt.Errorf("dtls: group %v is not implemented", g)
		}
	}
	for _, s := range r.Schemes {
		if !hs.KnownScheme(s) {
			return fmt.Errorf("dtls: signature scheme %v is not implemented", s)
		}
	}
	switch {
	case r.MTU < minMTU || r.MTU > maxMTU:
		return fmt.Errorf("dtls: MTU %d is not in %d to %d", r.MTU, minMTU, maxMTU)
	case r.RecordSizeLimit != 0 && (r.RecordSizeLimit < minRecordSize || r.RecordSizeLimit > wire.MaxPlaintextLen):
		return fmt.Errorf("dtls: record size limit %d is not in %d to %d", r.RecordSizeLimit, minRecordSize, wire.MaxPlaintextLen)
	case r.MaxFragmentLength != 0 && wire.MaxFragmentLengthCode(r.MaxFragmentLength) == 0:
		return fmt.Errorf("dtls: maximum fragment length %d is not 512, 1024, 2048 or 4096", r.MaxFragmentLength)
	case r.MaxHandshakeBytes < minHandshakeBytes:
		return fmt.Errorf("dtls: %d bytes are too few for a handshake", r.MaxHandshakeBytes)
	case r.MaxPSKIdentity < 0 || r.MaxPSKIdentity > maxPSKIdentity:
		return fmt.Errorf("dtls: no PSK identity has %d bytes", r.MaxPSKIdentity)
	}
	return nil
}

// orElse is v, or the default if v is zero.
func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// orDefault is list, or the default if list is nil. An empty list is a list.
func orDefault[T any](list []T, fallback func() []T) []T {
	if list == nil {
		return fallback()
	}
	return list
}
