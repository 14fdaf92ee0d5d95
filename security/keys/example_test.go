// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys_test

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/coaps-go/coaps/security/keys"
)

func ExampleParseName() {
	for _, text := range []string{
		"nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;f",
		"0x0353269057e12fe2b74ba07c892560a2",
		"nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a3;f",
	} {
		name, err := keys.ParseName(text)
		fmt.Println(name, err)
	}
	// Output:
	// ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi <nil>
	// ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi <nil>
	//  not a key name: wrong check digit: "nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a3;f"
}

func ExampleParsePSKFile() {
	file := "dev1:000102030405060708090a0b0c0d0e0f\nurn:imei:35:101112131415161718191a1b1c1d1e1f\n"
	psks, err := keys.ParsePSKFile(strings.NewReader(file))
	fmt.Println(psks, err)
	_, err = keys.ParsePSKFile(strings.NewReader("dev1:not hexadecimal"))
	fmt.Println(err)
	// Output:
	// [PSK dev1 PSK urn:imei:35] <nil>
	// line 1: key is not hexadecimal
}

// A small authority for a network that fits on a desk.
func ExampleCA() {
	now := time.Now()
	ca, err := keys.NewCA(rand.Reader, "Desk CA", now, 24*time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	key, err := keys.NewKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	chain, err := ca.IssueServer(rand.Reader, key, []keys.Authority{{Host: "localhost"}, {Host: "::1"}}, now, time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(chain.Leaf.URIs)

	trust := keys.NewTrust([]*x509.Certificate{ca.Certificate})
	shown := []*x509.Certificate{chain.Leaf}
	fmt.Println(trust.VerifyServer(shown, keys.Authority{Host: "localhost"}, now))
	err = trust.VerifyServer(shown, keys.Authority{Host: "sensor.example"}, now)
	fmt.Println(keys.ReasonOf(err))
	if refusal, ok := errors.AsType[*keys.VerifyError](err); ok {
		fmt.Println(refusal.Err)
	}
	// Output:
	// [coaps://localhost coaps://[::1]]
	// <nil>
	// cert_name_mismatch
	// the certificate is for coaps://localhost, coaps://[::1], localhost, ::1, not for coaps://sensor.example
}
