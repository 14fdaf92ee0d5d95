// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
)

func TestSmoke(t *testing.T) {
	mux := NewMux()
	mux.HandleFunc("GET /hello", func(w ResponseWriter, r *Request) { w.Write([]byte("hi " + r.Path)) })
	s := &Server{Addr: "127.0.0.1:0", NoSec: true, Handler: mux}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background()) }()
	plain, _ := s.Addrs()
	var c Client
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := c.Get(ctx, "coap://"+plain.String()+"/hello")
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != coap.Content || string(r.Payload) != "hi /hello" {
		t.Fatalf("%v %q", r.Code, r.Payload)
	}
	t.Log(r.RTT)
	rtt, err := c.Ping(ctx, "coap://"+plain.String())
	t.Log(rtt, err)
	c.Close()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	t.Log(<-done)
}
