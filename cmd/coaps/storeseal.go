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
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/sealed"
)

func (a *app) storeSealCommand() *cobra.Command {
	var flags storeFlags
	var more []string
	cmd := &cobra.Command{
		Use:   "seal",
		Short: "encrypt a store",
		Long: `Encrypt the values of a store, all or none, to the age identity in the file of
--store-key, or of store.key in the configuration. Without such a file one is
made, mode 0600. A store that is new is sealed from its beginning. The servers
that use the store must be stopped; the name of the file then belongs into their
configuration, as store.key.

Keep a copy of that file elsewhere, or have the recipient of a key that is in a
safe be one too (--recipient): nobody can open the store without.`,
		Example: `  coaps store seal --store-key store.key
  coaps store seal --config coaps.yaml --recipient age1...`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.storeSeal(cmd, &flags, more) },
	}
	registerStore(cmd, &flags)
	set, done := beginGroup(cmd.Flags(), groupStore)
	set.StringArrayVar(&more, "recipient", nil, "`AGE1...` who can open the store too; repeatable")
	done()
	return cmd
}

func (a *app) storeSeal(cmd *cobra.Command, flags *storeFlags, more []string) error {
	to, err := parseRecipients(cmd, more)
	if err != nil {
		return err
	}
	b, done, err := a.openBare(cmd, flags, true)
	if err != nil {
		return err
	}
	defer done()
	what := "cannot seal " + b.place.name()
	is, err := sealed.IsSealed(cmd.Context(), b.Store)
	switch {
	case err != nil:
		return b.failure(what, err)
	case b.Status().ReadOnly:
		return fail("store_readonly", what, "people edit it, and only they").
			try("coaps device export, and device import into bolt:FILE, which can be sealed")
	case b.key == "":
		return usage(cmd, "nothing says where the key is to be").try("--store-key FILE; it is made if it is not there")
	case is:
		return a.sealAgain(cmd.Context(), b, what, len(to) > 0)
	}
	keys, err := a.sealingKeys(b, what)
	if err != nil {
		return err
	}
	if keys, err = keys.With(to...); err != nil {
		return b.failure(what, err)
	}
	n, err := a.migrate(cmd.Context(), b, keys)
	if err != nil {
		return b.sealFailure(what, err)
	}
	a.notef("sealed %s of %s", plural(n, "record"), b.place.name())
	a.noteStoreKey(b)
	return nil
}

// sealAgain seals what somebody has written into a sealed store without its key.
func (a *app) sealAgain(ctx context.Context, b *bareStore, what string, more bool) error {
	s, keys, err := b.unseal(ctx, what)
	if err != nil {
		return err
	}
	if more {
		return fail("already_there", what, "it is sealed already").try("coaps store recipients add AGE1... adds who can open it")
	}
	n, err := a.migrate(ctx, b, keys)
	if err != nil {
		return b.sealFailure(what, err)
	}
	if n > 0 {
		a.warnf("%s had been written without the key since the store was sealed, by whoever it was, and is sealed now", plural(n, "record"))
	}
	a.notef("%s is sealed, and %s opens it (%d records)", b.place.name(), b.key, max(s.Status().Records, 0))
	return nil
}

func (a *app) migrate(ctx context.Context, b *bareStore, keys sealed.Keys) (int, error) {
	defer a.working("sealing")()
	return sealed.Migrate(ctx, b.Store, keys)
}

// sealFailure is for what becomes of Migrate.
func (b *bareStore) sealFailure(what string, err error) error {
	if _, ok := errors.AsType[*store.ConflictError](err); ok {
		return fail("conflict", what, "somebody has changed the store meanwhile; nothing was sealed").because(err).
			try("stop the servers that use it, and run it again")
	}
	return b.failure(what, err)
}

// sealingKeys reads the file of the identity, or makes it.
func (a *app) sealingKeys(b *bareStore, what string) (sealed.Keys, error) {
	keys, err := gateway.StoreKeys(b.key)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return keys, b.orFailure(what, err)
	}
	recipient, err := newIdentity(b.key)
	if err != nil {
		return sealed.Keys{}, err
	}
	a.notef("made %s, the key of %s; keep a copy of it elsewhere, for nobody can open the store without", b.key, recipient)
	keys, err = gateway.StoreKeys(b.key)
	return keys, b.orFailure(what, err)
}

func (b *bareStore) orFailure(what string, err error) error {
	if err == nil {
		return nil
	}
	return b.failure(what, err)
}

// newIdentity makes a file with an age identity, as age-keygen does, and returns
// its recipient. The file is on the disk before anything is encrypted to it.
func newIdentity(path string) (recipient *age.X25519Recipient, err error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, asFailure("cannot make a key", err)
	}
	text := fmt.Appendf(nil, "# created: %s\n# public key: %s\n%s\n", time.Now().UTC().Format(time.RFC3339), identity.Recipient(), identity)
	defer clear(text)
	if err := writeSecret(path, text); err != nil {
		return nil, err
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync() // not every file system can
		_ = dir.Close()
	}
	return identity.Recipient(), nil
}

// parseRecipients reads recipients from the command line.
func parseRecipients(cmd *cobra.Command, texts []string) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, text := range texts {
		if strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") {
			return nil, usage(cmd, "this is an identity, which is secret, and no recipient").try("age-keygen -y FILE, or the comment in the file: # public key: age1...")
		}
		one, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil || len(one) != 1 {
			return nil, usage(cmd, "%q is not a recipient of age", text).try("age1..., as age-keygen prints it")
		}
		all = append(all, one...)
	}
	return all, nil
}

// noteStoreKey says where the name of the key has to go.
func (a *app) noteStoreKey(b *bareStore) {
	switch {
	case b.config == nil:
		a.notef("commands open it with --store-key %s or COAPS_STORE_KEY, a server with store.key in its configuration", shellQuote(b.key))
	case !sameFile(b.config.Resolve(b.config.Store.Key), b.key):
		a.notef("before the server starts: store: {url: %q, key: %q} in %s", hideUserinfo(b.config.Store.URL), b.key, b.config.Path())
	}
}
