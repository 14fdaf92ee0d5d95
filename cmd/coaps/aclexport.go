// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/security/acl"
)

func (a *app) aclExportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export",
		Short: "print the rules as lines or JSON, or the rights of one as AIF",
		Long: `Print all rules in a form that import reads: text, a rule a line; or json. With
--as aif or aif-cbor, print what one SUBJECT may do in the Authorization
Information Format (RFC 9237), which others read, such as servers of ACE (RFC
9200): {device} becomes its name, and what is denied is left out. AIF has no words
for * and ** in paths, nor for OBSERVE.

` + subjectForms,
		Example: `  coaps acl export > policy.acl
  coaps acl export --as json -o rules.json
  coaps acl export --as aif --for sensor-7`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.aclExport(cmd, &f) },
	}
	cmd.Flags().StringVar(&f.form, "as", "text", "the `FORM`: text, json, aif or aif-cbor")
	cmd.Flags().StringVar(&f.subject, "for", "", "whose rights: the `SUBJECT` of AIF")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "write to `FILE`, which must not be there yet")
	completeValues(cmd, "as", ruleForms)
	f.who.register(cmd)
	f.rules.register(cmd.Flags())
	return cmd
}

type exportFlags struct {
	rules                 ruleFlags
	who                   subjectFlags
	form, subject, output string
}

func (a *app) aclExport(cmd *cobra.Command, f *exportFlags) error {
	if err := oneOf("as", f.form, ruleForms...); err != nil {
		return usage(cmd, "%v", err)
	}
	aif := strings.HasPrefix(f.form, "aif")
	switch {
	case aif && f.subject == "":
		return usage(cmd, "AIF lists the rights of one subject").try("--for NAME")
	case !aif && f.subject != "":
		return usage(cmd, "--for is for AIF; the other forms hold all rules").try("--as aif; or coaps acl explain %s METHODS PATH", f.subject)
	}
	b, err := a.aclBench(cmd)
	if err != nil {
		return err
	}
	defer func() { b.close() }()
	rules, err := b.rules(f.rules.file)
	if err != nil {
		return err
	}
	made := artifact{binary: f.form == "aif-cbor"}
	if aif {
		made.data, err = b.exportAIF(rules, f)
	} else {
		made.data, err = encodeRules(f.form, rules)
	}
	if err != nil {
		return err
	}
	return a.writeArtifact(cmd, f.output, made)
}

// encodeRules writes rules as lines, or as a JSON array with a rule a line.
func encodeRules(form string, rules *heldRules) ([]byte, error) {
	var b bytes.Buffer
	if form == "text" {
		for _, h := range rules.held {
			b.WriteString(h.Rule.String() + "\n")
		}
		return b.Bytes(), nil
	}
	separator := "[\n  "
	for _, h := range rules.held {
		r, err := h.MarshalJSON()
		if err != nil {
			return nil, asFailure("cannot write the rules", err)
		}
		b.WriteString(separator + string(r))
		separator = ",\n  "
	}
	if len(rules.held) == 0 {
		b.WriteByte('[')
	}
	b.WriteString("\n]\n")
	return b.Bytes(), nil
}

// exportAIF writes what one subject may do.
func (b *aclBench) exportAIF(rules *heldRules, f *exportFlags) ([]byte, error) {
	what := "cannot write the rights of " + f.subject
	variants, err := b.subjects(what, f.subject, &f.who)
	if err != nil {
		return nil, err
	}
	var permissions []acl.Permission
	for i := range variants {
		found, err := rules.list.Permissions(&variants[i].Subject)
		if err != nil {
			return nil, fail("not_expressible", what, "%v", err).because(err).
				try("name the paths one by one in rules of their own, or --as json")
		}
		if i > 0 && !slices.Equal(found, permissions) {
			return nil, fail("usage", what, "it has other rights %s than %s", variants[i].way, variants[0].way).
				try("--mode %s", cmp.Or(variants[0].Mode.String(), "MODE"))
		}
		permissions = found
	}
	b.warnObserve(permissions)
	data, err := encodeAIF(f.form, permissions)
	if err != nil {
		return nil, asFailure(what, err)
	}
	return data, nil
}

// warnObserve warns of rights that are lost.
func (b *aclBench) warnObserve(permissions []acl.Permission) {
	var paths []string
	for _, p := range permissions {
		if p.Methods&acl.OBSERVE != 0 {
			paths = append(paths, p.Path)
		}
	}
	if len(paths) > 0 {
		b.warnf("AIF has no word for OBSERVE, which is allowed on %s", strings.Join(paths, ", "))
	}
}
