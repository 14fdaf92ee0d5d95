// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package sealed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"

	"filippo.io/age"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
	"github.com/coaps-go/coaps/store/sealed"
)

// What the inner store keeps tells nobody anything without the age identity,
// which sealed.ReadKeys reads from a file of age-keygen.
func ExampleOpen() {
	ctx := context.Background()
	inner := memory.New() // bolt or Redis
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		log.Fatal(err)
	}
	s, err := sealed.Open(ctx, inner, sealed.Keys{Identities: []age.Identity{identity}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	if err := store.Put(ctx, s, "lamp/1", []byte("between two and three")); err != nil {
		log.Fatal(err)
	}
	opened, err := s.Get(ctx, "lamp/1")
	fmt.Println(string(opened.Value), err)
	kept, err := inner.Get(ctx, "lamp/1")
	fmt.Println(bytes.Contains(kept.Value, []byte("between two and three")), err)

	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		log.Fatal(err)
	}
	_, err = sealed.Open(ctx, inner, sealed.Keys{Identities: []age.Identity{stranger}})
	fmt.Println(errors.Is(err, sealed.ErrWrongKey))
	// Output:
	// between two and three <nil>
	// false <nil>
	// true
}
