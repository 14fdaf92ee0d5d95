// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/coaps-go/coaps/store"
)

// wireError is an error at the admin socket, so that the other end can make the
// same of it.
type wireError struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Key     string `json:"key,omitempty"`  // of a conflict
	Text    string `json:"text,omitempty"` // of a configuration: every problem with its line
}

// wireErrors are those that callers compare with.
var wireErrors = []struct {
	kind string
	err  error
}{
	{"starting", ErrStarting}, // before what keeps it from starting, which is in it
	{"denied", store.ErrDenied},
	{"not_found", store.ErrNotFound},
	{"read_only", store.ErrReadOnly},
	{"closed", store.ErrClosed},
	{"locked", store.ErrLocked},
	{"unavailable", store.ErrUnavailable},
	{"full", store.ErrFull},
	{"corrupt", store.ErrCorrupt},
	{"invalid", store.ErrInvalid},
	{"deadline", context.DeadlineExceeded},
	{"restart", ErrNeedsRestart},
	{"permission", fs.ErrPermission},
	{"address_in_use", syscall.EADDRINUSE},
	{"address_unavailable", syscall.EADDRNOTAVAIL},
}

func toWire(err error) *wireError {
	w := &wireError{Kind: "other", Message: err.Error()}
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		w.Kind, w.Key = "conflict", conflict.Key
		return w
	}
	if config, ok := errors.AsType[*ConfigError](err); ok {
		w.Kind, w.Text = "config", config.Text()
		return w
	}
	for _, known := range wireErrors {
		if errors.Is(err, known.err) {
			w.Kind = known.kind
			return w
		}
	}
	return w
}

// err is what toWire was given, as far as can be told.
func (w *wireError) err() error {
	if w.Kind == "conflict" {
		return &store.ConflictError{Key: w.Key}
	}
	for _, known := range wireErrors {
		if w.Kind == known.kind {
			return &RemoteError{Message: w.Message, Text: w.Text, Err: known.err}
		}
	}
	return &RemoteError{Message: w.Message, Text: w.Text}
}

// RemoteError is an error that a running server has answered with.
type RemoteError struct {
	Message string
	Text    string // more of it, in several lines; may be empty
	Err     error  // what it is, for errors.Is; may be nil
}

func (e *RemoteError) Error() string { return e.Message }

// Unwrap returns what it is.
func (e *RemoteError) Unwrap() error { return e.Err }
