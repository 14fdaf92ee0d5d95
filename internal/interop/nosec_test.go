// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
)

// TestNoSec is plain CoAP with libcoap in both roles, on a good path and on a
// lossy one, where the message layer alone has to make up for it.
//
// Proves rfc7252 §9: "The NoSec and RawPublicKey modes are mandatory to implement for this specification."
func TestNoSec(t *testing.T) {
	t.Parallel()
	for _, c := range []condition{goodPath, lossyPath} {
		t.Run(c.name+"/we ask", func(t *testing.T) {
			need(t, "coap-server-notls")
			ctx := parallel(t)
			port := freePort(t)
			p := start(ctx, t, nil, "coap-server-notls", "-p", strconv.Itoa(port), "-A", "127.0.0.1")
			awaitPort(ctx, t, p, port)
			c.try(ctx, t, func(try int) error {
				_, port := path(t, c, try, port)
				return askPlain(ctx, t, port)
			})
		})
		t.Run(c.name+"/we serve", func(t *testing.T) {
			need(t, "coap-client-notls")
			servePlain(parallel(t), t, c)
		})
	}
}

// askPlain asks often enough for the relay to have something to lose.
func askPlain(ctx context.Context, t *testing.T, port int) error {
	// On the loopback there is no congestion to cause by haste.
	client := &coaps.Client{Network: "udp4", Params: message.Params{AckTimeout: 500 * time.Millisecond, MaxRetransmit: 6}}
	defer client.Close()
	for range 3 {
		response, err := client.Get(ctx, fmt.Sprintf("coap://localhost:%d/time", port))
		if err != nil {
			return err
		}
		if response.Code != coap.Content || response.Peer.Mode != security.NoSec || response.Peer.Facts != nil {
			t.Errorf("%v from %v", response.Code, response.Peer)
		}
	}
	return nil
}

func servePlain(ctx context.Context, t *testing.T, c condition) {
	asked := make(chan coaps.Peer, 100)
	s := &coaps.Server{Addr: "127.0.0.1:0", Network: "udp4", NoSec: true,
		Handler: coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
			asked <- r.Peer
			fmt.Fprint(w, "you are anybody")
		})}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context()) }()
	defer func() { s.Close(); <-served }()
	plain, _ := s.Addrs()
	_, port := path(t, c, 1, int(plain.Port()))
	for range 3 {
		p := start(ctx, t, nil, "coap-client-notls", "-B", "90", "-m", "get", fmt.Sprintf("coap://127.0.0.1:%d/x", port))
		if !p.await(ctx, "you are anybody") {
			t.Fatalf("no answer: %s", p.text())
		}
		if who := <-asked; who.Mode != security.NoSec || !who.Identity.Anonymous() {
			t.Errorf("asked by %v", who)
		}
	}
	if len(asked) > 0 {
		t.Error("a duplicate reached the handler")
	}
}
