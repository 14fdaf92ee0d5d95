// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ruleJSON is the object form, in the order in which it is written.
type ruleJSON struct {
	ID      string   `json:"id,omitempty"`
	Effect  string   `json:"effect"`
	Who     string   `json:"who"`
	Methods []string `json:"methods"`
	Path    string   `json:"path"`
}

// MarshalJSON returns the object that UnmarshalJSON reads.
func (r Rule) MarshalJSON() ([]byte, error) {
	methods := r.Methods.Names()
	if r.Methods&All == All {
		methods = []string{"*"}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(ruleJSON{r.ID, r.Effect(), r.Who.String(), methods, r.Path})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// UnmarshalJSON reads a string with the text form, or an object
//
//	{"id":"1","effect":"allow","who":"group:sensors","methods":["POST"],"path":"/telemetry/{device}"}
//
// of which only the ID may be missing. It is strict: a field that it does not
// know, one that stands twice and one in another case are errors.
func (r *Rule) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("\"")) {
		var text string
		err := json.Unmarshal(data, &text)
		if err == nil {
			*r, err = ParseRule(text)
		}
		return err
	}
	var form ruleJSON
	if err := form.read(data); err != nil {
		return err
	}
	rule, err := newRule(form.Effect, form.Who, strings.Join(form.Methods, ","), form.Path)
	rule.ID = form.ID
	*r = rule
	return err
}

var errNoObject = errors.New("a rule is a string or an object with effect, who, methods and path")

// read is json.Unmarshal, but strict.
func (f *ruleJSON) read(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errNoObject
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name := t.(string) // the decoder takes nothing else for a name
		field := f.field(name)
		switch {
		case field == nil:
			return fmt.Errorf("a rule has no field %q: id, effect, who, methods, path", name)
		case seen[name]:
			return fmt.Errorf("the field %q comes twice", name)
		}
		seen[name] = true
		if err := d.Decode(field); err != nil {
			return fmt.Errorf("the field %q: %w", name, err)
		}
	}
	for _, name := range [...]string{"effect", "who", "methods", "path"} {
		if !seen[name] {
			return fmt.Errorf("the field %q is missing", name)
		}
	}
	_, err := d.Token()
	return err
}

func (f *ruleJSON) field(name string) any {
	switch name {
	case "id":
		return &f.ID
	case "effect":
		return &f.Effect
	case "who":
		return &f.Who
	case "methods":
		return &f.Methods
	case "path":
		return &f.Path
	}
	return nil
}
