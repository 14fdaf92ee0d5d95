// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestPRF has the vectors of the "tls" mailing list (2009), which every TLS
// 1.2 library's tests repeat.
//
// Proves rfc5246 §5: "P_hash can be iterated as many times as necessary to produce the
// required quantity of data."
func TestPRF(t *testing.T) {
	tests := []struct {
		hash              crypto.Hash
		secret, seed, out string
	}{
		{
			crypto.SHA256, "9bbe436ba940f017b17652849a71db35", "a0ba9f936cda311827a6f796ffd5198c",
			"e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af" +
				"0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66",
		},
		{
			crypto.SHA384, "b80b733d6ceefcdc71566ea48e5567df", "cd665cf6a8447dd6ff8b27555edb7465",
			"7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0" +
				"e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425" +
				"9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e099070" +
				"3d73e56f",
		},
	}
	for _, test := range tests {
		want, seed := unhex(t, test.out), unhex(t, test.seed)
		// Two uses of one keyed HMAC, the seed whole and in parts, and every
		// shorter output, which is a prefix.
		p := newPRF(test.hash, unhex(t, test.secret))
		for n := range len(want) + 1 {
			got := make([]byte, n)
			p.expand(got, "test label", seed[:n%len(seed)], seed[n%len(seed):])
			if !bytes.Equal(got, want[:n]) {
				t.Fatalf("%v: %d bytes are %x, want %x", test.hash, n, got, want[:n])
			}
		}
		got := make([]byte, len(want))
		if PRF(test.hash, got, unhex(t, test.secret), "test label", seed); !bytes.Equal(got, want) {
			t.Errorf("%v: PRF gives %x, want %x", test.hash, got, want)
		}
	}
}

// TestPRFMACIsHMAC compares with crypto/hmac, for secrets around the block
// sizes, one object for all secrets of a hash.
func TestPRFMACIsHMAC(t *testing.T) {
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384} {
		var p prf
		for n := range 300 {
			secret, first, second := count(byte(n), n), count(3, n%70), count(5, n%50)
			p.start(h, secret)
			want := hmac.New(h.New, secret)
			want.Write(first)
			want.Write(second)
			for range 2 {
				if got := p.mac(nil, first, second); !bytes.Equal(got, want.Sum(nil)) {
					t.Fatalf("%v, secret of %d bytes: %x, want %x", h, n, got, want.Sum(nil))
				}
			}
		}
	}
}

// Proves rfc4279 §2: "The premaster secret is formed as follows: if the PSK is N octets
// long, concatenate a uint16 with the value N, N zero octets, a second
// uint16 with the value N, and the PSK itself."
func TestPSKPremaster(t *testing.T) {
	for _, test := range []struct{ psk, want string }{
		{"", "00000000"},
		{"aa", "0001000001aa"},
		{"0102030405", "0005000000000000050102030405"},
	} {
		got, ok := PSKPremaster(unhex(t, test.psk))
		if !ok || hex.EncodeToString(got) != test.want {
			t.Errorf("premaster of %q is %x, %t, want %s", test.psk, got, ok, test.want)
		}
	}
	longest, ok := PSKPremaster(make([]byte, 65535))
	if !ok || len(longest) != 2*(2+65535) {
		t.Errorf("premaster of 65535 bytes: %d bytes, %t", len(longest), ok)
	}
	if _, ok := PSKPremaster(make([]byte, 65536)); ok {
		t.Error("a PSK of 65536 bytes has a premaster secret")
	}
}

// TestECDHEPSKPremaster has the layout of RFC 5489 §2: a uint16 with the
// length of Z, Z, a uint16 with the length of the PSK, the PSK.
func TestECDHEPSKPremaster(t *testing.T) {
	shared := append([]byte{0, 0}, count(1, 30)...) // leading zeros stay
	got, ok := ECDHEPSKPremaster(shared, []byte{0xaa, 0xbb, 0xcc})
	want := "0020" + hex.EncodeToString(shared) + "0003aabbcc"
	if !ok || hex.EncodeToString(got) != want {
		t.Errorf("premaster is %x, %t, want %s", got, ok, want)
	}
	if _, ok := ECDHEPSKPremaster(shared, make([]byte, 65536)); ok {
		t.Error("a PSK of 65536 bytes has a premaster secret")
	}
}

// The two master secrets differ in label and seed alone; crypto/tls checks
// the values in TestAgainstCryptoTLS.
//
// Proves rfc7627 §4: "The extended master secret computation differs from that described in
// [RFC5246] in the following ways:"
//
// Pitfall A1: the extended master secret depends on the session hash, so two handshakes with one premaster secret and one pair of randoms differ
func TestExtendedMasterSecretBindsTheHandshake(t *testing.T) {
	s := ByID(0xc0a8)
	premaster, _ := PSKPremaster(make([]byte, 16))
	a := s.ExtendedMasterSecret(premaster, bytes.Repeat([]byte{1}, 32))
	b := s.ExtendedMasterSecret(premaster, bytes.Repeat([]byte{2}, 32))
	c := s.MasterSecret(premaster, make([]byte, 32), make([]byte, 32))
	if *a.Master() == *b.Master() || *a.Master() == *c.Master() {
		t.Error("master secrets of different handshakes are equal")
	}
	want := make([]byte, MasterSecretLen)
	PRF(s.Hash, want, premaster, "extended master secret", bytes.Repeat([]byte{1}, 32))
	if !bytes.Equal(a.Master()[:], want) {
		t.Errorf("extended master secret is %x, want %x", a.Master()[:], want)
	}
}

// Proves rfc5246 §6.3: "Then, the key_block is
// partitioned as follows:"
//
// Pitfall A9: the two directions have different keys and IVs, so what we sent does not open as the peer's
func TestKeyBlockPartition(t *testing.T) {
	clientRandom, serverRandom := count(1, 32), count(101, 32)
	for _, s := range All() {
		sched := s.MasterSecret([]byte("premaster"), clientRandom, serverRandom)
		client, server := sched.KeyBlock(clientRandom, serverRandom)
		got := bytes.Join([][]byte{client.Key(s), server.Key(s), client.IV(s), server.IV(s)}, nil)
		want := make([]byte, 2*(s.KeyLen+s.FixedIVLen))
		PRF(s.Hash, want, sched.Master()[:], "key expansion", serverRandom, clientRandom)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: key block is %x, want %x", s.Name, got, want)
		}
		if bytes.Equal(client.Key(s), server.Key(s)) || bytes.Equal(client.IV(s), server.IV(s)) {
			t.Errorf("%s: both directions have the same keys", s.Name)
		}
		client.Wipe()
		if client != (Keys{}) {
			t.Errorf("%s: Wipe left %x", s.Name, client.key)
		}
	}
}

// TestExporterLabelsAndContext checks the bounds of RFC 5705 §4; the values
// are checked in TestAgainstCryptoTLS.
func TestExporterLabelsAndContext(t *testing.T) {
	s, master := ByID(0xc0a8), &MasterSecret{1, 2, 3}
	export := func(label string, context []byte) ([]byte, error) {
		out := make([]byte, 32)
		err := s.Export(out, master, count(1, 32), count(2, 32), label, context)
		return out, err
	}
	for _, reserved := range []string{"", "client finished", "server finished", "master secret", "extended master secret", "key expansion"} {
		if out, err := export(reserved, nil); err != ErrExportLabel || !bytes.Equal(out, make([]byte, 32)) {
			t.Errorf("label %q: %x, %v", reserved, out, err)
		}
	}
	if _, err := export("EXPERIMENTAL x", make([]byte, 65536)); err != ErrExportContext {
		t.Errorf("context of 65536 bytes: %v", err)
	}
	none, _ := export("EXPERIMENTAL x", nil)
	empty, _ := export("EXPERIMENTAL x", []byte{})
	if bytes.Equal(none, empty) {
		t.Error("no context and an empty context export the same")
	}
}

// TestSecretsDoNotPrint formats everything that holds a secret with the verbs
// that would show it.
func TestSecretsDoNotPrint(t *testing.T) {
	s := ByID(0xc0a8)
	sched := s.MasterSecret([]byte("premaster"), count(1, 32), count(2, 32))
	client, _ := sched.KeyBlock(count(1, 32), count(2, 32))
	secrets := []string{
		hex.EncodeToString(sched.Master()[:4]), hex.EncodeToString(client.Key(s)[:4]),
		strings.Trim(fmt.Sprint(sched.Master()[:4]), "[]"), strings.Trim(fmt.Sprint(client.Key(s)[:4]), "[]"),
	}
	for _, v := range []any{sched, *sched, sched.Master(), *sched.Master(), client, &client, []Keys{client}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d", "%q"} {
			text := fmt.Sprintf(verb, v)
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%s of a %T prints a secret: %s", verb, v, text)
				}
			}
		}
	}
	master := sched.Master()
	if sched.Wipe(); *master != (MasterSecret{}) || sched.prf.states != [2][maxState]byte{} {
		t.Error("Wipe left the master secret, or what follows from it")
	}
}

// TestScheduleAllocations keeps the handshake's key derivation cheap.
func TestScheduleAllocations(t *testing.T) {
	s := ByID(0xc0a8)
	random := count(1, 32)
	sched := s.MasterSecret([]byte("premaster"), random, random)
	allocs := testing.AllocsPerRun(50, func() {
		sched.KeyBlock(random, random)
		sched.ClientVerifyData(random)
		sched.ServerVerifyData(random)
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a key block and both Finished", allocs)
	}
}

// BenchmarkSchedule is all key derivation of one PSK handshake.
func BenchmarkSchedule(b *testing.B) {
	s := ByID(0xc0a8)
	random := count(1, 32)
	premaster, _ := PSKPremaster(make([]byte, 16))
	b.ReportAllocs()
	for b.Loop() {
		sched := s.ExtendedMasterSecret(premaster, random)
		sched.KeyBlock(random, random)
		sched.ClientVerifyData(random)
		sched.ServerVerifyData(random)
	}
}
