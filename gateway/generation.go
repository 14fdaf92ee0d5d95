// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
)

// generation is everything that a configuration has been made into. It does not
// change but for the rules of the store.
type generation struct {
	config    *Config
	provision *provision // nil: no store
	material  *material
	resources *resources
	stored    []acl.Rule // in the store
	access    *acl.List  // nil: everything is allowed

	auditFile, banFile *os.File // opened, until they are in use
}

// prepare makes a generation of a configuration and changes nothing: what it has
// opened is given back on an error. old is the one in force, nil at the start.
func (s *server) prepare(ctx context.Context, c *Config, old *generation) (*generation, error) {
	var before generation
	if old != nil {
		before = *old
	}
	g := &generation{config: c}
	err := g.fill(ctx, &before, s)
	if err != nil {
		g.discard(before.provision)
		return nil, err
	}
	return g, nil
}

func (g *generation) fill(ctx context.Context, old *generation, s *server) (err error) {
	c := g.config
	if g.provision, err = c.provide(ctx, old.provision); err != nil {
		return &StoreError{Where: hidePassword(c.Store.URL), Err: err}
	}
	if err := refresh(ctx, g.provision); err != nil {
		return &StoreError{Where: hidePassword(c.Store.URL), Err: err}
	}
	var problems []Problem
	g.material, problems = c.readMaterial(g.lookup(), time.Now())
	var more []Problem
	g.resources, more = c.newResources(old.resources, s.lasting, g.lookup(), s.log)
	problems = append(append(problems, more...), c.served(g.material)...)
	if hasErrors(problems) {
		return newConfigError(onlyErrors(problems))
	}
	problems = append(append(problems, c.exposed()...), c.edited()...)
	for _, p := range append(problems, g.provision.otherKey(c)...) {
		s.log.Warn(LogConfiguration, "problem", p.Summary())
	}
	if g.stored, err = g.provision.rules(ctx); err != nil && g.provision == old.provision {
		g.stored, err = old.stored, nil // a store that is away holds up no other change
		s.rulesChanged()
	}
	if err != nil {
		return &StoreError{Where: hidePassword(c.Store.URL), Err: fmt.Errorf("reading the access rules: %w", err)}
	}
	if g.access, err = c.compile(g.stored); err != nil {
		return err
	}
	return g.openLogs()
}

// openLogs opens the files that lines are appended to.
func (g *generation) openLogs() (err error) {
	c := g.config
	if g.auditFile, err = openLog(c.Resolve(c.Log.Audit)); err != nil {
		return c.wrong("log.audit", err)
	}
	if g.banFile, err = openLog(c.Resolve(c.Log.Ban)); err != nil {
		return c.wrong("log.ban", err)
	}
	return nil
}

// wrong is an error about one key.
func (c *Config) wrong(key string, err error) error {
	return newConfigError([]Problem{c.source.problem(c.source.find(key), key, "%s", fileErrorText(err))})
}

// refresh has a store that people edit read now what they have written.
func refresh(ctx context.Context, p *provision) error {
	if p == nil {
		return nil
	}
	if edited, ok := p.store.(interface{ Refresh(context.Context) error }); ok {
		return edited.Refresh(ctx)
	}
	return nil
}

// lookup is the directory, as an interface that is nil if there is none.
func (g *generation) lookup() security.Directory {
	if g.provision == nil {
		return nil
	}
	return g.provision.directory
}

// setAccess puts rules in force; nil is what compile makes of acl.open.
func setAccess(s *coaps.Server, list *acl.List) {
	if list == nil {
		s.ClearAccess()
		return
	}
	s.SetAccess(list)
}

// discard gives back what prepare has opened.
func (g *generation) discard(inForce *provision) {
	g.provision.stop(inForce)
	for _, f := range []*os.File{g.auditFile, g.banFile} {
		if f != nil {
			f.Close()
		}
	}
}

// StoreError says that the store of a configuration cannot be used.
type StoreError struct {
	Where string // its URL, without a password
	Err   error
}

func (e *StoreError) Error() string { return "store " + e.Where + ": " + e.Err.Error() }

// Unwrap returns why.
func (e *StoreError) Unwrap() error { return e.Err }

func onlyErrors(problems []Problem) []Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p Problem) bool { return p.Warning })
}

// fixedKeys are those whose values a running server cannot change, or what their
// keys begin with.
var fixedKeys = []string{"limits", "dtls.mtu", "dtls.constrained", "acl.on-revoke", "acl.reveal-missing",
	"resources.authorize.within", "log.format", "store.key", "admin.socket", "admin.off"}

// checkFixed refuses, by name, what needs a restart.
func checkFixed(old, now *Config) error {
	was, is := old.fixed(), now.fixed()
	var changed []string
	for key, value := range is {
		if was[key] != value {
			changed = append(changed, key)
		}
	}
	for _, l := range now.Listen {
		for _, before := range old.Listen {
			if l.Addr == before.Addr && !slices.Contains(old.Listen, l) && !slices.Contains(now.Listen, before) {
				changed = append(changed, "security of the listener "+l.Addr)
			}
			if l.Addr != before.Addr && !slices.Contains(old.Listen, l) && l.overlaps(before) {
				changed = append(changed, "the listener "+before.Addr+" to "+l.Addr)
			}
		}
	}
	if len(changed) == 0 {
		return nil
	}
	slices.Sort(changed)
	return fmt.Errorf("%w: %s", ErrNeedsRestart, strings.Join(changed, ", "))
}

// fixed are the values of fixedKeys as text.
func (c *Config) fixed() map[string]string {
	values := map[string]string{}
	each(reflect.ValueOf(c).Elem(), "", func(key string, _ reflect.StructField, v reflect.Value) {
		for _, fixed := range fixedKeys {
			if key != fixed && !strings.HasPrefix(key, fixed+".") {
				continue
			}
			if limits, ok := v.Interface().(Limits); ok {
				for i := range LimitTable {
					values["limits."+LimitTable[i].Name] = LimitTable[i].text(&limits)
				}
				continue
			}
			values[key] = fmt.Sprint(v.Interface())
		}
	})
	values["resources.authorize.within"] = c.anonymousTime().String()
	return values
}

// anonymousTime is how long a session may be anonymous, 0 for as long as it likes.
func (c *Config) anonymousTime() time.Duration {
	if c.Resources.Authorize.Path == "" {
		return 0
	}
	return c.Resources.Authorize.Within
}
