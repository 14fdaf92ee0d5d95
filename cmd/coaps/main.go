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
	"time"
)

func main() {
	os.Exit(runProcess())
}

// sameSignal is how long a second signal may be the first one once more: timeout(1)
// sends its signal twice at once, to the command and to the command's group, and a
// session that ends sends SIGTERM and SIGHUP.
const sameSignal = 500 * time.Millisecond

// untilSignal returns a context that ends with the first SIGINT or SIGTERM; after
// some time one more ends the process at once.
func untilSignal(parent context.Context, same time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(same, stop) })
	return ctx, stop
}

// runProcess is one run of the command with the process's streams. The first
// SIGINT, SIGTERM or, when a terminal goes away, SIGHUP asks it to end, so that
// no temporary key stays behind; a second one ends it at once. A server with a
// configuration reads it again at SIGHUP.
func runProcess() int {
	hungUp, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	ctx, stop := untilSignal(hungUp, sameSignal)
	defer stop()
	streams := processStreams()
	streams.hangup = new(hangup)
	streams.hangup.listen(hangUp)
	return run(ctx, streams, os.Args[1:])
}
