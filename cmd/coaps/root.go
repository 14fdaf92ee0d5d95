// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// app is one run of the command.
type app struct {
	streams
	ctx     context.Context // of this run: a signal ends it. May be nil
	color   string
	quiet   bool
	verbose int
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, s streams, args []string) int {
	a := &app{streams: s, ctx: ctx}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	f := asUsageOrFailure(cmd, err)
	if !f.shown {
		f.print(s.err, a.errPalette())
	}
	return f.exitCode()
}

// asUsageOrFailure tells the errors of cobra itself, all of them usage, from
// those of our commands, all of them failures.
func asUsageOrFailure(cmd *cobra.Command, err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return usage(cmd, "%s", strings.ReplaceAll(err.Error(), "\n", " "))
}

// usage is a command line that is not understood.
func usage(cmd *cobra.Command, detail string, args ...any) *failure {
	what := "the command line is not understood"
	if cmd.HasParent() {
		what = strings.TrimPrefix(cmd.CommandPath(), "coaps ") + ": " + what
	}
	f := fail("usage", what, detail, args...)
	return f.try("%s --help", cmd.CommandPath())
}

// rootCommand assembles the tree. Commands stand in the order of the help text.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "coaps",
		Short: "secure CoAP: client, server and keys",
		Long: `coaps speaks CoAP (RFC 7252) in all four security modes: NoSec, PreSharedKey,
RawPublicKey and Certificate, over DTLS 1.2.

Start with "coaps serve" in one terminal: it prints the commands to paste into
another.`,
		Example: `  coaps serve
  coaps get coap://localhost/time
  coaps get --psk-file demo.psk coaps://localhost/hello
  coaps connect --peer-key server.pub coaps://gw.example.net`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          a.rootOnly,

		SuggestionsMinimumDistance: 2,
	}
	root.PersistentFlags().StringVar(&a.color, "color", "auto", "color `WHEN`: auto, always or never; NO_COLOR is obeyed")
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "no warnings and notes; errors stay")
	root.PersistentFlags().CountVarP(&a.verbose, "verbose", "v", "-v says what happens, -vv shows messages, -vvv datagrams")
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(usageText)
	cobra.EnableCommandSorting = false
	root.PersistentPreRunE = a.checkGlobalFlags
	completeValues(root, "color", colorModes)
	a.addCommands(root)
	return root
}

// addCommands lists every subcommand, each in its own file.
func (a *app) addCommands(root *cobra.Command) {
	root.AddGroup(&cobra.Group{ID: groupTalk, Title: "Talk to a server:"},
		&cobra.Group{ID: groupServe, Title: "Be a server:"},
		&cobra.Group{ID: groupProvision, Title: "Devices and their rights:"},
		&cobra.Group{ID: groupKeys, Title: "Keys:"})
	root.AddCommand(a.getCommand(), a.observeCommand(), a.putCommand(), a.postCommand(), a.deleteCommand(),
		a.pingCommand(), a.connectCommand(), a.benchCommand(), a.serveCommand(),
		a.deviceCommand(), a.pskCommand(), a.aclCommand(), a.storeCommand(), a.keyCommand(), a.certCommand(), a.versionCommand())
	root.AddCommand(a.configCommand(), a.statusCommand(), a.sessionCommand(), a.reloadCommand())
}

const (
	groupTalk  = "talk"
	groupServe = "serve"
	groupKeys  = "keys"

	groupProvision = "provision"
)

// rootOnly runs when no subcommand was recognised.
func (a *app) rootOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	if strings.Contains(args[0], "://") {
		uri := hideUserinfo(args[0])
		return usage(cmd, "%q is a URI, not a command", uri).try("coaps get %s", uri)
	}
	f := usage(cmd, "there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return f.try("did you mean coaps %s?", strings.Join(near, " or "))
	}
	return f
}

func (a *app) checkGlobalFlags(cmd *cobra.Command, _ []string) error {
	if err := oneOf("color", a.color, colorModes...); err != nil {
		return usage(cmd, "%v", err)
	}
	return checkNamed(cmd)
}

// namingFlags say what is meant: the variable of a script that is not set would
// make it a whole device in place of a credential, all devices, or a new key.
var namingFlags = []string{"psk", "identity", "credential", "group", "ungroup", "prefix", "device", "mode", "node", "token"}

// checkNamed refuses such flags without a value where devices are provisioned.
func checkNamed(cmd *cobra.Command) error {
	if cmd.Parent() == nil || !slices.Contains([]string{"device", "psk", "acl", "session"}, cmd.Parent().Name()) {
		return nil
	}
	var empty error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if text := f.Value.String(); slices.Contains(namingFlags, f.Name) && (text == "" || text == "[]") {
			empty = usage(cmd, "--%s is empty", f.Name).try("leave it out, or give it a value: is the variable set?")
		}
	})
	return empty
}

// flagError is called by cobra for anything wrong with a flag. Flags behind a word
// that is no command are those of the command that was meant.
func flagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); cmd.HasSubCommands() && cmd.RunE != nil && len(args) > 0 {
		return cmd.RunE(cmd, args)
	}
	f := usage(cmd, "%s", strings.ReplaceAll(err.Error(), "\n", " "))
	if strings.Contains(err.Error(), "'k' in -k") {
		return f.try("-k takes the shared key; did you mean --insecure (-n)?")
	}
	return f
}

func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("--%s %q: one of %s is allowed", flag, value, strings.Join(allowed, ", "))
}

// exactArgs is cobra.ExactArgs with words for what is missing.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage(cmd, "%s is missing", names[len(args)])
		case len(args) > len(names):
			return usage(cmd, "%q is one argument too many", args[len(names)])
		}
		return nil
	}
}

// atLeast is exactArgs for a last argument that may be repeated.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usage(cmd, "%s is missing", names[len(args)])
		}
		return nil
	}
}

// subcommandsOnly is for a command that only holds others.
func subcommandsOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	f := usage(cmd, "there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return f.try("did you mean %s %s?", cmd.CommandPath(), near[0])
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return f.try("%s %s", cmd.CommandPath(), strings.Join(names, "|"))
}

func (a *app) errPalette() palette { return newPalette(a.color, isTerminal(a.err), a.env) }
func (a *app) outPalette() palette { return newPalette(a.color, isTerminal(a.out), a.env) }

// warnf is for what the user should change; -q silences it.
func (a *app) warnf(format string, args ...any) {
	if !a.quiet {
		p := a.errPalette()
		fmt.Fprintf(a.err, "%s %s\n", p.warn("warning:"), oneLine(fmt.Sprintf(format, args...)))
	}
}

// tracef is for what -v, -vv and -vvv show.
func (a *app) tracef(level int, format string, args ...any) {
	if a.verbose >= level && !a.quiet {
		p := a.errPalette()
		fmt.Fprintf(a.err, "%s %s\n", p.dim("*"), oneLine(fmt.Sprintf(format, args...)))
	}
}
