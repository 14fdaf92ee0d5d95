// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
)

// interrupted returns a channel that is closed when a signal has asked this run to
// end.
func (a *app) interrupted() <-chan struct{} {
	if a.ctx == nil {
		return nil
	}
	return a.ctx.Done()
}

// reading reads from where the system may have to wait for somebody: a pipe that
// nobody writes to, a terminal. A signal ends the wait, with context.Canceled; what
// comes then is wiped, as it may be a key.
func (a *app) reading(read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result)
	go func() {
		data, err := read()
		select {
		case done <- result{data, err}:
		case <-a.interrupted():
			clear(data)
		}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-a.interrupted():
		return nil, context.Canceled
	}
}

// readingInput is reading of stdin, that many bytes at most.
func (a *app) readingInput(most int64) ([]byte, error) {
	return a.reading(func() ([]byte, error) { return io.ReadAll(io.LimitReader(a.in, most)) })
}
