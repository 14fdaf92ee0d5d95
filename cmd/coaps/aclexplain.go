// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/security/acl"
)

func (a *app) aclExplainCommand() *cobra.Command {
	var flags ruleFlags
	var subject subjectFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain SUBJECT METHODS PATH",
		Short: "what the rules say to one request, and which rule",
		Long: `Say whether SUBJECT may use METHODS (all of them) on PATH, and which rule decides
or comes closest. -v shows every rule that speaks of the request.

` + subjectForms,
		Example: `  coaps acl explain sensor-7 POST /telemetry/sensor-8
  coaps acl explain acme/sensor-7 GET,OBSERVE /config
  coaps acl explain anonymous GET /.well-known/core
  coaps acl explain sensor-9 --group sensors --mode psk POST /telemetry/sensor-9`,
		Args: exactArgs("SUBJECT", "METHODS", "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.aclExplain(cmd, &flags, &subject, args, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	cmd.ValidArgsFunction = completeRule(subjectWords)
	subject.register(cmd)
	flags.register(cmd.Flags())
	return cmd
}

// A question is a request that rules are asked about.
type question struct {
	subject string
	flags   subjectFlags
	methods acl.Methods
	path    string
}

// newQuestion reads SUBJECT METHODS PATH.
func newQuestion(what string, args []string, flags *subjectFlags) (q question, err error) {
	q.subject, q.flags = args[0], *flags
	if q.methods, err = acl.ParseMethods(args[1]); err != nil {
		return q, fail("usage", what, "METHODS: %v", err).try("such as POST, or GET,OBSERVE")
	}
	if strings.ContainsAny(args[2], "?#") {
		return q, fail("usage", what, "PATH %q: rules do not look at the query of a request", args[2]).
			try("leave it out; a question mark within the path is written %%3F")
	}
	if q.path, err = acl.CanonicalPath(args[2]); err != nil {
		return q, fail("usage", what, "PATH %q: %v", args[2], err).try("such as /telemetry/sensor-7")
	}
	return q, nil
}

// An answer is what the rules say to a question, for one way in which the subject
// can come.
type answer struct {
	variant
	acl.Explanation
}

// ask puts a question.
func (b *aclBench) ask(what string, rules *heldRules, q *question) ([]answer, error) {
	variants, err := b.subjects(what, q.subject, &q.flags)
	if err != nil {
		return nil, err
	}
	answers := make([]answer, len(variants))
	for i, v := range variants {
		answers[i] = answer{v, rules.explain(&v.Subject, q)}
	}
	return answers, nil
}

// explain is what the server would answer.
func (h *heldRules) explain(s *acl.Subject, q *question) acl.Explanation {
	if h.open != "" {
		return acl.Explanation{
			Decision: acl.Decision{Allowed: true, Rule: acl.NoRule},
			Text:     "allowed: acl.open in " + h.open + " turns access control off",
		}
	}
	return h.list.Explain(s, q.methods, q.path)
}

// alike says whether it makes no difference how the subject comes.
func alike(answers []answer) bool {
	for _, a := range answers[1:] {
		if a.Text != answers[0].Text {
			return false
		}
	}
	return true
}

// texts are the answers for people: one, or one for each way.
func texts(answers []answer) []string {
	if alike(answers) {
		return []string{answers[0].Text}
	}
	var lines []string
	for _, a := range answers {
		lines = append(lines, a.way+": "+a.Text)
	}
	return lines
}

func (a *app) aclExplain(cmd *cobra.Command, flags *ruleFlags, subject *subjectFlags, args []string, asJSON bool) error {
	what := "cannot explain"
	b, err := a.aclBench(cmd)
	if err != nil {
		return err
	}
	defer func() { b.close() }()
	q, err := newQuestion(what, args, subject)
	if err != nil {
		return err
	}
	rules, err := b.rules(flags.file)
	if err != nil {
		return err
	}
	answers, err := b.ask(what, rules, &q)
	if err != nil {
		return err
	}
	if asJSON {
		return outputFailure(writeJSON(a.out, jsonAnswersOf(&q, rules, answers)))
	}
	for _, line := range texts(answers) {
		if _, err := fmt.Fprintln(a.out, oneLine(line)); err != nil {
			return outputFailure(err)
		}
	}
	b.traceRules(rules, answers)
	return nil
}

// traceRules is -v: which rules matched, and which came close.
func (b *aclBench) traceRules(rules *heldRules, answers []answer) {
	for _, a := range answers {
		way := ""
		if !alike(answers) {
			way = a.way + ": "
		}
		for _, i := range a.Matched {
			b.tracef(1, "%s%s speaks of it: %s", way, rules.list.Label(i), rules.held[i])
		}
		for _, n := range a.Near {
			b.tracef(1, "%s%s %s: %s", way, rules.list.Label(n.Rule), n.Why, rules.held[n.Rule])
		}
		if alike(answers) {
			return
		}
	}
}

// String is the rule, and where it stands if not in the store.
func (h heldRule) String() string {
	if h.file != "" {
		return h.Rule.String() + " (" + h.file + ")"
	}
	return h.Rule.String()
}

// jsonAnswers is a question and the answers in JSON.
type jsonAnswers struct {
	V       int          `json:"v"`
	Subject string       `json:"subject"`
	Methods []string     `json:"methods"`
	Path    string       `json:"path"`
	Allowed bool         `json:"allowed"` // in whichever way the subject comes
	Answers []jsonAnswer `json:"answers"`
}

type jsonAnswer struct {
	Mode    string     `json:"mode"`
	Host    string     `json:"host,omitempty"`
	Allowed bool       `json:"allowed"`
	Code    string     `json:"code,omitempty"` // what a denied request is answered
	Rule    *jsonRule  `json:"rule"`
	Matched []jsonRule `json:"matched"`
	Near    []jsonNear `json:"near"`
	Text    string     `json:"text"`
}

type jsonNear struct {
	Rule jsonRule `json:"rule"`
	Why  string   `json:"why"`
}

func jsonAnswersOf(q *question, rules *heldRules, answers []answer) *jsonAnswers {
	j := &jsonAnswers{V: jsonSchemaVersion, Subject: q.subject, Methods: q.methods.Names(), Path: q.path, Allowed: true}
	for i := range answers {
		j.Allowed = j.Allowed && answers[i].Allowed
		j.Answers = append(j.Answers, jsonAnswerOf(rules, &answers[i]))
	}
	return j
}

func jsonAnswerOf(rules *heldRules, a *answer) jsonAnswer {
	j := jsonAnswer{
		Mode: a.Mode.String(), Host: a.Host, Allowed: a.Allowed, Text: a.Text,
		Matched: []jsonRule{}, Near: []jsonNear{},
	}
	if !a.Allowed {
		j.Code = coap.Forbidden.Dotted()
		if !a.Authenticated {
			j.Code = coap.Unauthorized.Dotted()
		}
	}
	if a.Rule != acl.NoRule {
		rule := jsonRuleOf(rules.held[a.Rule])
		j.Rule = &rule
	}
	for _, i := range a.Matched {
		j.Matched = append(j.Matched, jsonRuleOf(rules.held[i]))
	}
	for _, n := range a.Near {
		j.Near = append(j.Near, jsonNear{jsonRuleOf(rules.held[n.Rule]), n.Why})
	}
	return j
}
