// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// timeout(1) sends its signal twice at once. That is one request to end: the second
// kills nobody who is putting things in order.
func TestSignalTwiceAtOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := untilSignal(t.Context(), time.Hour)
	defer stop()
	for range 2 {
		if err := self.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		time.Sleep(20 * time.Millisecond) // for the default action, which would end the test
	}
}

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
