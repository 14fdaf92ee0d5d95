// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkRecord seals and opens whole records, header and window included.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{64, 1024} {
		for _, s := range oneOfEach {
			payload, buf := make([]byte, size), make([]byte, 0, 2048)
			b.Run(fmt.Sprintf("seal/%s/%d", s.Name[len("TLS_PSK_WITH_"):], size), func(b *testing.B) {
				client, _ := pair(b, s)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					client.write.next = 0 // the usage limit is not the question
					if _, err := client.Seal(buf, 1, data, payload); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("open/%s/%d", s.Name[len("TLS_PSK_WITH_"):], size), func(b *testing.B) {
				client, server := pair(b, s)
				raw := seal(b, client, 1, data, string(payload))
				datagram := bytes.Clone(raw)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					copy(datagram, raw)
					server.read.window = window{}
					r, _, _ := Cut(datagram)
					if _, result := server.Open(&r); result != Opened {
						b.Fatal(result)
					}
				}
			})
		}
	}
}
