// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package udptest

import "testing"

// BenchmarkRoundTrip is one datagram there and back, on one goroutine.
func BenchmarkRoundTrip(b *testing.B, listen Listen) {
	s := suite{listen}
	server, client := s.local(b), s.local(b)
	out, in := buffers(1, 100), buffers(1, 100)
	out[0].N, out[0].Remote = 60, server.LocalAddr()
	b.ReportAllocs()
	for b.Loop() {
		roundTrip(client, server, out, in)
	}
}
