// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
)

// inForce are the keys that a new configuration file has; the others are there as
// comments, with their defaults or an example.
var inForce = map[string]bool{
	"listen": true, "listen.addr": true, "listen.security": true,
	"store": true, "store.url": true, "acl": true, "acl.on-revoke": true,
	"resources": true, "resources.hello": true, "resources.time": true, "resources.whoami": true,
	"resources.store": true, "resources.store.path": true,
	"log": true, "log.level": true,
}

// Template is a configuration file that explains itself. It is what `coaps config
// init` writes, and it can be served as it is: on the secure port alone, to
// the devices that are added to its store, with the rights that they are given.
func Template() string {
	var b strings.Builder
	b.WriteString(`# Configuration of "coaps serve --config FILE". Lines that begin with # are what
# else there is, with the default or an example. Unknown keys are refused; "coaps config
# check FILE" looks at everything, "coaps reload" has a running server read it
# again. Paths are relative to this file. ${env:NAME} and ${file:PATH} in a value
# are replaced.
`)
	writeTemplate(&b, reflect.TypeFor[Config](), "", 0, true)
	return b.String()
}

// writeTemplate writes the fields of t; without live all of them are comments.
func writeTemplate(b *strings.Builder, t reflect.Type, key string, depth int, live bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || yamlName(f) == "" {
			continue
		}
		at := join(key, yamlName(f))
		if depth == 0 {
			b.WriteString("\n")
		}
		writeComment(b, f.Tag.Get("doc"), depth)
		writeTemplateField(b, f, at, depth, live && inForce[at])
	}
}

func writeTemplateField(b *strings.Builder, f reflect.StructField, key string, depth int, live bool) {
	indent, mark := strings.Repeat("  ", depth), ""
	if !live {
		mark = "#"
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[Limits]():
		fmt.Fprintf(b, "%s%s%s:\n", indent, mark, yamlName(f))
		for _, one := range LimitTable {
			fmt.Fprintf(b, "%s  #%s: %s # %s\n", indent, one.Name, cmp.Or(one.Default, "1"), one.Help)
		}
	case isDecodable(t):
		fmt.Fprintf(b, "%s%s%s: %s\n", indent, mark, yamlName(f), f.Tag.Get("example"))
	case t.Kind() == reflect.Struct:
		fmt.Fprintf(b, "%s%s%s:\n", indent, mark, yamlName(f))
		writeTemplate(b, t, key, depth+1, live)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		fmt.Fprintf(b, "%s%s%s:\n", indent, mark, yamlName(f))
		b.WriteString(listTemplate(t.Elem(), key, depth, live))
	case t.Kind() == reflect.Map:
		fmt.Fprintf(b, "%s%s%s:\n%s  #gw.example.net:\n%s    # identity and clients, as above\n", indent, mark, yamlName(f), indent, indent)
	default:
		value := f.Tag.Get("example")
		if text, ok := f.Tag.Lookup("default"); ok && value == "" {
			value = text
		}
		fmt.Fprintf(b, "%s%s%s: %s\n", indent, mark, yamlName(f), value)
	}
}

// listTemplate is one element of a list, "- " before its first key.
func listTemplate(t reflect.Type, key string, depth int, live bool) string {
	var one strings.Builder
	writeTemplate(&one, t, key, depth+2, live)
	indent := strings.Repeat("  ", depth+2)
	first := true
	var b strings.Builder
	for line := range strings.Lines(one.String()) {
		text := strings.TrimPrefix(line, indent)
		comment := strings.HasPrefix(text, "# ")
		if first && !comment {
			text = strings.TrimPrefix(text, "#")
			mark := ""
			if !live {
				mark = "#"
			}
			b.WriteString(indent[2:] + mark + "- " + text)
			first = false
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// writeComment writes text in lines of some 90 characters.
func writeComment(b *strings.Builder, text string, depth int) {
	const width = 90
	line := strings.Repeat("  ", depth) + "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = strings.Repeat("  ", depth) + "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

// Reference is the tables of all keys, as Markdown, for the page of the manual.
func Reference() string {
	var b strings.Builder
	referenceTable(&b, reflect.TypeFor[Config](), "", "")
	return b.String()
}

// referenceTable writes the table of one mapping and then those of the mappings in
// it.
func referenceTable(b *strings.Builder, t reflect.Type, key, doc string) {
	if key != "" {
		fmt.Fprintf(b, "\n### `%s`\n\n%s.\n", key, sentence(doc))
	}
	b.WriteString("\n| key | default | meaning |\n| --- | --- | --- |\n")
	var inner []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || yamlName(f) == "" {
			continue
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", yamlName(f), code(f.Tag.Get("default")), strings.ReplaceAll(f.Tag.Get("doc"), "|", "\\|"))
		if _, ok := fieldsOf(f.Type); ok || f.Type == reflect.TypeFor[Limits]() {
			inner = append(inner, f)
		}
	}
	for _, f := range inner {
		at := join(key, yamlName(f))
		if f.Type == reflect.TypeFor[Limits]() {
			referenceLimits(b, at, f.Tag.Get("doc"))
			continue
		}
		of, _ := fieldsOf(f.Type)
		switch f.Type.Kind() {
		case reflect.Slice:
			at += "[]"
		case reflect.Map:
			at += ".NAME"
		}
		if key == "hosts.NAME" {
			fmt.Fprintf(b, "\n`%s` is as [`%s`](#%s).\n", at, yamlName(f), yamlName(f))
			continue
		}
		referenceTable(b, of, at, f.Tag.Get("doc"))
	}
}

// fieldsOf is the struct in a type, if there is one.
func fieldsOf(t reflect.Type) (reflect.Type, bool) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer || t.Kind() == reflect.Map {
		if isDecodable(t) {
			return nil, false
		}
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct && !isDecodable(t)
}

func referenceLimits(b *strings.Builder, key, doc string) {
	fmt.Fprintf(b, "\n### `%s`\n\n%s. Rates: 0 is no limit.\n\n| key | default | meaning |\n| --- | --- | --- |\n", key, sentence(doc))
	for _, one := range LimitTable {
		value := one.Default
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", one.Name, value, one.Help)
	}
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
