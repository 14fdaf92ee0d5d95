// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/bolt"
)

// One process has the file; what it has confirmed is there when it is opened
// again.
func ExampleOpen() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "devices.db")
	ctx := context.Background()

	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Put(ctx, s, "lamp/1", []byte("on")); err != nil {
		log.Fatal(err)
	}
	_, err = bolt.Open(path, bolt.Options{})
	fmt.Println("a second time:", errors.Is(err, store.ErrLocked))
	if err := s.Close(); err != nil {
		log.Fatal(err)
	}

	s, err = bolt.Open(path, bolt.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	lamp, err := s.Get(ctx, "lamp/1")
	fmt.Println(string(lamp.Value), err)
	// Output:
	// a second time: true
	// on <nil>
}
