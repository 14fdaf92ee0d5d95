// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
	"github.com/coaps-go/coaps/store/sealed"
)

func (a *app) storeInfoCommand() *cobra.Command {
	var flags storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info",
		Short: "what a store is and has",
		Long: `Show the kind of a store and where it is, whether it is sealed and whether the key
at hand opens it, how many devices, groups (with a key or a label of their own) and
access rules it has, and the size of its file. It needs no key, and no pause of a
server: while one has the file, it is asked.`,
		Example: `  coaps store info
  coaps store info --store bolt:backup.db --store-key store.key
  coaps store info --json | jq .sealed`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.storeInfo(cmd, &flags, asJSON) },
	}
	registerStore(cmd, &flags)
	registerJSON(cmd.Flags(), &asJSON)
	return cmd
}

// jsonStoreInfo is what store info has to say.
type jsonStoreInfo struct {
	V          int    `json:"v"`
	Kind       string `json:"kind"`
	Where      string `json:"where"`
	Sealed     bool   `json:"sealed"`
	Key        string `json:"key,omitempty"`        // file of the identity at hand
	Opens      *bool  `json:"opens,omitempty"`      // whether that opens it
	Recipients int    `json:"recipients,omitempty"` // if it does
	ReadOnly   bool   `json:"read_only"`
	Server     bool   `json:"server"` // a server has it open, and was asked
	Devices    int    `json:"devices"`
	Groups     int    `json:"groups"`
	Rules      int    `json:"rules"`
	Bytes      int64  `json:"bytes,omitempty"` // of the file
}

func (a *app) storeInfo(cmd *cobra.Command, flags *storeFlags, asJSON bool) error {
	b, err := a.findBare(cmd, flags)
	if err != nil {
		return err
	}
	err = b.open(cmd.Context(), false)
	info := &jsonStoreInfo{V: jsonSchemaVersion}
	if errors.Is(err, store.ErrLocked) {
		if through := b.server(cmd.Context(), "store info"); through != nil {
			b.Store, info.Server, err = through, true, nil
		}
	}
	if err != nil {
		return b.failure("cannot open "+b.place.name(), err)
	}
	defer a.closeStore(b.place, b.Store)
	if err := info.look(cmd.Context(), b); err != nil {
		return b.failure("cannot read "+b.place.name(), err)
	}
	if asJSON {
		return outputFailure(writeJSON(a.out, info))
	}
	var out strings.Builder
	info.write(&statusWriter{&out, a.outPalette(), time.Now()})
	_, err = fmt.Fprint(a.out, out.String())
	return outputFailure(err)
}

// look finds it all out.
func (i *jsonStoreInfo) look(ctx context.Context, b *bareStore) error {
	status := b.Status()
	i.Kind, i.Sealed = strings.CutSuffix(status.Kind, "+age")
	i.Where, i.ReadOnly = status.Where, status.ReadOnly
	if i.Kind == "bolt" || i.Kind == "file" {
		if file, err := os.Stat(i.Where); err == nil {
			i.Bytes = file.Size()
		}
	}
	if !i.Server {
		if err := i.lookSealed(ctx, b); err != nil {
			return err
		}
	}
	counts, err := registry.Count(ctx, b.Store)
	i.Devices, i.Groups, i.Rules = counts.Devices, counts.Groups, counts.Rules
	return err
}

// lookSealed tries the key at hand.
func (i *jsonStoreInfo) lookSealed(ctx context.Context, b *bareStore) (err error) {
	if i.Sealed, err = sealed.IsSealed(ctx, b.Store); err != nil || !i.Sealed || b.key == "" {
		return err
	}
	keys, err := gateway.StoreKeys(b.key)
	if err != nil {
		return err
	}
	s, err := sealed.Open(ctx, b.Store, keys)
	opens := err == nil
	i.Key, i.Opens = b.key, &opens
	if errors.Is(err, sealed.ErrWrongKey) {
		return nil
	}
	if err == nil {
		var all []string
		all, err = s.Recipients(ctx)
		i.Recipients = len(all)
	}
	return err
}

func (i *jsonStoreInfo) write(w *statusWriter) {
	state := ""
	if i.ReadOnly {
		state = ", read-only"
	}
	if i.Server {
		state += ", open in a server"
	}
	w.row("store", "%s %s%s", i.Kind, i.Where, state)
	w.row("sealed", "%s", i.sealing())
	w.row("devices", "%d", i.Devices)
	w.row("groups", "%d", i.Groups)
	w.row("rules", "%d", i.Rules)
	if i.Bytes > 0 {
		w.row("size", "%s", bytesText(uint64(i.Bytes)))
	}
}

func (i *jsonStoreInfo) sealing() string {
	switch {
	case !i.Sealed:
		return "no: the keys of devices can be read by who has the store"
	case i.Opens == nil:
		return "yes"
	case !*i.Opens:
		return fmt.Sprintf("yes; %s does not open it", i.Key)
	}
	return fmt.Sprintf("yes, for %s; %s opens it", plural(i.Recipients, "recipient"), i.Key)
}

func (a *app) storeCompactCommand() *cobra.Command {
	var flags storeFlags
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "write the file of a store anew, without what was deleted",
		Long: `Write the file of the embedded store anew and put it in the place of the old one:
without the room, and without the remains, of what was deleted or replaced. The
disk and its backups may still have them. It needs no key; the server that uses
the file must be stopped.`,
		Example: `  coaps store compact
  coaps store compact --store bolt:devices.db`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.storeCompact(cmd, &flags) },
	}
	registerStore(cmd, &flags)
	return cmd
}

func (a *app) storeCompact(cmd *cobra.Command, flags *storeFlags) error {
	b, done, err := a.openBare(cmd, flags, false)
	if err != nil {
		return err
	}
	defer done()
	what := "cannot compact " + b.place.name()
	file, ok := b.Store.(interface{ Rewrite(context.Context) error })
	if !ok {
		return fail("setup", what, "a store of the kind %s has nothing to compact", b.Status().Kind).try("a store in a file has: --store bolt:FILE")
	}
	before, err := os.Stat(b.Status().Where)
	if err == nil {
		stop := a.working("compacting")
		err = file.Rewrite(cmd.Context())
		stop()
	}
	if err != nil {
		return b.failure(what, err)
	}
	after, err := os.Stat(b.Status().Where)
	if err != nil {
		return b.failure(what, err)
	}
	a.notef("%s has %s, and had %s", b.place.name(), bytesText(uint64(after.Size())), bytesText(uint64(before.Size())))
	return nil
}
