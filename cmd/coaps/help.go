// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of flags, in the order of the help.
const (
	groupIdentity = "What to show"
	groupTrust    = "Whom to believe"
	groupDTLS     = "DTLS"
	groupMessage  = "Message"
	groupLoad     = "Load"
	groupNetwork  = "Network"
	groupOutput   = "Output"
)

var flagGroups = []string{groupDevice, groupCredential, groupStore, groupLoad, groupMessage, groupIdentity, groupTrust, groupDTLS, groupNetwork, groupOutput}

// groupAnnotation is where a flag keeps its group.
const groupAnnotation = "coaps_group"

// beginGroup returns a set to define flags in; done adds them to all, marked as
// one group and in the order of their definition.
func beginGroup(all *pflag.FlagSet, group string) (set *pflag.FlagSet, done func()) {
	set = pflag.NewFlagSet(group, pflag.ContinueOnError)
	set.SortFlags = false
	return set, func() {
		set.VisitAll(func(f *pflag.Flag) {
			f.Annotations = map[string][]string{groupAnnotation: {group}}
		})
		all.SortFlags = false
		all.AddFlagSet(set)
	}
}

// completeValues lets the shell complete a flag that takes one of a few words.
func completeValues(cmd *cobra.Command, flag string, values []string) {
	complete := func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return values, cobra.ShellCompDirectiveNoFileComp
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the flag is defined a line above
	}
}

// usageText is the help below the description: usage, examples, and the flags
// by group.
func usageText(cmd *cobra.Command) error {
	var b strings.Builder
	line := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		line = cmd.CommandPath() + " COMMAND"
	}
	fmt.Fprintf(&b, "Usage:\n  %s\n", line)
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	writeCommands(&b, cmd)
	for _, group := range append(flagGroups, "") {
		title := group
		if group == "" {
			title = "Other"
		}
		if text := flagsOf(cmd, group); text != "" {
			fmt.Fprintf(&b, "\n%s:\n%s", title, text)
		}
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), b.String())
	return err
}

// flagsOf describes the flags of one group; "" is for those of none.
func flagsOf(cmd *cobra.Command, group string) string {
	set := pflag.NewFlagSet(group, pflag.ContinueOnError)
	set.SortFlags = false
	add := func(f *pflag.Flag) {
		var own string
		if names := f.Annotations[groupAnnotation]; len(names) > 0 {
			own = names[0]
		}
		if own == group {
			set.AddFlag(f)
		}
	}
	cmd.LocalFlags().SortFlags = false
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return set.FlagUsages()
}

// writeCommands lists subcommands by group.
func writeCommands(b *strings.Builder, cmd *cobra.Command) {
	titles := cmd.Groups()
	for _, group := range append(titles, &cobra.Group{Title: "More:"}) {
		var lines strings.Builder
		for _, sub := range cmd.Commands() {
			if sub.GroupID == group.ID && (sub.IsAvailableCommand() || sub.Name() == "help") {
				fmt.Fprintf(&lines, "  %-*s %s\n", cmd.NamePadding()+1, sub.Name(), sub.Short)
			}
		}
		title := group.Title
		if len(titles) == 0 {
			title = "Commands:"
		}
		if lines.Len() > 0 {
			fmt.Fprintf(b, "\n%s\n%s", title, lines.String())
		}
	}
}
