// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"github.com/coaps-go/coaps/store"
)

// OpenStore opens the store at a URL:
//
//	memory:                       forgets everything
//	file:PATH                     YAML or JSON for people who edit, read-only
//	bolt:PATH                     the embedded database, one process at a time
//	redis://[USER:PASSWORD@]HOST:PORT/DB, rediss://...
//
// Relative paths are relative to the working directory. sealing, if not "", is the
// path of an age identity that encrypts the values.
func OpenStore(ctx context.Context, url, sealing string) (store.Store, error) { panic("todo") }

// OpenStore opens the store of the configuration.
func (c *Config) OpenStore(ctx context.Context) (store.Store, error) { panic("todo") }

func checkStoreURL(url string) error { return nil }
