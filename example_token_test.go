// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/keys"
)

// A client that has shown no key brings a token, and is somebody from then on.
// This application knows one token; it could as well ask a registry.Directory, by
// a security.Claim.
func ExampleRequest_Authorize() {
	list, err := acl.Compile([]acl.Rule{
		{Who: acl.Who{Anonymous: true}, Methods: acl.POST, Path: "/authorize"},
		{Who: acl.Who{Device: "phone"}, Methods: acl.GET, Path: "/lamp"},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := coaps.NewMux()
	mux.HandleFunc("POST /authorize", func(w coaps.ResponseWriter, r *coaps.Request) {
		if string(r.Payload) != "a token that was issued" {
			coaps.WriteError(w, coap.Forbidden, "no such token")
			return
		}
		if err := r.Authorize(security.Principal{Device: "phone"}); err != nil {
			coaps.WriteError(w, coap.InternalServerError, "cannot remember you")
		}
	})
	mux.HandleFunc("GET /lamp", func(w coaps.ResponseWriter, r *coaps.Request) {
		fmt.Fprintf(w, "on, %s", r.Peer.Identity.Device())
	})

	key, err := keys.NewKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	name := keys.NameOf(key.SPKI, keys.SHA256)
	pins, err := keys.NewPins(name)
	if err != nil {
		log.Fatal(err)
	}
	server := &coaps.Server{
		SecureAddr:    "127.0.0.1:0", // ":5684" when left out
		Security:      &security.Config{RawKey: key, AllowAnonymousClients: true},
		Access:        list,
		AnonymousTime: time.Minute,
		Handler:       mux,
	}
	if err := server.Listen(); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	go server.Serve(ctx)

	_, addr := server.Addrs()
	uri := "coaps://" + addr.String()
	client := &coaps.Client{Security: &security.Config{Pins: pins}}
	show := func(response *coaps.Response, err error) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v: %s\n", response.Code, cmp.Or(string(response.Payload), "-"))
	}
	show(client.Get(ctx, uri+"/lamp"))
	show(client.Post(ctx, uri+"/authorize", coap.TextPlain, []byte("a token that was issued")))
	show(client.Get(ctx, uri+"/lamp"))

	client.Close()
	server.Shutdown(ctx)
	// Output:
	// 4.01 Unauthorized: -
	// 2.04 Changed: -
	// 2.05 Content: on, phone
}
