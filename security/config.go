// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/internal/unverified"
	"github.com/coaps-go/coaps/security/keys"
)

// Config is what a node has been provisioned with: what it shows, and whom it
// believes (RFC 7252 §9). It is a plain value whose zero shows nothing and
// believes nobody. Server and Client make a Policy of it, and refuse what
// could not be safe. A Config may be used for both roles and for many
// policies; it must not be changed while a policy made of it is in use.
type Config struct {
	// PSK is where a server finds the keys of its clients (PreSharedKey mode).
	PSK keys.PSKSource
	// PSKHint is the identity hint of a server. RFC 4279 §5.2: do not send
	// one unless an application profile says what it means.
	PSKHint []byte

	// ClientPSK is the key that a client uses with every server; it ignores
	// the server's hint (RFC 4279 §5.2).
	ClientPSK *keys.PSK
	// ClientPSKFor, used if ClientPSK is nil, finds the key for the node that
	// a client wants to reach (RFC 7252 §9.1.3.1). The hint is nil if the
	// server sent none. It must not block for long.
	ClientPSKFor func(server keys.Authority, hint []byte) (keys.PSK, bool)

	// RawKey is the node's raw public key (RawPublicKey mode): P-256, P-384
	// or Ed25519.
	RawKey *dtls.KeyPair
	// Chains are the node's certificates in order of preference. A server
	// shows one whose name the client asked for, if there is one.
	Chains []dtls.Chain
	// ChainsFor, if set, finds a server's certificates by the name that the
	// client asked for ("" for none); where it returns none, Chains are used.
	// It must not block for long.
	ChainsFor func(serverName string) []dtls.Chain

	// Pins are the raw public keys that are believed (RFC 7252 §9.1.3.2.1).
	Pins *keys.Pins
	// Trust is what certificates are judged by (RFC 7252 §9.1.3.3).
	Trust *keys.Trust

	// Directory knows whose credentials are: pre-shared keys that PSK does not
	// have, raw public keys that Pins does not, and whose a certificate is that
	// Trust believes. For servers.
	Directory Directory
	// RequireKnownCertificates refuses clients' certificates that lead to a
	// trust anchor but belong to nobody in the Directory.
	RequireKnownCertificates bool
	// Name is what this node is called in the lists of nodes that pre-shared
	// keys of the Directory have (RFC 7252 §9).
	Name string
	// Hosts are virtual hosts by the DNS name that clients ask for (RFC 6066
	// §3), each with credentials, trust and a name space of identities of its
	// own; Directory and Name are this one's unless it has its own. Suites, groups,
	// schemes, the key log and AllowNoExtendedMasterSecret are those of all.
	// Who asks for no name, or for another one, gets this Config itself. If it
	// shows nothing he is refused.
	Hosts map[string]*Config

	// AllowAnonymousClients lets a server with a raw public key or a
	// certificate serve clients that show no key. Their Identity is
	// anonymous. A key that a client does show must be believed all the same.
	AllowAnonymousClients bool
	// AllowWeakPSK takes pre-shared keys of fewer than keys.MinPSKLen bytes.
	// Such a key can be guessed from one recorded handshake.
	AllowWeakPSK bool
	// AllowNoExtendedMasterSecret takes peers that do not know RFC 7627, as
	// old devices do. A peer that both sides trust could then make two sessions
	// share their keys, and nothing can be exported from such a session.
	AllowNoExtendedMasterSecret bool

	// CipherSuites, Groups and SignatureSchemes are passed to dtls.Config.
	CipherSuites     []dtls.CipherSuite
	Groups           []dtls.Group
	SignatureSchemes []dtls.SignatureScheme

	// KeyLog, if set, is written the secrets of every session, in the form of
	// SSLKEYLOGFILE that Wireshark reads. Whoever has them reads the traffic.
	KeyLog io.Writer

	// ServerCheck is the place of package insecure. Its type cannot be named
	// elsewhere, and its zero value verifies.
	ServerCheck unverified.Check
}

// Errors of Server and Client for configurations that could not be safe, or
// could not work. They may be wrapped with particulars.
var (
	ErrNothingToShow = errors.New("security: a server needs a pre-shared key, a raw public key or a certificate to show")
	ErrBelievesNoOne = errors.New("security: nobody could be believed")
	ErrNoNameNoPin   = errors.New("security: a certificate cannot be checked with neither a host name nor a pinned key")
	ErrBadCredential = errors.New("security: unusable credential")
	ErrBadHost       = errors.New("security: unusable virtual host")
	ErrNoDirectory   = errors.New("security: nobody's certificate can be known without a Directory")
	ErrClientOnly    = errors.New("security: package insecure is for clients only")
)

// Server checks the configuration for the role of a server and returns its
// policy. It refuses
//   - a server that shows nothing (ErrNothingToShow),
//   - a raw public key or certificate without Pins, Trust, Directory or
//     AllowAnonymousClients, and Pins or Trust without a key of its own to
//     show, as no client could get in with them (ErrBelievesNoOne),
//   - pre-shared keys that are too short (*keys.WeakPSKError); of a PSKSource
//     that cannot be searched, and of a Directory, such keys are refused at
//     lookup instead,
//   - keys and chains that do not fit together (ErrBadCredential),
//   - the same in Hosts, and names that are none (ErrBadHost).
func (c *Config) Server() (*Policy, error) {
	showsNothing := !c.showsKey() && !c.hasPSK()
	if err := c.checkServer(); err != nil && !(showsNothing && len(c.Hosts) > 0 && errors.Is(err, ErrNothingToShow)) {
		return nil, err
	}
	hosts, err := c.hosts()
	if err != nil {
		return nil, err
	}
	policy := newPolicy(c, true, keys.Authority{})
	policy.hosts, policy.showsNothing = hosts, showsNothing
	return policy, nil
}

func (c *Config) showsKey() bool {
	return c.RawKey != nil || len(c.Chains) > 0 || c.ChainsFor != nil
}

func (c *Config) checkServer() error {
	showsKey := c.showsKey()
	believesKeys := c.Pins.Len() > 0 || c.Trust.Len() > 0
	switch {
	case c.ServerCheck.Skipped():
		return ErrClientOnly
	case !showsKey && !c.hasPSK():
		return ErrNothingToShow
	case showsKey && !believesKeys && c.Directory == nil && !c.AllowAnonymousClients:
		return fmt.Errorf("%w: with a raw public key or a certificate a server needs Pins, Trust, Directory or AllowAnonymousClients", ErrBelievesNoOne)
	case believesKeys && !showsKey:
		return fmt.Errorf("%w by Pins or Trust: a server that takes its clients' keys must show one of its own", ErrBelievesNoOne)
	case c.RequireKnownCertificates && c.Directory == nil:
		return ErrNoDirectory
	}
	if weak, ok := c.PSK.(interface{ Weakest() error }); ok && !c.AllowWeakPSK {
		if err := weak.Weakest(); err != nil {
			return err
		}
	}
	return c.checkCredentials()
}

// hasPSK reports whether a server can have a pre-shared key. A source that
// knows its size and is empty has none; a Directory may have some tomorrow.
func (c *Config) hasPSK() bool {
	if c.Directory != nil {
		return true
	}
	if sized, ok := c.PSK.(interface{ Len() int }); ok {
		return sized.Len() > 0
	}
	return c.PSK != nil
}

// Client checks the configuration for the role of a client that wants to reach
// server, and returns its policy. It refuses
//   - a client that has no pre-shared key and believes no server
//     (ErrBelievesNoOne),
//   - Trust without a host in server to compare, unless a key is pinned
//     (ErrNoNameNoPin),
//   - a pre-shared key that is too short (*keys.WeakPSKError),
//   - keys and chains that do not fit together (ErrBadCredential).
func (c *Config) Client(server keys.Authority) (*Policy, error) {
	hasPSK := c.ClientPSK != nil || c.ClientPSKFor != nil
	if !hasPSK && c.Pins.Len() == 0 && c.Trust.Len() == 0 && !c.ServerCheck.Skipped() {
		return nil, fmt.Errorf("%w: a client needs a pre-shared key, Pins or Trust", ErrBelievesNoOne)
	}
	if err := server.Check(); err != nil && c.Trust.Len() > 0 && c.Pins.Len() == 0 && !c.ServerCheck.Skipped() {
		return nil, fmt.Errorf("%w: %w", ErrNoNameNoPin, err)
	}
	if c.ClientPSK != nil && !c.AllowWeakPSK {
		if err := c.ClientPSK.CheckStrength(); err != nil {
			return nil, err
		}
	}
	if c.ClientPSK != nil && c.ClientPSK.Key.Len() == 0 {
		return nil, fmt.Errorf("%w: empty pre-shared key", ErrBadCredential)
	}
	if err := c.checkCredentials(); err != nil {
		return nil, err
	}
	return newPolicy(c, false, server), nil
}

// checkCredentials checks that each private key belongs to what is shown with
// it.
func (c *Config) checkCredentials() error {
	if err := checkRawKey(c.RawKey); err != nil {
		return fmt.Errorf("%w: %w", ErrBadCredential, err)
	}
	for _, chain := range c.Chains {
		if err := checkChain(chain); err != nil {
			return fmt.Errorf("%w: %w", ErrBadCredential, err)
		}
	}
	return nil
}

func checkRawKey(shown *dtls.KeyPair) error {
	if shown == nil {
		return nil
	}
	pair, err := keys.NewKeyPair(shown.Signer)
	if err != nil {
		return err
	}
	if _, isRSA := shown.Signer.Public().(*rsa.PublicKey); isRSA {
		// RFC 7252 §9.1.3.2: the key used MUST be ECDSA capable.
		return errors.New("a raw public key cannot be RSA; use P-256")
	}
	if !bytes.Equal(pair.SPKI, shown.SPKI) {
		return errors.New("the raw public key is not that of its private key")
	}
	return nil
}

func checkChain(chain dtls.Chain) error {
	if chain.Leaf == nil || len(chain.DER) == 0 {
		return errors.New("incomplete certificate chain")
	}
	if !bytes.Equal(chain.DER[0], chain.Leaf.Raw) {
		return errors.New("the chain does not begin with its leaf")
	}
	pair, err := keys.NewKeyPair(chain.Signer)
	if err != nil {
		return err
	}
	_, err = keys.NewChain([]*x509.Certificate{chain.Leaf}, pair)
	return err
}
