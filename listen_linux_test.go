// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"net"
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp/mmsg"
)

// An overload that not even the system's buffer holds shows in the statistics.
func TestReceiveOverflowsAreCounted(t *testing.T) {
	entered, release := make(chan struct{}, 1), make(chan struct{})
	server := &Server{
		Addr: "127.0.0.1:0", NoSec: true,
		Handler: Inline(HandlerFunc(func(ResponseWriter, *Request) {
			entered <- struct{}{}
			<-release
		})),
	}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, ok := server.plain.shards[0].conn.(*mmsg.Conn); !ok {
		t.Fatalf("the default socket is a %T", server.plain.shards[0].conn)
	}
	go server.Serve(t.Context())

	plain, _ := server.Addrs()
	flood, err := net.Dial("udp4", plain.String())
	if err != nil {
		t.Fatal(err)
	}
	defer flood.Close()
	flood.Write([]byte{0x50, 0x01, 0x12, 0x34}) // RFC 7252 section 3: NON GET, no token
	<-entered
	for range 20_000 { // three times what 2 MiB hold
		flood.Write([]byte("junk"))
	}
	close(release)
	deadline := time.Now().Add(5 * time.Second)
	for server.Stats().ReceiveOverflows == 0 {
		if time.Now().After(deadline) {
			t.Fatal("no overflow was counted")
		}
		time.Sleep(time.Millisecond)
	}
}
