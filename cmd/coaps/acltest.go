// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) aclTestCommand() *cobra.Command {
	var flags ruleFlags
	var subject subjectFlags
	var t aclTest
	cmd := &cobra.Command{
		Use:   "test SUBJECT METHODS PATH | -f FILE",
		Short: "check that the rules say what you expect (exit 9 if not)",
		Long: `Ask the rules about one request, or about each in a file, and end with exit code
9 if an answer is not the expected one. With --rules a policy can be tested before
anybody has it, in CI for instance.

A file of tests is YAML:

  subjects:                # devices that are in no store
    sensor-7: {groups: [sensors], mode: psk}
  tests:                   # allow or deny, SUBJECT, METHODS, PATH
    - allow sensor-7  POST        /telemetry/sensor-7
    - deny  sensor-7  POST        /telemetry/sensor-8
    - deny  anonymous GET,OBSERVE /telemetry/sensor-7

A subject may have device (default: its name here), tenant, groups, mode and host.

` + subjectForms,
		Example: `  coaps acl test sensor-7 POST /telemetry/sensor-8 --expect deny
  coaps acl test -f policy-tests.yaml
  coaps acl test -f policy-tests.yaml --rules policy.acl`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.aclTest(cmd, &flags, &subject, &t, args) },
	}
	cmd.Flags().StringVar(&t.expect, "expect", "allow", "the `ANSWER` that is right: allow or deny")
	cmd.Flags().StringVarP(&t.file, "file", "f", "", "the tests in `FILE`; - is stdin")
	cmd.Flags().BoolVar(&t.asJSON, "json", false, "one JSON object for each test")
	completeValues(cmd, "expect", answerWords)
	cmd.ValidArgsFunction = completeRule(subjectWords)
	subject.register(cmd)
	flags.register(cmd.Flags())
	return cmd
}

var answerWords = []string{"allow", "deny"}

// aclTest is what the flags of acl test say.
type aclTest struct {
	expect, file string
	asJSON       bool
}

// A policyTest is a question and the answer that is right.
type policyTest struct {
	question
	allow bool
	line  int    // in the file, 0 if there is none
	said  string // the subject's name in the file
}

func (t *policyTest) expected() string {
	if t.allow {
		return "allow"
	}
	return "deny"
}

func (t *policyTest) String() string {
	return t.expected() + " " + t.said + " " + t.methods.String() + " " + t.path
}

// tests are those of the file, or the one of the command line.
func (b *aclBench) tests(t *aclTest, subject *subjectFlags, args []string) ([]policyTest, error) {
	const what = "cannot test the rules"
	if err := oneOf("expect", t.expect, answerWords...); err != nil {
		return nil, usage(b.cmd, "%v", err)
	}
	switch {
	case t.file != "" && len(args) > 0:
		return nil, usage(b.cmd, "-f and a request on the command line exclude each other")
	case t.file != "" && subject.given():
		return nil, usage(b.cmd, "with -f, the file describes the subjects")
	case t.file != "":
		return b.readPolicyTests(t.file)
	}
	if err := exactArgs("SUBJECT", "METHODS", "PATH")(b.cmd, args); err != nil {
		return nil, err
	}
	q, err := newQuestion(what, args, subject)
	return []policyTest{{question: q, allow: t.expect == "allow", said: args[0]}}, err
}

func (a *app) aclTest(cmd *cobra.Command, flags *ruleFlags, subject *subjectFlags, t *aclTest, args []string) error {
	b, err := a.aclBench(cmd)
	if err != nil {
		return err
	}
	defer func() { b.close() }()
	tests, err := b.tests(t, subject, args)
	if err != nil {
		return err
	}
	rules, err := b.rules(flags.file)
	if err != nil {
		return err
	}
	wrong := 0
	for i := range tests {
		ok, err := b.runTest(t, rules, &tests[i])
		if err != nil {
			return err
		}
		if !ok {
			wrong++
		}
	}
	if wrong > 0 && t.file == "" {
		q := strings.Join(args, " ")
		return fail("policy_differs", "acl test "+q, "%s was expected", tests[0].expected()).try("coaps acl explain %s -v", q)
	}
	if wrong > 0 {
		return fail("policy_differs", "acl test", "%d of %s got another answer", wrong, plural(len(tests), "test"))
	}
	if t.file != "" {
		a.notef("%s: %s, all as expected", t.file, plural(len(tests), "test"))
	}
	return nil
}

// runTest runs one test and tells of it: of each in JSON, otherwise of one alone
// and of those that went wrong.
func (b *aclBench) runTest(t *aclTest, rules *heldRules, test *policyTest) (ok bool, err error) {
	what := "acl test"
	if test.line > 0 {
		what = fmt.Sprintf("%s:%d", t.file, test.line)
	}
	answers, err := b.ask(what, rules, &test.question)
	if err != nil {
		return false, err
	}
	ok = true
	for _, a := range answers {
		ok = ok && a.Allowed == test.allow
	}
	switch {
	case t.asJSON:
		return ok, outputFailure(writeJSON(b.out, struct {
			*jsonAnswers
			Expect string `json:"expect"`
			OK     bool   `json:"ok"`
			Line   int    `json:"line,omitempty"`
		}{jsonAnswersOf(&test.question, rules, answers), test.expected(), ok, test.line}))
	case test.line == 0:
		_, err = fmt.Fprintln(b.out, oneLine(strings.Join(texts(answers), "; ")))
	case !ok:
		_, err = fmt.Fprintf(b.out, "%s: %s\n\t%s\n", what, oneLine(test.String()), oneLine(strings.Join(texts(answers), "; ")))
	}
	return ok, outputFailure(err)
}
