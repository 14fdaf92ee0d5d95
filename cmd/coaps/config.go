// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/gateway"
	"github.com/coaps-go/coaps/security/keys"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "the configuration of a server: write, check, show",
		GroupID: groupServe,
		Args:    exactArgs("a command: check, show or init"),
		RunE:    func(cmd *cobra.Command, args []string) error { return usage(cmd, "there is no command %q", args[0]) },
	}
	cmd.AddCommand(a.configCheckCommand(), a.configShowCommand(), a.configInitCommand())
	return cmd
}

// configFile is the file that a command is about: its argument, $COAPS_CONFIG or
// coaps.yaml.
func (a *app) configFile(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	if path, _ := a.env("COAPS_CONFIG"); path != "" {
		return path
	}
	return defaultConfigFile
}

// loadConfig reads a file; code is the exit code if something is wrong in it.
func (a *app) loadConfig(path string, code int) (*gateway.Config, error) {
	c, err := gateway.Load(path)
	if broken, ok := errors.AsType[*gateway.ConfigError](err); ok {
		return nil, a.configFailure("the configuration "+path+" cannot be used", broken, code)
	}
	if err != nil {
		return nil, fail("file_unreadable", "cannot read the configuration "+path, "%v", rootCause(err)).because(err).
			try("coaps config init %s writes one to begin with", path)
	}
	return c, nil
}

func (a *app) configCheckCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "look at a configuration and all that it names",
		Long: `Look at a configuration as a server would that starts with it: every key and value,
the files with keys, certificates and lists, the store and its rules. No port is
opened and nothing is changed. Warnings are about what works today: certificates
that end soon, keys that can be guessed, ports without protection.

The file is FILE, $COAPS_CONFIG or ./coaps.yaml. The exit code is 0, also with
warnings, or 9.`,
		Example: `  coaps config check
  coaps config check /etc/coaps/coaps.yaml --json | jq -r .message`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.configCheck(cmd, a.configFile(args), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each problem")
	return cmd
}

// jsonProblem is one line of config check --json.
type jsonProblem struct {
	V       int    `json:"v"`
	Level   string `json:"level"` // error or warning
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
}

func (a *app) configCheck(cmd *cobra.Command, path string, asJSON bool) error {
	var problems []gateway.Problem
	c, err := gateway.Load(path)
	broken, bad := errors.AsType[*gateway.ConfigError](err)
	switch {
	case bad:
		problems = broken.Problems
	case err != nil:
		_, err := a.loadConfig(path, exitCheck)
		return err
	default:
		problems = c.Check(cmd.Context())
	}
	return a.reportProblems(path, problems, asJSON)
}

func (a *app) reportProblems(path string, problems []gateway.Problem, asJSON bool) error {
	var broken gateway.ConfigError
	warnings := 0
	for _, p := range problems {
		level := "error"
		if p.Warning {
			level = "warning"
			warnings++
		} else {
			broken.Problems = append(broken.Problems, p)
		}
		switch {
		case asJSON:
			if err := writeJSON(a.out, jsonProblem{jsonSchemaVersion, level, p.File, p.Line, p.Column, p.Key, p.Message}); err != nil {
				return outputFailure(err)
			}
		case p.Warning:
			a.warnf("%s", p.Summary())
		}
	}
	what := "the configuration " + path + " cannot be used"
	switch {
	case len(broken.Problems) > 0 && asJSON:
		f := fail("invalid_config", what, "%s", broken.Error()).because(&broken)
		f.code = exitCheck
		return f.try("mend what the lines name")
	case len(broken.Problems) > 0:
		return a.configFailure(what, &broken, exitCheck)
	case !asJSON:
		text := "good"
		if warnings > 0 {
			text = fmt.Sprintf("good, with %d warnings", warnings)
		}
		if warnings == 1 {
			text = "good, with 1 warning"
		}
		a.notef("%s: %s", path, text)
	}
	return nil
}

func (a *app) configShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "a configuration as it is understood, with all defaults",
		Long: `Print a configuration as YAML with every default written out. Passwords in URLs are
hidden, and where a value comes from ${file:...} that is shown in its place. With
--json it is an object that has the file, the hash by which coaps status and the log
name it, and the same keys under "config".`,
		Example: "  coaps config show /etc/coaps/coaps.yaml\n  coaps config show --json | jq .config.store.url",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := a.loadConfig(a.configFile(args), exitSetup)
			if err != nil {
				return err
			}
			if asJSON {
				return a.configJSON(c)
			}
			_, err = fmt.Fprint(a.out, c.Show())
			return outputFailure(err)
		},
	}
	registerJSON(cmd.Flags(), &asJSON)
	return cmd
}

// configJSON writes a configuration for programs.
func (a *app) configJSON(c *gateway.Config) error {
	config, err := c.ShowJSON()
	if err != nil {
		return err
	}
	return outputFailure(writeJSON(a.out, struct {
		V      int             `json:"v"`
		File   string          `json:"file"`
		Hash   string          `json:"hash"`
		Config json.RawMessage `json:"config"`
	}{jsonSchemaVersion, c.Path(), c.Hash(), config}))
}

func (a *app) configInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [FILE|-]",
		Short: "write a configuration that explains itself",
		Long: `Write a configuration with every key that there is, most of them as comments. It can be
served as it is: a secure port, a store beside the file, and nobody who may do
anything until coaps device add and coaps acl allow say so. Nothing is overwritten.`,
		Example: `  coaps config init
  coaps config init - | less`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.configInit(a.configFile(args)) },
	}
}

func (a *app) configInit(path string) error {
	if path == "-" {
		_, err := fmt.Fprint(a.out, gateway.Template())
		return outputFailure(err)
	}
	err := keys.WriteFile(path, []byte(gateway.Template()))
	switch {
	case errors.Is(err, fs.ErrExist):
		return fail("file_exists", "cannot write "+path, "it is there already").because(err)
	case err != nil:
		return fail("file_unwritable", "cannot write "+path, "%v", rootCause(err)).because(err)
	}
	a.notef("wrote %s; next: coaps device add NAME --new-psk --config %s, coaps serve --config %s", path, path, path)
	return nil
}

// serverFlags say which running server is meant.
type serverFlags struct{ config, socket string }

func (f *serverFlags) register(set *pflag.FlagSet) {
	set.StringVar(&f.config, "config", "", "the server that runs with this configuration `FILE` (default: $COAPS_CONFIG or ./coaps.yaml)")
	set.StringVar(&f.socket, "socket", "", "the admin socket of the server, as `PATH`")
}

// dial makes a client of the server.
func (a *app) dial(cmd *cobra.Command, f *serverFlags, command string) (*gateway.Client, error) {
	if f.socket != "" && f.config != "" {
		return nil, usage(cmd, "--socket and --config exclude each other: each names a server")
	}
	if f.socket != "" {
		return gateway.Dial(command, f.socket), nil
	}
	path := f.config
	if path == "" {
		path = a.configFile(nil)
	}
	sockets, err := serverSockets(path)
	if err != nil {
		return nil, err
	}
	return gateway.Dial(command, sockets...), nil
}
