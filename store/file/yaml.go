// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const (
	// maxDepth is how deep a document may be nested.
	maxDepth = 64
	// Aliases may make a document larger than its file, by that much.
	maxGrowth = 1 << 20
)

// yamlToJSON is toJSON for YAML 1.2, without tags, merge keys, keys that are no
// scalars, and more than one document. What the parser cannot understand must
// not end the process.
func yamlToJSON(text []byte) (doc []byte, place func(path string) position, err error) {
	defer func() {
		if p := recover(); p != nil {
			doc, place, err = nil, nil, errors.New("not a YAML document")
		}
	}()
	if at := tooDeep(text); at >= 0 {
		return nil, nil, &placedError{positionOf(text, at), errDeep}
	}
	if line := tooMany(text); line > 0 {
		return nil, nil, &placedError{position{line, 1}, errMany}
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, nil, yamlError(err)
	}
	var root ast.Node
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case root != nil:
			return nil, nil, wrong(d.Body, "a second document; there can be one")
		default:
			root = d.Body
		}
	}
	if root == nil {
		return nil, nil, errEmpty
	}
	w := &yamlWalk{limit: 2*len(text) + maxGrowth, anchors: map[string]ast.Node{}}
	if err := w.value(root, 0); err != nil {
		return nil, nil, err
	}
	return w.out, func(path string) position { return w.place(root, stepsOf(path)) }, nil
}

var errDeep = errors.New("nested too deep")

// maxOpen is how many brackets may be open: the parser takes time by the square
// of them, and then all of the stack. Brackets in strings count as well, so it
// is more than maxDepth.
const maxOpen = 1000

// tooDeep returns where the text is nested too deep for the parser, -1 if it is
// not. Nesting is by brackets or by "- - - " in one line; by indentation it
// costs too much text.
func tooDeep(text []byte) int {
	open, dashes := 0, 0
	for at, c := range text {
		switch c {
		case '[', '{':
			open++
		case ']', '}':
			open = max(open-1, 0)
		case '-':
			dashes++
		}
		if c != '-' && c != ' ' {
			dashes = 0
		}
		if open > maxOpen || dashes > maxOpen && text[at-1] == ' ' {
			return at
		}
	}
	return -1
}

// maxSiblings is how many lines may have the same indentation. The parser takes
// time by the square of a mapping's members (a second for ten thousand), and
// some stack for each.
const maxSiblings = 50_000

var errMany = fmt.Errorf("more than %d entries at one level of YAML: write them as JSON, or keep them in a bolt store", maxSiblings)

// tooMany returns the line that is one too many, 0 if there is none.
func tooMany(text []byte) int {
	lines, number := map[int]int{}, 0
	for line := range bytes.Lines(text) {
		number++
		bare := bytes.TrimLeft(line, " ")
		if bare = bytes.TrimRight(bare, "\r\n"); len(bare) == 0 || bare[0] == '#' {
			continue
		}
		indent := bytes.IndexByte(line, bare[0])
		if lines[indent]++; lines[indent] > maxSiblings {
			return number
		}
	}
	return 0
}

// yamlError takes the parser's message without its excerpt of the file: there
// are keys in it.
func yamlError(err error) error {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil || y.GetToken().Position == nil {
		return errors.New("not a YAML document")
	}
	p := y.GetToken().Position
	return &placedError{position{p.Line, p.Column}, errors.New(y.GetMessage())}
}

// wrong is an error at a node.
func wrong(n ast.Node, format string, args ...any) error {
	return &placedError{placeOf(n), fmt.Errorf(format, args...)}
}

func placeOf(n ast.Node) position {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return position{}
	}
	p := n.GetToken().Position
	return position{p.Line, p.Column}
}

// yamlWalk writes a tree of YAML as JSON.
type yamlWalk struct {
	out     []byte
	limit   int
	anchors map[string]ast.Node
}

func (w *yamlWalk) value(n ast.Node, depth int) error {
	if depth > maxDepth {
		return &placedError{placeOf(n), errDeep}
	}
	if len(w.out) > w.limit {
		return wrong(n, "too large with all its aliases")
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return w.mapping(n, n.Values, depth)
	case *ast.MappingValueNode:
		return w.mapping(n, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		return w.sequence(n, depth)
	case *ast.AnchorNode:
		if err := w.value(n.Value, depth+1); err != nil {
			return err
		}
		// From here on: an alias inside of its own anchor has no end.
		w.anchors[nameOf(n.Name)] = n.Value
		return nil
	case *ast.AliasNode:
		to := w.anchors[nameOf(n.Value)]
		if to == nil {
			return wrong(n, "no anchor &%s before it", nameOf(n.Value))
		}
		return w.value(to, depth+1)
	}
	return w.scalar(n)
}

func nameOf(n ast.Node) string {
	if n == nil || n.GetToken() == nil {
		return ""
	}
	return n.GetToken().Value
}

// scalar writes what is no collection. A number that JSON would write otherwise
// stays the text that it is: 0042, 0x2a and 1_000 are keys or names of somebody.
func (w *yamlWalk) scalar(n ast.Node) error {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		w.out = append(w.out, "null"...)
	case *ast.BoolNode:
		w.out = strconv.AppendBool(w.out, n.Value)
	case *ast.IntegerNode, *ast.FloatNode:
		text := n.GetToken().Value
		if !json.Valid([]byte(text)) {
			w.text(text)
			return nil
		}
		w.out = append(w.out, text...)
	case *ast.StringNode:
		w.text(n.Value)
	case *ast.LiteralNode:
		w.text(n.Value.Value)
	case *ast.InfinityNode, *ast.NanNode:
		w.text(n.GetToken().Value)
	default:
		return wrong(n, "tags, directives and the like have no meaning here")
	}
	return nil
}

func (w *yamlWalk) text(s string) {
	b, _ := json.Marshal(s) // a string can always be written
	w.out = append(w.out, b...)
}

func (w *yamlWalk) mapping(n ast.Node, values []*ast.MappingValueNode, depth int) error {
	seen := make(map[string]bool, len(values))
	w.out = append(w.out, '{')
	for i, v := range values {
		name, err := keyOf(v.Key)
		if err != nil {
			return err
		}
		if seen[name] {
			return wrong(v.Key, "%q comes twice", name)
		}
		seen[name] = true
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.text(name)
		w.out = append(w.out, ':')
		if err := w.value(v.Value, depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, '}')
	return nil
}

// keyOf returns the name of a member.
func keyOf(key ast.MapKeyNode) (string, error) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, nil
	case *ast.MergeKeyNode:
		return "", wrong(k, "merge keys (<<) are not known here; use an alias for the whole value")
	}
	return "", wrong(key, "a key must be a name")
}

func (w *yamlWalk) sequence(n *ast.SequenceNode, depth int) error {
	w.out = append(w.out, '[')
	for i, v := range n.Values {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.value(v, depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, ']')
	return nil
}

// place returns where the steps lead, or as far as they lead: a member's place
// is that of its name.
func (w *yamlWalk) place(n ast.Node, steps []string) position {
	at := placeOf(n)
	for _, step := range steps {
		next, key := w.step(w.resolved(n), step)
		if key == nil {
			break
		}
		n, at = next, placeOf(key)
	}
	return at
}

// resolved follows anchors and aliases.
func (w *yamlWalk) resolved(n ast.Node) ast.Node {
	for range maxDepth {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.AliasNode:
			n = w.anchors[nameOf(v.Value)]
		default:
			return n
		}
	}
	return nil
}

// step returns the member or element, and the node that stands for its place.
func (w *yamlWalk) step(n ast.Node, step string) (value, key ast.Node) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	case *ast.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Values) {
			return n.Values[i], n.Values[i]
		}
	}
	for _, v := range values {
		if name, err := keyOf(v.Key); err == nil && name == step {
			return v.Value, v.Key
		}
	}
	return nil, nil
}
