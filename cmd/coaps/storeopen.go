// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
		return p.openRunning(ctx, command, err)
	}
	if p.url = config.Store.URL; p.url == "" {
		return nil, p.noStore()
	}
	if !p.exclusive() {
		return p.openWithKey(ctx, config)
	}
	through, err := p.throughServer(ctx, config, command)
	if through != nil || err != nil {
		return through, err
	}
	if p.forgetful() {
		return nil, fmt.Errorf("%w: it is in the memory of a server, and none runs", store.ErrUnavailable)
	}
	return p.openWithKey(ctx, config)
}

// openRunning returns the store of the server that goes on with a configuration
// whose file is broken by now: who takes a key back need not wait for who edits.
func (p *storePlace) openRunning(ctx context.Context, command string, broken error) (store.Store, error) {
	if _, ok := errors.AsType[*gateway.ConfigError](broken); !ok {
		return nil, broken
	}
	sockets, err := gateway.SocketsOf(p.config)
	if err != nil {
		return nil, broken
	}
	client := gateway.Dial(command, sockets...)
	defer client.Close()
	if _, err := client.Status(ctx); err != nil {
		return nil, broken
	}
	p.broken = broken
	return gateway.AdminStore(command, sockets...), nil
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

// throughServer returns the store that a running server has open, nil if none
// runs. It goes before the file, which may be another one by now: then a change
// would be made where nobody looks.
func (p *storePlace) throughServer(ctx context.Context, config *gateway.Config, command string) (store.Store, error) {
	client := gateway.Dial(command, config.Sockets()...)
	defer client.Close()
	status, err := client.Status(ctx)
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if _, none := errors.AsType[*gateway.NoServerError](err); none {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, path, _ := strings.Cut(config.StoreURL(), ":")
	for _, s := range status.Stores {
		if p.forgetful() && strings.HasPrefix(s.Kind, "memory") || strings.HasPrefix(s.Kind, "bolt") && s.Where == path {
			return gateway.AdminStore(command, config.Sockets()...), nil
		}
	}
	return nil, fail("conflict", "cannot open "+p.name(), "the server that runs with this configuration has another store open").
		try("coaps reload %s has it read the configuration again", shellQuote(p.config))
}

// exclusive says that one process has the store at a time.
func (p *storePlace) exclusive() bool { return p.forgetful() || strings.HasPrefix(p.url, "bolt:") }

// forgetful says that the store is in the memory of the server alone.
func (p *storePlace) forgetful() bool {
	return p.url == "memory" || strings.HasPrefix(p.url, "memory:")
}

// storeProbe is a key nobody uses: to ask for it shows that somebody answers.
const storeProbe = "?"

// prepare makes the directory of the default place.
func (p *storePlace) prepare() error {
	path, embedded := strings.CutPrefix(p.url, "bolt:")
	if !p.create || !embedded {
		return nil
	}
	return os.MkdirAll(filepath.Dir(path), 0o700)
}
