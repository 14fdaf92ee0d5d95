// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
)

// watchSignals reloads when asked to.
func (s *server) watchSignals(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.options.Reload:
			_ = s.reload(ctx, "SIGHUP") // the log has the error
		}
	}
}

// watchFiles reloads when a file that the configuration names holds something else
// than when it was last tried. It looks at the content, so that a file is noticed
// however it was replaced, and one that was only touched is not.
func (s *server) watchFiles(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.current().config.Store.Poll):
		}
		if path := s.changedFile(); path != "" {
			_ = s.reload(ctx, path+" has changed")
		}
	}
}

// changedFile is a file whose content is not the one that was tried.
func (s *server) changedFile() string {
	s.mu.Lock()
	seen := maps.Clone(s.seen)
	s.mu.Unlock()
	for path, before := range seen {
		if digestOf(path) != before {
			return path
		}
	}
	return ""
}

// changesLogged bounds the lines about one batch of changes.
const changesLogged = 20

// changed hears from the directory what is different in the store. It has the
// sessions concerned looked at again, and the rules read if it is they. That the
// watch has begun is nothing for the log.
func (s *server) changed(changes []registry.Change, first bool) {
	if concerned, some := registry.Concerned(changes); some {
		for _, l := range s.open() {
			l.server.Recheck(concerned)
		}
	}
	if slices.ContainsFunc(changes, func(c registry.Change) bool { return c.Rules || c.All }) {
		s.rulesChanged()
	}
	if !first {
		s.tellChanges(changes)
	}
}

// tellChanges comes after what they bring about: a log may have to wait for its
// reader.
func (s *server) tellChanges(changes []registry.Change) {
	for i, c := range changes {
		if i == changesLogged {
			s.log.Info(LogCredentials, "more", len(changes)-changesLogged)
			return
		}
		if about := describeChange(c); len(about) > 0 {
			s.log.Info(LogCredentials, about...)
		}
	}
}

// rulesChanged has the rules of the store read again.
func (s *server) rulesChanged() {
	select {
	case s.dirty <- struct{}{}:
	default: // they will be read anyway
	}
}

// rulesAgain is how long rules that could not be read are left alone.
const rulesAgain = 2 * time.Second

// watchRules reads the rules of the store again when they have changed.
func (s *server) watchRules(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.dirty:
		case <-again:
		}
		again = nil
		if s.readRules(ctx) != nil {
			again = time.After(rulesAgain)
		}
	}
}

// readRules puts the rules of the store in force. If they cannot be read or are
// wrong the old ones hold.
func (s *server) readRules(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	defer func() { <-s.turn }()
	g := s.current()
	stored, err := g.provision.rules(ctx)
	if err == nil && slices.Equal(stored, g.stored) {
		s.trouble("rules", "")
		return nil // who has changed them by the admin socket had them read before the watch did
	}
	var list *acl.List
	if err == nil {
		list, err = g.config.compile(stored)
	}
	if err != nil {
		if ctx.Err() == nil && s.trouble("rules", "the access rules of the store cannot be used, those before them hold: "+err.Error()) {
			s.log.Error(LogRulesFailed, "error", err.Error())
		}
		return err
	}
	s.trouble("rules", "")
	for _, l := range s.open() {
		setAccess(l.server, list)
	}
	next := *g
	next.stored, next.access = stored, list
	s.mu.Lock()
	s.now = &next
	s.mu.Unlock()
	s.log.Info(LogRules, "count", len(stored))
	return nil
}

// How often the store and the clock are looked at, and by how much the clock must
// jump to be worth a word.
const (
	healthBeat = 500 * time.Millisecond
	clockJump  = 5 * time.Second
)

// watchHealth looks at what breaks without anybody's doing.
func (s *server) watchHealth(ctx context.Context) {
	beat := time.NewTicker(healthBeat)
	defer beat.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		now := time.Now()
		s.judgeClock(now.Round(0).Sub(last.Round(0)), now.Sub(last))
		last = now
		s.judgeStore(ctx)
		s.recorder.flush(now)
		for name, file := range map[string]*logFile{"the audit file": s.recorder.shared.auditFile, "the ban file": s.recorder.shared.banFile} {
			if what := file.problem(name); s.trouble(name, what) && what != "" {
				s.log.Error(LogFileFailed, "error", what)
			}
		}
	}
}

// judgeClock compares the clock on the wall with the one that only goes on. After
// a jump credentials may have begun or ended.
func (s *server) judgeClock(onTheWall, monotonic time.Duration) {
	jump := onTheWall - monotonic
	if jump.Abs() < clockJump {
		return
	}
	s.log.Warn(LogClockJumped, "by", jump.Round(time.Second).String())
	for _, l := range s.open() {
		l.server.Recheck(nil)
	}
}

// judgeStore says when the store goes away and when it is back. A file that was
// replaced, as when a backup is put in its place, is opened by a reload.
func (s *server) judgeStore(ctx context.Context) {
	p := s.current().provision
	if p == nil {
		return
	}
	status := p.storeStatus()
	if status.OK {
		if s.trouble("store", "") {
			s.log.Info(LogStoreUp, "kind", status.Kind, "where", status.Where)
		}
		return
	}
	err := status.Err
	if err == nil {
		err = errors.New("unknown")
	}
	if s.trouble("store", "the store is not available: "+err.Error()) {
		s.log.Error(LogStoreDown, "kind", status.Kind, "where", status.Where, "error", err.Error())
	}
	s.openReplaced(ctx, p)
}

// openReplaced tries a file that is new at the path of the store: once, unless a
// command has it just now, and again when it has grown: it may be being copied.
func (s *server) openReplaced(ctx context.Context, p *provision) {
	kind, path, _ := splitStoreURL(p.url)
	if kind != kindBolt {
		return
	}
	if err := p.glances.take(p.replaced); err == nil || errors.Is(err, errHangs) {
		return
	}
	info, err := os.Stat(path)
	if err != nil || s.tried != nil && os.SameFile(info, s.tried) && info.Size() == s.tried.Size() && info.ModTime().Equal(s.tried.ModTime()) {
		return
	}
	if err := s.reload(ctx, path+" was replaced"); !errors.Is(err, store.ErrLocked) {
		s.tried = info
	}
}
