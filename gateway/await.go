// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/coaps-go/coaps/store"
)

// Patience is how long something is waited for.
type Patience time.Duration

// Forever is as long as it takes.
const Forever Patience = math.MaxInt64

const foreverText = "forever"

// UnmarshalText reads a time as ParseDuration does, or forever.
func (p *Patience) UnmarshalText(text []byte) error {
	if string(text) == foreverText {
		*p = Forever
		return nil
	}
	d, err := ParseDuration(string(text))
	if err != nil {
		return errors.New("a time such as 30s, 12h or 7d, or forever, is expected here")
	}
	*p = Patience(d)
	return nil
}

// String is what UnmarshalText reads.
func (p Patience) String() string {
	if p == Forever {
		return foreverText
	}
	return durationText(time.Duration(p))
}

// ErrStarting says that a server does not serve yet: it waits for its store. Its
// store is unavailable, so to say.
var ErrStarting = fmt.Errorf("%w: the server is not ready, it waits for its store", store.ErrUnavailable)

// How often a store that is away is tried, at first and at last, and how often the
// log says so.
const (
	awaitPause = 100 * time.Millisecond
	awaitRest  = 2 * time.Second
	awaitTold  = time.Minute
)

// awaitNotice tells the service manager that the start takes longer, by half a
// minute more than the next try should.
const awaitNotice = "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=waiting for the store: %s"

// A wait is for a store that is away when a server starts: both machines have been
// switched on at the same time, or another process has the file still.
type wait struct {
	*server
	config *Config
	began  time.Time
	told   time.Time // the last line in the log; zero: the store has been there
	pause  time.Duration
}

// await makes the first generation. If the store is away it waits, as long as the
// configuration has patience. A mistake ends it at once, be it one about the store or
// one that would show only when the store has come.
func (s *server) await(ctx context.Context, c *Config) (*generation, error) {
	w := &wait{server: s, config: c, began: time.Now(), pause: awaitPause}
	for {
		g, err := s.prepare(ctx, w.config, nil)
		if err == nil {
			w.over(g)
			return g, nil
		}
		down := away(err)
		left := time.Duration(w.config.Store.Wait) - time.Since(w.began)
		if down == nil || left <= 0 || ctx.Err() != nil {
			return nil, err
		}
		if err := w.tell(ctx, down); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.options.Reload:
			w.reread(ctx)
		case <-time.After(min(w.pause, left)):
			w.pause = min(2*w.pause, awaitRest)
		}
	}
}

// away is what keeps a store from being used now but maybe not later, nil if that is
// something else: a file is there or not, and only another process that has it gives it
// back; a server can come at any time.
func away(err error) *StoreError {
	down, ok := errors.AsType[*StoreError](err)
	switch {
	case !ok, errors.Is(err, store.ErrDenied):
		return nil
	case errors.Is(err, store.ErrLocked):
		return down
	case !strings.HasPrefix(down.Where, kindRedis):
		return nil
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return down
	}
	return nil
}

// tell has everybody know that the server waits. The error is what else is wrong with the
// configuration: that is not kept until the store comes.
func (w *wait) tell(ctx context.Context, down *StoreError) error {
	if w.told.IsZero() {
		if err := w.config.rehearse(ctx); err != nil {
			return err
		}
	}
	if time.Since(w.told) >= awaitTold {
		w.told = time.Now()
		w.log.Warn(LogStoreAwaited, "where", down.Where, "error", down.Err.Error(), "for", time.Since(w.began).Round(time.Second).String())
	}
	sdNotify(fmt.Sprintf(awaitNotice, clip(firstLine(down.Error()))))
	w.admin.hold(fmt.Errorf("%w: %w", ErrStarting, down))
	return nil
}

// reread takes what the configuration says by now, so that a wrong address can be
// mended.
func (w *wait) reread(ctx context.Context) {
	c, err := Load(w.path)
	if err == nil {
		err = checkFixed(w.config, c)
	}
	if err == nil {
		err = c.rehearse(ctx)
	}
	if err != nil {
		w.log.Error(LogReloadFailed, "why", "SIGHUP", "error", err.Error())
		return
	}
	w.config, w.told, w.pause = c, time.Time{}, awaitPause
	w.log.Info(LogReloaded, "why", "SIGHUP", "hash", c.Hash())
}

// over ends the wait.
func (w *wait) over(g *generation) {
	if w.told.IsZero() {
		return
	}
	sdNotify("STATUS=")
	if g.provision != nil {
		status := g.provision.storeStatus()
		w.log.Info(LogStoreUp, "kind", status.Kind, "where", status.Where)
	}
}

// rehearse makes everything of a configuration but what its store has in it, and
// keeps nothing of it.
func (c *Config) rehearse(ctx context.Context) error {
	ch := &checker{Config: c, ctx: ctx}
	ch.withoutStore()
	if problems := onlyErrors(ch.problems); len(problems) > 0 {
		return newConfigError(problems)
	}
	return nil
}

// discarded is a log that nobody reads.
var discarded = slog.New(slog.DiscardHandler)
