// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"log"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// newKey makes a key pair. Real ones come from keys.LoadKeyPair.
func newKey() *dtls.KeyPair {
	pair, err := keys.NewKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	return pair
}

// knows is whom somebody believes: the names of keys, which are no secret and
// may come by mail or stand on a label.
func knows(names ...keys.Name) *keys.Pins {
	pins, err := keys.NewPins(names...)
	if err != nil {
		log.Fatal(err)
	}
	return pins
}

// Raw public keys (RFC 7252 section 9.1.3.2): each side has a key of its own and
// knows the name of the other's. A client whose key the server does not know, and
// one that meets another server than it expects, learn why they fail.
func ExampleServer_rawPublicKeys() {
	serverKey, deviceKey, otherKey := newKey(), newKey(), newKey()
	serverName := keys.NameOf(serverKey.SPKI, keys.SHA256_120)
	deviceName := keys.NameOf(deviceKey.SPKI, keys.SHA256_120)
	server := &coaps.Server{
		SecureAddr: "127.0.0.1:0", // ":5684" when left out
		Security:   &security.Config{RawKey: serverKey, Pins: knows(deviceName)},
		Handler: coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
			fmt.Fprintf(w, "%v, the device: %t", r.Peer.Mode, r.Peer.Identity.Name() == deviceName.String())
		}),
	}
	if err := server.Listen(); err != nil {
		log.Fatal(err)
	}
	go server.Serve(context.Background())

	_, addr := server.Addrs()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ask := func(config *security.Config) {
		client := &coaps.Client{Security: config}
		defer client.Close()
		response, err := client.Get(ctx, "coaps://"+addr.String()+"/hello")
		if e, ok := err.(*coaps.Error); ok {
			fmt.Println(e.Reason)
			return
		}
		fmt.Println(response.Code, string(response.Payload))
	}
	ask(&security.Config{RawKey: deviceKey, Pins: knows(serverName)})
	ask(&security.Config{RawKey: otherKey, Pins: knows(serverName)})
	ask(&security.Config{RawKey: deviceKey, Pins: knows(keys.NameOf(otherKey.SPKI, keys.SHA256_120))})

	server.Shutdown(context.Background())
	// Output:
	// 2.05 Content RawPublicKey, the device: true
	// alert_certificate_unknown
	// rpk_not_pinned
}

// Certificates (RFC 7252 section 9.1.3.3): each side has one, and knows the
// authority that signed the other's. The client compares the host of the URI with
// the names in the server's.
func ExampleServer_certificates() {
	now := time.Now()
	authority, err := keys.NewCA(rand.Reader, "Plant CA", now, 24*time.Hour) // coaps cert ca makes one in files
	if err != nil {
		log.Fatal(err)
	}
	serverChain, err := authority.IssueServer(rand.Reader, newKey(), []keys.Authority{{Host: "127.0.0.1"}}, now, time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	deviceChain, err := authority.IssueClient(rand.Reader, newKey(), "02-00-5E-FF-FE-10-00-07", now, time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	trust := keys.NewTrust([]*x509.Certificate{authority.Certificate})
	server := &coaps.Server{
		SecureAddr: "127.0.0.1:0", // ":5684" when left out
		Security:   &security.Config{Chains: []dtls.Chain{serverChain}, Trust: trust},
		Handler: coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
			fmt.Fprintf(w, "%v %s", r.Peer.Mode, r.Peer.Identity.Name())
		}),
	}
	if err := server.Listen(); err != nil {
		log.Fatal(err)
	}
	go server.Serve(context.Background())

	_, addr := server.Addrs()
	client := &coaps.Client{Security: &security.Config{Chains: []dtls.Chain{deviceChain}, Trust: trust}}
	response, err := client.Get(context.Background(), "coaps://"+addr.String()+"/hello")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Code, string(response.Payload))
	fmt.Println(response.Peer.Mode)

	client.Close()
	server.Shutdown(context.Background())
	// Output:
	// 2.05 Content Certificate 02-00-5E-FF-FE-10-00-07
	// Certificate
}
