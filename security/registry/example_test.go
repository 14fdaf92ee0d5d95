// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"time"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store/memory"
)

// A device is provisioned, and a server finds it. A server would open a bolt
// store, and leave it to Run to hear of changes.
func Example() {
	ctx := context.Background()
	devices := registry.New(memory.New())
	psk, err := keys.RandomPSK(rand.Reader, []byte("sensor-7"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = devices.AddDevice(ctx, registry.Device{
		Name:   "sensor-7",
		Groups: []string{"sensors"},
		Credentials: []registry.Credential{
			{PSK: &registry.PSK{Identity: psk.Identity, Key: psk.Key, Nodes: []string{"gateway-1"}}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	directory := registry.NewDirectory(devices.Store(), registry.Options{})
	config := &security.Config{Directory: directory, Name: "gateway-1"}
	policy, err := config.Server()
	if err != nil {
		log.Fatal(err)
	}
	for _, identity := range []string{"sensor-7", "sensor-8"} {
		question := policy.AskPSK("", []byte(identity))
		answer := question.Answer(ctx, time.Now())
		fmt.Println(answer.Principal.Device, answer.Principal.Groups, answer.Key.Len(), answer.Reason())
	}
	// Output:
	// sensor-7 [sensors] 16 none
	//  [] 0 unknown_identity
}

// A credential that somebody else has is refused.
func ExampleRegistry_AddDevice() {
	ctx := context.Background()
	devices := registry.New(memory.New())
	key := keys.NewSecret([]byte("sixteen byte key"))
	for _, name := range []string{"sensor-7", "sensor-8"} {
		_, err := devices.AddDevice(ctx, registry.Device{
			Name:        name,
			Credentials: []registry.Credential{{PSK: &registry.PSK{Identity: []byte("sensor"), Key: key}}},
		})
		fmt.Println(name, err)
	}
	// Output:
	// sensor-7 <nil>
	// sensor-8 PSK identity sensor is that of device sensor-7
}
