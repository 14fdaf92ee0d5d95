// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// The manners of the command:
//   - stdout carries the payload, or JSON, and nothing else;
//   - everything else goes to stderr, in lower case, without a full stop;
//   - colour, prompts and pretty-printing only where a person is looking;
//   - an error is three lines: what failed, why (one word), what to try.

// streams is everything the command reads from and writes to.
type streams struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
	hangup   *hangup // nil: SIGHUP is nothing to this run
}

// processStreams are those of the running process.
func processStreams() streams {
	return streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv}
}

// isTerminal says whether a stream is a terminal a person looks at.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// promptSecret asks for a key without echoing it. From a pipe it takes the first
// line, so that a password manager can feed it.
func promptSecret(s streams, question string) ([]byte, error) {
	f, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return readLine(s.in)
	}
	_, _ = io.WriteString(s.err, question)
	secret, err := term.ReadPassword(int(f.Fd()))
	_, _ = io.WriteString(s.err, "\n")
	return secret, err
}

// readLine reads one line byte by byte, so that what follows stays in the
// stream for --file -.
func readLine(r io.Reader) ([]byte, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < bufio.MaxScanTokenSize {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' {
			return line, nil
		}
		line = append(line, one[:n]...)
		if errors.Is(err, io.EOF) {
			return line, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the line is too long for a key")
}

// palette colours text, or leaves it alone.
type palette struct{ on bool }

// colorModes are the values of --color.
var colorModes = []string{"auto", "always", "never"}

// newPalette decides by --color, NO_COLOR (https://no-color.org: set and not
// empty) and TERM=dumb.
func newPalette(mode string, terminal bool, env func(string) (string, bool)) palette {
	switch mode {
	case "always":
		return palette{on: true}
	case "never":
		return palette{}
	}
	if value, ok := env("NO_COLOR"); ok && value != "" {
		return palette{}
	}
	if value, _ := env("TERM"); value == "dumb" {
		return palette{}
	}
	return palette{on: terminal}
}

func (p palette) paint(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + strings.ReplaceAll(s, "\x1b", "") + "\x1b[0m"
}

func (p palette) bad(s string) string  { return p.paint("1;31", s) }
func (p palette) warn(s string) string { return p.paint("33", s) }
func (p palette) bold(s string) string { return p.paint("1", s) }
func (p palette) dim(s string) string  { return p.paint("2", s) }
