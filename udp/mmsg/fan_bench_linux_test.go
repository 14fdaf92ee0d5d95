// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package mmsg

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
	"golang.org/x/sys/unix"
)

// BenchmarkClients is many clients in one process, each with a question on its
// way: over a fan of sockets, and over one socket that sends from all addresses.
// It tells what a question costs the echo server and what it costs them.
func BenchmarkClients(b *testing.B) {
	for _, clients := range []int{1, 64, 1024} {
		sources := make([]netip.Addr, clients)
		for i := range sources {
			sources[i] = loopback(i)
		}
		for _, tt := range []struct {
			kind string
			open func() udp.Conn
		}{
			{"fan", func() udp.Conn { return fanOn(b, clients, eachItsOwn) }},
			{"socket", func() udp.Conn { return listen(b, "udp4", ":0") }},
		} {
			b.Run(fmt.Sprintf("%s/clients=%d", tt.kind, clients), func(b *testing.B) {
				s := startEcho(b, echo{"mmsg", 64, 1, 0})
				benchmarkClients(b, s, tt.open(), sources)
			})
		}
	}
}

func benchmarkClients(b *testing.B, s *server, client udp.Conn, sources []netip.Addr) {
	remote := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.port)
	out := burst(len(sources), 60, remote)
	for i := range out {
		out[i].Local = sources[i]
	}
	if _, err := client.Send(out); err != nil {
		b.Fatal(err)
	}
	in := burst(maxBatch, 2048, here)
	var began unix.Rusage
	cpu, answers, turns := int64(0), 0, 0
	for b.Loop() {
		if answers == 0 {
			unix.Getrusage(unix.RUSAGE_SELF, &began)
			cpu, _ = s.used()
		}
		for range 1000 {
			client.SetReadDeadline(time.Now().Add(5 * time.Second))
			n, err := client.Recv(in)
			if err != nil {
				b.Fatal(err)
			}
			client.Send(in[:n])
			answers += n
			turns++
		}
	}
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	cpu2, _ := s.used()
	mine := u.Utime.Nano() + u.Stime.Nano() - began.Utime.Nano() - began.Stime.Nano()
	b.ReportMetric(float64(cpu2-cpu)/float64(answers), "server-ns/answer")
	b.ReportMetric(float64(mine)/float64(answers), "client-ns/answer")
	b.ReportMetric(float64(answers)/float64(turns), "answers/turn")
	b.ReportMetric(0, "ns/op")
}
