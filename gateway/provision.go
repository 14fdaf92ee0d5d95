// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
)

// provision is an open store with the directory that looks things up in it.
type provision struct {
	store     store.Store
	base      store.Store // below the encryption
	directory *registry.Directory
	settings  Store // those that the store was opened with
	url       string
	split     string
	key       digest       // of the file with the age identity, when the store was opened
	gone      atomic.Int64 // since when the file is not at its path, in nanoseconds of Unix time; 0: it is
	glances   glances

	cancel context.CancelFunc // ends the watch
	done   chan struct{}      // closed when it has ended
}

// sameStore reports whether the store of c is the one that is open.
func (p *provision) sameStore(c *Config) bool {
	return p != nil && p.url == c.StoreURL() && p.settings.Key == c.Store.Key && p.replaced() == nil
}

// replaced returns why the file of the store is not the one that is at its path
// any more, nil if it is, and for stores that have no file open.
func (p *provision) replaced() error {
	if file, ok := p.base.(interface{ Current() error }); ok {
		return file.Current()
	}
	return nil
}

// storeStatus is how the store does, its file included, in glanceTime at most.
func (p *provision) storeStatus() store.Status {
	status := p.store.Status()
	err := p.glances.take(p.replaced)
	if err == nil {
		p.gone.Store(0)
		return status
	}
	p.gone.CompareAndSwap(0, time.Now().UnixNano())
	if status.OK {
		status.OK, status.Err, status.Since = false, err, time.Unix(0, p.gone.Load())
	}
	return status
}

// otherKey warns of a file with the age identity that is not the one by which the
// store was opened: a server that starts with it may find that it does not fit.
func (p *provision) otherKey(c *Config) []Problem {
	if p == nil || c.Store.Key == "" || digestOf(c.Resolve(c.Store.Key)) == p.key {
		return nil
	}
	return []Problem{c.warning("store.key", "the file has changed; the open store goes on with what it held, a restart would not")}
}

// errEmptied is why a file without content is not opened as a new database.
var errEmptied = fmt.Errorf("%w: the file is empty, and a running server makes no database anew", store.ErrCorrupt)

// stillThere keeps an open store whose file was removed, or is just being copied
// back, from being exchanged for a new one without a device.
func (p *provision) stillThere(c *Config) error {
	if p == nil || p.url != c.StoreURL() {
		return nil
	}
	if kind, path, _ := splitStoreURL(p.url); kind == kindBolt {
		switch info, err := os.Stat(path); {
		case err != nil:
			return err
		case info.Size() == 0:
			return fmt.Errorf("%s: %w", path, errEmptied)
		}
	}
	return nil
}

// sameDirectory reports whether nothing about the look-ups has changed either.
func (p *provision) sameDirectory(c *Config) bool {
	settings := c.Store
	settings.URL, settings.Poll, settings.Wait = p.settings.URL, p.settings.Poll, p.settings.Wait
	return p.settings == settings && p.split == c.Tenants.Split
}

// provide opens the store of a configuration, or takes over the one that is open.
func (c *Config) provide(ctx context.Context, old *provision) (*provision, error) {
	if c.Store.URL == "" {
		return nil, nil
	}
	if old.sameStore(c) && old.sameDirectory(c) {
		return old, nil
	}
	p := &provision{settings: c.Store, url: c.StoreURL(), split: c.Tenants.Split, done: make(chan struct{})}
	if old.sameStore(c) {
		p.store, p.base, p.key = old.store, old.base, old.key
	} else {
		if c.Store.Key != "" {
			p.key = digestOf(c.Resolve(c.Store.Key))
		}
		err := old.stillThere(c)
		if err == nil {
			p.store, p.base, err = openBoth(ctx, c.StoreURL(), c.Resolve(c.Store.Key))
		}
		if err != nil {
			return nil, err
		}
	}
	p.directory = registry.NewDirectory(p.store, registry.Options{
		Timeout: c.Store.Timeout, Entries: c.Store.Entries, Negative: c.Store.Negative, Split: c.Tenants.Split,
	})
	return p, nil
}

// watchAgain is how long a watch that has failed waits before it tries again.
const watchAgain = time.Second

// watch has changed told of changes until stop is called. first says that
// everything is looked at because the watch has begun: something may have changed
// between the first look-up and that.
func (p *provision) watch(changed func(changes []registry.Change, first bool)) {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	begun := false
	tell := func(changes []registry.Change) {
		changed(changes, !begun && len(changes) == 1 && changes[0].All)
		begun = true
	}
	go func() {
		defer close(p.done)
		for {
			err := p.directory.Run(ctx, tell)
			if ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(watchAgain):
			}
		}
	}()
}

// stop ends the watch, and closes the store unless somebody else has taken it over.
func (p *provision) stop(next *provision) {
	if p == nil || p == next {
		return
	}
	if p.cancel != nil {
		p.cancel()
		<-p.done
	}
	if next == nil || next.store != p.store {
		_ = p.store.Close()
	}
}

// rulesTime bounds the reading of the access rules.
const rulesTime = 10 * time.Second

// rules reads the access rules in the store.
func (p *provision) rules(ctx context.Context) ([]acl.Rule, error) {
	if p == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, rulesTime)
	defer cancel()
	return registry.New(p.store).Rules(ctx)
}

// describeChange names a change for the log.
func describeChange(c registry.Change) []any {
	var args []any
	for _, one := range []struct{ name, value string }{{"device", c.Device}, {"group", c.Group}, {"tenant", c.Tenant}} {
		if one.value != "" {
			args = append(args, one.name, clip(strings.ToValidUTF8(one.value, "?")))
		}
	}
	if c.All {
		args = append(args, "all", true)
	}
	return args
}
