// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// unhex decodes hexadecimal digits of a test vector.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// count returns the bytes from, from+1, ... of which the older vectors are
// made.
func count(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

// ccmVector is one published encryption.
type ccmVector struct {
	name                  string
	key, nonce, aad, text []byte
	tagLen                int
	sealed                string // ciphertext and tag
}

func ccmVectors(t *testing.T) []ccmVector {
	var vectors []ccmVector
	// RFC 3610 §8, packet vectors 1 to 12: one key, inputs that count.
	for i, sealed := range []string{
		"588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0",
		"72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916",
		"51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5",
		"a28c6865939a9a79faaa5c4c2a9d4a91cdac8c96c861b9c9e61ef1",
		"dcf1fb7b5d9e23fb9d4e131253658ad86ebdca3e51e83f077d9c2d93",
		"6fc1b011f006568b5171a42d953d469b2570a4bd87405a0443ac91cb94",
		"0135d1b2c95f41d5d1d4fec185d166b8094e999dfed96c048c56602c97acbb7490",
		"7b75399ac0831dd2f0bbd75879a2fd8f6cae6b6cd9b7db24c17b4433f434963f34b4",
		"82531a60cc24945a4b8279181ab5c84df21ce7f9b73f42e197ea9c07e56b5eb17e5f4e",
		"07342594157785152b074098330abb141b947b566aa9406b4d999988dd",
		"676bb20380b0e301e8ab79590a396da78b834934f53aa2e9107a8b6c022c",
		"c0ffa0d6f05bdb67f24d43a4338d2aa4bed7b20e43cd1aa31662e7ad65d6db",
	} {
		header, tagLen := 8, 8
		if i%6 >= 3 {
			header = 12
		}
		if i >= 6 {
			tagLen = 10
		}
		packet := count(0, 31+i%3)
		n := byte(i)
		nonce := append([]byte{0, 0, 0, n + 3, n + 2, n + 1, n}, count(0xa0, 6)...)
		vectors = append(vectors, ccmVector{
			"RFC 3610 packet", count(0xc0, 16), nonce, packet[:header], packet[header:], tagLen, sealed,
		})
	}
	return append(vectors,
		ccmVector{
			"RFC 3610 packet 13", unhex(t, "d7828d13b2b0bdc325a76236df93cc6b"), unhex(t, "00412b4ea9cdbe3c9696766cfa"),
			unhex(t, "0be1a88bace018b1"), unhex(t, "08e8cf97d820ea258460e96ad9cf5289054d895ceac47c"), 8,
			"4cb97f86a2a4689a877947ab8091ef5386a6ffbdd080f8e78cf7cb0cddd7b3",
		},
		// NIST SP 800-38C appendix C. Its example 4 has 64 KiB of additional
		// data, which takes an encoding that 13 bytes never need.
		ccmVector{"SP 800-38C example 1", count(0x40, 16), count(0x10, 7), count(0, 8), count(0x20, 4), 4, "7162015b4dac255d"},
		ccmVector{"SP 800-38C example 2", count(0x40, 16), count(0x10, 8), count(0, 16), count(0x20, 16), 6, "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"},
		ccmVector{"SP 800-38C example 3", count(0x40, 16), count(0x10, 12), count(0, 20), count(0x20, 24), 8, "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951"},
	)
}

// TestCCMPublishedVectors seals and opens the vectors of the documents that
// define CCM, and opens none of them with a bit changed.
func TestCCMPublishedVectors(t *testing.T) {
	for i, v := range ccmVectors(t) {
		c := newCCM(v.key, v.tagLen)
		buf := append(bytes.Clone(v.text), make([]byte, v.tagLen)...)
		c.seal(buf, len(v.text), v.nonce, v.aad)
		if got := hex.EncodeToString(buf); got != v.sealed {
			t.Errorf("%s (row %d): sealed\n%s, want\n%s", v.name, i, got, v.sealed)
			continue
		}
		n, ok := c.open(buf, v.nonce, v.aad)
		if !ok || !bytes.Equal(buf[:n], v.text) {
			t.Errorf("%s (row %d): does not open to what was sealed", v.name, i)
		}
		for bit := range 8 * len(v.sealed) / 2 {
			buf := unhex(t, v.sealed)
			buf[bit/8] ^= 1 << (bit % 8)
			if _, ok := c.open(buf, v.nonce, v.aad); ok {
				t.Errorf("%s (row %d): opens with bit %d changed", v.name, i, bit)
			}
		}
	}
}

// wycheproof is the part of an AEAD test file that is read here.
type wycheproof struct {
	NumberOfTests int
	TestGroups    []struct {
		IVSize, KeySize, TagSize int // bits
		Tests                    []struct {
			TcID                               int
			Key, IV, AAD, Msg, CT, Tag, Result string
		}
	}
}

// TestCCMWycheproof runs every test of Wycheproof's that is about AES-CCM as
// defined. Left out are the nonce sizes outside 7 to 13 bytes and the tag
// sizes outside 4, 6, ... 16: CCM has no such thing, and no row of the suite
// table asks for it.
func TestCCMWycheproof(t *testing.T) {
	data, err := os.ReadFile("testdata/aes_ccm_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file wycheproof
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	ran, undefined := 0, 0
	for _, g := range file.TestGroups {
		ivLen, tagLen := g.IVSize/8, g.TagSize/8
		if ivLen < 7 || ivLen > 13 || tagLen < 4 || tagLen%2 != 0 {
			undefined += len(g.Tests)
			continue
		}
		for _, test := range g.Tests {
			ran++
			c := newCCM(unhex(t, test.Key), tagLen)
			nonce, aad, msg := unhex(t, test.IV), unhex(t, test.AAD), unhex(t, test.Msg)
			sealed := unhex(t, test.CT+test.Tag)
			if test.Result == "valid" {
				buf := append(bytes.Clone(msg), make([]byte, tagLen)...)
				if c.seal(buf, len(msg), nonce, aad); !bytes.Equal(buf, sealed) {
					t.Errorf("test %d: sealed %x, want %x", test.TcID, buf, sealed)
				}
			}
			n, ok := c.open(sealed, nonce, aad)
			if ok != (test.Result == "valid") {
				t.Errorf("test %d (%s): open reports %t", test.TcID, test.Result, ok)
			}
			if ok && !bytes.Equal(sealed[:n], msg) {
				t.Errorf("test %d: opens to %x, want %x", test.TcID, sealed[:n], msg)
			}
		}
	}
	if ran+undefined != file.NumberOfTests || ran < 450 {
		t.Errorf("ran %d tests and left out %d of %d", ran, undefined, file.NumberOfTests)
	}
}

func TestCCMRefusesWhatItsLengthFieldCannotSay(t *testing.T) {
	c := newCCM(make([]byte, 16), 8)
	nonce := make([]byte, 13) // L = 2: at most 65535 bytes
	defer func() {
		if recover() == nil {
			t.Error("sealed 65536 bytes with a length field of 16 bits")
		}
	}()
	c.seal(make([]byte, 65536+8), 65536, nonce, nil)
}
