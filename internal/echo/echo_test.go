// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package echo

import (
	"testing"
	"time"

	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/portable"
)

// What is asked comes back, until the socket is closed; a client that has gone
// does not end it.
func TestServe(t *testing.T) {
	server, err := portable.Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- Serve(server) }()
	for range 2 {
		client, err := portable.Listen("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ask := udp.Datagram{Buf: []byte("question"), N: 8, Remote: server.LocalAddr()}
		client.Send([]udp.Datagram{ask, ask})
		client.SetReadDeadline(time.Now().Add(5 * time.Second))
		in := []udp.Datagram{{Buf: make([]byte, 100)}}
		if _, err := client.Recv(in); err != nil || string(in[0].Payload()) != "question" {
			t.Errorf("%q, %v", in[0].Payload(), err)
		}
		client.Send([]udp.Datagram{ask})
		client.Close()
	}
	server.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
