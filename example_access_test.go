// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/bolt"
)

// provision puts a device with a new pre-shared key into a store, and a rule that
// lets it report. An administrator does that once, by coaps device add and coaps acl
// allow for example.
func provision(s store.Store) keys.PSK {
	ctx := context.Background()
	devices := registry.New(s)
	key, err := keys.RandomPSK(rand.Reader, []byte("sensor-7"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = devices.AddDevice(ctx, registry.Device{
		Name:        "sensor-7",
		Groups:      []string{"sensors"},
		Credentials: []registry.Credential{{PSK: &registry.PSK{Identity: key.Identity, Key: key.Key}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	rule, err := acl.ParseRule("allow group:sensors POST /telemetry/{device}")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := devices.AddRule(ctx, rule); err != nil {
		log.Fatal(err)
	}
	return key
}

// rules are the access rules that a store holds now.
func rules(ctx context.Context, devices *registry.Registry) *acl.List {
	held, err := devices.Rules(ctx)
	if err != nil {
		log.Fatal(err)
	}
	list, err := acl.Compile(held)
	if err != nil {
		log.Fatal(err)
	}
	return list
}

// apply has a server follow what has changed in a store: the rules, and the
// sessions of whom it concerns.
func apply(ctx context.Context, server *coaps.Server, devices *registry.Registry, changes []registry.Change) {
	if slices.ContainsFunc(changes, func(c registry.Change) bool { return c.All || c.Rules }) {
		server.SetAccess(rules(ctx, devices))
	}
	if concerned, some := registry.Concerned(changes); some {
		server.Recheck(concerned)
	}
}

// A server whose devices and access rules are in a store, and may change while it
// serves.
func ExampleServer_access() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	s, err := bolt.Open(filepath.Join(folder, "devices.db"), bolt.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	key := provision(s)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	devices := registry.New(s)
	directory := registry.NewDirectory(s, registry.Options{})
	server := &coaps.Server{
		SecureAddr: "127.0.0.1:0", // ":5684" when left out
		Security:   &security.Config{Directory: directory},
		Access:     rules(ctx, devices),
		Handler: coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
			fmt.Fprintf(w, "thanks, %s", r.Peer.Identity.Device())
		}),
	}
	if err := server.Listen(); err != nil {
		log.Fatal(err)
	}
	go server.Serve(ctx)
	go directory.Run(ctx, func(changes []registry.Change) { apply(ctx, server, devices, changes) })

	_, addr := server.Addrs()
	client := &coaps.Client{Security: &security.Config{ClientPSK: &key}}
	for _, path := range []string{"/telemetry/sensor-7", "/telemetry/sensor-8"} {
		response, err := client.Post(ctx, "coaps://"+addr.String()+path, coap.TextPlain, []byte("21.5"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(path, response.Code, string(response.Payload))
	}
	client.Close()
	server.Shutdown(ctx)
	// Output:
	// /telemetry/sensor-7 2.04 Changed thanks, sensor-7
	// /telemetry/sensor-8 4.03 Forbidden
}
