// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package hs

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/suite"
	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// hexBytes are written as hexadecimal digits.
type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// packedFile is what is read of a compressed file of Wycheproof's.
type packedFile[Group any] struct {
	NumberOfTests int
	TestGroups    []Group
}

func readPacked[Group any](t *testing.T, name string) *packedFile[Group] {
	t.Helper()
	f, err := os.Open("testdata/" + name + "_test.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	file := &packedFile[Group]{}
	if err := json.NewDecoder(z).Decode(file); err != nil {
		t.Fatal(err)
	}
	return file
}

// tally counts the tests of a file by what they demand.
type tally struct{ accepted, refused, left int }

func (n *tally) count(accept bool) {
	if accept {
		n.accepted++
	} else {
		n.refused++
	}
}

// check compares with what the file is known to hold, so that one that was
// cut, or is read wrongly, does not pass for a good one.
func (n tally) check(t *testing.T, want tally, inFile int) {
	t.Helper()
	if n != want || n.accepted+n.refused+n.left != inFile {
		t.Errorf("ran %+v of %d tests, want %+v", n, inFile, want)
	}
}

type aeadGroup struct {
	IVSize, KeySize int // bits
	Tests           []aeadCase
}

type aeadCase struct {
	TcID                       int
	Comment, Result            string
	Key, IV, AAD, Msg, CT, Tag hexBytes
}

// The AEADs that come from libraries seal and open in place as they should.
// Left are nonces that are not 12 bytes long, which the interface cannot
// express, and AES-192, which no suite has.
func TestWycheproofAEADs(t *testing.T) {
	gcm := map[int]wire.CipherSuite{128: wire.TLS_PSK_WITH_AES_128_GCM_SHA256, 256: wire.TLS_PSK_WITH_AES_256_GCM_SHA384}
	chacha := map[int]wire.CipherSuite{256: wire.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256}
	for _, test := range []struct {
		file  string
		suite map[int]wire.CipherSuite // by bits of key
		want  tally
	}{
		{"aes_gcm", gcm, tally{accepted: 79, refused: 54, left: 183}},
		{"chacha20_poly1305", chacha, tally{accepted: 256, refused: 60, left: 9}},
	} {
		t.Run(test.file, func(t *testing.T) {
			var ran tally
			file := readPacked[aeadGroup](t, test.file)
			for _, g := range file.TestGroups {
				s := suite.ByID(test.suite[g.KeySize])
				if s == nil || g.IVSize != 8*suite.NonceLen {
					ran.left += len(g.Tests)
					continue
				}
				for _, c := range g.Tests {
					accept := c.Result == "valid"
					ran.count(accept)
					c.check(t, s.AEAD(c.Key), accept)
				}
			}
			ran.check(t, test.want, file.NumberOfTests)
		})
	}
}

func (c *aeadCase) check(t *testing.T, aead suite.AEAD, accept bool) {
	t.Helper()
	nonce, sealed := [suite.NonceLen]byte(c.IV), slices.Concat(c.CT, c.Tag)
	if accept {
		buf := append(bytes.Clone(c.Msg), make([]byte, len(c.Tag))...)
		if aead.Seal(buf, len(c.Msg), &nonce, c.AAD); !bytes.Equal(buf, sealed) {
			t.Errorf("test %d (%s): sealed %x, want %x", c.TcID, c.Comment, buf, sealed)
		}
	}
	n, ok := aead.Open(sealed, &nonce, c.AAD)
	switch {
	case ok != accept:
		t.Errorf("test %d (%s, %s): open reports %t", c.TcID, c.Comment, c.Result, ok)
	case ok && !bytes.Equal(sealed[:n], c.Msg):
		t.Errorf("test %d (%s): opens to %x, want %x", c.TcID, c.Comment, sealed[:n], c.Msg)
	case !ok && len(c.Msg) > 0 && bytes.Equal(sealed[:len(c.Msg)], c.Msg):
		t.Errorf("test %d (%s): leaves its plaintext in the buffer", c.TcID, c.Comment)
	}
}
