// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"net/netip"
	"testing"
	"time"
)

// BenchmarkBatch is what a full batch costs beside the system calls: addresses
// and control messages read, and written for the answers.
func BenchmarkBatch(b *testing.B) {
	for _, tt := range []struct{ name, network, addr string }{
		{"one address", "udp4", "127.0.0.1:0"}, {"IPv4", "udp4", ":0"}, {"both families", "udp", ":0"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			c, client := listen(b, tt.network, tt.addr), listen(b, "udp4", ":0")
			out := burst(maxBatch, 60, netip.AddrPortFrom(loopback(0), c.LocalAddr().Port()))
			if !c.info {
				out = burst(maxBatch, 60, c.LocalAddr())
			}
			for i := range out {
				out[i].Local = loopback(i)
			}
			client.Send(out)
			time.Sleep(10 * time.Millisecond)
			in := burst(maxBatch, 60, here)
			c.SetReadDeadline(time.Now().Add(time.Second))
			if n, err := c.Recv(in); n != maxBatch {
				b.Fatal(n, err)
			}
			left := c.in.messages[0].header.Controllen
			for b.Loop() {
				c.in.prepare(in)
				c.in.count = maxBatch
				for i := range c.in.messages {
					c.in.messages[i].header.Controllen = left // as the kernel does
				}
				c.collect(in)
				c.out.fill(in, 0)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/maxBatch, "ns/datagram")
		})
	}
}
