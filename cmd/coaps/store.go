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
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/file"
	"github.com/coaps-go/coaps/store/sealed"
)

// The groups of flags of what works on a store.
const (
	groupDevice     = "Device"
	groupCredential = "Credential"
	groupStore      = "Store"
)

// storeFlags say which store a command works on.
type storeFlags struct {
	url    string
	config string
	key    string
}

// storeForms is the help text for what --store takes.
const storeForms = "bolt:FILE, file:FILE, redis://HOST, or the path of a bolt file"

func (f *storeFlags) register(all *pflag.FlagSet) {
	set, done := beginGroup(all, groupStore)
	defer done()
	set.StringVar(&f.url, "store", "", "the store of devices and access rules: `URL` is "+storeForms+" (default: $COAPS_STORE, --config, $COAPS_CONFIG, ./coaps.yaml, or devices.db in the data directory)")
	set.StringVar(&f.config, "config", "", "use the store that the server's configuration `FILE` names")
	set.StringVar(&f.key, "store-key", "", "`FILE` with the age identity that a sealed store is opened with (default: store.key of the configuration, or $COAPS_STORE_KEY)")
}

// storePlace is a store before it is opened.
type storePlace struct {
	url    string // scheme and the rest; "" if a configuration says it
	config string // the configuration that names the store
	key    string // file with age identities; "": the configuration says it, or the store is not sealed
	origin string // what told us: "--store", "$COAPS_STORE", ...
	create bool   // the default place: its directory is made where it is missing
	broken error  // what is wrong with the configuration, if its server has the store all the same
}

// name is the place as an error or a note names it.
func (p *storePlace) name() string {
	if p.config != "" {
		return "the store of " + p.config
	}
	return hideUserinfo(p.url)
}

// defaultConfigFile is the configuration that is used where nothing is said.
const defaultConfigFile = "coaps.yaml"

// find decides which store is meant; the first of flags, environment, working
// directory and data directory that says something wins.
func (f *storeFlags) find(cmd *cobra.Command, env func(string) (string, bool)) (*storePlace, error) {
	if f.url != "" && f.config != "" {
		return nil, usage(cmd, "--store and --config exclude each other: each names a store")
	}
	place := &storePlace{key: f.key}
	if f.url != "" {
		place.url, place.origin = f.url, "--store"
	} else if f.config != "" {
		place.config, place.origin = f.config, "--config"
	} else if url, _ := env("COAPS_STORE"); url != "" {
		place.url, place.origin = url, "$COAPS_STORE"
	} else if config, _ := env("COAPS_CONFIG"); config != "" {
		place.config, place.origin = config, "$COAPS_CONFIG"
	} else if _, err := os.Stat(defaultConfigFile); err == nil {
		place.config, place.origin = defaultConfigFile, "./"+defaultConfigFile
	} else {
		place.useKey(env)
		return place, place.useDataDirectory(env)
	}
	place.useKey(env)
	place.url = withScheme(place.url)
	if kind, _, _ := strings.Cut(place.url, ":"); place.config == "" && !slices.Contains(storeKinds, kind) {
		return nil, usage(cmd, "%s names a kind of store that there is not: %q", place.origin, kind).try("%s", storeForms)
	}
	return place, nil
}

// useKey takes the key of the environment where neither a flag nor a
// configuration says which it is: a configuration is a whole.
func (p *storePlace) useKey(env func(string) (string, bool)) {
	if p.key == "" && p.config == "" {
		p.key, _ = env("COAPS_STORE_KEY")
	}
}

// storeKinds are what a store's URL may begin with.
var storeKinds = []string{"memory", "file", "bolt", "redis", "rediss"}

// withScheme takes a path for the file of the embedded store.
func withScheme(url string) string {
	scheme, _, found := strings.Cut(url, ":")
	if url == "" || found && len(scheme) > 1 && !strings.ContainsAny(scheme, `/\.`) {
		return url
	}
	return "bolt:" + url
}

// useDataDirectory is the last resort: one store for this user.
func (p *storePlace) useDataDirectory(env func(string) (string, bool)) error {
	data, _ := env("XDG_DATA_HOME")
	if !filepath.IsAbs(data) { // the specification says to ignore others
		home, _ := env("HOME")
		if home == "" {
			return fail("setup", "cannot find the store", "there is no $HOME to keep one in").
				try("--store bolt:FILE, or COAPS_STORE")
		}
		data = filepath.Join(home, ".local", "share")
	}
	p.url, p.origin, p.create = "bolt:"+filepath.Join(data, "coaps", "devices.db"), "the data directory", true
	return nil
}

// openRegistry opens the store that the flags of cmd and the environment name.
// The function that comes back closes it. While a server holds the file of an
// embedded store, the server is asked to do the work; while another command does,
// this one waits for its turn.
func (a *app) openRegistry(cmd *cobra.Command) (*registry.Registry, func(), error) {
	opened, done, err := a.openStore(cmd)
	if err != nil {
		return nil, nil, err
	}
	return registry.New(opened), done, nil
}

// openStore is openRegistry for what works on records.
func (a *app) openStore(cmd *cobra.Command) (store.Store, func(), error) {
	flags := storeFlags{url: flagText(cmd, "store"), config: flagText(cmd, "config"), key: flagText(cmd, "store-key")}
	place, err := flags.find(cmd, a.env)
	if err != nil {
		return nil, nil, err
	}
	a.tracef(1, "store: %s (%s)", place.name(), place.origin)
	made := place.missing()
	opened, err := place.openInTurn(cmd.Context(), strings.TrimPrefix(cmd.CommandPath(), "coaps "))
	if err != nil {
		return nil, nil, place.failure(err)
	}
	if made {
		a.notef("%s was not there: it is a new store, with nothing in it", place.name())
	}
	if place.broken != nil {
		a.warnf("this is the store of the running server; its configuration is broken: %v", place.broken)
	}
	return opened, func() { a.closeStore(place, opened) }, nil
}

// missing reports whether a file that somebody has named is not there, as after a slip of
// the pen: it is made, and a list of what is in it is empty.
func (p *storePlace) missing() bool {
	path, bolt := strings.CutPrefix(p.url, "bolt:")
	if !bolt || p.config != "" || p.create {
		return false
	}
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func flagText(cmd *cobra.Command, name string) string {
	if flag := cmd.Flags().Lookup(name); flag != nil {
		return flag.Value.String()
	}
	return ""
}

// closeStore tells of what could not be written at the end.
func (a *app) closeStore(place *storePlace, opened store.Store) {
	if err := opened.Close(); err != nil {
		a.warnf("closing %s: %v", place.name(), err)
	}
}

// How long a command waits for its turn at a file, and how often it looks.
const (
	storePatience = 10 * time.Second
	storePause    = 25 * time.Millisecond
)

// openInTurn waits while another process has the file and no server answers for it.
func (p *storePlace) openInTurn(ctx context.Context, command string) (store.Store, error) {
	deadline := time.Now().Add(storePatience)
	for {
		opened, err := p.open(ctx, command)
		if !errors.Is(err, store.ErrLocked) || time.Now().After(deadline) {
			return opened, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(storePause):
		}
	}
}

// storeFailures are the ends that a store itself may come to, most telling first.
var storeFailures = []struct {
	err    error
	reason string
}{
	{gateway.ErrSealed, "store_sealed"},
	{sealed.ErrWrongKey, "store_sealed"},
	{sealed.ErrPlain, "store_not_sealed"},
	{sealed.ErrNoIdentity, "bad_credential_file"},
	{store.ErrLocked, "store_locked"},
	{store.ErrReadOnly, "store_readonly"},
	{store.ErrFull, "store_full"},
	{store.ErrCorrupt, "store_corrupt"},
	{gateway.ErrStarting, "store_unavailable"},
	{store.ErrDenied, "store_denied"},
	{store.ErrUnavailable, "store_unavailable"},
	{store.ErrClosed, "store_unavailable"},
	{fs.ErrPermission, "file_unreadable"},
	{fs.ErrNotExist, "file_unreadable"},
	{context.Canceled, "interrupted"},
	{registry.ErrNoDevice, "not_found"},
	{registry.ErrNoGroup, "not_found"},
	{registry.ErrNoRule, "not_found"},
}

// failure is for a store that cannot be opened.
func (p *storePlace) failure(err error) error {
	err = storeFailure(fmt.Sprintf("cannot open %s", p.name()), err)
	f, ok := errors.AsType[*failure](err)
	switch {
	case !ok || f.reason != "store_unavailable" || f.hint != "":
	case p.forgetful():
		f.try("coaps serve --config %s starts one; store.url with bolt: keeps what is stored", shellQuote(p.config))
	case !p.exclusive():
		f.try("is it running, and is this its address? --store URL, COAPS_STORE or store.url of the configuration names it")
	}
	return err
}

// storeFailure is for anything that a store or a registry ends with.
func storeFailure(what string, err error) error {
	if _, ok := errors.AsType[*failure](err); ok {
		return err
	}
	if open, ok := errors.AsType[*keys.PermissionError](err); ok {
		return fileFailure("cannot read", open.Path, err)
	}
	for _, known := range storeFailures {
		if errors.Is(err, known.err) {
			f := fail(known.reason, what, "%v", err).because(err)
			if f.exitCode() == exitInterrupted {
				f.detail = "" // no words of ours
				return f.try("run it again; what was begun was not done by half")
			}
			f.code = exitSetup // the table's is that of a peer
			return f
		}
	}
	if broken, ok := errors.AsType[*file.Error](err); ok {
		return fail("invalid_config", what, "%v", broken).because(err).try("mend the file at that place; a server goes on with what it has read before")
	}
	if taken, ok := errors.AsType[*registry.ConflictError](err); ok {
		word := "conflict"
		if taken.Whose == "" {
			word = "already_there"
		}
		return fail(word, what, "%v", err).because(err)
	}
	if wrong, ok := errors.AsType[*registry.PathError](err); ok {
		return fail("bad_credential", what, "%v", wrong.Err).because(err).try("coaps device show NAME shows what it has")
	}
	if broken, ok := errors.AsType[*gateway.ConfigError](err); ok {
		return fail("invalid_config", what, "%v", broken).because(err).try("coaps config check FILE shows where")
	}
	return asFailure(what, err)
}
