// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills a Config from a tree and collects all that is wrong.
type decoder struct {
	*source
	dir      string // of the file
	env      func(string) (string, bool)
	problems []Problem
}

// mostProblems bounds what is told of one file.
const mostProblems = 100

func (d *decoder) fail(at Position, key, format string, args ...any) {
	if len(d.problems) >= mostProblems {
		return
	}
	d.problems = append(d.problems, d.problem(at, key, format, args...))
}

// reject is fail for what a later look at the values found.
func (d *decoder) reject(key, format string, args ...any) {
	d.fail(d.find(key), key, format, args...)
}

// decode fills c, whose fields that the tree does not name take their defaults.
func (d *decoder) decode(c *Config, root ast.Node) {
	setDefaults(reflect.ValueOf(c).Elem())
	if root != nil {
		d.value("", root, reflect.ValueOf(c).Elem())
	}
}

// setDefaults gives each field of a struct what its tag says.
func setDefaults(v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		if text, ok := field.Tag.Lookup("default"); ok {
			if err := setScalar(v.Field(i), text); err != nil {
				panic("gateway: default of " + field.Name + ": " + err.Error())
			}
		} else if field.Type.Kind() == reflect.Struct && !isDecodable(field.Type) {
			setDefaults(v.Field(i))
		}
	}
}

func isDecodable(t reflect.Type) bool { return reflect.PointerTo(t).Implements(decodableType) }

var decodableType = reflect.TypeFor[decodable]()

// value decodes one node into v, whatever that is.
func (d *decoder) value(key string, n ast.Node, v reflect.Value) {
	if d.indirect(key, n) {
		return
	}
	if custom, ok := v.Addr().Interface().(decodable); ok {
		custom.decodeYAML(d, key, n)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(key, n, v)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		setDefaults(v.Elem())
		d.value(key, n, v.Elem())
	case reflect.Slice:
		d.list(key, n, v)
	case reflect.Map:
		d.table(key, n, v)
	default:
		d.scalar(key, n, v)
	}
}

// indirect refuses YAML's ways to say one thing in two places.
func (d *decoder) indirect(key string, n ast.Node) bool {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		d.fail(positionOf(n), key, "anchors, aliases and merge keys are not used in a configuration")
		return true
	case *ast.TagNode:
		d.fail(positionOf(n), key, "tags are not used in a configuration")
		return true
	}
	return false
}

func isNull(n ast.Node) bool {
	_, null := n.(*ast.NullNode)
	return null
}

// entry is one key of a mapping.
type entry struct {
	name  string
	at    Position
	value ast.Node
}

// entries are those of a mapping, each name once. A mapping that is empty
// because all in it is commented out has none.
func (d *decoder) entries(key string, n ast.Node) []entry {
	if isNull(n) {
		return nil
	}
	mapping, ok := n.(ast.MapNode)
	if !ok {
		d.fail(positionOf(n), key, "keys and values are expected here, not %s", describe(n))
		return nil
	}
	var all []entry
	seen := map[string]bool{}
	for iter := mapping.MapRange(); iter.Next(); {
		at := positionOf(iter.Key())
		name, ok := keyText(iter.Key())
		switch {
		case !ok:
			d.fail(at, key, "a key is plain text")
		case seen[name]:
			d.fail(at, key, "%q comes twice", clipText(name))
		default:
			seen[name] = true
			all = append(all, entry{name, at, iter.Value()})
		}
	}
	return all
}

func keyText(n ast.MapKeyNode) (string, bool) {
	switch k := n.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.BoolNode, *ast.FloatNode:
		return k.GetToken().Value, true
	}
	return "", false
}

func (d *decoder) structure(key string, n ast.Node, v reflect.Value) {
	if _, mapping := n.(ast.MapNode); !mapping && !isNull(n) {
		if first, ok := shorthand(v); ok {
			d.value(key, n, first)
			return
		}
	}
	for _, e := range d.entries(key, n) {
		at := join(key, e.name)
		field, ok := fieldNamed(v, e.name)
		if !ok {
			d.fail(e.at, key, "there is no key %q here%s", clipText(e.name), suggest(e.name, v.Type()))
			continue
		}
		d.at[at] = e.at
		d.value(at, e.value, field)
	}
}

// shorthand: a store may be its URL alone.
func shorthand(v reflect.Value) (reflect.Value, bool) {
	if v.Type() == reflect.TypeFor[Store]() {
		return v.Field(0), true
	}
	return reflect.Value{}, false
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// indexKey is the key of an element of a list.
func indexKey(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }

// yamlName is the key of a field, "" if it has none.
func yamlName(f reflect.StructField) string { return f.Tag.Get("yaml") }

func fieldNamed(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && yamlName(f) == name && name != "" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// suggest names the key that was meant, or all that there are.
func suggest(name string, t reflect.Type) string {
	var names []string
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && yamlName(f) != "" {
			names = append(names, yamlName(f))
		}
	}
	return suggestFrom(name, names)
}

func suggestFrom(name string, names []string) string {
	for _, known := range names {
		if near(strings.ToLower(name), known) {
			return fmt.Sprintf("; did you mean %s?", known)
		}
	}
	return "; the keys are " + strings.Join(names, ", ")
}

// near reports whether one letter is wrong, missing or too many, or only the
// separators differ.
func near(a, b string) bool {
	plain := strings.NewReplacer("_", "", "-", "").Replace
	if plain(a) == plain(b) || plain(a)+"s" == plain(b) || plain(a) == plain(b)+"s" {
		return true
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || len(a) < 3 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) {
		return a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	}
	return a[i:] == b[i+1:]
}

func (d *decoder) list(key string, n ast.Node, v reflect.Value) {
	if isNull(n) {
		return
	}
	sequence, ok := n.(*ast.SequenceNode)
	if !ok && v.Type().Elem().Kind() == reflect.String {
		v.Set(reflect.MakeSlice(v.Type(), 1, 1)) // one is a list of one
		d.scalar(key, n, v.Index(0))
		return
	}
	if !ok {
		d.fail(positionOf(n), key, "a list is expected here (- ...), not %s", describe(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(sequence.Values), len(sequence.Values)))
	for i, element := range sequence.Values {
		at := indexKey(key, i)
		d.at[at] = positionOf(element)
		if v.Index(i).Kind() == reflect.Struct {
			setDefaults(v.Index(i))
		}
		d.value(at, element, v.Index(i))
	}
}

func (d *decoder) table(key string, n ast.Node, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(key, n) {
		at := key + "[" + e.name + "]"
		d.at[at] = e.at
		element := reflect.New(v.Type().Elem()).Elem()
		setDefaults(element)
		d.value(at, e.value, element)
		v.SetMapIndex(reflect.ValueOf(e.name), element)
	}
}

// scalar decodes text, a number or a time.
func (d *decoder) scalar(key string, n ast.Node, v reflect.Value) {
	text, ok := d.text(key, n)
	if !ok {
		return
	}
	if err := setScalar(v, text); err != nil {
		d.fail(positionOf(n), key, "%v, not %q", err, clipText(text))
		return
	}
	d.at[key] = positionOf(n)
}

func clipText(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "..."
	}
	return s
}

// text is a scalar with its references replaced.
func (d *decoder) text(key string, n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return d.expand(key, n, s.Value)
	case *ast.LiteralNode:
		return d.expand(key, n, s.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
		d.fail(positionOf(n), key, "the value is missing")
		return "", false
	}
	if !d.indirect(key, n) {
		d.fail(positionOf(n), key, "one value is expected here, not %s", describe(n))
	}
	return "", false
}

// maxReplaced bounds what ${file:X} reads: a path, a name, a URL.
const maxReplaced = 64 << 10

// expand replaces ${env:X} and ${file:X}. What comes in is not looked at again.
func (d *decoder) expand(key string, n ast.Node, text string) (string, bool) {
	var out strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "${")
		out.WriteString(before)
		if !found {
			return out.String(), true
		}
		reference, tail, closed := strings.Cut(after, "}")
		if !closed {
			d.fail(positionOf(n), key, "${ without }")
			return "", false
		}
		value, err := d.reference(reference)
		if err != nil {
			d.fail(positionOf(n), key, "${%s}: %v", clipText(reference), err)
			return "", false
		}
		if strings.HasPrefix(reference, "file:") {
			d.quoted[key] = text
		}
		out.WriteString(value)
		rest = tail
	}
}

func (d *decoder) reference(reference string) (string, error) {
	kind, name, _ := strings.Cut(reference, ":")
	switch kind {
	case "env":
		value, ok := d.env(name)
		if !ok {
			return "", errors.New("the environment has no such variable")
		}
		return value, nil
	case "file":
		if !filepath.IsAbs(name) {
			name = filepath.Join(d.dir, name)
		}
		d.files = append(d.files, name)
		content, err := readBounded(name, maxReplaced)
		if pathError, ok := errors.AsType[*os.PathError](err); ok {
			err = pathError.Err
		}
		if err == nil && !utf8.Valid(content) {
			err = errors.New("not text")
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), err
	}
	return "", errors.New("only ${env:NAME} and ${file:PATH} are known")
}

// setScalar reads text by the type of v.
func setScalar(v reflect.Value, text string) error {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		duration, err := ParseDuration(text)
		v.SetInt(int64(duration))
		return err
	}
	if own, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return own.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("true or false is expected here")
		}
		v.SetBool(text == "true")
	case reflect.Int:
		number, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
		if err != nil || number < 0 {
			return errors.New("a number is expected here")
		}
		v.SetInt(int64(number))
	default:
		return fmt.Errorf("%s cannot be configured", v.Type())
	}
	return nil
}

// ParseDuration reads a time such as 30s, 12h or 7d.
func ParseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil && n < 100_000 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	duration, err := time.ParseDuration(text)
	if err != nil || duration < 0 {
		return 0, errors.New("a time such as 30s, 12h or 7d is expected here")
	}
	return duration, nil
}

func describe(n ast.Node) string {
	switch n.(type) {
	case ast.MapNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	}
	return fmt.Sprintf("%q", clipText(strings.TrimSpace(n.String())))
}
