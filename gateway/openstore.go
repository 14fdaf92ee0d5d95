// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"strings"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/bolt"
	"github.com/coaps-go/coaps/store/file"
	"github.com/coaps-go/coaps/store/memory"
	"github.com/coaps-go/coaps/store/redis"
	"github.com/coaps-go/coaps/store/sealed"
)

// Kinds of stores, by what their URLs begin with.
const (
	kindMemory = "memory"
	kindFile   = "file"
	kindBolt   = "bolt"
	kindRedis  = "redis"
	kindRediss = "rediss" // over TLS
)

// errStoreURL says what a URL looks like.
var errStoreURL = errors.New("a store is memory, file:PATH, bolt:PATH, redis://HOST:PORT/DB or rediss://HOST:PORT/DB")

// splitStoreURL takes a URL apart: what is behind the kind is a path or, for
// Redis, the URL itself.
func splitStoreURL(url string) (kind, rest string, err error) {
	kind, rest, found := strings.Cut(url, ":")
	switch {
	case kind == kindMemory && rest == "": // with or without colon, which YAML wants quoted
		return kind, "", nil
	case !found:
		return "", "", errStoreURL
	case (kind == kindFile || kind == kindBolt) && rest != "":
		return kind, strings.TrimPrefix(rest, "//"), nil
	case kind == kindRedis || kind == kindRediss:
		return kind, url, nil
	}
	return "", "", errStoreURL
}

func checkStoreURL(url string) error {
	kind, rest, err := splitStoreURL(url)
	if err != nil {
		return err
	}
	if kind == kindRedis || kind == kindRediss {
		_, err = redis.Parse(rest)
	}
	return err
}

// OpenStore opens the store at a URL:
//
//	memory                        forgets everything
//	file:PATH                     YAML or JSON for people who edit, read-only
//	bolt:PATH                     the embedded database, one process at a time
//	redis://[USER:PASSWORD@]HOST:PORT/DB, rediss://...
//
// Relative paths are relative to the working directory. sealing, if not "", is the
// path of a file with an age identity, under which the values are encrypted.
// Another process that has the file is store.ErrLocked.
func OpenStore(ctx context.Context, url, sealing string) (store.Store, error) {
	s, _, err := openBoth(ctx, url, sealing)
	return s, err
}

// openBoth also returns the store below the encryption.
func openBoth(ctx context.Context, url, sealing string) (s, base store.Store, err error) {
	kind, rest, err := splitStoreURL(url)
	if err != nil {
		return nil, nil, err
	}
	base, err = openKind(ctx, kind, rest)
	if err != nil {
		return nil, nil, err
	}
	if sealing == "" {
		s, err = unsealed(ctx, base)
		return s, base, err
	}
	s, err = seal(ctx, base, sealing)
	if err != nil {
		return nil, nil, errors.Join(err, base.Close())
	}
	return s, base, nil
}

func openKind(ctx context.Context, kind, rest string) (store.Store, error) {
	switch kind {
	case kindMemory:
		return memory.New(), nil
	case kindFile:
		return file.Open(rest, registry.Records, file.Options{})
	case kindBolt:
		return bolt.Open(rest, bolt.Options{})
	}
	options, err := redis.Parse(rest)
	if err != nil {
		return nil, err
	}
	return redis.Open(ctx, options)
}

// OpenStore opens the store of the configuration, whose paths are relative to its
// file. Without a store it returns nil.
func (c *Config) OpenStore(ctx context.Context) (store.Store, error) {
	if c.Store.URL == "" {
		return nil, nil
	}
	return OpenStore(ctx, c.StoreURL(), c.Resolve(c.Store.Key))
}

// StoreURL is the URL of the store with its path made absolute.
func (c *Config) StoreURL() string {
	kind, rest, err := splitStoreURL(c.Store.URL)
	if err == nil && (kind == kindFile || kind == kindBolt) {
		return kind + ":" + c.Resolve(rest)
	}
	return c.Store.URL
}

// ErrSealed says that a store is encrypted and no key was given.
var ErrSealed = errors.New("the store is sealed, and there is no key for it")

// unsealed refuses a store whose values are encrypted: what is written there
// without its key would be among them in the clear. A store that does not answer
// now is not judged.
func unsealed(ctx context.Context, s store.Store) (store.Store, error) {
	if is, err := sealed.IsSealed(ctx, s); err == nil && is {
		return nil, errors.Join(ErrSealed, s.Close())
	}
	return s, nil
}

// seal puts encryption around a store, by the age identities in a file. A store
// that is not sealed is refused, as is one that others are to open.
func seal(ctx context.Context, s store.Store, path string) (store.Store, error) {
	with, err := StoreKeys(path)
	if err != nil {
		return nil, err
	}
	return sealed.Open(ctx, s, with)
}

// StoreKeys reads the file of age identities that a sealed store is opened with.
// One that others than its owner can read is a *keys.PermissionError.
func StoreKeys(path string) (sealed.Keys, error) {
	text, err := keys.ReadSecretFile(path) // looks at who may read it
	if err != nil {
		return sealed.Keys{}, err
	}
	clear(text)
	return sealed.ReadKeys(path)
}

// OpenStoreAsIs opens the store at a URL, as OpenStore has them, without a key:
// the values of a sealed one stay encrypted. For who works on the sealing; nothing
// else may be written there.
func OpenStoreAsIs(ctx context.Context, url string) (store.Store, error) {
	kind, rest, err := splitStoreURL(url)
	if err != nil {
		return nil, err
	}
	return openKind(ctx, kind, rest)
}
