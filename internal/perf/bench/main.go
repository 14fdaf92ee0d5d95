// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command bench measures this project's server beside its peers, on one machine
// and in one run, and writes down what it has found.
//
//	bench run [-mode full|quick|smoke] [-out FILE]   measure
//	bench render [-in FILE]                          make docs/performance.md of it
//	bench soak [-duration 20m]                       sessions that come, sleep and go
//
// The rest are the programs that take part: serve, echo, hold, flood,
// primitives, churn. Servers run on one core and their clients on another.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

var commands = map[string]func(args []string) error{
	"run": runCommand, "render": renderCommand, "soak": soakCommand,
	"serve": serveCommand, "echo": echoCommand, "hold": holdCommand, "flood": floodCommand, "primitives": primitivesCommand,
	"churn": churnCommand,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench run|render|soak [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// interruptible ends with the first signal.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}
