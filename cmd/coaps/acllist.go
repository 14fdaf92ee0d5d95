// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/acl"
)

func (a *app) aclListCommand() *cobra.Command {
	var flags ruleFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "the rules in force",
		Long: `List the rules: those of the configuration file, if there is one, which only an
editor changes, and those in the store. On a terminal as a table, elsewhere with
tabs between the columns. coaps acl export prints them as they are written.`,
		Example: `  coaps acl list
  coaps acl list --json | jq -r 'select(.effect == "deny").text'`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.aclList(cmd, &flags, asJSON) },
	}
	flags.register(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each rule")
	return cmd
}

func (a *app) aclList(cmd *cobra.Command, flags *ruleFlags, asJSON bool) error {
	b, err := a.aclBench(cmd)
	if err != nil {
		return err
	}
	defer func() { b.close() }()
	all, err := b.rules(flags.file)
	if err != nil {
		return err
	}
	if len(all.held) == 0 {
		a.notef("there are no rules, and what no rule allows is denied")
		return nil
	}
	t := a.newTable(asJSON, "RULE", "", "WHO", "METHODS", "PATH", "WHERE")
	for i := range all.held {
		row := jsonRuleOf(all.held[i])
		row.V = jsonSchemaVersion
		row.ID = strings.TrimPrefix(all.list.Label(i), "rule ") // in a file it may have no more than a place
		if err := t.row(&row); err != nil {
			return err
		}
	}
	return t.end()
}

// columns are those of acl list.
func (r *jsonRule) columns() []string {
	where := "store"
	if r.ReadOnly {
		where = filepath.Base(r.File) + " (read-only)"
	}
	return []string{r.ID, r.Effect, r.Who, methodsText(r.Methods), r.Path, where}
}

// methodsText writes all methods as a star.
func methodsText(names []string) string {
	m, err := acl.ParseMethods(strings.Join(names, ","))
	if err != nil {
		return strings.Join(names, ",")
	}
	return m.String()
}
