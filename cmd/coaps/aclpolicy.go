// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/coaps-go/coaps/security/acl"
)

// policyFile is a file of tests for acl test -f.
type policyFile struct {
	path     string
	subjects map[string]subjectFlags // of devices that are in no store
	devices  map[string]string       // what they are called, by their names in the file
	tests    []policyLine
}

// policyLine is one test as it is written, and where.
type policyLine struct {
	text string
	line int
}

// readPolicyTests reads a file of tests.
func (b *aclBench) readPolicyTests(path string) ([]policyTest, error) {
	data, err := b.readRuleFile(path)
	if err != nil {
		return nil, err
	}
	file := policyFile{path: path, subjects: map[string]subjectFlags{}, devices: map[string]string{}}
	if err := file.read(data); err != nil {
		return nil, err
	}
	if len(file.tests) == 0 {
		return nil, file.bad(1, "there are no tests in it")
	}
	tests := make([]policyTest, len(file.tests))
	for i, line := range file.tests {
		if tests[i], err = file.test(line); err != nil {
			return nil, err
		}
	}
	return tests, nil
}

func (f *policyFile) what(line int) string { return fmt.Sprintf("%s:%d", f.path, line) }

// bad is a failure that names the line.
func (f *policyFile) bad(line int, detail string, args ...any) *failure {
	return fail("bad_lines", f.what(line), detail, args...).try("coaps acl test --help shows what such a file looks like")
}

// Bounds of a file of tests. The parser recurses, and a person does not write
// what is deeper.
const (
	maxPolicyFile   = 4 << 20
	maxPolicyIndent = 256
)

// read walks the tree: the decoder of the library would take more than is good.
func (f *policyFile) read(data []byte) error {
	if line, ok := tooDeep(data); ok || len(data) > maxPolicyFile {
		return f.bad(line, "it is too large or too deeply nested")
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return f.syntax(err)
	}
	if len(file.Docs) != 1 {
		return f.bad(1, "it is not one YAML document")
	}
	return f.fields(file.Docs[0].Body, map[string]func(ast.Node) error{
		"subjects": f.readSubjects,
		"tests":    f.readTests,
	})
}

// syntax is an error of the parser.
func (f *policyFile) syntax(err error) error {
	line, text := 1, err.Error()
	if at, ok := errors.AsType[yaml.Error](err); ok {
		text = at.GetMessage()
		if token := at.GetToken(); token != nil && token.Position != nil {
			line = token.Position.Line
		}
	}
	first, _, _ := strings.Cut(text, "\n")
	return f.bad(line, "%s", first).because(err)
}

// tooDeep finds the line in which collections nest beyond reason.
func tooDeep(data []byte) (line int, found bool) {
	line = 1
	depth := 0
	for text := range bytes.Lines(data) {
		if len(text)-len(bytes.TrimLeft(text, " -?\t")) > maxPolicyIndent {
			return line, true
		}
		depth += bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{"))
		if depth > maxPolicyIndent {
			return line, true
		}
		depth = max(0, depth-bytes.Count(text, []byte("]"))-bytes.Count(text, []byte("}")))
		line++
	}
	return 1, false
}

// fields hands the value of each field of a mapping to its reader.
func (f *policyFile) fields(node ast.Node, readers map[string]func(ast.Node) error) error {
	mapping, ok := node.(ast.MapNode)
	if !ok {
		return f.bad(lineOf(node), "a mapping is expected here")
	}
	seen := map[string]bool{}
	for i := mapping.MapRange(); i.Next(); {
		name, err := f.text(i.Key())
		if err != nil {
			return err
		}
		read := readers[name]
		switch {
		case read == nil:
			return f.bad(lineOf(i.Key()), "unknown field %q", name)
		case seen[name]:
			return f.bad(lineOf(i.Key()), "%q comes twice", name)
		}
		seen[name] = true
		if err := read(i.Value()); err != nil {
			return err
		}
	}
	return nil
}

// lineOf is where a node stands.
func lineOf(node ast.Node) int {
	if node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return 1
	}
	return node.GetToken().Position.Line
}

// text is a scalar as it is written.
func (f *policyFile) text(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	}
	return "", f.bad(lineOf(node), "a word is expected here")
}

// list is a sequence.
func (f *policyFile) list(node ast.Node) ([]ast.Node, error) {
	if n, ok := node.(*ast.SequenceNode); ok {
		return n.Values, nil
	}
	return nil, f.bad(lineOf(node), "a list is expected here")
}

func (f *policyFile) readTests(node ast.Node) error {
	list, err := f.list(node)
	for _, n := range list {
		text, err := f.text(n)
		if err != nil {
			return err
		}
		f.tests = append(f.tests, policyLine{text, lineOf(n)})
	}
	return err
}

func (f *policyFile) readSubjects(node ast.Node) error {
	mapping, ok := node.(ast.MapNode)
	if !ok {
		return f.bad(lineOf(node), "subjects is a mapping of names to what they are")
	}
	readers := map[string]func(ast.Node) error{}
	for i := mapping.MapRange(); i.Next(); {
		name, err := f.text(i.Key())
		if err != nil {
			return err
		}
		readers[name] = func(n ast.Node) error { return f.readSubject(name, n) }
	}
	return f.fields(node, readers)
}

// readSubject reads what a subject is.
func (f *policyFile) readSubject(name string, node ast.Node) error {
	flags, device := subjectFlags{groups: []string{}}, name
	word := func(to *string) func(ast.Node) error {
		return func(n ast.Node) (err error) {
			*to, err = f.text(n)
			return err
		}
	}
	err := f.fields(node, map[string]func(ast.Node) error{
		"device": word(&device), "tenant": word(&flags.tenant), "mode": word(&flags.mode), "host": word(&flags.host),
		"groups": func(n ast.Node) error {
			list, err := f.list(n)
			for _, n := range list {
				group, err := f.text(n)
				if err != nil {
					return err
				}
				flags.groups = append(flags.groups, group)
			}
			return err
		},
	})
	if err == nil && flags.mode != "" {
		if _, wrong := acl.ParseMode(flags.mode); wrong != nil {
			return f.bad(lineOf(node), "subject %s: %v", name, wrong)
		}
	}
	f.subjects[name], f.devices[name] = flags, device
	return err
}

// test reads one line.
func (f *policyFile) test(line policyLine) (t policyTest, err error) {
	words := strings.Fields(line.text)
	if len(words) != 4 || !slices.Contains(answerWords, words[0]) {
		return t, f.bad(line.line, "%q is not a test", line.text).try("allow|deny SUBJECT METHODS PATH")
	}
	flags, own := f.subjects[words[1]]
	subject := words[1]
	if own {
		words[1] = "device:" + f.devices[subject]
	}
	t = policyTest{allow: words[0] == "allow", line: line.line, said: subject}
	t.question, err = newQuestion(f.what(line.line), words[1:], &flags)
	return t, err
}
