// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Command coaps is a client and a server for secure CoAP (RFC 7252 section 9).
//
//	coaps serve                                 a demonstration server that explains itself
//	coaps get coaps://localhost/hello           one request
//	coaps observe coaps://localhost/time        a resource as it changes
//	coaps connect coaps://localhost             the handshake alone, reported
//	coaps bench requests coap://localhost       a load, measured
//	coaps key new | id | show                   raw public keys and their names
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(runProcess())
}

// runProcess is one run of the command with the process's streams. The first
// SIGINT, SIGTERM or, when a terminal goes away, SIGHUP asks it to end, so that
// no temporary key stays behind; a second one ends it at once. A server with a
// configuration reads it again at SIGHUP.
func runProcess() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	streams := processStreams()
	streams.hangup = new(hangup)
	streams.hangup.listen(stop)
	go func() {
		<-ctx.Done()
		stop()
	}()
	return run(ctx, streams, os.Args[1:])
}
