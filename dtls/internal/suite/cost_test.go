// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"crypto/aes"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// sealAndOpen makes a turn of what a session does with a record: seal it,
// and open it again.
func sealAndOpen(t testing.TB, aead AEAD, size, tagLen int) func() {
	buf, nonce, aad := make([]byte, size+tagLen), new([NonceLen]byte), make([]byte, 13)
	return func() {
		aead.Seal(buf, size, nonce, aad)
		if n, ok := aead.Open(buf, nonce, aad); !ok || n != size {
			t.Fatal("does not open to what was sealed")
		}
	}
}

// fastest is the time of one turn in the fastest of many short runs of each
// function, which take turns, so that what else the machine does hits all.
func fastest(turns ...func()) []float64 {
	const runs, perRun = 60, 1000
	best := make([]float64, len(turns))
	for i := range best {
		best[i] = math.Inf(1)
	}
	for range runs {
		for i, turn := range turns {
			begun := time.Now()
			for range perRun {
				turn()
			}
			best[i] = min(best[i], float64(time.Since(begun))/perRun)
		}
	}
	return best
}

// instrumented reports whether the race detector watches each load and
// store of Go code, and none of assembly.
func instrumented() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Sealing and opening a record of 60 bytes costs at most three times as much
// with AES-CCM_8 as with the AES-128-GCM of the standard library; the bound
// here leaves room for a busy machine.
func TestCostOfCCMBesideGCM(t *testing.T) {
	if testing.Short() || instrumented() {
		t.Skip("measures time")
	}
	const bound = 4
	for _, size := range []int{60, 64} {
		ns := fastest(
			sealAndOpen(t, newCCM8(make([]byte, 16)), size, 8),
			sealAndOpen(t, newGCM(make([]byte, 16)), size, 16))
		ratio := ns[0] / ns[1]
		t.Logf("seal and open of %d bytes: AES-CCM_8 %.0f ns, AES-GCM %.0f ns, ratio %.2f", size, ns[0], ns[1], ratio)
		if ratio > bound {
			t.Errorf("%d bytes: AES-CCM_8 costs %.2f times AES-GCM, want at most %d", size, ratio, bound)
		}
	}
}

// plainCCM seals as RFC 3610 §2 reads, one block after the other, for a
// nonce of 12 bytes.
func plainCCM(key, nonce, aad, text []byte, tagLen int) (sealed []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	stream := func(i int) []byte {
		s := append(append([]byte{2}, nonce...), byte(i>>16), byte(i>>8), byte(i))
		block.Encrypt(s, s)
		return s
	}
	mac := append(append([]byte{1<<6 | byte(tagLen-2)/2<<3 | 2}, nonce...), byte(len(text)>>16), byte(len(text)>>8), byte(len(text)))
	block.Encrypt(mac, mac)
	absorb := func(data []byte) {
		for i, b := range data {
			if mac[i%16] ^= b; i%16 == 15 || i == len(data)-1 {
				block.Encrypt(mac, mac)
			}
		}
	}
	absorb(append([]byte{byte(len(aad) >> 8), byte(len(aad))}, aad...))
	absorb(text)
	for i, b := range text {
		sealed = append(sealed, b^stream(1 + i/16)[i%16])
	}
	for i, b := range stream(0)[:tagLen] {
		sealed = append(sealed, mac[i]^b)
	}
	return sealed
}

// TestCCMAgainstThePlainWay compares every length around the lanes and their
// multiples, one object for all, with CCM written as it reads.
func TestCCMAgainstThePlainWay(t *testing.T) {
	key, nonce := count(0, 16), [NonceLen]byte(count(0xf0, NonceLen))
	c := newCCM(key, 8)
	lengths := []int{255, 256, 257, 1023, 1024, 1025, 4095, 4097, 1 << 14}
	for n := range 3*lanes*aes.BlockSize + 2 {
		lengths = append(lengths, n)
	}
	for i, n := range lengths {
		text, aad := count(byte(n), n), count(7, 1+i%40)
		buf := append(bytes.Clone(text), make([]byte, 8)...)
		c.Seal(buf, n, &nonce, aad)
		if want := plainCCM(key, nonce[:], aad, text, 8); !bytes.Equal(buf, want) {
			t.Fatalf("%d bytes are sealed to\n%x, want\n%x", n, buf, want)
		}
		if got, ok := c.Open(buf, &nonce, aad); !ok || !bytes.Equal(buf[:got], text) {
			t.Fatalf("%d bytes do not open to what was sealed", n)
		}
	}
}

// BenchmarkRecord seals and opens one record, with CCM_8 and with the GCM of
// the standard library through the same interface.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{60, 64, 1024} {
		for _, a := range []struct {
			name   string
			aead   AEAD
			tagLen int
		}{
			{"AES-128-CCM_8", newCCM8(make([]byte, 16)), 8},
			{"AES-128-GCM", newGCM(make([]byte, 16)), 16},
		} {
			b.Run(fmt.Sprintf("%d/%s", size, a.name), func(b *testing.B) {
				turn := sealAndOpen(b, a.aead, size, a.tagLen)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					turn()
				}
			})
		}
	}
}
