// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// Position is a place in a file; both count from 1, columns in characters.
type Position struct{ Line, Column int }

// Problem is one thing that is wrong with a configuration, or might be.
type Problem struct {
	File    string
	Line    int // 0: not known
	Column  int
	Key     string // such as listen[0].addr; may be empty
	Message string
	Source  string // the line itself
	Warning bool   // it works all the same
}

// String is the form of compilers, FILE:LINE:COLUMN: MESSAGE, and below it the
// line with a caret.
func (p Problem) String() string {
	text := p.Summary()
	if p.Source == "" {
		return text
	}
	number := fmt.Sprintf("%5d", p.Line)
	line, caret := p.excerpt()
	return text + "\n" + number + " | " + printableLine(line) + "\n" + strings.Repeat(" ", len(number)) + " | " + caret
}

// Summary is the first line of String.
func (p Problem) Summary() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return printableLine(b.String())
}

// widest is how many characters of a line are shown, and how many of them before
// the caret at most.
const widest, widestBefore = 160, 100

// userinfo is the password in a URL.
var userinfo = regexp.MustCompile(`(://[^/@\s"']*?:)([^/@\s"']+)@`)

// excerpt is the line, or the part of it around the column, without the passwords
// of URLs, and a caret to stand below it. Tabs stay tabs in both.
func (p Problem) excerpt() (line, caret string) {
	hidden := userinfo.ReplaceAllStringFunc(p.Source, func(found string) string {
		parts := userinfo.FindStringSubmatch(found)
		return parts[1] + strings.Repeat("*", utf8.RuneCountInString(parts[2])) + "@"
	})
	runes := []rune(hidden)
	column := min(max(p.Column-1, 0), len(runes))
	if column > widestBefore {
		runes = append([]rune("..."), runes[column-widestBefore+3:]...)
		column = widestBefore
	}
	if len(runes) > widest {
		runes = append(runes[:widest-3:widest-3], []rune("...")...)
	}
	var b strings.Builder
	for _, r := range runes[:column] {
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return string(runes), b.String() + "^"
}

// printableLine replaces what could move a terminal's cursor.
func printableLine(line string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError) {
			return '?'
		}
		return r
	}, line)
}

// ConfigError is a configuration that cannot be used.
type ConfigError struct{ Problems []Problem }

func newConfigError(problems []Problem) *ConfigError {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &ConfigError{problems}
}

// Error is the first problem in one line, and how many more there are.
func (e *ConfigError) Error() string {
	text := e.Problems[0].Summary()
	if more := len(e.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// Text is every problem with its line.
func (e *ConfigError) Text() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = p.String()
	}
	return strings.Join(parts, "\n")
}

// source is the text of a configuration and where in it each key stands.
type source struct {
	name   string
	lines  []string
	hash   string
	at     map[string]Position // by key, such as listen[0].addr
	quoted map[string]string   // what is written there, where a ${file:} was replaced
	files  []string            // that a ${file:} names
}

func (s *source) line(number int) string {
	if s == nil || number < 1 || number > len(s.lines) {
		return ""
	}
	return strings.TrimSuffix(s.lines[number-1], "\r")
}

func (s *source) problem(at Position, key, format string, args ...any) Problem {
	return Problem{File: s.name, Line: at.Line, Column: at.Column, Key: key, Message: fmt.Sprintf(format, args...), Source: s.line(at.Line)}
}

// find is the place of a key, or of the nearest one around it that is in the
// file.
func (s *source) find(key string) Position {
	for key != "" {
		if at, ok := s.at[key]; ok {
			return at
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return Position{}
}

// lastLine is the problem of a file that may be incomplete.
func (c *Config) lastLine() Problem {
	last := len(c.source.lines)
	return c.source.problem(Position{last, 1}, "", "the last line does not end: is the file complete? A running server takes it only with a newline there")
}

// positionOf is where a node begins.
func positionOf(n ast.Node) Position {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		n = m.Values[0].Key
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key
	}
	token := n.GetToken()
	if token == nil || token.Position == nil {
		return Position{1, 1}
	}
	return Position{token.Position.Line, token.Position.Column}
}
