// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/coaps-go/coaps/security/acl"
)

// policyFile is a file of tests for acl test -f.
type policyFile struct {
	Subjects map[string]policySubject `yaml:"subjects"`
	Tests    []policyLine             `yaml:"tests"`
}

// policySubject is a device that is in no store.
type policySubject struct {
	Device string   `yaml:"device"`
	Tenant string   `yaml:"tenant"`
	Groups []string `yaml:"groups"`
	Mode   string   `yaml:"mode"`
	Host   string   `yaml:"host"`
}

// policyLine is one test as it is written, and where.
type policyLine struct {
	text string
	line int
}

// UnmarshalYAML takes a string, and keeps its line.
func (l *policyLine) UnmarshalYAML(node ast.Node) error {
	text, ok := node.(*ast.StringNode)
	if !ok {
		return fmt.Errorf("a test is: allow|deny SUBJECT METHODS PATH, and not %q", node.String())
	}
	l.text, l.line = text.Value, text.GetToken().Position.Line
	return nil
}

// readPolicyTests reads a file of tests.
func (b *aclBench) readPolicyTests(path string) ([]policyTest, error) {
	data, err := b.readRuleFile(path)
	if err != nil {
		return nil, err
	}
	var file policyFile
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil {
		return nil, fail("bad_lines", "cannot read "+path, "%s", yaml.FormatError(err, false, false)).because(err).
			try("coaps acl test --help shows what such a file looks like")
	}
	if len(file.Tests) == 0 {
		return nil, fail("bad_lines", "cannot read "+path, "there are no tests in it").
			try("coaps acl test --help shows what such a file looks like")
	}
	tests := make([]policyTest, len(file.Tests))
	for i, line := range file.Tests {
		if tests[i], err = file.test(path, line); err != nil {
			return nil, err
		}
	}
	return tests, nil
}

// test reads one line.
func (f *policyFile) test(path string, line policyLine) (t policyTest, err error) {
	what := fmt.Sprintf("%s:%d", path, line.line)
	words := strings.Fields(line.text)
	if len(words) != 4 || !slices.Contains(answerWords, words[0]) {
		return t, fail("bad_lines", what, "%q is not a test", line.text).try("allow|deny SUBJECT METHODS PATH")
	}
	var flags subjectFlags
	if s, ok := f.Subjects[words[1]]; ok {
		if flags, err = s.flags(what, words[1]); err != nil {
			return t, err
		}
		words[1] = "device:" + s.name(words[1])
	}
	t = policyTest{allow: words[0] == "allow", line: line.line}
	t.question, err = newQuestion(what, words[1:], &flags)
	return t, err
}

// name is the name of the device.
func (s *policySubject) name(key string) string {
	if s.Device != "" {
		return s.Device
	}
	return key
}

// flags are those that say the same on a command line.
func (s *policySubject) flags(what, key string) (subjectFlags, error) {
	f := subjectFlags{tenant: s.Tenant, host: s.Host, mode: s.Mode, groups: append([]string{}, s.Groups...)}
	if s.Mode != "" {
		if _, err := acl.ParseMode(s.Mode); err != nil {
			return f, fail("bad_lines", what, "subject %s: %v", key, err).try("psk, rpk, certificate or token")
		}
	}
	return f, nil
}
