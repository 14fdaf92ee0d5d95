// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// Reading ends when the run does.
func TestReadingIsInterrupted(t *testing.T) {
	in, writer := io.Pipe()
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	a := &app{ctx: ctx, streams: streams{in: in}}
	time.AfterFunc(20*time.Millisecond, cancel)
	if data, err := a.readKeyFile("-"); !errors.Is(err, context.Canceled) || data != nil {
		t.Errorf("%q, %v", data, err)
	}
	never := make(chan struct{})
	defer close(never)
	if _, err := a.reading(func() ([]byte, error) { <-never; return nil, nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	unbound := &app{streams: streams{in: strings.NewReader("text")}}
	if data, err := unbound.readingInput(3); string(data) != "tex" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}
