// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/store"
)

// open opens the place once. command is what the audit log of a running server
// says was done through it.
func (p *storePlace) open(ctx context.Context, command string) (store.Store, error) {
	if p.config != "" {
		return p.openConfigured(ctx, command)
	}
	if err := p.prepare(); err != nil {
		return nil, err
	}
	return gateway.OpenStore(ctx, p.url, p.key)
}

// openConfigured opens the store of a configuration; while a server has it for
// itself, through the server.
func (p *storePlace) openConfigured(ctx context.Context, command string) (store.Store, error) {
	config, err := gateway.Load(p.config)
	if err != nil {
		return nil, err
	}
	if p.url = config.Store.URL; p.url == "" {
		return nil, p.noStore()
	}
	if !p.forgetful() {
		opened, err := p.openWithKey(ctx, config)
		if !errors.Is(err, store.ErrLocked) {
			return opened, err
		}
	}
	through := gateway.AdminStore(command, config.Sockets()...)
	if _, err := through.Get(ctx, storeProbe); err != nil && !errors.Is(err, store.ErrNotFound) {
		_ = through.Close()
		return nil, p.noServer(err)
	}
	return through, nil
}

func (p *storePlace) noStore() error {
	return fail("setup", "cannot open "+p.name(), "the configuration names no store").
		try("store: bolt:devices.db in %s, or --store URL", p.config)
}

// openWithKey opens the store of a configuration with the key that it names, or
// with that of --store-key.
func (p *storePlace) openWithKey(ctx context.Context, config *gateway.Config) (store.Store, error) {
	if p.key != "" {
		return gateway.OpenStore(ctx, config.StoreURL(), p.key)
	}
	return config.OpenStore(ctx)
}

// forgetful says that the store is in the memory of the server alone.
func (p *storePlace) forgetful() bool {
	return p.url == "memory" || strings.HasPrefix(p.url, "memory:")
}

// storeProbe is a key nobody uses: to ask for it shows that somebody answers.
const storeProbe = "?"

// noServer is for a locked store whose server does not answer: then another
// command has it, and its turn will end.
func (p *storePlace) noServer(err error) error {
	if errors.Is(err, store.ErrUnavailable) && !p.forgetful() {
		return fmt.Errorf("%w, and %w", store.ErrLocked, err)
	}
	return err
}

// prepare makes the directory of the default place.
func (p *storePlace) prepare() error {
	path, embedded := strings.CutPrefix(p.url, "bolt:")
	if !p.create || !embedded {
		return nil
	}
	return os.MkdirAll(filepath.Dir(path), 0o700)
}
