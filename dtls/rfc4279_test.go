// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// The messages of a PSK handshake are those of figure 1, with a
// ServerKeyExchange when there is a hint, or an ephemeral key, and not else.
//
// Proves rfc4279 §2: "If the TLS server also wants to use pre-shared keys, it
// selects one of the PSK ciphersuites, places the selected ciphersuite in the
// ServerHello message, and includes an appropriate ServerKeyExchange message
// (see below). The Certificate and CertificateRequest payloads are omitted
// from the response."
// Proves rfc4279 §2: "If no hint is provided, the ServerKeyExchange message is
// omitted."
// Proves rfc4279 §2: "The client indicates which key to use by including a
// "PSK identity" in the ClientKeyExchange message"
func TestMessagesOfPSK(t *testing.T) {
	k := testKeys()
	const ecdhe = wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256
	short := "[ServerHello ServerHelloDone]"
	long := "[ServerHello ServerKeyExchange ServerHelloDone]"
	for _, test := range []struct {
		id   CipherSuite
		hint []byte
		want string
	}{
		{pskSuite, nil, short}, {pskSuite, []byte("hint"), long}, {pskSuite, []byte{}, long}, {ecdhe, nil, long}, {ecdhe, []byte("hint"), long},
	} {
		// Both could do more than the suite asks for.
		all := Credentials{PSK: true, PSKHint: test.hint, RawKey: rawKey(k.p256), AcceptRawKeys: true, RequirePeerKey: true}
		cfg := func() *Config { return &Config{CipherSuites: []CipherSuite{test.id}, Credentials: with(all)} }
		w, p := watch(t, cfg(), cfg())
		if got := fmt.Sprint(w.types(false)); got != test.want {
			t.Errorf("%v with hint %q: server says %v", test.id, test.hint, got)
		}
		if got := fmt.Sprint(w.types(true)); got != "[ClientHello ClientKeyExchange]" {
			t.Errorf("%v: client says %v", test.id, got)
		}
		var x wire.ClientKeyExchange
		m, _ := w.find(wire.HandshakeClientKeyExchange)
		if err := x.Parse(m.body(), wire.KeyExchangeForm{PSK: true, ECDHE: test.id == ecdhe}); err != nil || string(x.Identity) != "dev1" {
			t.Errorf("%v: identity %q, %v", test.id, x.Identity, err)
		}
		if got := p.client.asked[len(p.client.asked)-1].Hint; !bytes.Equal(got, test.hint) {
			t.Errorf("%v: hint %q becomes %q", test.id, test.hint, got)
		}
	}
}

// The premaster secret of keys of every length is made as the RFC says, and
// the master secret from it: a witness who knows the key finds the same.
//
// Proves rfc4279 §2: "The premaster secret is formed as follows: if the PSK is
// N octets long, concatenate a uint16 with the value N, N zero octets, a
// second uint16 with the value N, and the PSK itself."
// Proves rfc4279 §5.3: "and arbitrary PSKs up to 64 octets in length.
// Supporting longer identities and keys is RECOMMENDED."
func TestPremasterOfEveryLength(t *testing.T) {
	for _, n := range []int{1, 15, 16, 32, 63, 64, 65, 1000, 65535} {
		key := make([]byte, n)
		rand.Read(key)
		psk := with(Credentials{PSK: true})
		var masters [2][]byte
		cfg := func(i int) *Config {
			return &Config{
				CipherSuites: []CipherSuite{pskSuite}, Credentials: psk,
				KeyLog: func(_ string, _, secret []byte) { masters[i] = bytes.Clone(secret) },
			}
		}
		p := newPair(t, cfg(0), cfg(1))
		p.client.key, p.server.key = key, key
		w := &witness{t: t, partial: map[bool]*statement{}, suite: suite.ByID(pskSuite)}
		p.sent = func(fromClient bool, d []byte) bool { w.see(fromClient, bytes.Clone(d)); return true }
		p.establish()
		p.echo()

		premaster := binary.BigEndian.AppendUint16(nil, uint16(n))
		premaster = append(premaster, make([]byte, n)...)
		premaster = append(binary.BigEndian.AppendUint16(premaster, uint16(n)), key...)
		var all []byte
		for _, s := range w.said {
			all = append(all, s.raw...)
		}
		want := make([]byte, 48)
		suite.PRF(w.suite.Hash, want, premaster, "extended master secret", w.hash(all))
		for i, got := range masters {
			if !bytes.Equal(got, want) {
				t.Errorf("key of %d bytes, end %d: another master secret", n, i)
			}
		}
	}
}

// A server that lost the key, or that was given one of no bytes, and a client
// in the same place: no handshake, no crash.
//
// Pitfall P18: an empty key is no key on either side
func TestEmptyKeys(t *testing.T) {
	psk := with(Credentials{PSK: true})
	for _, id := range []CipherSuite{pskSuite, wire.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256} {
		for _, keys := range [][2][]byte{{{}, []byte("0123456789abcdef")}, {[]byte("0123456789abcdef"), {}}, {{}, {}}, {make([]byte, 65536), make([]byte, 65536)}} {
			p := newPair(t, &Config{CipherSuites: []CipherSuite{id}, Credentials: psk}, &Config{CipherSuites: []CipherSuite{id}, Credentials: psk})
			p.client.key, p.server.key = keys[0], keys[1]
			p.run()
			if p.client.established || p.server.established {
				t.Errorf("%v: keys of %d and %d bytes: established", id, len(keys[0]), len(keys[1]))
			}
		}
	}
}
