// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds of a configuration file, in bytes and lines: what the parser takes grows
// faster than they do. Devices and their rules belong into a store.
const (
	maxConfigSize  = 256 << 10
	maxConfigLines = 10_000
)

// Load reads a configuration file. Unknown keys, bad values and duplicates are
// refused; ${env:X} and ${file:X} in values are replaced by an environment
// variable and by the content of a file without its last newline. The error is a
// *ConfigError with everything that is wrong, or one of reading the file. Nothing
// else that the file names is looked at: that is for Check.
func Load(path string) (*Config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	text, err := readBounded(path, maxConfigSize)
	if err != nil {
		return nil, err
	}
	return parse(path, text, os.LookupEnv)
}

// cutOff reports whether a file may be only the beginning of what somebody is
// writing: its last line has no end.
func (c *Config) cutOff() bool {
	last := len(c.source.lines) - 1
	return last >= 0 && c.source.lines[last] != ""
}

// readBounded reads a regular file of at most that many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return text, err
}

// parse is Load without the file.
func parse(path string, text []byte, env func(string) (string, bool)) (*Config, error) {
	sum := sha256.Sum256(text)
	src := &source{name: path, lines: strings.Split(string(text), "\n"), hash: hex.EncodeToString(sum[:]),
		at: map[string]Position{}, quoted: map[string]string{}}
	root, err := src.parse(text)
	if err != nil {
		return nil, err
	}
	c := &Config{path: path, source: src}
	d := &decoder{source: src, dir: filepath.Dir(path), env: env}
	d.decode(c, root)
	if len(d.problems) == 0 {
		c.validate(d)
	}
	if len(d.problems) > 0 {
		return nil, newConfigError(d.problems)
	}
	return c, nil
}

// maxNesting is how deep collections in flow style, such as {a: [b]}, may nest:
// the parser recurses.
const maxNesting = 64

// parse makes a tree of the text; nil of an empty one.
func (s *source) parse(text []byte) (ast.Node, error) {
	if !utf8.Valid(text) {
		return nil, newConfigError([]Problem{{File: s.name, Line: 1, Column: 1, Message: "the file is not UTF-8 text"}})
	}
	if len(s.lines) > maxConfigLines {
		return nil, newConfigError([]Problem{s.problem(Position{maxConfigLines, 1}, "", "more than %d lines; devices and their rules belong into the store", maxConfigLines)})
	}
	if p, ok := s.tooDeep(text); ok {
		return nil, newConfigError([]Problem{p})
	}
	file, err := parseYAML(text)
	if err != nil {
		return nil, newConfigError([]Problem{s.syntax(err)})
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if _, comment := doc.Body.(*ast.CommentGroupNode); comment {
			continue
		}
		if root != nil {
			return nil, newConfigError([]Problem{s.problem(positionOf(doc.Body), "", "a configuration is one YAML document, this is a second")})
		}
		root = doc.Body
	}
	return root, nil
}

// parseYAML keeps a mistake in the parser from ending a server that reloads.
func parseYAML(text []byte) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the parser fails at this file: %v", p)
		}
	}()
	return parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
}

// tooDeep finds text that nests without end, by brackets or by indentation.
func (s *source) tooDeep(text []byte) (Problem, bool) {
	depth, line, column, indent := 0, 1, 0, 0
	start := true
	for _, b := range text {
		column++
		switch b {
		case '\n':
			line, column, indent, start = line+1, 0, 0, true
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '-', ' ', '?':
			if start {
				indent++
			}
		}
		start = start && (b == ' ' || b == '-' || b == '?')
		if depth > maxNesting || indent > 4*maxNesting {
			return s.problem(Position{line, column}, "", "too deeply nested"), true
		}
	}
	return Problem{}, false
}

// syntax is an error of the parser as a problem.
func (s *source) syntax(err error) Problem {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		return Problem{File: s.name, Line: 1, Column: 1, Message: firstLine(err.Error()), Source: s.line(1)}
	}
	pos := at.GetToken().Position
	return s.problem(Position{pos.Line, pos.Column}, "", "%s", firstLine(at.GetMessage()))
}

func firstLine(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}

// adminOf is what a broken file says of the admin socket, as far as it can be
// read.
func adminOf(path string) Admin {
	text, err := readBounded(path, maxConfigSize)
	if err != nil {
		return Admin{}
	}
	src := &source{name: path, lines: strings.Split(string(text), "\n"), at: map[string]Position{}, quoted: map[string]string{}}
	root, err := src.parse(text)
	if err != nil {
		return Admin{Socket: socketLine(src.lines)}
	}
	c := &Config{path: path, source: src}
	d := &decoder{source: src, dir: filepath.Dir(path), env: os.LookupEnv}
	d.decode(c, root)
	return c.Admin
}

// socketLine is the admin socket of a file that is no YAML any more: the one line
// that looks like it.
func socketLine(lines []string) string {
	for _, line := range lines {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "socket:"); ok {
			return strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return ""
}
