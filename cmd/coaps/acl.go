// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/security/acl"
	"github.com/coaps-go/coaps/security/registry"
	"github.com/coaps-go/coaps/store"
)

func (a *app) aclCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "acl",
		Short: "access rules: who may do what on which path",
		Long: `A rule allows or denies somebody some methods on a path:

  allow group:sensors POST,OBSERVE /telemetry/{device}

What no rule allows is denied, and deny beats allow; the order of rules means
nothing. A running server follows a change within a second.

WHO is
  device:NAME  group:NAME     by name; a bare NAME is looked up in the store
  device:TENANT/NAME          names are unique within a tenant
  tenant:NAME  tenant:*       all who belong to this tenant, or to any
  mode:psk                    all known this way: psk, rpk, certificate, token
  authenticated               all who have shown who they are
  anonymous                   all who have not; with DTLS or without (mode:nosec)
  anybody                     both
and several of these with commas between, when all must hold; host:NAME adds
the virtual host that was asked for.

METHODS are GET POST PUT DELETE FETCH PATCH iPATCH OBSERVE with commas between,
or * for all. To follow a resource takes GET (or FETCH) and OBSERVE.

PATH may have {device} and {tenant} for the names of the one who asks, * for
one segment, and ** at the end for all that follows. Quote it for the shell.`,
		Example: `  coaps acl allow sensors POST '/telemetry/{device}'
  coaps acl allow anybody GET /.well-known/core
  coaps acl explain sensor-7 POST /telemetry/sensor-8
  coaps acl list`,
		GroupID: groupProvision,
		Args:    cobra.ArbitraryArgs,
		RunE:    subcommandsOnly,
	}
	cmd.AddCommand(a.aclListCommand(), a.aclAllowCommand(), a.aclDenyCommand(), a.aclRemoveCommand(),
		a.aclExplainCommand(), a.aclTestCommand(), a.aclImportCommand(), a.aclExportCommand())
	return cmd
}

// ruleFlags say which rules a command looks at.
type ruleFlags struct {
	store storeFlags
	file  string
}

func (f *ruleFlags) register(all *pflag.FlagSet) {
	f.store.register(all)
	set, done := beginGroup(all, groupStore)
	defer done()
	set.StringVar(&f.file, "rules", "", "the rules in `FILE` (one a line, or JSON) in place of those in force; - is stdin")
}

// An aclBench is what a command of acl works with: the rules, and the store,
// which is opened when it is first asked for something.
type aclBench struct {
	*app
	cmd    *cobra.Command
	config *gateway.Config // nil if no configuration is named
	close  func()          // of the store
	reg    *registry.Registry
}

// aclBench finds the configuration, if there is one.
func (a *app) aclBench(cmd *cobra.Command) (*aclBench, error) {
	b := &aclBench{app: a, cmd: cmd, close: func() {}}
	flags := storeFlags{url: flagText(cmd, "store"), config: flagText(cmd, "config"), key: flagText(cmd, "store-key")}
	place, err := flags.find(cmd, a.env)
	if err != nil || place.config == "" {
		return b, err
	}
	if b.config, err = gateway.Load(place.config); err != nil {
		return nil, storeFailure("cannot read "+place.config, err)
	}
	return b, nil
}

// registry opens the store.
func (b *aclBench) registry() (*registry.Registry, error) {
	if b.reg != nil {
		return b.reg, nil
	}
	reg, done, err := b.openRegistry(b.cmd)
	if err != nil {
		return nil, err
	}
	b.reg, b.close = reg, done
	return reg, nil
}

// hasStore says whether there is a store at all: a configuration may do without.
func (b *aclBench) hasStore() bool { return b.config == nil || b.config.Store.URL != "" }

// A heldRule is a rule and where it stands.
type heldRule struct {
	acl.Rule
	file string // "" in the store, where commands can change it
}

// heldRules are all rules of one policy.
type heldRules struct {
	held []heldRule
	list *acl.List
	open string // the configuration that turns access control off; "" if none does
}

// newHeldRules compiles them.
func newHeldRules(held []heldRule) (*heldRules, error) {
	h := &heldRules{held: held}
	rules := make([]acl.Rule, len(held))
	for i := range held {
		rules[i] = held[i].Rule
	}
	var err error
	h.list, err = acl.Compile(rules)
	if err != nil {
		return nil, fail("bad_rule", "cannot use the rules", "%v", err).because(err)
	}
	return h, nil
}

// rules reads the rules: those of a file, or those of the configuration and the
// store.
func (b *aclBench) rules(file string) (*heldRules, error) {
	if file != "" {
		rules, err := b.readRules(file, "auto", acl.Who{})
		if err != nil {
			return nil, err
		}
		return newHeldRules(heldIn(rules, file))
	}
	var held []heldRule
	open := ""
	if b.config != nil {
		held = heldIn(b.config.ConfigRules(), b.config.Path())
		if b.config.ACL.Open {
			open = b.config.Path()
			b.warnf("acl.open is on in %s: the server allows everything, whatever rules say", open)
		}
	}
	if b.hasStore() {
		reg, err := b.registry()
		if err != nil {
			return nil, err
		}
		stored, err := reg.Rules(b.cmd.Context())
		if err != nil {
			return nil, storeFailure("cannot read the rules", err)
		}
		held = append(held, heldIn(stored, "")...)
	}
	h, err := newHeldRules(held)
	if err == nil {
		h.open = open
	}
	return h, err
}

// heldIn are rules that stand in a file.
func heldIn(rules []acl.Rule, file string) []heldRule {
	held := make([]heldRule, len(rules))
	for i := range rules {
		held[i] = heldRule{rules[i], file}
	}
	return held
}

// jsonRule is a rule in JSON output.
type jsonRule struct {
	V        int      `json:"v,omitempty"` // of a rule that is a whole line
	ID       string   `json:"id"`
	Effect   string   `json:"effect"`
	Who      string   `json:"who"`
	Methods  []string `json:"methods"`
	Path     string   `json:"path"`
	Text     string   `json:"text"`
	File     string   `json:"file,omitempty"` // where it stands, if not in the store
	ReadOnly bool     `json:"read_only"`
}

func jsonRuleOf(h heldRule) jsonRule {
	return jsonRule{
		ID: h.ID, Effect: h.Effect(), Who: h.Who.String(), Methods: h.Methods.Names(), Path: h.Path,
		Text: h.Rule.String(), File: h.file, ReadOnly: h.file != "",
	}
}

// completeRule lets the shell complete the first two of WHO or SUBJECT, METHODS
// and PATH.
func completeRule(whos []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return whos, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		case 1:
			return acl.All.Names(), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

var (
	whoWords     = []string{"device:", "group:", "tenant:", "mode:", "authenticated", "anonymous", "anybody"}
	subjectWords = []string{"device:", "group:", "anonymous"}
)

// maxRuleFile bounds what is read as rules or as tests of rules, in bytes.
const maxRuleFile = 64 << 20

// readRuleFile reads a file, or stdin for "-".
func (a *app) readRuleFile(path string) ([]byte, error) {
	data, err := a.reading(func() ([]byte, error) {
		if path == "-" {
			return io.ReadAll(io.LimitReader(a.in, maxRuleFile+1))
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, maxRuleFile+1))
	})
	switch {
	case errors.Is(err, context.Canceled):
		return nil, fileFailure("cannot read", path, err)
	case err != nil:
		return nil, fail("file_unreadable", "cannot read "+path, "%v", rootCause(err)).because(err)
	case len(data) > maxRuleFile:
		return nil, fail("file_unreadable", "cannot read "+path, "it has more than %d bytes", maxRuleFile)
	}
	return data, nil
}

// exists tells "there is none" from a store that does not answer.
func exists(err, none error) (bool, error) {
	if errors.Is(err, none) || errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// hasGroup says whether there is a group: one with a record, or one that a device
// is in.
func hasGroup(ctx context.Context, reg *registry.Registry, tenant, name string) (bool, error) {
	_, err := reg.Group(ctx, tenant, name)
	if found, err := exists(err, registry.ErrNoGroup); found || err != nil {
		return found, err
	}
	for _, err := range reg.Devices(ctx, registry.Filter{Tenant: tenant, NoTenant: tenant == "", Group: name}) {
		return err == nil, err
	}
	return false, nil
}

func hasDevice(ctx context.Context, reg *registry.Registry, tenant, name string) (bool, error) {
	_, err := reg.Device(ctx, tenant, name)
	return exists(err, registry.ErrNoDevice)
}

// ruleLine is a rule as notes and errors name it.
func ruleLine(r *acl.Rule) string { return fmt.Sprintf("rule %s: %s", r.ID, r) }
