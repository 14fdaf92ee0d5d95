// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"io"
	"time"

	"github.com/coaps-go/coaps/tick"
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
	// included. Zero: 1232 (IPv6's minimum). At least 128.
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
	// its peer sent. Zero: 64 KiB. MaxPSKIdentity bounds the identity that a
	// server looks up; zero: 65535, as long as one can be.
	MaxHandshakeBytes, MaxPSKIdentity int
	// MaxRecordFailures is how many records may fail to authenticate before
	// the session ends (RFC 9147 §4.5.3). Zero: what the suite's cipher
	// bears, which is least for CCM_8.
	MaxRecordFailures uint64

	// KeyLog, if set, is given the secrets of each handshake, for analysis of
	// captures: lines of the form "LABEL clientRandom secret" in hexadecimal
	// make the SSLKEYLOGFILE of other tools. The slices are valid during the
	// call.
	KeyLog func(label string, clientRandom, secret []byte)
	// Wall tells the calendar time of a tick, for those who judge
	// certificates. The engine itself has no use for it.
	Wall func(tick.Time) time.Time

	// Rand is the source of all randomness: crypto/rand.Reader outside of
	// tests. Jobs hand it to Signers, so it must be safe for concurrent use
	// if they run on other goroutines.
	Rand io.Reader
}

// ProfileConstrained is the timing for networks on which a flight can take
// many seconds: an initial timeout of 9 s (RFC 7925 §11).
func ProfileConstrained() Timers {
	return Timers{Initial: 9 * time.Second, Cap: 60 * time.Second, Handshake: 300 * time.Second}
}
