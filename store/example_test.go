// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/memory"
)

// Every back end does the same; this one is gone with the process.
func Example() {
	ctx := context.Background()
	s := memory.New()
	defer s.Close()

	// Two records, both or neither, and one that lives for a minute.
	err := s.Apply(ctx,
		store.Op{Key: "lamp/1", Value: []byte("on")},
		store.Op{Key: "lamp/2", Value: []byte("off")},
		store.Op{Key: "visitor", Value: []byte("today"), TTL: time.Minute},
	)
	if err != nil {
		log.Fatal(err)
	}

	for r, err := range s.Scan(ctx, "lamp/", "") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Key, string(r.Value))
	}

	_, err = s.Get(ctx, "lamp/3")
	fmt.Println(errors.Is(err, store.ErrNotFound))
	// Output:
	// lamp/1 on
	// lamp/2 off
	// true
}

// What was read may have been changed by somebody else before it is written.
// Then nothing is written.
func ExampleConflictError() {
	ctx := context.Background()
	s := memory.New()
	defer s.Close()
	if err := store.Create(ctx, s, "lamp/1", []byte("on")); err != nil {
		log.Fatal(err)
	}

	mine, err := s.Get(ctx, "lamp/1")
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Put(ctx, s, "lamp/1", []byte("broken")); err != nil { // somebody else
		log.Fatal(err)
	}
	err = s.Apply(ctx, store.Op{Key: "lamp/1", Value: []byte("off"), IfVersion: mine.Version})

	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		fmt.Println("read it again:", conflict.Key)
	}
	now, err := s.Get(ctx, "lamp/1")
	fmt.Println(string(now.Value), err)
	// Output:
	// read it again: lamp/1
	// broken <nil>
}

// Whoever keeps something in memory hears what to forget.
func ExampleStore_watch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := memory.New()
	defer s.Close()
	events, err := s.Watch(ctx, "lamp/")
	if err != nil {
		log.Fatal(err)
	}

	if err := store.Put(ctx, s, "lamp/1", []byte("on")); err != nil {
		log.Fatal(err)
	}
	if err := store.Delete(ctx, s, "lamp/1"); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		switch event := <-events; {
		case event.Lost:
			fmt.Println("look at everything again")
		case event.Deleted:
			fmt.Println(event.Key, "is gone")
		default:
			fmt.Println(event.Key, "has changed")
		}
	}
	// Output:
	// lamp/1 has changed
	// lamp/1 is gone
}
