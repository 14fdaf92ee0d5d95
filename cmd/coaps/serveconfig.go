// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/gateway"
)

// withConfig are the flags of serve that go together with --config: the file says
// all else.
var withConfig = map[string]bool{"config": true, "ready-file": true, "json": true, "quiet": true, "verbose": true, "color": true, "loss": true, "help": true}

// runConfigured serves a configuration until a signal comes.
func (s *server) runConfigured(cmd *cobra.Command) error {
	var odd string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !withConfig[f.Name] && odd == "" {
			odd = f.Name
		}
	})
	if odd != "" {
		return usage(cmd, "--%s and --config exclude each other: the file says everything", odd).try("coaps config show %s", s.config)
	}
	listen, err := s.network.listener(cmd, s.app)
	if err != nil {
		return err
	}
	collectEarly()
	err = gateway.Run(cmd.Context(), s.config, gateway.Options{
		Stderr: s.err, Terminal: isTerminal(s.err) && !s.json, Quiet: s.quiet, Verbose: s.verbose > 0,
		Ready: s.announceGateway, Reload: s.hangup.take(), ListenPacket: listen,
	})
	if err != nil {
		return s.gatewayFailure(err)
	}
	return nil
}

// announceGateway says where the server is.
func (s *server) announceGateway(plain, secure []netip.AddrPort) error {
	j := jsonServe{V: jsonSchemaVersion}
	for _, at := range plain {
		j.Plain = append(j.Plain, "coap://"+at.String())
	}
	for _, at := range secure {
		j.Secure = append(j.Secure, "coaps://"+at.String())
	}
	if s.json {
		if err := writeJSON(s.out, j); err != nil {
			return outputFailure(err)
		}
	} else {
		fmt.Fprintf(s.out, "%s %s\n", s.outPalette().dim("listening "), strings.Join(append(j.Plain, j.Secure...), "  "))
	}
	if s.ready == "" {
		return nil
	}
	var l listening
	if len(plain) > 0 {
		l.plain = plain[0]
	}
	if len(secure) > 0 {
		l.secure = secure[0]
	}
	return s.writeReady(l, nil)
}

// gatewayFailure names why a configuration cannot be served.
func (s *server) gatewayFailure(err error) error {
	what := "cannot serve " + s.config
	if broken, ok := errors.AsType[*gateway.ConfigError](err); ok {
		return s.configFailure(what, broken, exitSetup)
	}
	again := "mend " + s.config + "; coaps config check " + s.config + " looks again"
	if down, ok := errors.AsType[*gateway.StoreError](err); ok {
		f := asFailure(what, storeFailure(what, down))
		switch f.reason {
		case "store_unavailable":
			f.hint = "see to the store, or mend store.url in " + s.config + "; coaps config check " + s.config + " looks again"
		case "file_unreadable", "unexpected":
			f.hint = again
		}
		if f.reason == "unexpected" {
			f.reason, f.code = "setup", exitSetup
		}
		return f
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f // of Ready
	}
	switch {
	case errors.Is(err, gateway.ErrServerRunning):
		return fail("address_in_use", what, "%v", err).because(err).try("coaps reload has it read its configuration again, coaps status shows it")
	case errors.Is(err, syscall.EADDRINUSE):
		return fail("address_in_use", what, "%v", err).because(err).try("another socket has the port: ss -ulpn shows whose, or another listener of the file")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fail("address_unavailable", what, "%v", err).because(err)
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok && path.Op == "open" && samePath(path.Path, s.config) {
		return fail("file_unreadable", what, "%v", path.Err).because(err).try("coaps config init %s writes one to begin with", s.config)
	}
	return fail("setup", what, "%v", err).because(err).try("%s", again)
}

// samePath compares paths of which one may be relative.
func samePath(a, b string) bool {
	first, err := filepath.Abs(a)
	second, other := filepath.Abs(b)
	return err == nil && other == nil && first == second
}

// configFailure shows everything that is wrong with a configuration, with the
// lines, and then the error.
func (a *app) configFailure(what string, broken *gateway.ConfigError, code int) *failure {
	fmt.Fprintln(a.err, broken.Text())
	detail := broken.Problems[0].Message
	if n := len(broken.Problems); n > 1 {
		detail = fmt.Sprintf("%s, and %d more", detail, n-1)
	}
	f := fail("invalid_config", what, "%s", detail).because(broken)
	f.code = code
	return f.try("mend the lines above; coaps config check FILE looks again")
}
