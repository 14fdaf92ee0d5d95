// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/store/sealed"
)

func (a *app) storeRecipientsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recipients",
		Short: "who can open a sealed store",
		Long: `Those whose age identity opens a sealed store: a recipient (age1...) is the public
half of an identity. A store in a file must not be in use by a server.`,
		Example: `  coaps store recipients list
  coaps store recipients add age1...
  coaps store recipients remove age1...`,
		Args: cobra.ArbitraryArgs,
		RunE: subcommandsOnly,
	}
	cmd.AddCommand(a.recipientsListCommand(), a.recipientsAddCommand(), a.recipientsRemoveCommand())
	return cmd
}

func (a *app) recipientsListCommand() *cobra.Command {
	var flags storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list the recipients",
		Long: `List the recipients that a store is sealed for, and which of them belong to the key
at hand.`,
		Example: `  coaps store recipients list --store-key store.key
  coaps store recipients list --json | jq -r .recipient`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.recipientsList(cmd, &flags, asJSON) },
	}
	registerStore(cmd, &flags)
	registerJSON(cmd.Flags(), &asJSON)
	return cmd
}

// jsonRecipient is a row of recipients list.
type jsonRecipient struct {
	V         int    `json:"v"`
	Recipient string `json:"recipient"`
	Ours      bool   `json:"ours"` // the key at hand is its identity
	file      string
}

func (r *jsonRecipient) columns() []string {
	if !r.Ours {
		return []string{r.Recipient, ""}
	}
	return []string{r.Recipient, r.file}
}

func (a *app) recipientsList(cmd *cobra.Command, flags *storeFlags, asJSON bool) error {
	b, done, err := a.openBare(cmd, flags, false)
	if err != nil {
		return err
	}
	defer done()
	const what = "cannot list the recipients"
	s, keys, err := b.unseal(cmd.Context(), what)
	if err != nil {
		return err
	}
	all, err := s.Recipients(cmd.Context())
	if err != nil {
		return b.failure(what, err)
	}
	t := a.newTable(asJSON, "RECIPIENT", "KEY")
	for _, one := range all {
		if err := t.row(&jsonRecipient{V: jsonSchemaVersion, Recipient: one, Ours: keys.Opens(one), file: b.key}); err != nil {
			return err
		}
	}
	return t.end()
}

func (a *app) recipientsAddCommand() *cobra.Command {
	var flags storeFlags
	var file string
	cmd := &cobra.Command{
		Use:   "add AGE1...",
		Short: "have somebody else open the store too",
		Long: `Add recipients: who has the identity of one can open the store, all of it. --new
makes an identity in a file, mode 0600, and adds its recipient: to put another key
in the place of the present one, add it, give it to the servers, and then remove
the old.`,
		Example: `  coaps store recipients add age1...
  coaps store recipients add --new next.key`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.recipientsAdd(cmd, &flags, file, args) },
	}
	registerStore(cmd, &flags)
	set, done := beginGroup(cmd.Flags(), groupStore)
	set.StringVar(&file, "new", "", "make an identity in `FILE` and add its recipient")
	done()
	return cmd
}

func (a *app) recipientsAdd(cmd *cobra.Command, flags *storeFlags, file string, args []string) error {
	to, err := parseRecipients(cmd, args)
	if err != nil {
		return err
	}
	if len(to) == 0 && file == "" {
		return usage(cmd, "AGE1... is missing").try("coaps store recipients add AGE1..., or --new FILE")
	}
	b, done, err := a.openBare(cmd, flags, false)
	if err != nil {
		return err
	}
	defer done()
	const what = "cannot add a recipient"
	s, _, err := b.unseal(cmd.Context(), what)
	if err != nil {
		return err
	}
	if file != "" {
		one, err := newIdentity(file)
		if err != nil {
			return err
		}
		to = append(to, one)
		a.notef("made %s, the key of %s", file, one)
	}
	if err := s.AddRecipients(cmd.Context(), to...); err != nil {
		return b.failure(what, err)
	}
	return a.noteRecipients(cmd, b, s)
}

// noteRecipients says how many there are now.
func (a *app) noteRecipients(cmd *cobra.Command, b *bareStore, s *sealed.Store) error {
	all, err := s.Recipients(cmd.Context())
	if err != nil {
		return b.failure("cannot list the recipients", err)
	}
	a.notef("%s is sealed for %s", b.place.name(), plural(len(all), "recipient"))
	return nil
}

func (a *app) recipientsRemoveCommand() *cobra.Command {
	var flags storeFlags
	cmd := &cobra.Command{
		Use:   "remove AGE1...",
		Short: "lock somebody out of the store",
		Long: `Remove recipients, make a new data key and encrypt everything again under it: what
is in the store from now on is out of their reach. What they have copied is not,
so keys of devices that they should not know need coaps psk rotate. If it is
interrupted, coaps store rotate completes it.`,
		Example: `  coaps store recipients remove age1...
  coaps store recipients remove --store-key next.key age1...`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.recipientsRemove(cmd, &flags, args) },
	}
	registerStore(cmd, &flags)
	return cmd
}

func (a *app) recipientsRemove(cmd *cobra.Command, flags *storeFlags, args []string) error {
	gone, err := parseRecipients(cmd, args)
	if err != nil {
		return err
	}
	if len(gone) == 0 {
		return usage(cmd, "AGE1... is missing").try("coaps store recipients list shows them")
	}
	return a.reseal(cmd, flags, "cannot remove a recipient", gone)
}

func (a *app) storeRotateCommand() *cobra.Command {
	var flags storeFlags
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "encrypt a sealed store anew, under a new data key",
		Long: `Make a new data key, for the same recipients, and encrypt everything again under
it. If it is interrupted nothing is lost, and running it again completes it.`,
		Example: `  coaps store rotate
  coaps store rotate --store bolt:devices.db --store-key store.key`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reseal(cmd, &flags, "cannot rotate the data key", nil)
		},
	}
	registerStore(cmd, &flags)
	return cmd
}

// reseal makes a new data key, for all recipients but those who are gone.
func (a *app) reseal(cmd *cobra.Command, flags *storeFlags, what string, gone []age.Recipient) error {
	b, done, err := a.openBare(cmd, flags, false)
	if err != nil {
		return err
	}
	defer done()
	s, _, err := b.unseal(cmd.Context(), what)
	if err != nil {
		return err
	}
	rotate := s.RemoveRecipients
	if len(gone) == 0 {
		rotate = s.Rotate
	}
	stop := a.working("sealing again")
	n, err := rotate(cmd.Context(), gone...)
	stop()
	switch {
	case errors.Is(err, sealed.ErrNoRecipient):
		return fail("not_found", what, "%v", err).because(err).try("coaps store recipients list shows them")
	case errors.Is(err, sealed.ErrLockOut):
		return fail("conflict", what, "%s could not open the store any more", b.key).because(err).
			try("give the key that stays with --store-key; coaps store recipients add --new FILE makes one")
	case err != nil:
		return b.failure(what, err)
	}
	a.notef("sealed %s again, under a new data key", plural(n, "record"))
	return a.noteRecipients(cmd, b, s)
}
