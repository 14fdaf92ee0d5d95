// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/coaps-go/coaps/udp"
)

// Options are what a configuration file does not say.
type Options struct {
	// Stderr is where the log goes; Terminal says that it is one. Quiet and
	// Verbose change the level that the configuration names.
	Stderr         io.Writer
	Terminal       bool
	Quiet, Verbose bool
	// Ready, if set, is called once clients may come, with the addresses. An
	// error ends the server.
	Ready func(plain, secure []netip.AddrPort) error
	// Reload asks for a reload each time it is sent something, as SIGHUP does.
	Reload <-chan struct{}
	// ListenPacket is coaps.Server.ListenPacket.
	ListenPacket func(network, addr string) (udp.Conn, error)
}

// server runs a configuration.
type server struct {
	path    string
	options Options
	started time.Time

	lasting  *lasting
	recorder *recorder
	log      *slog.Logger
	level    slog.LevelVar
	admin    *adminServer

	failed chan error    // a listener has ended by itself
	dirty  chan struct{} // the rules of the store have changed
	turn   chan struct{} // held by who changes what is in force

	// numbers is used under turn only, tried by watchHealth only.
	numbers int
	tried   os.FileInfo // a file in place of the store's that did not open

	mu        sync.Mutex // the rest is for a moment only
	now       *generation
	listeners []*listener
	result    ReloadStatus
	seen      map[string]digest // of the files, when they were last tried
	troubles  map[string]string // what is wrong, by what it is about
	jobs      sync.WaitGroup
}

// Run serves the configuration in a file until ctx ends, then shuts down in order
// and returns nil, also if that is while it waits for its store (Store.Wait). The
// error is that of Load, a *StoreError, ErrServerRunning, or
// why a port could not be opened.
func Run(ctx context.Context, path string, o Options) error {
	c, err := Load(path)
	if err != nil {
		return err
	}
	s := newServer(c, o)
	if !c.Admin.Off {
		socket, err := c.listen()
		if err != nil {
			return fmt.Errorf("admin socket: %w", err)
		}
		s.admin = newAdminServer(socket, s, s.log)
		s.admin.hold(ErrStarting)
		s.jobs.Go(s.admin.serve)
		defer s.jobs.Wait()
		defer s.admin.close()
	}
	switch err := s.start(ctx, c); {
	case err == nil:
		return s.serve(ctx)
	case ctx.Err() != nil:
		sdNotify("STOPPING=1")
		s.log.Info(LogStopped)
		return nil
	default:
		return err
	}
}

func newServer(c *Config, o Options) *server {
	s := &server{
		path: c.path, options: o, started: time.Now(),
		failed: make(chan error, 1), dirty: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		seen: map[string]digest{}, troubles: map[string]string{},
	}
	s.lasting = newLasting(audience{s})
	if s.options.Stderr == nil {
		s.options.Stderr = io.Discard
	}
	s.recorder = newRecorder(s.stderrHandler(c))
	s.log = slog.New(s.recorder)
	return s
}

// stderrHandler writes text for people and JSON for machines.
func (s *server) stderrHandler(c *Config) slog.Handler {
	s.setLevel(c)
	options := &slog.HandlerOptions{Level: &s.level}
	if c.Log.Format == "text" || c.Log.Format == "auto" && s.options.Terminal {
		return slog.NewTextHandler(s.options.Stderr, options)
	}
	return slog.NewJSONHandler(s.options.Stderr, options)
}

func (s *server) setLevel(c *Config) {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log.Level)) // the values are checked
	switch {
	case s.options.Quiet:
		level = max(level, slog.LevelWarn)
	case s.options.Verbose:
		level = slog.LevelDebug
	}
	s.level.Set(level)
}

// start brings the first generation up.
func (s *server) start(ctx context.Context, c *Config) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	g, err := s.await(ctx, c)
	if err != nil {
		return err
	}
	if err := s.apply(g); err != nil {
		g.discard(nil)
		return err
	}
	s.mu.Lock()
	s.result = ReloadStatus{When: time.Now(), Why: "start", OK: true}
	s.mu.Unlock()
	c = g.config // it may have been read again
	s.log.Info(LogStarted, "config", c.path, "hash", c.Hash(), "name", c.Name)
	return nil
}

// serve does what is to be done beside the event loops until ctx ends.
func (s *server) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := s.ready()
	if err == nil {
		sdNotify("READY=1") // before anybody can ask for a reload
		s.admin.release()
		s.jobs.Go(func() { s.watchFiles(ctx) })
		s.jobs.Go(func() { s.watchRules(ctx) })
		s.jobs.Go(func() { s.watchHealth(ctx) })
		s.jobs.Go(func() { s.watchSignals(ctx) })
		select {
		case <-ctx.Done():
		case err = <-s.failed:
		}
	}
	sdNotify("STOPPING=1")
	cancel()
	s.stop()
	return err
}

func (s *server) ready() error {
	if s.options.Ready == nil {
		return nil
	}
	var plain, secure []netip.AddrPort
	for _, l := range s.open() {
		if l.Security == securityNoSec {
			plain = append(plain, l.addr())
		} else {
			secure = append(secure, l.addr())
		}
	}
	return s.options.Ready(plain, secure)
}

// stop ends everything that start began.
func (s *server) stop() {
	if s.admin != nil {
		s.admin.close() // nobody may reload from here on
	}
	s.jobs.Wait()
	s.lasting.close()
	s.turn <- struct{}{} // for good: a reload that still waits must not begin
	var all sync.WaitGroup
	for _, l := range s.open() {
		all.Go(l.stop)
	}
	all.Wait()
	s.current().provision.stop(nil)
	s.recorder.flush(time.Now().Add(2 * repeatWindow))
	s.log.Info(LogStopped)
	s.recorder.shared.auditFile.use(nil)
	s.recorder.shared.banFile.use(nil)
}

// current is the generation in force.
func (s *server) current() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// open are the listeners.
func (s *server) open() []*listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*listener(nil), s.listeners...)
}

// trouble notes what is wrong with something, or with "" that nothing is any
// more. It reports whether that is news.
func (s *server) trouble(about, what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.troubles[about]
	if what == "" {
		delete(s.troubles, about)
	} else {
		s.troubles[about] = what
	}
	return old != what
}
