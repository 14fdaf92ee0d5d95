// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// A client in RawPublicKey mode: it has a key, and knows its server by a name
// that somebody read from the device or received by mail.
func ExampleConfig_Client() {
	key, err := keys.NewKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	name, err := keys.ParseName("nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;f")
	if err != nil {
		log.Fatal(err)
	}
	pins, err := keys.NewPins(name)
	if err != nil {
		log.Fatal(err)
	}
	config := &security.Config{RawKey: key, Pins: pins}
	policy, err := config.Client(keys.Authority{Host: "sensor.example"})
	fmt.Println(policy.Modes(), policy.ServerName(), err)
	// Output: [RawPublicKey] sensor.example <nil>
}

// A server in PreSharedKey mode.
func ExampleConfig_Server() {
	psk, err := keys.RandomPSK(rand.Reader, []byte("dev1"))
	if err != nil {
		log.Fatal(err)
	}
	psks, err := keys.NewPSKMap(psk)
	if err != nil {
		log.Fatal(err)
	}
	policy, err := (&security.Config{PSK: psks}).Server()
	fmt.Println(policy.Modes(), err)
	// Output: [PreSharedKey] <nil>
}

// What could not be safe does not start.
func ExampleConfig_Server_refused() {
	_, err := new(security.Config).Server()
	fmt.Println(errors.Is(err, security.ErrNothingToShow))

	weak, _ := keys.NewPSK([]byte("dev1"), []byte("secret"))
	psks, _ := keys.NewPSKMap(weak)
	_, err = (&security.Config{PSK: psks}).Server()
	fmt.Println(err)
	// Output:
	// true
	// pre-shared key of dev1 has 6 bytes, at least 16 are needed to withstand guessing
}
