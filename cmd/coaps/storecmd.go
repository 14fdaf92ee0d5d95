// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/sealed"
)

func (a *app) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "the store itself: encrypt it, who can open it, what is in it",
		Long: `The store of devices and access rules as a whole. Sealed, all keys of devices in it
are encrypted to an age identity, a small file that is kept elsewhere: who gets
the store's file, its backup or the Redis server then has no keys. A server opens
it by store.key in its configuration; commands by that, --store-key (--key for
short) or $COAPS_STORE_KEY.`,
		Example: `  coaps store seal --store-key store.key
  coaps store info
  coaps store recipients add age1...`,
		GroupID: groupProvision,
		Args:    cobra.ArbitraryArgs,
		RunE:    subcommandsOnly,
	}
	cmd.AddCommand(a.storeInfoCommand(), a.storeSealCommand(), a.storeRecipientsCommand(), a.storeRotateCommand(), a.storeCompactCommand())
	return cmd
}

// registerStore gives a command of coaps store its flags.
func registerStore(cmd *cobra.Command, flags *storeFlags) {
	flags.register(cmd.Flags())
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "key" {
			name = "store-key"
		}
		return pflag.NormalizedName(name)
	})
}

// A bareStore is a store as it is, sealed or not, that a command has for itself:
// no server is between, and no key.
type bareStore struct {
	store.Store
	place  *storePlace
	config *gateway.Config // that names the store; nil if none does
	url    string
	key    string // file of the identity that is meant to open it; "" if nothing says so
}

// findBare finds out which store and which key are meant.
func (a *app) findBare(cmd *cobra.Command, flags *storeFlags) (*bareStore, error) {
	place, err := flags.find(cmd, a.env)
	if err != nil {
		return nil, err
	}
	b := &bareStore{place: place, url: place.url, key: place.key}
	if place.config == "" {
		return b, b.atRest()
	}
	if b.config, err = gateway.Load(place.config); err != nil {
		return nil, place.failure(err)
	}
	place.url, b.url = b.config.Store.URL, b.config.StoreURL()
	if b.url == "" {
		return nil, place.noStore()
	}
	if b.key == "" {
		b.key = b.config.Resolve(b.config.Store.Key)
	}
	return b, b.atRest()
}

// atRest refuses a store that is in memory alone.
func (b *bareStore) atRest() error {
	if b.place.forgetful() {
		return fail("setup", "cannot open "+b.place.name(), "what is in the memory of a server is not at rest anywhere").
			try("store: bolt:devices.db in the configuration, or --store URL")
	}
	return nil
}

// openBare opens the store for this command alone. create says whether a file that
// is not there is made. The function that comes back closes it.
func (a *app) openBare(cmd *cobra.Command, flags *storeFlags, create bool) (*bareStore, func(), error) {
	b, err := a.findBare(cmd, flags)
	if err != nil {
		return nil, nil, err
	}
	if err := b.open(cmd.Context(), create); err != nil {
		return nil, nil, b.failure("cannot open "+b.place.name(), err)
	}
	a.tracef(1, "store: %s (%s)", b.place.name(), b.place.origin)
	return b, func() { a.closeStore(b.place, b.Store) }, nil
}

// barePatience is how long another command is waited for.
const barePatience = 3 * time.Second

// open waits for another command that has the file, not for a server.
func (b *bareStore) open(ctx context.Context, create bool) error {
	if path, embedded := strings.CutPrefix(b.url, "bolt:"); embedded && !create {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	err := b.place.prepare()
	for deadline := time.Now().Add(barePatience); err == nil; {
		b.Store, err = gateway.OpenStoreAsIs(ctx, b.url)
		if !errors.Is(err, store.ErrLocked) || time.Now().After(deadline) {
			return err
		}
		if server := b.server(ctx, ""); server != nil {
			_ = server.Close()
			return err
		}
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(storePause):
			err = nil
		}
	}
	return err
}

// server is the store through the server that has it, nil if there is none.
func (b *bareStore) server(ctx context.Context, command string) store.Store {
	if b.config == nil {
		return nil
	}
	through := gateway.AdminStore(command, b.config.Sockets()...)
	if _, err := through.Get(ctx, storeProbe); err != nil && !errors.Is(err, store.ErrNotFound) {
		_ = through.Close()
		return nil
	}
	return through
}

// unseal opens what is sealed by the key that is meant.
func (b *bareStore) unseal(ctx context.Context, what string) (*sealed.Store, sealed.Keys, error) {
	is, err := sealed.IsSealed(ctx, b.Store)
	switch {
	case err != nil:
		return nil, sealed.Keys{}, b.failure(what, err)
	case !is:
		return nil, sealed.Keys{}, fail("store_not_sealed", what, "%s is not encrypted", b.place.name()).try("coaps store seal encrypts it")
	case b.key == "":
		return nil, sealed.Keys{}, b.failure(what, gateway.ErrSealed)
	}
	keys, err := gateway.StoreKeys(b.key)
	if err != nil {
		return nil, sealed.Keys{}, b.failure(what, err)
	}
	s, err := sealed.Open(ctx, b.Store, keys)
	if err != nil {
		return nil, sealed.Keys{}, b.failure(what, err)
	}
	return s, keys, nil
}

// failure is storeFailure with advice for who needs the store alone.
func (b *bareStore) failure(what string, err error) error {
	if errors.Is(err, store.ErrLocked) {
		return fail("store_locked", what, "%v", err).because(err).
			try("stop the server that has it (coaps status, or fuser FILE), do this, and start it again")
	}
	if errors.Is(err, sealed.ErrNoIdentity) {
		return fail("bad_credential_file", what, "%v", err).because(err).try("the file has a line AGE-SECRET-KEY-1..., as age-keygen and coaps store seal write it")
	}
	if errors.Is(err, sealed.ErrRecipients) {
		return fail("bad_credential", what, "%v", err).because(err).
			try("all recipients age1pq1..., with a key of age-keygen -pq, or none of them")
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, fs.ErrNotExist) {
		return fail("file_unreadable", what, "%v", err).because(err).try("--store URL, --config FILE and --store-key FILE say which are meant")
	}
	return storeFailure(what, err)
}

// working shows on a terminal that something goes on, and for how long, until stop
// is called.
func (a *app) working(text string) (stop func()) {
	if a.quiet || !isTerminal(a.err) {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		begun := time.Now()
		for wait := progressDelay; ; wait = progressStep {
			select {
			case <-done:
				fmt.Fprint(a.err, "\r\x1b[K")
				return
			case <-time.After(wait):
				fmt.Fprint(a.err, "\r\x1b[K"+a.errPalette().dim(fmt.Sprintf("%s, %.1f s", text, time.Since(begun).Seconds())))
			}
		}
	}()
	return func() { close(done); <-ended }
}
