// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

// TestAEADRowsAgainstRFC8439AndGCM pins the wrapped algorithms: a table row
// that held the wrong one would pass every round trip.
func TestAEADRowsAgainstRFC8439AndGCM(t *testing.T) {
	tests := []struct {
		name                  string
		aead                  AEAD
		nonce, aad, text, out string
	}{
		{
			// RFC 8439 §2.8.2.
			"ChaCha20-Poly1305", newChaCha(count(0x80, 32)),
			"070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
			hex.EncodeToString([]byte("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.")),
			"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" +
				"3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" +
				"92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
				"3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
		},
		{
			// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 4.
			"AES-128-GCM", newGCM(unhex(t, "feffe9928665731c6d6a8f9467308308")),
			"cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
			"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
			"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091" +
				"5bc94fbc3221a5db94fae95ae7121a47",
		},
	}
	for _, test := range tests {
		nonce := (*[NonceLen]byte)(unhex(t, test.nonce))
		text := unhex(t, test.text)
		buf := append(bytes.Clone(text), make([]byte, 16)...)
		test.aead.Seal(buf, len(text), nonce, unhex(t, test.aad))
		if got := hex.EncodeToString(buf); got != test.out {
			t.Errorf("%s: sealed\n%s, want\n%s", test.name, got, test.out)
		}
		n, ok := test.aead.Open(buf, nonce, unhex(t, test.aad))
		if !ok || !bytes.Equal(buf[:n], text) {
			t.Errorf("%s: does not open to what was sealed", test.name)
		}
	}
}

// TestAEADProperties holds for every suite: what is sealed opens in place;
// with any bit of it, of the nonce or of the additional data changed it does
// not, and no plaintext is left behind.
//
// Pitfall M6: a record that fails leaves its neighbours in the datagram alone
func TestAEADProperties(t *testing.T) {
	for _, s := range All() {
		t.Run(s.Name, rapid.MakeCheck(func(t *rapid.T) {
			bytesOf := func(n int, label string) []byte {
				return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, label)
			}
			aead := s.AEAD(bytesOf(s.KeyLen, "key"))
			nonce := (*[NonceLen]byte)(bytesOf(NonceLen, "nonce"))
			aad := bytesOf(13, "aad")
			text := bytesOf(rapid.IntRange(0, 70).Draw(t, "length"), "text")

			datagram := bytes.Repeat([]byte{0xee}, 8+len(text)+s.TagLen+8)
			buf := datagram[8 : len(datagram)-8 : len(datagram)-8]
			copy(buf, text)
			aead.Seal(buf, len(text), nonce, aad)
			sealed := bytes.Clone(buf)
			if n, ok := aead.Open(buf, nonce, aad); !ok || !bytes.Equal(buf[:n], text) {
				t.Fatal("does not open to what was sealed")
			}

			copy(buf, sealed)
			victim := rapid.SampledFrom([][]byte{buf, nonce[:], aad}).Draw(t, "victim")
			bit := rapid.IntRange(0, 8*len(victim)-1).Draw(t, "bit")
			victim[bit/8] ^= 1 << (bit % 8)
			if n, ok := aead.Open(buf, nonce, aad); ok || n != 0 {
				t.Fatal("opens with a bit changed")
			}
			if len(text) >= 8 && bytes.Contains(buf, text) {
				t.Fatal("unauthenticated plaintext is left in the buffer")
			}
			if !bytes.Equal(datagram[:8], bytes.Repeat([]byte{0xee}, 8)) ||
				!bytes.Equal(datagram[len(datagram)-8:], bytes.Repeat([]byte{0xee}, 8)) {
				t.Fatal("bytes outside the record changed")
			}
		}))
	}
}

// Pitfall O4: bodies shorter than the tag do not open, and nothing panics
func TestAEADShorterThanTag(t *testing.T) {
	for _, s := range All() {
		aead := s.AEAD(make([]byte, s.KeyLen))
		for n := range s.TagLen {
			if _, ok := aead.Open(make([]byte, n), new([NonceLen]byte), nil); ok {
				t.Errorf("%s: %d bytes open", s.Name, n)
			}
		}
	}
}

func TestAEADPanicsWithoutRoomForTheTag(t *testing.T) {
	for _, s := range All() {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: sealed into a buffer without room for the tag", s.Name)
				}
			}()
			s.AEAD(make([]byte, s.KeyLen)).Seal(make([]byte, 5), 5, new([NonceLen]byte), nil)
		}()
	}
}

func TestAEADDoesNotAllocate(t *testing.T) {
	for _, s := range All() {
		aead := s.AEAD(make([]byte, s.KeyLen))
		const n = 64
		buf, nonce, aad := make([]byte, n+s.TagLen), new([NonceLen]byte), make([]byte, 13)
		allocs := testing.AllocsPerRun(100, func() {
			aead.Seal(buf, n, nonce, aad)
			if _, ok := aead.Open(buf, nonce, aad); !ok {
				t.Fatal("does not open")
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations to seal and open", s.Name, allocs)
		}
	}
}
