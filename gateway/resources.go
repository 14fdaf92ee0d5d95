// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"log/slog"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/internal/demo"
	"github.com/coaps-go/coaps/security"
)

// resources are what a configuration serves.
type resources struct {
	mux    *coaps.Mux
	memory *demo.Store // nil: none
	limits Memory      // of it
}

// newResources opens the directories and makes the handlers. The in-memory store
// of the resources before is used on, if its limits are the same.
func (c *Config) newResources(old *resources, directory security.Directory, log *slog.Logger) (*resources, []Problem) {
	r := &resources{mux: coaps.NewMux()}
	var problems []Problem
	if c.Resources.Hello {
		demo.HandleHello(r.mux)
	}
	if c.Resources.Time {
		demo.HandleTime(r.mux, time.Now)
	}
	if c.Resources.Whoami {
		demo.HandleWhoami(r.mux)
	}
	for i, f := range c.Resources.Files {
		tree, err := newFileTree(f, c.Resolve(f.Dir))
		if err != nil {
			key := indexKey("resources.files", i) + ".dir"
			problems = append(problems, c.source.problem(c.source.find(key), key, "%s", fileErrorText(err)))
			continue
		}
		r.mux.Handle(f.Path, tree)
		r.mux.Describe(f.Path, link.Attr{Name: "ct", Value: "40"})
	}
	if m := c.Resources.Store; m != nil {
		r.keep(old, *m)
		r.memory.Handle(r.mux, m.Path)
	}
	if a := c.Resources.Authorize; a.Path != "" && directory != nil {
		r.mux.Handle("POST "+a.Path, &authorizer{directory: directory, log: log, timeout: c.Store.Timeout})
	}
	return r, problems
}

// keep makes the in-memory store, or takes the old one over.
func (r *resources) keep(old *resources, m Memory) {
	r.limits = m
	if old != nil && old.memory != nil && old.limits == m {
		r.memory = old.memory
		return
	}
	r.memory = demo.NewStore(demo.Limits{Resources: m.Resources, Size: m.Size, Total: m.Total, Name: demo.DefaultLimits.Name})
}

// authorizer takes a token and makes the session that of the device which has it.
type authorizer struct {
	directory security.Directory
	log       *slog.Logger
	timeout   time.Duration
}

// maxToken bounds a token, in bytes.
const maxToken = 512

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
	now := time.Now()
	entry, known := a.directory.Cached(claim, now)
	if !known {
		entry = a.directory.Fetch(r.Context(), claim, now)
	}
	if entry.Reason == dtls.ReasonNone {
		err := r.Authorize(entry.Principal)
		if err == nil {
			w.SetCode(coap.Changed)
			return
		}
		a.log.Error("a session could not be authorized", "peer", r.Peer.Addr, "error", err)
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
