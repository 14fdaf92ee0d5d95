// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// The key that the server and the device of the examples share. Real ones come
// from keys.LoadPSKFile.
var psk, _ = keys.RandomPSK(rand.Reader, []byte("dev1"))

// start serves handler on a port of the loopback and returns its URI.
func start(handler coaps.Handler) (server *coaps.Server, uri string) {
	psks, err := keys.NewPSKMap(psk)
	if err != nil {
		log.Fatal(err)
	}
	server = &coaps.Server{
		SecureAddr: "127.0.0.1:0", // ":5684" when left out
		Security:   &security.Config{PSK: psks},
		Handler:    handler,
	}
	if err := server.Listen(); err != nil {
		log.Fatal(err)
	}
	go server.Serve(context.Background())
	_, addr := server.Addrs()
	return server, "coaps://" + addr.String()
}

// A server that greets its clients by the name they have proved.
func ExampleServer() {
	psks, err := keys.NewPSKMap(psk)
	if err != nil {
		log.Fatal(err)
	}
	server := &coaps.Server{
		SecureAddr: "127.0.0.1:0", // ":5684" when left out
		Security:   &security.Config{PSK: psks},
		Handler: coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
			fmt.Fprintf(w, "hello %s", r.Peer.Identity.Name())
		}),
	}
	if err := server.Listen(); err != nil {
		log.Fatal(err)
	}
	go server.Serve(context.Background())

	_, addr := server.Addrs()
	client := &coaps.Client{Security: &security.Config{ClientPSK: &psk}}
	response, err := client.Get(context.Background(), "coaps://"+addr.String()+"/hello")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Code, string(response.Payload))

	client.Close()
	server.Shutdown(context.Background())
	// Output: 2.05 Content hello dev1
}

// A client keeps its connections. It makes the handshake with the first request
// and says by a named reason what failed.
func ExampleClient() {
	server, uri := start(coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
		fmt.Fprintf(w, "%v %s", r.Method, r.Path)
	}))
	client := &coaps.Client{Security: &security.Config{ClientPSK: &psk}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	response, err := client.Put(ctx, uri+"/lamp", coap.TextPlain, []byte("on"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Code, string(response.Payload))
	fmt.Println(response.Peer.Mode)

	_, err = client.Get(ctx, "coaps://[ff02::fd]/lamp")
	if e, ok := err.(*coaps.Error); ok {
		fmt.Println(e.Reason)
	}
	client.Close()
	server.Shutdown(ctx)
	// Output:
	// 2.04 Changed PUT /lamp
	// PreSharedKey
	// multicast
}

func ExampleMux() {
	mux := coaps.NewMux()
	mux.HandleFunc("GET /lamp", func(w coaps.ResponseWriter, _ *coaps.Request) {
		fmt.Fprint(w, "on")
	})
	mux.HandleFunc("PUT /lamp", func(w coaps.ResponseWriter, r *coaps.Request) {
		if string(r.Payload) != "on" && string(r.Payload) != "off" {
			coaps.WriteError(w, coap.BadRequest, "on or off")
		}
	})
	mux.Describe("/lamp", link.Attr{Name: "rt", Value: "light"})

	server, uri := start(mux)
	client := &coaps.Client{Security: &security.Config{ClientPSK: &psk}}
	ctx := context.Background()
	show := func(response *coaps.Response, err error) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(response.Code, string(response.Payload))
	}
	show(client.Get(ctx, uri+"/lamp"))
	show(client.Put(ctx, uri+"/lamp", coap.TextPlain, []byte("blue")))
	show(client.Delete(ctx, uri+"/lamp"))
	show(client.Get(ctx, uri+"/radio"))
	show(client.Get(ctx, uri+"/.well-known/core"))

	client.Close()
	server.Shutdown(ctx)
	// Output:
	// 2.05 Content on
	// 4.00 Bad Request on or off
	// 4.05 Method Not Allowed not with this method
	// 4.04 Not Found no such resource
	// 2.05 Content </lamp>;rt="light"
}

// A client that follows a resource.
func ExampleClient_Observe() {
	var level atomic.Int32
	server, uri := start(coaps.Observable(coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
		fmt.Fprintf(w, "level %d", level.Load())
	})))
	defer server.Close()

	client := &coaps.Client{Security: &security.Config{ClientPSK: &psk}}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	observation, err := client.Observe(ctx, &coaps.Request{URI: uri + "/level"})
	if err != nil {
		log.Fatal(err)
	}
	defer observation.Close()
	for response, err := range observation.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(response.Payload))
		if level.Add(1) == 3 {
			break
		}
		server.Notify("/level")
	}
	// Output:
	// level 0
	// level 1
	// level 2
}
