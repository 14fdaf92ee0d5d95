// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

func (a *app) pskAddCommand() *cobra.Command {
	var key keyFlags
	var out outFlags
	var target ownerTarget
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "give a device, or group:NAME, one more key",
		Long: `Give a device one more pre-shared key: a new one, which is printed, or with
--psk one that the device has already, which is not. The keys it had stay good;
psk rotate replaces them. The identity must be nobody else's.

group:NAME gives a key to a group. Whoever shows it is one of the group, and
nobody in particular: no rule that names a device lets him in.`,
		Example: `  coaps psk add valve-3 --new
  coaps psk add sensor-7 -u urn:dev:7 -k @old.key --not-after 30d
  coaps psk add group:sensors --new`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.pskAdd(cmd, args[0], &target, &key, &out) },
	}
	target.register(cmd)
	set, done := beginGroup(cmd.Flags(), groupCredential)
	key.registerSource(set, "new")
	key.registerUse(set)
	key.period.register(set, "the key")
	done()
	out.register(cmd)
	return cmd
}

func (a *app) pskAdd(cmd *cobra.Command, name string, target *ownerTarget, key *keyFlags, out *outFlags) error {
	what := "cannot give " + name + " a key"
	if err := firstError(key.check(cmd), key.period.parse(cmd, now()), out.check(cmd)); err != nil {
		return err
	}
	if !key.fresh && key.literal == "" && key.size == 0 {
		return usage(cmd, "--new makes a key, --psk gives one")
	}
	owner, err := parseOwner(what, name, target.tenant)
	if err != nil {
		return err
	}
	out.fit(key)
	psk, err := key.psk(a, owner.identity())
	if err != nil {
		return err
	}
	h, line, err := out.prepare(a, cmd, psk, owner)
	if err != nil && key.literal == "" {
		return err
	}
	reg, done, err := a.openRegistry(cmd)
	if err != nil {
		return err
	}
	defer done()
	if err := addKey(cmd.Context(), reg, owner, key.credential(psk)); err != nil {
		f := storeFailure(what, err)
		if wrong, ok := errors.AsType[*failure](f); ok && wrong.reason == "bad_credential" {
			return wrong.try("-u ID gives a key another identity, coaps psk rotate %s a new key in place of the old; coaps psk list %s shows them", name, name)
		}
		return f
	}
	a.notef("%s has a key of the identity %s", owner, keys.PrintableIdentity(psk.Identity))
	if key.literal != "" && out.output == "" && !cmd.Flags().Changed("as") && out.qr == "" {
		return nil // whoever gave it knows it
	}
	return out.print(a, h, line)
}

// addKey gives a device or a group a credential; a group without a record gets
// one.
func addKey(ctx context.Context, reg *registry.Registry, owner ownerName, c registry.Credential) error {
	_, err := editOwner(ctx, reg, owner, func(list *[]registry.Credential) error {
		*list = append(*list, c)
		return nil
	})
	if !owner.group || !errors.Is(err, registry.ErrNoGroup) {
		return err
	}
	_, err = reg.AddGroup(ctx, registry.Group{Name: owner.name, Tenant: owner.tenant, Credentials: []registry.Credential{c}})
	return err
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) pskRotateCommand() *cobra.Command {
	var key keyFlags
	var out outFlags
	var target ownerTarget
	var overlap string
	cmd := &cobra.Command{
		Use:   "rotate NAME",
		Short: "replace the keys of a device, with an overlap",
		Long: `Give a device, or group:NAME, a new pre-shared key and print it, and let the
keys it had end after --overlap. The new key has an identity of its own
(sensor-7.2 after sensor-7) unless --identity names one: one identity has one
key at a time, as the handshake tries one. Until the overlap is over both are
good, and the device can be told at leisure; sessions that were opened with an
old key end with it.

--overlap 0 ends the old keys at once.`,
		Example: `  coaps psk rotate sensor-7
  coaps psk rotate sensor-7 --overlap 24h -o sensor-7.psk
  coaps psk rotate group:sensors --overlap 30d`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.pskRotate(cmd, args[0], overlap, &target, &key, &out)
		},
	}
	target.register(cmd)
	set, done := beginGroup(cmd.Flags(), groupCredential)
	set.StringVar(&overlap, "overlap", "7d", "how long the keys it had stay good: a `TIME` such as 7d, 24h or 0")
	key.registerSource(set, "")
	set.Lookup("identity").Usage = "the `ID` of the new key: text or 0xHEX (default: that of the newest with the next number)"
	key.registerUse(set)
	key.period.register(set, "the new key")
	done()
	out.register(cmd)
	return cmd
}

func (a *app) pskRotate(cmd *cobra.Command, name, overlap string, target *ownerTarget, key *keyFlags, out *outFlags) error {
	what := "cannot rotate the key of " + name
	if err := firstError(key.check(cmd), key.period.parse(cmd, now()), out.check(cmd)); err != nil {
		return err
	}
	span, err := overlapSpan(cmd, overlap)
	if err != nil {
		return err
	}
	reg, owner, done, err := a.openOwner(cmd, what, name, target)
	if err != nil {
		return err
	}
	defer done()
	out.fit(key)
	rotation, err := a.newRotation(cmd.Context(), reg, owner, key, what)
	if err != nil {
		return err
	}
	h, line, err := out.prepare(a, cmd, rotation.psk, owner)
	if err != nil {
		return err
	}
	if err := rotation.apply(cmd.Context(), reg, endOf(span)); err != nil {
		return storeFailure(what, err)
	}
	a.notef("%s has a new key of the identity %s; %s", owner, keys.PrintableIdentity(rotation.psk.Identity), rotation.endText(span))
	return out.print(a, h, line)
}

func overlapSpan(cmd *cobra.Command, overlap string) (time.Duration, error) {
	if overlap == "0" {
		return 0, nil
	}
	span, err := gateway.ParseDuration(overlap)
	if err != nil || span < 0 {
		return 0, usage(cmd, "--overlap %q: a time such as 7d, 24h or 0 is needed", overlap)
	}
	return span, nil
}

// endOf is when the old keys end. The last second of a credential counts, so
// what is to end at once has ended a second ago.
func endOf(span time.Duration) time.Time {
	if span == 0 {
		span = -time.Second
	}
	return now().Add(span)
}

// rotation is a new key and what becomes of the old ones.
type rotation struct {
	owner ownerName
	psk   keys.PSK
	key   *keyFlags
	ended []string // identities
}

// newRotation draws the key, with an identity that the owner does not have yet.
func (a *app) newRotation(ctx context.Context, reg *registry.Registry, owner ownerName, key *keyFlags, what string) (*rotation, error) {
	list, err := ownerCredentials(ctx, reg, owner)
	if err != nil {
		return nil, storeFailure(what, err)
	}
	old := newestPSK(list, key.host)
	if old == nil {
		return nil, fail("not_found", what, "it has no pre-shared key to replace").try("coaps psk add %s --new", shellQuote(owner.String()))
	}
	var next []byte
	if key.identity == "" {
		next = nextIdentity(list, old.PSK.Identity, owner.tenant)
	}
	if key.nodes == nil {
		key.nodes = old.PSK.Nodes
	}
	r := &rotation{owner: owner, key: key}
	r.psk, err = key.psk(a, next)
	return r, err
}

// newestPSK is the last key of the host that was added.
func newestPSK(list []registry.Credential, host string) *registry.Credential {
	for i := range slices.Backward(list) {
		if list[i].PSK != nil && list[i].Host == host {
			return &list[i]
		}
	}
	return nil
}

// nextIdentity counts: sensor-7, sensor-7.2, sensor-7.3; before "@acme" if the
// identity ends with the tenant.
func nextIdentity(list []registry.Credential, identity []byte, tenant string) []byte {
	base, tail := string(identity), ""
	if tenant != "" && len(base) > len(tenant)+1 && strings.HasSuffix(base, tenant) {
		at := len(base) - len(tenant) - 1 // of the separator
		base, tail = base[:at], base[at:]
	}
	n := 1
	if dot := strings.LastIndexByte(base, '.'); dot > 0 {
		if last, err := strconv.Atoi(base[dot+1:]); err == nil && last > 0 && last < 1<<30 {
			base, n = base[:dot], last
		}
	}
	for {
		n++
		next := fmt.Appendf(nil, "%s.%d%s", base, n, tail)
		if !slices.ContainsFunc(list, func(c registry.Credential) bool { return c.PSK != nil && bytes.Equal(c.PSK.Identity, next) }) {
			return next
		}
	}
}

// apply stores the new key and the end of the others in one change.
func (r *rotation) apply(ctx context.Context, reg *registry.Registry, end time.Time) error {
	_, err := editOwner(ctx, reg, r.owner, func(list *[]registry.Credential) error {
		r.ended = r.ended[:0]
		for i := range *list {
			c := &(*list)[i]
			if c.PSK == nil || c.Host != r.key.host || bytes.Equal(c.PSK.Identity, r.psk.Identity) {
				continue
			}
			if c.NotAfter.IsZero() || c.NotAfter.After(end) {
				c.NotAfter = end
				if !c.NotBefore.IsZero() && c.NotBefore.After(end) {
					c.NotBefore = end
				}
				r.ended = append(r.ended, keys.PrintableIdentity(c.PSK.Identity))
			}
		}
		*list = append(*list, r.key.credential(r.psk))
		return nil
	})
	return err
}

func (r *rotation) endText(span time.Duration) string {
	switch {
	case len(r.ended) == 0:
		return "the others had ended or end sooner"
	case span == 0:
		if len(r.ended) > 1 {
			return strings.Join(r.ended, ", ") + " are no longer good"
		}
		return r.ended[0] + " is no longer good"
	}
	end := "ends"
	if len(r.ended) > 1 {
		end = "end"
	}
	return fmt.Sprintf("%s %s in %v", strings.Join(r.ended, ", "), end, spanText(span))
}

// spanText writes whole days as such.
func spanText(span time.Duration) string {
	if day := 24 * time.Hour; span >= day && span%day == 0 {
		return plural(int(span/day), "day")
	}
	return span.String()
}

func (a *app) pskRevokeCommand() *cobra.Command {
	var target ownerTarget
	var identity string
	var all, disable bool
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "take a key away",
		Long: `Take a pre-shared key away from a device or group:NAME, for good: sessions that
were opened with it end within a second, as the server's on-revoke says. Of
several keys --identity names the one, --all means all. --disable keeps the key
in the store and refuses it: device show shows it, and nobody else gets its
identity.`,
		Example: `  coaps psk revoke sensor-7
  coaps psk revoke sensor-7 -u sensor-7.2
  coaps psk revoke group:sensors --all`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.pskRevoke(cmd, args[0], &target, pskChoice{identity, all}, disable)
		},
	}
	target.register(cmd)
	set, done := beginGroup(cmd.Flags(), groupCredential)
	defer done()
	set.StringVarP(&identity, "identity", "u", "", "the key of this `ID`: text or 0xHEX")
	set.BoolVar(&all, "all", false, "all keys of the device")
	set.BoolVar(&disable, "disable", false, "keep the key, and refuse it")
	return cmd
}

// pskChoice says which keys of a device are meant.
type pskChoice struct {
	identity string
	all      bool
}

// choose returns the places of the keys that are meant.
func (c pskChoice) choose(what string, list []registry.Credential) ([]int, error) {
	wanted, err := keys.ParseIdentity(c.identity)
	if err != nil {
		return nil, fail("bad_credential", what, "--identity: %v", err).because(err).try("text, or 0x and hexadecimal digits")
	}
	var found []int
	for i := range list {
		if list[i].PSK != nil && (c.identity == "" || bytes.Equal(list[i].PSK.Identity, wanted)) {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 0 && c.identity != "":
		return nil, fail("not_found", what, "it has no pre-shared key of the identity %s", c.identity).try("coaps psk list NAME shows them")
	case len(found) == 0:
		return nil, fail("not_found", what, "it has no pre-shared key").try("coaps device show NAME shows what it has")
	case len(found) > 1 && c.identity == "" && !c.all:
		return nil, fail("usage", what, "it has %d pre-shared keys", len(found)).try("--identity ID, or --all; coaps psk list NAME shows them")
	}
	return found, nil
}

func (a *app) pskRevoke(cmd *cobra.Command, name string, target *ownerTarget, choice pskChoice, disable bool) error {
	what := "cannot revoke a key of " + name
	if choice.identity != "" && choice.all {
		return usage(cmd, "--identity and --all exclude each other")
	}
	reg, owner, done, err := a.openOwner(cmd, what, name, target)
	if err != nil {
		return err
	}
	defer done()
	var revoked []string
	_, err = editOwner(cmd.Context(), reg, owner, func(list *[]registry.Credential) error {
		found, err := choice.choose(what, *list)
		if err != nil {
			return err
		}
		revoked = revoked[:0]
		for _, i := range slices.Backward(found) {
			revoked = append(revoked, keys.PrintableIdentity((*list)[i].PSK.Identity))
			if disable {
				(*list)[i].Disabled = true
				continue
			}
			*list = slices.Delete(*list, i, i+1)
		}
		return nil
	})
	if err != nil {
		return storeFailure(what, err)
	}
	verb := "revoked"
	if disable {
		verb = "disabled"
	}
	a.notef("%s: %s %s", owner, verb, strings.Join(revoked, ", "))
	return nil
}
