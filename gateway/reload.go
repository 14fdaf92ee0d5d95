// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// reload reads the configuration again and puts it in force, or changes nothing
// and returns why.
func (s *server) reload(ctx context.Context, why string) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	sdNotify("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonicMicroseconds(), 10))
	defer sdNotify("READY=1")
	err := s.reloadNow(context.WithoutCancel(ctx))
	s.mu.Lock()
	if err == nil {
		s.result = ReloadStatus{When: time.Now(), Why: why, OK: true, Count: s.result.Count + 1}
	} else {
		s.result.OK, s.result.Error, s.result.Failed, s.result.Why = false, err.Error(), time.Now(), why
	}
	s.mu.Unlock()
	if err != nil {
		s.log.Error(LogReloadFailed, "why", why, "error", err.Error())
		return err
	}
	s.log.Info(LogReloaded, "why", why, "hash", s.current().config.Hash())
	return nil
}

// reloadTime bounds how long a reload may wait for a store.
const reloadTime = 20 * time.Second

func (s *server) reloadNow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	old := s.current()
	c, err := Load(s.path)
	if err != nil {
		return err
	}
	if c.cutOff() {
		return newConfigError([]Problem{c.lastLine()})
	}
	s.remember()
	if err := checkFixed(old.config, c); err != nil {
		return err
	}
	g, err := s.prepare(ctx, c, old)
	if err != nil {
		return err
	}
	if err := s.apply(g); err != nil {
		g.discard(old.provision)
		return err
	}
	return nil
}

// remember notes what the files hold before they are read, so that those which do
// not load are not tried again until they change.
func (s *server) remember() {
	s.mu.Lock()
	paths := slices.Collect(maps.Keys(s.seen))
	s.mu.Unlock()
	fresh := map[string]digest{}
	for _, path := range paths {
		fresh[path] = digestOf(path)
	}
	s.mu.Lock()
	maps.Copy(s.seen, fresh)
	s.mu.Unlock()
}

// apply puts a generation in force: all of it, or nothing. What can fail comes
// first and is undone.
func (s *server) apply(g *generation) error {
	old := s.current()
	kept, gone := s.sort(g.config)
	fresh, err := s.openNew(g, kept)
	if err != nil {
		return err
	}
	if err := setSecurity(kept, g, old); err != nil {
		for _, l := range fresh {
			_ = l.server.Close()
		}
		return err
	}
	if g.provision != nil && (old == nil || g.provision != old.provision) {
		g.provision.watch(s.changed)
		s.rulesChanged() // they may have, between reading and watching
	}
	for _, l := range kept {
		setAccess(l.server, g.access) // before the resources that they are for
		l.server.SetHandler(g.resources.mux)
		l.server.SetLogRequests(g.config.Log.Requests)
	}
	s.use(g, append(slices.Clone(kept), fresh...))
	if old != nil {
		s.tellPlaces(g.resources.changedPlaces(old.resources))
	}
	for _, l := range fresh {
		l.serve(s.failed)
	}
	var ends sync.WaitGroup
	for _, l := range gone {
		ends.Go(l.stop)
	}
	ends.Wait()
	if old != nil {
		old.provision.stop(g.provision)
	}
	for _, l := range kept {
		l.server.Recheck(nil)
	}
	return nil
}

// use has everybody see the new generation.
func (s *server) use(g *generation, listeners []*listener) {
	s.setLevel(g.config)
	s.lasting.use(g.resources)
	s.recorder.shared.auditFile.use(g.auditFile)
	s.recorder.shared.banFile.use(g.banFile)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.listeners = g, listeners
	s.seen = maps.Clone(g.material.files)
	for _, t := range g.resources.trees {
		s.seen[t.dir] = t.which // one that is replaced as a whole is opened by a reload
	}
}

// sort tells the listeners that a configuration keeps from those that it ends.
func (s *server) sort(c *Config) (kept, gone []*listener) {
	for _, l := range s.open() {
		if slices.Contains(c.Listen, l.Listener) {
			kept = append(kept, l)
		} else {
			gone = append(gone, l)
		}
	}
	return kept, gone
}

// openNew opens the ports that are not open yet; all or none.
func (s *server) openNew(g *generation, kept []*listener) (fresh []*listener, err error) {
	for _, wanted := range g.config.Listen {
		if slices.ContainsFunc(kept, func(l *listener) bool { return l.Listener == wanted }) {
			continue
		}
		l, err := s.newListener(wanted, g)
		if err != nil {
			for _, opened := range fresh {
				_ = opened.server.Close()
			}
			return nil, err
		}
		fresh = append(fresh, l)
	}
	return fresh, nil
}

// setSecurity changes what the secure ports show and believe, of all or of none.
func setSecurity(listeners []*listener, g, old *generation) error {
	for i, l := range listeners {
		if l.Security == securityNoSec {
			continue
		}
		err := l.server.SetSecurity(g.material.config)
		if err == nil {
			continue
		}
		for _, done := range listeners[:i] {
			if done.Security != securityNoSec {
				if back := done.server.SetSecurity(old.material.config); back != nil {
					err = errors.Join(err, fmt.Errorf("and going back: %w", back))
				}
			}
		}
		return fmt.Errorf("%s: %w", l.Addr, err)
	}
	return nil
}
