// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/internal/unverified"
	"github.com/coaps-go/coaps/security/keys"
)

// noon is the time at which the tests judge.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func seeded(n byte) io.Reader { return rand.NewChaCha8([32]byte{n}) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// world is what the tests are made of: an authority, a server and a client with
// a key and a certificate each, and a stranger whom nobody knows.
type world struct {
	ca                       *keys.CA
	trust                    *keys.Trust
	serverKey, clientKey     *dtls.KeyPair
	strangerKey              *dtls.KeyPair
	server, client, stranger dtls.Chain
	psk                      keys.PSK
	pins                     *keys.Pins // both keys
}

var theWorld = sync.OnceValue(func() *world {
	w := &world{
		ca:          must(keys.NewCA(seeded(1), "Test CA", noon, 24*time.Hour)),
		serverKey:   must(keys.NewKey(seeded(2))),
		clientKey:   must(keys.NewKey(seeded(3))),
		strangerKey: must(keys.NewKey(seeded(4))),
		psk:         must(keys.NewPSK([]byte("dev1"), []byte("sixteen byte key"))),
		pins:        new(keys.Pins),
	}
	w.trust = keys.NewTrust([]*x509.Certificate{w.ca.Certificate})
	w.server = must(w.ca.IssueServer(seeded(5), w.serverKey, []keys.Authority{{Host: "a.example"}}, noon, time.Hour))
	w.client = must(w.ca.IssueClient(seeded(6), w.clientKey, "client", noon, time.Hour))
	other := must(keys.NewCA(seeded(7), "Test CA", noon, time.Hour))
	w.stranger = must(other.IssueServer(seeded(8), w.strangerKey, []keys.Authority{{Host: "a.example"}}, noon, time.Hour))
	w.pins.AddKey(w.serverKey.SPKI)
	w.pins.AddKey(w.clientKey.SPKI)
	return w
})

func (w *world) pskMap() *keys.PSKMap { return must(keys.NewPSKMap(w.psk)) }

var weakPSK = must(keys.NewPSK([]byte("weak"), []byte("secretPSK")))

// endless is a source of keys that does not know what it has.
type endless struct{ key []byte }

func (e endless) LookupPSK(string, []byte) ([]byte, bool) { return e.key, true }

var aExample = keys.Authority{Host: "a.example"}

// What cannot be safe, or cannot work, does not start.
//
// Pitfall A5: short pre-shared keys are refused unless the configuration says
// otherwise by name.
//
// Proves rfc7252 §9: "At the end of the provisioning phase, the device will be
// in one of four security modes with the following information for the given
// mode."
func TestServerConfigurations(t *testing.T) {
	w := theWorld()
	rsaPair := must(keys.NewKeyPair(must(rsa.GenerateKey(crand.Reader, 2048))))
	for _, test := range []struct {
		what   string
		config Config
		want   error
	}{
		{"nothing", Config{}, ErrNothingToShow},
		{"no key in the map", Config{PSK: new(keys.PSKMap)}, ErrNothingToShow},
		{"no map", Config{PSK: (*keys.PSKMap)(nil)}, ErrNothingToShow},
		{"only trust", Config{Trust: w.trust, Pins: w.pins}, ErrNothingToShow},
		{"only what a client uses", Config{ClientPSK: &w.psk}, ErrNothingToShow},
		{"PSK", Config{PSK: w.pskMap()}, nil},
		{"PSK source", Config{PSK: endless{}}, nil},
		{"RPK for nobody", Config{RawKey: w.serverKey}, ErrBelievesNoOne},
		{"RPK with empty pins", Config{RawKey: w.serverKey, Pins: new(keys.Pins)}, ErrBelievesNoOne},
		{"RPK for nobody, with PSK", Config{PSK: w.pskMap(), RawKey: w.serverKey}, ErrBelievesNoOne},
		{"RPK", Config{RawKey: w.serverKey, Pins: w.pins}, nil},
		{"RPK for certificates", Config{RawKey: w.serverKey, Trust: w.trust}, nil},
		{"RPK for anybody", Config{RawKey: w.serverKey, AllowAnonymousClients: true}, nil},
		{"certificate for nobody", Config{Chains: []dtls.Chain{w.server}}, ErrBelievesNoOne},
		{"certificate", Config{Chains: []dtls.Chain{w.server}, Trust: w.trust}, nil},
		{"certificate for raw keys", Config{Chains: []dtls.Chain{w.server}, Pins: w.pins}, nil},
		{"certificates by name for nobody", Config{ChainsFor: func(string) []dtls.Chain { return nil }}, ErrBelievesNoOne},
		{"PSK with pins that nobody can use", Config{PSK: w.pskMap(), Pins: w.pins}, ErrBelievesNoOne},
		{"all", Config{PSK: w.pskMap(), RawKey: w.serverKey, Chains: []dtls.Chain{w.server}, Pins: w.pins, Trust: w.trust}, nil},
		{"RPK of RSA", Config{RawKey: rsaPair, Pins: w.pins}, ErrBadCredential},
		{"RPK of another key", Config{RawKey: &dtls.KeyPair{Signer: w.serverKey.Signer, SPKI: w.clientKey.SPKI}, Pins: w.pins}, ErrBadCredential},
		{"RPK without a private key", Config{RawKey: &dtls.KeyPair{SPKI: w.serverKey.SPKI}, Pins: w.pins}, ErrBadCredential},
		{"empty chain", Config{Chains: []dtls.Chain{{}}, Trust: w.trust}, ErrBadCredential},
		{"chain of another key", Config{Chains: []dtls.Chain{{DER: w.server.DER, Leaf: w.server.Leaf, Signer: w.clientKey.Signer}}, Trust: w.trust}, ErrBadCredential},
		{"chain of another leaf", Config{Chains: []dtls.Chain{{DER: w.client.DER, Leaf: w.server.Leaf, Signer: w.server.Signer}}, Trust: w.trust}, ErrBadCredential},
		{"insecure", Config{PSK: w.pskMap(), ServerCheck: unverified.AnyServer()}, ErrClientOnly},
	} {
		policy, err := test.config.Server()
		if !errors.Is(err, test.want) || (policy == nil) != (err != nil) {
			t.Errorf("%s: %v, want %v", test.what, err, test.want)
		}
	}
	weak := must(keys.NewPSKMap(w.psk, weakPSK))
	if _, err := (&Config{PSK: weak}).Server(); !errorsAs[*keys.WeakPSKError](err) {
		t.Errorf("weak key: %v", err)
	}
	if _, err := (&Config{PSK: weak, AllowWeakPSK: true}).Server(); err != nil {
		t.Errorf("weak key that is allowed: %v", err)
	}
}

func errorsAs[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// Pitfall M7: a client with neither a name nor a pin to check does not start.
func TestClientConfigurations(t *testing.T) {
	w := theWorld()
	byNode := func(keys.Authority, []byte) (keys.PSK, bool) { return keys.PSK{}, false }
	for _, test := range []struct {
		what   string
		config Config
		server keys.Authority
		want   error
	}{
		{"nothing", Config{}, aExample, ErrBelievesNoOne},
		{"only what a server uses", Config{PSK: w.pskMap(), AllowAnonymousClients: true}, aExample, ErrBelievesNoOne},
		{"only something to show", Config{RawKey: w.clientKey, Chains: []dtls.Chain{w.client}}, aExample, ErrBelievesNoOne},
		{"empty pins and trust", Config{Pins: new(keys.Pins), Trust: keys.NewTrust(nil)}, aExample, ErrBelievesNoOne},
		{"PSK", Config{ClientPSK: &w.psk}, keys.Authority{}, nil},
		{"PSK by node", Config{ClientPSKFor: byNode}, keys.Authority{}, nil},
		{"empty PSK", Config{ClientPSK: &keys.PSK{}, AllowWeakPSK: true}, aExample, ErrBadCredential},
		{"pins", Config{Pins: w.pins}, keys.Authority{}, nil},
		{"trust and name", Config{Trust: w.trust}, aExample, nil},
		{"trust and address", Config{Trust: w.trust}, keys.Authority{Host: "::1"}, nil},
		{"trust without name", Config{Trust: w.trust}, keys.Authority{}, ErrNoNameNoPin},
		{"trust and no name", Config{Trust: w.trust}, keys.Authority{Host: "*.example"}, ErrNoNameNoPin},
		{"trust without name, with PSK", Config{Trust: w.trust, ClientPSK: &w.psk}, keys.Authority{}, ErrNoNameNoPin},
		{"trust and empty pins", Config{Trust: w.trust, Pins: new(keys.Pins)}, keys.Authority{}, ErrNoNameNoPin},
		{"trust and pins", Config{Trust: w.trust, Pins: w.pins}, keys.Authority{}, nil},
		{"key of another", Config{Pins: w.pins, RawKey: &dtls.KeyPair{Signer: w.serverKey.Signer, SPKI: w.clientKey.SPKI}}, aExample, ErrBadCredential},
		{"insecure", Config{ServerCheck: unverified.AnyServer()}, keys.Authority{}, nil},
	} {
		policy, err := test.config.Client(test.server)
		if !errors.Is(err, test.want) || (policy == nil) != (err != nil) {
			t.Errorf("%s: %v, want %v", test.what, err, test.want)
		}
	}
	if _, err := (&Config{ClientPSK: &weakPSK}).Client(aExample); !errorsAs[*keys.WeakPSKError](err) {
		t.Errorf("weak key: %v", err)
	}
	if _, err := (&Config{ClientPSK: &weakPSK, AllowWeakPSK: true}).Client(aExample); err != nil {
		t.Errorf("weak key that is allowed: %v", err)
	}
}
