// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/acl"
)

// ruleForms are the forms in which rules are exchanged.
var ruleForms = []string{"text", "json", "aif", "aif-cbor"}

func (a *app) aclImportCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "add the rules in a file: lines, JSON or AIF",
		Long: `Add the rules in FILE, or from stdin, to the store: all of them, or none if one is
wrong. The form is seen by itself:

  text      a rule a line, as in allow group:sensors POST /telemetry/{device};
            # begins a comment
  json      an array of rules, as export writes it
  aif       the Authorization Information Format of RFC 9237 in JSON:
            [["/s/temp", 1], ["/a/led", 5]]; --for says whose rights they are
  aif-cbor  the same in CBOR

Rules get new numbers, and what is there already is not added again; with
--replace the file takes the place of all rules in the store, and rules in JSON
keep their numbers.`,
		Example: `  coaps acl import policy.acl
  coaps acl import policy.acl --replace --dry-run
  coaps acl import --for device:sensor-7 rights.aif`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactArgs("FILE")(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.path = "-"
			if len(args) > 0 {
				f.path = args[0]
			}
			return a.aclImport(cmd, &f)
		},
	}
	cmd.Flags().StringVar(&f.form, "as", "auto", "the `FORM` of the file: text, json, aif or aif-cbor")
	cmd.Flags().StringVar(&f.who, "for", "", "`WHO` has the rights that AIF lists")
	cmd.Flags().BoolVar(&f.observe, "observe", false, "in AIF, GET and FETCH give OBSERVE too, for which it has no word")
	cmd.Flags().BoolVar(&f.replace, "replace", false, "remove all other rules from the store")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "read everything, change nothing")
	completeValues(cmd, "as", append([]string{"auto"}, ruleForms...))
	f.store.register(cmd.Flags())
	return cmd
}

type importFlags struct {
	store                    storeFlags
	path, form, who          string
	replace, dryRun, observe bool
}

func (a *app) aclImport(cmd *cobra.Command, f *importFlags) error {
	what := "cannot import " + f.path
	if err := oneOf("as", f.form, append([]string{"auto"}, ruleForms...)...); err != nil {
		return usage(cmd, "%v", err)
	}
	b, err := a.aclBench(cmd)
	if err != nil {
		return err
	}
	defer func() { b.close() }()
	var who acl.Who
	if f.who != "" {
		if who, err = b.parseWho(what, f.who); err != nil {
			return err
		}
	}
	rules, err := b.readRules(f.path, f.form, who)
	if err != nil {
		return err
	}
	if f.observe {
		observing(rules)
	}
	if f.replace {
		return b.replaceRules(what, rules, f.dryRun)
	}
	return b.addRules(what, rules, f.dryRun)
}

// observing gives OBSERVE to whoever may read.
func observing(rules []acl.Rule) {
	for i := range rules {
		if rules[i].Methods&(acl.GET|acl.FETCH) != 0 {
			rules[i].Methods |= acl.OBSERVE
		}
	}
}

// replaceRules puts rules in place of all in the store. Those that the
// configuration has stay where they are.
func (b *aclBench) replaceRules(what string, rules []acl.Rule, dryRun bool) error {
	reg, err := b.registry()
	if err != nil {
		return err
	}
	old, err := reg.Rules(b.cmd.Context())
	if err != nil {
		return storeFailure(what, err)
	}
	if b.config != nil {
		configured := b.config.ConfigRules()
		rules = slices.DeleteFunc(rules, func(r acl.Rule) bool {
			return slices.ContainsFunc(configured, func(other acl.Rule) bool { return same(&r, &other) })
		})
	}
	if !dryRun {
		if err := reg.ReplaceRules(b.cmd.Context(), rules); err != nil {
			return storeFailure(what, err)
		}
	}
	b.notef("%s in place of %s%s", plural(len(rules), "rule"), plural(len(old), "rule"), dryText(dryRun))
	return nil
}

// addRules adds those that are not there, with new numbers.
func (b *aclBench) addRules(what string, rules []acl.Rule, dryRun bool) error {
	there, err := b.rules("")
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for i := range there.held {
		known[there.held[i].Rule.String()] = true
	}
	var fresh []acl.Rule
	for _, r := range rules {
		if text := r.String(); !known[text] {
			known[text] = true
			r.ID = ""
			fresh = append(fresh, r)
		}
	}
	if len(fresh) > 0 && !dryRun {
		reg, err := b.registry()
		if err != nil {
			return err
		}
		if _, err = reg.AddRules(b.cmd.Context(), fresh); err != nil {
			return storeFailure(what, err)
		}
	}
	b.notef("%s added, %d there already%s", plural(len(fresh), "rule"), len(rules)-len(fresh), dryText(dryRun))
	return nil
}

func dryText(dryRun bool) string {
	if dryRun {
		return " (dry run: nothing was changed)"
	}
	return ""
}

// readRules reads rules in one of the forms; "auto" is the one it looks like.
// who is for the forms that do not say for whom they are.
func (a *app) readRules(path, form string, who acl.Who) ([]acl.Rule, error) {
	data, err := a.readRuleFile(path)
	if err != nil {
		return nil, err
	}
	if form == "auto" {
		form = formOf(data)
	}
	named := who != (acl.Who{})
	aif := strings.HasPrefix(form, "aif")
	what := "cannot read " + path
	switch {
	case aif && !named:
		return nil, fail("usage", what, "AIF does not say whose rights it lists").try("--for device:NAME")
	case !aif && named:
		return nil, fail("usage", what, "the rules say themselves for whom they are").try("--for is for AIF alone")
	}
	switch form {
	case "text":
		return parseRuleLines(path, data)
	case "json":
		return parseRuleJSON(what, data)
	}
	return parseAIF(what, form, data, who)
}

// formOf says which form data looks like.
func formOf(data []byte) string {
	text := bytes.TrimLeft(data, " \t\r\n")
	if len(text) == 0 || text[0] != '[' {
		if len(data) > 0 && data[0]>>5 == 4 { // a CBOR array
			return "aif-cbor"
		}
		return "text"
	}
	if text = bytes.TrimLeft(text[1:], " \t\r\n"); len(text) > 0 && text[0] == '[' {
		return "aif"
	}
	return "json"
}

// parseRuleLines reads a rule a line. All bad lines are told, not the first alone.
func parseRuleLines(path string, data []byte) ([]acl.Rule, error) {
	var rules []acl.Rule
	var bad []error
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimSpace(withoutComment(strings.TrimPrefix(string(line), "\ufeff")))
		if text == "" {
			continue
		}
		r, err := acl.ParseRule(text)
		if err != nil {
			bad = append(bad, fmt.Errorf("line %d: %w", number, err))
			continue
		}
		rules = append(rules, r)
	}
	return rules, badRules("cannot read "+path, bad)
}

// badRules is a failure that names the first few of what is wrong.
func badRules(what string, bad []error) error {
	if len(bad) == 0 {
		return nil
	}
	const most = 3
	texts := make([]string, 0, most+1)
	for _, err := range bad[:min(len(bad), most)] {
		texts = append(texts, err.Error())
	}
	if more := len(bad) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return fail("bad_lines", what, "%s", strings.Join(texts, "; ")).because(errors.Join(bad...)).
		try("mend the lines named: allow|deny WHO METHODS PATH")
}

// withoutComment cuts what follows a # that begins a word outside quotation marks.
func withoutComment(line string) string {
	quoted, begins := false, true
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '#' && begins && !quoted:
			return line[:i]
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		}
		begins = c == ' ' || c == '\t'
	}
	return line
}

// parseRuleJSON reads an array of rules.
func parseRuleJSON(what string, data []byte) ([]acl.Rule, error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(data, &elements); err != nil {
		return nil, fail("bad_lines", what, "%v", err).because(err).try("an array of rules, as coaps acl export --as json writes it")
	}
	rules := make([]acl.Rule, len(elements))
	var bad []error
	for i, element := range elements {
		err := rules[i].UnmarshalJSON(element)
		if err == nil {
			err = rules[i].Check()
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("rule %d: %w", i+1, err))
		}
	}
	return rules, badRules(what, bad)
}
