// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"

	"github.com/goccy/go-yaml/ast"

	"github.com/coaps-go/coaps/security/acl"
)

// Rules are access rules in the configuration: each a string with the text form
// of package security/acl, or its object form.
type Rules []acl.Rule

func (r *Rules) decodeYAML(d *decoder, key string, n ast.Node) {
	if isNull(n) {
		return
	}
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(positionOf(n), key, "a list of rules is expected here, not %s", describe(n))
		return
	}
	for i, element := range sequence.Values {
		at := indexKey(key, i)
		d.at[at] = positionOf(element)
		var rule acl.Rule
		text, err := json.Marshal(d.plain(at, element))
		if err == nil {
			err = json.Unmarshal(text, &rule)
		}
		if err == nil {
			err = rule.Check()
		}
		if err != nil {
			d.fail(positionOf(element), at, "%v", err)
			continue
		}
		*r = append(*r, rule)
	}
}

// plain is a tree as the values of encoding/json.
func (d *decoder) plain(key string, n ast.Node) any {
	switch v := n.(type) {
	case ast.MapNode:
		object := map[string]any{}
		for _, e := range d.entries(key, n) {
			d.at[join(key, e.name)] = e.at
			object[e.name] = d.plain(join(key, e.name), e.value)
		}
		return object
	case *ast.SequenceNode:
		list := make([]any, len(v.Values))
		for i, element := range v.Values {
			at := indexKey(key, i)
			d.at[at] = positionOf(element)
			list[i] = d.plain(at, element)
		}
		return list
	case *ast.BoolNode:
		return v.Value
	case *ast.IntegerNode, *ast.FloatNode:
		return json.Number(n.GetToken().Value)
	case *ast.NullNode:
		return nil
	}
	text, _ := d.text(key, n)
	return text
}
