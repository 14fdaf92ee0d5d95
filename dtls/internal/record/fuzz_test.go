// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"testing"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// FuzzOpen feeds datagrams to a session in each of its stages. Nothing may
// panic, nothing but the session's own records may open in a protected epoch,
// and what does not open may not change anything but the counter of failures
// and what is held.
func FuzzOpen(f *testing.F) {
	client, _ := pair(f, ccm8)
	genuine := map[string]bool{}
	seed := func(typ wire.ContentType, payload string) []byte {
		genuine[payload] = true
		return seal(f, client, 1, typ, payload)
	}
	one, two := seed(data, "one"), seed(handshake, "two")
	f.Add(byte(0), append(bytes.Clone(one), two...))
	f.Add(byte(1), two[:len(two)-1])
	f.Add(byte(2), append(bytes.Clone(one[:20]), two...))
	f.Add(byte(0), seal(f, new(Layer), 0, handshake, "hello"))
	f.Add(byte(1), seal(f, new(Layer), 0, ccs, "\x01"))
	f.Add(byte(2), []byte("\x17\xfe\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"))

	f.Fuzz(func(t *testing.T, stage byte, datagram []byte) {
		l := &Layer{Limits: &Limits{HeldRecords: 2, HeldBytes: 200}}
		clientKeys, serverKeys := keyBlock(ccm8, 1)
		if stage%3 > 0 {
			setKeys(t, l, ccm8, serverKeys, clientKeys)
		}
		if stage%3 == 2 {
			l.Complete()
		}
		for {
			r, rest, ok := Cut(datagram)
			if !ok {
				break
			}
			window := l.read.window
			payload, result := l.Open(&r)
			if result == Opened && r.Header.Epoch > 0 && !genuine[string(payload)] {
				t.Errorf("opened %q", payload)
			}
			if result != Opened && l.read.window != window && result != DropEmpty && result != DropCipherChange {
				t.Errorf("%v moved the window", result)
			}
			if l.HeldLen() > 200 {
				t.Errorf("%d bytes are held", l.HeldLen())
			}
			datagram = rest
		}
	})
}
