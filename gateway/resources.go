// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/resource"
	"github.com/coaps-go/coaps/security"
)

// resources are what a configuration serves.
type resources struct {
	mux    *coaps.Mux
	places map[string]string // what is at each path
	trees  []*fileTree
	poll   time.Duration
	memory *resource.Store // nil: none
	limits resource.Limits // of it
}

// lasting is what resources of any configuration need and a reload does not end.
type lasting struct {
	audience resource.Audience
	clock    *resource.Clock
	files    *fileWatch
}

func newLasting(audience resource.Audience) *lasting {
	return &lasting{audience, resource.NewClock(time.Now, audience), newFileWatch(audience)}
}

func (l *lasting) close() {
	l.clock.Close()
	l.files.close()
}

// use puts resources in force.
func (l *lasting) use(r *resources) {
	l.files.use(r.trees, r.poll)
	if r.memory != nil {
		r.memory.SetLimits(r.limits)
	}
}

// newResources opens the directories and makes the handlers. The in-memory store
// of the resources before is used on, if it is at the same path.
func (c *Config) newResources(old *resources, l *lasting, directory security.Directory, log *slog.Logger) (*resources, []Problem) {
	r := &resources{mux: coaps.NewMux(), places: map[string]string{}, poll: c.Store.Poll}
	if c.Resources.Hello {
		resource.HandleHello(r.mux)
	}
	if c.Resources.Time {
		l.clock.Handle(r.mux)
		r.places["/time"] = "clock"
	}
	if c.Resources.Whoami {
		resource.HandleWhoami(r.mux)
	}
	problems := r.serveFiles(c, old, l.files)
	if m := c.Resources.Store; m != nil {
		r.keep(old, *m, c.Resources.MaxAge, l.audience)
		r.memory.Handle(r.mux, m.Path)
	}
	if a := c.Resources.Authorize; a.Path != "" && directory != nil {
		r.mux.Handle("POST "+a.Path, newAuthorizer(directory, log, c.Limits.Workers))
	}
	return r, problems
}

// serveFiles opens the directories, but for those that are open.
func (r *resources) serveFiles(c *Config, old *resources, watch *fileWatch) (problems []Problem) {
	for i, f := range c.Resources.Files {
		tree, err := newFileTree(f, c.Resolve(f.Dir))
		if err != nil {
			key := indexKey("resources.files", i) + ".dir"
			problems = append(problems, c.source.problem(c.source.find(key), key, "%s", fileErrorText(err)))
			continue
		}
		if old != nil {
			tree.share(old.trees)
		}
		tree.age, tree.watch = c.Resources.MaxAge, watch
		r.mux.Handle(f.Path, coaps.Observable(tree))
		r.mux.Describe(f.Path, link.Attr{Name: "ct", Value: "40"})
		r.places[f.Path] = "files " + c.Resolve(f.Dir)
		r.trees = append(r.trees, tree)
	}
	return problems
}

// keep makes the in-memory store, or takes the old one over with what is in it.
func (r *resources) keep(old *resources, m Memory, age time.Duration, audience resource.Audience) {
	r.limits = resource.Limits{Resources: m.Resources, Size: m.Size, Total: m.Total, Name: resource.DefaultLimits.Name, Age: age}
	r.places[m.Path] = memoryPlace
	if old != nil && old.memory != nil && old.places[m.Path] == memoryPlace {
		r.memory = old.memory
		return
	}
	r.memory = resource.NewStore(r.limits, audience)
}

// memoryPlace is the in-memory store among the places.
const memoryPlace = "store"

// changedPlaces are the paths that are not what they were, or not any more.
func (r *resources) changedPlaces(old *resources) (paths []string) {
	if old == nil {
		return nil
	}
	for path, what := range old.places {
		if r.places[path] != what {
			paths = append(paths, path)
		}
	}
	for path := range r.places {
		if _, was := old.places[path]; !was {
			paths = append(paths, path) // within another place, perhaps
		}
	}
	return paths
}

// authorizer takes a token and makes the session that of the device which has it.
type authorizer struct {
	directory security.Directory
	log       *slog.Logger
	places    chan struct{} // one taken by each look-up in the store
}

// maxToken bounds a token, in bytes.
const maxToken = 512

// tokenShare is the part of the handlers at work that may wait for what the store
// says of a token. Whoever has no credential may send as many as he likes, none of
// which is in memory, and a slow store must not keep others from being answered.
const tokenShare = 4

// newAuthorizer makes one for ports with so many workers; 0 is the default.
func newAuthorizer(directory security.Directory, log *slog.Logger, workers int) *authorizer {
	places := max(cmp.Or(workers, coaps.DefaultWorkers)/tokenShare, 1)
	return &authorizer{directory: directory, log: log, places: make(chan struct{}, places)}
}

// ServeCOAP answers 2.04 to a good token, 4.01 to any other.
func (a *authorizer) ServeCOAP(w coaps.ResponseWriter, r *coaps.Request) {
	if r.Peer.Mode == security.NoSec {
		coaps.WriteError(w, coap.Unauthorized, "a token would be read by others; use coaps")
		return
	}
	if len(r.Payload) == 0 || len(r.Payload) > maxToken {
		coaps.WriteError(w, coap.BadRequest, "the token is the payload")
		return
	}
	claim := &security.Claim{Host: r.Peer.Identity.Host(), Token: r.Payload}
	entry, ok := a.find(r.Context(), claim)
	if !ok {
		w.SetUint(coap.MaxAge, uint32(busyTime/time.Second))
		coaps.WriteError(w, coap.ServiceUnavailable, "try again later")
		return
	}
	if entry.Reason == dtls.ReasonNone {
		err := r.Authorize(entry.Principal)
		if err == nil {
			w.SetCode(coap.Changed)
			return
		}
		a.log.Warn(LogTokenRefused, "peer", r.Peer.Addr, "reason", dtls.ReasonInternal.String(), "detail", err.Error())
		coaps.WriteError(w, coap.InternalServerError, "not possible here")
		return
	}
	a.log.Warn(LogTokenRefused, "peer", r.Peer.Addr, "reason", entry.Reason.String())
	if entry.Reason == dtls.ReasonStoreUnavailable {
		coaps.WriteError(w, coap.ServiceUnavailable, "try again later")
		return
	}
	coaps.WriteError(w, coap.Unauthorized, "the token is not good")
}

// busyTime is for how long who finds no place should stay away.
const busyTime = 5 * time.Second

// find asks whose a token is; false if too many wait for the store already.
func (a *authorizer) find(ctx context.Context, claim *security.Claim) (security.Entry, bool) {
	now := time.Now()
	if entry, known := a.directory.Cached(claim, now); known {
		return entry, true
	}
	select {
	case a.places <- struct{}{}:
		defer func() { <-a.places }()
		return a.directory.Fetch(ctx, claim, now), true
	default:
		return security.Entry{}, false
	}
}
