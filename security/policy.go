// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

// Policy is a Config that has been checked for one role. It answers what a
// DTLS session asks: which credentials to show, which pre-shared key to use,
// whether to believe the peer's key. It may be used by many sessions at once.
type Policy struct {
	config Config
	server bool           // the role
	peer   keys.Authority // whom a client wants to reach
	base   dtls.Credentials
	weak   atomic.Uint64

	host         string             // the virtual host whose policy this is, "" for the default one
	hosts        map[string]*Policy // by canonical name
	showsNothing bool               // the default host has been given no credentials
}

func newPolicy(c *Config, server bool, peer keys.Authority) *Policy {
	p := &Policy{config: *c, server: server, peer: peer}
	p.base = dtls.Credentials{
		RawKey:             c.RawKey,
		Chains:             c.Chains,
		AcceptRawKeys:      c.Pins.Len() > 0 || c.ServerCheck.Skipped() || server && c.Directory != nil,
		AcceptCertificates: c.Trust.Len() > 0 || c.ServerCheck.Skipped(),
	}
	if !server {
		p.base.AskOCSP = c.Trust.Len() > 0
		p.base.PSK = c.ClientPSK != nil || c.ClientPSKFor != nil
		return p
	}
	p.base.PSK, p.base.PSKHint = c.hasPSK(), c.PSKHint
	// RFC 7252 §9.1.1: sessions of these modes are set up using mutual
	// authentication, unless the application says otherwise.
	p.base.RequirePeerKey = !c.AllowAnonymousClients
	p.base.Authorities = c.Trust.Authorities()
	return p
}

// DTLS returns a new configuration for sessions or a gate under this policy,
// with randomness from rand. The caller may set the fields that have nothing
// to do with credentials.
func (p *Policy) DTLS(rand io.Reader) *dtls.Config {
	config := &dtls.Config{
		CipherSuites:     p.config.CipherSuites,
		Groups:           p.config.Groups,
		SignatureSchemes: p.config.SignatureSchemes,
		Credentials:      p.credentials,
		Rand:             rand,

		AllowNoExtendedMasterSecret: p.config.AllowNoExtendedMasterSecret,
	}
	if p.config.KeyLog != nil {
		config.KeyLog = p.logKey
	}
	return config
}

// ServerName is the name that a client puts into its hello (RFC 7252 §9.1.3):
// the host it wants to reach if that is a DNS name, else "".
func (p *Policy) ServerName() string { return p.peer.ServerName() }

// Unverified reports whether this client believes any server, because of
// package insecure. Programs tell their users.
func (p *Policy) Unverified() bool { return p.config.ServerCheck.Skipped() }

// Modes lists the modes in which a peer can be met under this policy.
func (p *Policy) Modes() []Mode {
	var modes []Mode
	for _, mode := range []Mode{PreSharedKey, RawPublicKey, Certificate} {
		meets := p.meets(mode)
		for _, host := range p.hosts {
			meets = meets || host.meets(mode)
		}
		if meets {
			modes = append(modes, mode)
		}
	}
	return modes
}

// meets reports whether a peer can be met in this mode, under no other name.
func (p *Policy) meets(mode Mode) bool {
	switch hasChain := len(p.base.Chains) > 0 || p.config.ChainsFor != nil; mode {
	case PreSharedKey:
		return p.base.PSK
	case RawPublicKey:
		return p.server && p.base.RawKey != nil || !p.server && p.base.AcceptRawKeys
	case Certificate:
		return p.server && hasChain || !p.server && p.base.AcceptCertificates
	}
	return false
}

// credentials returns what is shown under a server name, nil for nothing.
func (p *Policy) credentials(serverName string) *dtls.Credentials {
	p = p.For(serverName)
	switch {
	case p.showsNothing:
		return nil
	case !p.server || len(p.base.Chains) < 2 && p.config.ChainsFor == nil:
		return &p.base
	}
	credentials := p.base
	credentials.Chains = p.chainsFor(serverName)
	return &credentials
}

// chainsFor returns the certificates for a server name, those that bear the
// name first and the others after them: a client that does not check names,
// or checks another one, still gets an answer (RFC 6066 §3).
func (p *Policy) chainsFor(serverName string) []dtls.Chain {
	if p.config.ChainsFor != nil {
		// A chain whose key does not fit would fail in the handshake.
		found := p.config.ChainsFor(serverName)
		found = slices.DeleteFunc(slices.Clone(found), func(c dtls.Chain) bool { return checkChain(c) != nil })
		if len(found) > 0 {
			return found
		}
	}
	chains := slices.Clone(p.base.Chains)
	slices.SortStableFunc(chains, func(a, b dtls.Chain) int {
		return rank(a, serverName) - rank(b, serverName)
	})
	return chains
}

func rank(chain dtls.Chain, serverName string) int {
	if serverName != "" && keys.Names(chain.Leaf, serverName) {
		return 0
	}
	return 1
}

// PSK finds the pre-shared key of a session. For a server, identityOrHint is
// the identity that the client sent under serverName, and key is nil if there
// is no such key: the session must then go on as with a wrong key; it may have
// to wait for the Directory, see AskPSK. For a client it is the server's hint,
// nil if there was none; identity is nil if there is no key for this server. The
// slices are read, not kept or changed.
func (p *Policy) PSK(serverName string, identityOrHint []byte) (identity, key []byte) {
	if p.server {
		q := p.AskPSK(serverName, identityOrHint)
		answer := q.Answer(context.Background(), time.Now())
		return identityOrHint, answer.Key.Bytes()
	}
	psk, ok := p.clientPSK(identityOrHint)
	if !ok {
		return nil, nil
	}
	return append([]byte{}, psk.Identity...), psk.Key.Bytes()
}

// configuredPSK looks up a client's key among those that the configuration has.
func (p *Policy) configuredPSK(serverName string, identity []byte) ([]byte, bool) {
	if p.config.PSK == nil {
		return nil, false
	}
	return p.config.PSK.LookupPSK(serverName, identity)
}

// psk answers with a key that was found, if it is strong enough.
func (p *Policy) psk(answer *Answer, key keys.Secret, identity []byte) {
	if !p.strongEnough(key.Len()) {
		answer.Err = &keys.VerifyError{
			Reason: dtls.ReasonWeakPSK, Err: &keys.WeakPSKError{Identity: bytes.Clone(identity), Len: key.Len()},
		}
		return
	}
	answer.Principal.Mark, answer.Key = MarkOf(key.Bytes()), key
}

func (p *Policy) clientPSK(hint []byte) (keys.PSK, bool) {
	if p.config.ClientPSK != nil {
		return *p.config.ClientPSK, true
	}
	if p.config.ClientPSKFor == nil {
		return keys.PSK{}, false
	}
	psk, ok := p.config.ClientPSKFor(p.peer, hint)
	return psk, ok && p.strongEnough(psk.Key.Len())
}

// strongEnough applies the rule on short keys to one that was only now looked
// up. An empty key is no key.
func (p *Policy) strongEnough(keyLen int) bool {
	if keyLen > 0 && (p.config.AllowWeakPSK || keyLen >= keys.MinPSKLen) {
		return true
	}
	p.weak.Add(1)
	return false
}

// WeakPSKs returns how many pre-shared keys were found and refused for being
// too short.
func (p *Policy) WeakPSKs() uint64 {
	n := p.weak.Load()
	for _, host := range p.hosts {
		n += host.weak.Load()
	}
	return n
}

// Verdict judges the key that a peer shows, at the time now: ReasonNone if it
// is believed. The session has yet to prove that the peer holds the private
// half.
func (p *Policy) Verdict(facts *dtls.Facts, now time.Time) dtls.Reason {
	return keys.ReasonOf(p.Verify(facts, now))
}

// Verify is Verdict with the particulars, which are for the operator: the
// error is nil or a *keys.VerifyError. Of a server with a Directory it may have
// to wait; see AskPeer.
func (p *Policy) Verify(facts *dtls.Facts, now time.Time) error {
	q := p.askVerdict(facts)
	answer := q.Answer(context.Background(), now)
	return answer.Err
}

// check judges what a peer shows as far as that is possible without knowing
// whose it is, and notes what an owner is to be found by, and until when it is good.
func (p *Policy) check(q *Question, now time.Time) (err error) {
	facts := q.facts
	hasKey, hasChain := len(facts.PeerRawKey) > 0, len(facts.PeerChain) > 0
	switch {
	case hasKey && facts.PeerCertType != dtls.CertRawPublicKey, hasChain && facts.PeerCertType != dtls.CertX509:
		// RFC 7250 §4.2: what was not negotiated is not taken.
		return refusal(dtls.ReasonCertUnsupported, "the peer's key is not of the negotiated type")
	case p.Unverified() && (hasKey || hasChain):
		return nil
	case hasKey:
		return checkRawPublicKey(facts.PeerRawKey)
	case hasChain && p.config.Trust.Len() == 0:
		return refusal(dtls.ReasonCertUnsupported, "no trust anchor is configured")
	case hasChain && p.server:
		q.claim.Bound, q.until, err = p.config.Trust.VerifyClientNames(facts.PeerChain, now)
		return err
	case hasChain:
		return p.verifyServerChain(facts, now)
	case p.server && p.config.AllowAnonymousClients:
		return nil
	}
	return refusal(dtls.ReasonNoPeerKey, "the peer has shown no key")
}

func checkRawPublicKey(spki []byte) error {
	if err := keys.CheckPublicKey(spki); err != nil {
		return refusal(dtls.ReasonCertUnsupported, "%w", err)
	}
	return nil
}

// verifyServerChain checks a server's certificate by the name that is wanted,
// or, where that does not match or there is none, by a pinned key.
func (p *Policy) verifyServerChain(facts *dtls.Facts, now time.Time) error {
	chain := facts.PeerChain
	err := p.config.Trust.VerifyServerOCSP(chain, facts.OCSP, p.peer, now)
	if keys.ReasonOf(err) == dtls.ReasonCertNameMismatch && p.config.Pins.Contains(chain[0].RawSubjectPublicKeyInfo) {
		return p.config.Trust.VerifyPinnedServerOCSP(chain, facts.OCSP, p.config.Pins, now)
	}
	return err
}

func refusal(reason dtls.Reason, format string, args ...any) error {
	return &keys.VerifyError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Identify returns who the peer of an established session is, which Verdict of
// this policy has judged. It names only a peer that has been verified: a
// pre-shared key's identity that the finished handshake has proved, a raw key
// that is pinned or that the session was told to trust, a chain likewise. For
// any other it returns an anonymous Identity. whose is the Principal of the
// Answer, or what an application has found out by its own means; it may be nil.
func (p *Policy) Identify(facts *dtls.Facts, whose *Principal) Identity {
	if facts == nil {
		return Identity{}
	}
	p = p.For(facts.ServerName)
	identity := p.proved(facts)
	identity.host = p.host
	if whose != nil {
		identity.whose = *whose
	}
	return identity
}

// proved is what the session has proved, whosever it is.
func (p *Policy) proved(facts *dtls.Facts) Identity {
	switch {
	case facts.PSKIdentity != nil:
		return pskIdentity(facts.PSKIdentity)
	case len(facts.PeerRawKey) > 0 && (p.Unverified() || facts.PeerTrusted || p.config.Pins.Contains(facts.PeerRawKey)):
		identity := rawKeyIdentity(facts.PeerRawKey)
		identity.unverified = p.Unverified()
		return identity
	case len(facts.PeerChain) > 0 && facts.PeerTrusted:
		identity := certificateIdentity(facts.PeerChain)
		identity.unverified = p.Unverified()
		return identity
	case facts.LocalCertType == dtls.CertRawPublicKey:
		return Identity{mode: RawPublicKey}
	}
	return Identity{mode: Certificate}
}

// keyLogs orders the lines that all policies write: those of one client's
// connections share a writer, and so may a client and a server.
var keyLogs sync.Mutex

// logKey writes one line of an SSLKEYLOGFILE.
func (p *Policy) logKey(label string, clientRandom, secret []byte) {
	keyLogs.Lock()
	defer keyLogs.Unlock()
	fmt.Fprintf(p.config.KeyLog, "%s %x %x\n", label, clientRandom, secret)
}
