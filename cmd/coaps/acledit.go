// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/acl"
)

func (a *app) aclAllowCommand() *cobra.Command {
	return a.aclAddCommand(false, &cobra.Command{
		Use:   "allow WHO METHODS PATH",
		Short: "add a rule that gives a right",
		Long: `Add a rule that allows WHO to use METHODS on PATH; coaps acl --help says how each
is written. What no rule allows is denied. A rule that is there already is not
added again.`,
		Example: `  coaps acl allow sensors POST '/telemetry/{device}'
  coaps acl allow group:operators GET,OBSERVE '/telemetry/**'
  coaps acl allow tenant:acme,mode:certificate '*' '/acme/**'
  coaps acl allow anybody GET /.well-known/core`,
	})
}

func (a *app) aclDenyCommand() *cobra.Command {
	return a.aclAddCommand(true, &cobra.Command{
		Use:   "deny WHO METHODS PATH",
		Short: "add a rule that takes a right away",
		Long: `Add a rule that denies WHO the METHODS on PATH, whatever other rules allow; coaps
acl --help says how each is written. What no rule allows is denied anyway: deny
is for exceptions.`,
		Example: `  coaps acl deny sensor-7 '*' '/**'
  coaps acl deny anonymous PUT,POST,DELETE '/**'`,
	})
}

// aclAddCommand completes allow and deny.
func (a *app) aclAddCommand(deny bool, cmd *cobra.Command) *cobra.Command {
	var store storeFlags
	var id string
	var asJSON bool
	cmd.Args = ruleArgs
	cmd.ValidArgsFunction = completeRule(whoWords)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.aclAdd(cmd, acl.Rule{ID: id, Deny: deny}, args, asJSON)
	}
	store.register(cmd.Flags())
	cmd.Flags().StringVar(&id, "id", "", "a `NAME` for the rule (default: the next number)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object: the rule with its number")
	return cmd
}

// ruleArgs are WHO METHODS PATH. More than three are often what a shell made of
// a star.
func ruleArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 3 {
		return usage(cmd, "%q is one argument too many", args[3]).try("quote what has a * in it: '*', '/public/**'")
	}
	return exactArgs("WHO", "METHODS", "PATH")(cmd, args)
}

func (a *app) aclAdd(cmd *cobra.Command, rule acl.Rule, args []string, asJSON bool) error {
	what := "cannot add the rule"
	b, err := a.aclBench(cmd)
	if err != nil {
		return err
	}
	defer func() { b.close() }()
	if rule.Methods, err = acl.ParseMethods(args[1]); err != nil {
		return fail("usage", what, "METHODS: %v", err).try("such as GET,OBSERVE; or '*' for all")
	}
	if rule.Path, err = acl.ParsePattern(args[2]); err != nil {
		return fail("usage", what, "PATH %v", err).try("such as '/telemetry/{device}', /config/* or '/public/**'")
	}
	if rule.Who, err = b.parseWho(what, args[0]); err != nil {
		return err
	}
	if err := rule.Check(); err != nil {
		return fail("bad_rule", what, "%v", err).because(err)
	}
	added, known, err := b.addRule(rule)
	if err != nil {
		return storeFailure(what, err)
	}
	switch {
	case asJSON:
		return outputFailure(writeJSON(a.out, struct {
			V     int      `json:"v"`
			Added bool     `json:"added"`
			Rule  jsonRule `json:"rule"`
		}{jsonSchemaVersion, !known, jsonRuleOf(added)}))
	case known:
		a.notef("%s (there already)", ruleLine(&added.Rule))
	default:
		a.notef("%s", ruleLine(&added.Rule))
	}
	return nil
}

// addRule adds a rule unless one says the same.
func (b *aclBench) addRule(rule acl.Rule) (added heldRule, known bool, err error) {
	reg, err := b.registry()
	if err != nil {
		return heldRule{}, false, err
	}
	there, err := b.rules("")
	if err != nil {
		return heldRule{}, false, err
	}
	for _, h := range there.held {
		if same(&h.Rule, &rule) {
			return h, true, nil
		}
	}
	r, err := reg.AddRule(b.cmd.Context(), rule)
	return heldRule{Rule: r}, false, err
}

// same says whether two rules say the same.
func same(r, other *acl.Rule) bool {
	return r.Deny == other.Deny && r.Who == other.Who && r.Methods == other.Methods && r.Path == other.Path
}

func (a *app) aclRemoveCommand() *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "remove RULE...",
		Short: "remove rules by their numbers",
		Long: `Remove rules from the store by their numbers or names, which coaps acl list shows.
If one of them is not there, none is removed. The rules of a configuration file
are removed by editing the file.`,
		Example: `  coaps acl remove 3
  coaps acl remove 3 4 night-shift`,
		Args: atLeast("RULE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.aclRemove(cmd, args) },
	}
	store.register(cmd.Flags())
	return cmd
}

func (a *app) aclRemove(cmd *cobra.Command, ids []string) error {
	b, err := a.aclBench(cmd)
	if err != nil {
		return err
	}
	defer func() { b.close() }()
	all, err := b.rules("")
	if err != nil {
		return err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	doomed := make([]heldRule, len(ids))
	for i, id := range ids {
		if doomed[i], err = all.find(id); err != nil {
			return err
		}
	}
	reg, err := b.registry()
	if err != nil {
		return err
	}
	for _, h := range doomed {
		if err := reg.RemoveRule(cmd.Context(), h.ID); err != nil {
			return storeFailure("cannot remove rule "+h.ID, err)
		}
		a.notef("removed %s", ruleLine(&h.Rule))
	}
	return nil
}

// find finds a rule of the store by its ID.
func (h *heldRules) find(id string) (heldRule, error) {
	what := fmt.Sprintf("cannot remove rule %s", id)
	file := ""
	for _, r := range h.held {
		switch {
		case r.ID == id && r.file == "":
			return r, nil
		case r.ID == id:
			file = r.file
		}
	}
	switch {
	case file != "":
		return heldRule{}, fail("store_readonly", what, "it stands in %s", file).try("edit the file")
	case slices.Contains([]string{"allow", "deny"}, strings.ToLower(id)):
		return heldRule{}, fail("usage", what, "a rule is removed by its number").try("coaps acl list shows the numbers")
	}
	return heldRule{}, fail("not_found", what, "there is no such rule").try("coaps acl list shows the numbers")
}
