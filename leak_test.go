// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/coaps-go/coaps/security"
)

// leavesNothing runs f, and wants no goroutine that was not there before.
func leavesNothing(t *testing.T, name string, f func(t *testing.T)) {
	before := goleak.IgnoreCurrent()
	t.Run(name, f)
	if err := goleak.Find(before); err != nil {
		t.Errorf("after %s: %v", name, err)
	}
}

// However a client or a server ends, and whatever it is doing then, it leaves
// no goroutine behind.
func TestEndsLeaveNothing(t *testing.T) {
	leavesNothing(t, "Client.Close", clientAtWorkCloses)
	leavesNothing(t, "Server.Shutdown", func(t *testing.T) { serverAtWorkEnds(t, func(s *Server) error { return s.Shutdown(timeout(t)) }) })
	leavesNothing(t, "Server.Close", func(t *testing.T) { serverAtWorkEnds(t, (*Server).Close) })
	leavesNothing(t, "context", serverEndsWithContext)
	leavesNothing(t, "Listen alone", func(t *testing.T) {
		s := &Server{NoSec: true, Addr: "127.0.0.1:0"}
		if err := s.Listen(); err != nil {
			t.Fatal(err)
		}
		s.Close()
	})
	leavesNothing(t, "Listen that fails", func(t *testing.T) {
		s := &Server{NoSec: true, Addr: "127.0.0.1:0", Security: &security.Config{}}
		if err := s.Listen(); !errors.Is(err, security.ErrNothingToShow) {
			t.Error(err)
		}
	})
}

// clientAtWorkCloses has a client with an idle session, a request in flight
// and a handshake that nobody answers.
func clientAtWorkCloses(t *testing.T) {
	release := make(chan struct{})
	s := newStage(t, HandlerFunc(func(w ResponseWriter, r *Request) {
		if r.Path == "/slow" {
			<-release
		}
	}), nil)
	silent := socket(t)
	defer silent.Close()
	c := &Client{Security: s.clientConfig(security.PreSharedKey)}
	if _, err := c.Get(timeout(t), s.secure+"/"); err != nil {
		t.Fatal(err)
	}
	inFlight := s.server.Stats().Requests + 1
	var wg sync.WaitGroup
	for _, uri := range []string{s.secure + "/slow", "coaps://" + silent.LocalAddr().String()} {
		wg.Go(func() { _, _ = c.Get(timeout(t), uri) })
	}
	eventually(t, "a request in flight", func() bool { return s.server.Stats().Requests == inFlight })
	c.Close()
	wg.Wait()
	close(release)
}

// serverAtWorkEnds has a server with sessions of every mode.
func serverAtWorkEnds(t *testing.T, end func(*Server) error) {
	s := newStage(t, whoami, nil)
	for _, mode := range allModes {
		c := s.client(mode)
		if _, err := c.Get(timeout(t), s.uri(mode)+"/"); err != nil {
			t.Fatal(err)
		}
	}
	if err := end(s.server); err != nil {
		t.Error(err)
	}
}

func serverEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{NoSec: true, Addr: "127.0.0.1:0"}
	ended := make(chan error, 1)
	go func() { ended <- s.ListenAndServe(ctx) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
