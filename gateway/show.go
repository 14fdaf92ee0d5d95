// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Show is the configuration in force as YAML, with every default written out. The
// password of a URL is hidden, and where the file has a ${file:...} that stands
// there.
func (c *Config) Show() string {
	var b strings.Builder
	c.show(&b, reflect.ValueOf(c).Elem(), "", 0)
	return b.String()
}

func (c *Config) show(b *strings.Builder, v reflect.Value, key string, depth int) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.IsExported() && yamlName(f) != "" {
			c.showField(b, f, v.Field(i), join(key, yamlName(f)), depth)
		}
	}
}

func (c *Config) showField(b *strings.Builder, f reflect.StructField, v reflect.Value, key string, depth int) {
	indent := strings.Repeat("  ", depth)
	name := indent + yamlName(f) + ":"
	switch value := v.Interface().(type) {
	case Limits:
		showLimits(b, name, indent, &value)
		return
	case Rules:
		showRules(b, name, indent, value)
		return
	}
	switch {
	case v.Kind() == reflect.Struct:
		fmt.Fprintln(b, name)
		c.show(b, v, key, depth+1)
	case v.Kind() == reflect.Pointer && v.IsNil():
	case v.Kind() == reflect.Pointer:
		fmt.Fprintln(b, name)
		c.show(b, v.Elem(), key, depth+1)
	case v.Kind() == reflect.Map:
		c.showMap(b, name, v, key, depth)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		c.showList(b, name, v, key, depth)
	case v.Kind() == reflect.Slice:
		var texts []string
		for i := range v.Len() {
			texts = append(texts, c.valueText(f, v.Index(i), key+"["+strconv.Itoa(i)+"]"))
		}
		fmt.Fprintf(b, "%s [%s]\n", name, strings.Join(texts, ", "))
	default:
		fmt.Fprintf(b, "%s %s\n", name, c.valueText(f, v, key))
	}
}

func (c *Config) showMap(b *strings.Builder, name string, v reflect.Value, key string, depth int) {
	if v.Len() == 0 {
		fmt.Fprintln(b, name, "{}")
		return
	}
	fmt.Fprintln(b, name)
	for _, one := range sortedKeys(v) {
		fmt.Fprintf(b, "%s%s:\n", strings.Repeat("  ", depth+1), yamlText(one))
		c.show(b, v.MapIndex(reflect.ValueOf(one)), key+"["+one+"]", depth+2)
	}
}

func (c *Config) showList(b *strings.Builder, name string, v reflect.Value, key string, depth int) {
	if v.Len() == 0 {
		fmt.Fprintln(b, name, "[]")
		return
	}
	fmt.Fprintln(b, name)
	for i := range v.Len() {
		var one strings.Builder
		c.show(&one, v.Index(i), key+"["+strconv.Itoa(i)+"]", depth+2)
		indent := strings.Repeat("  ", depth+2)
		b.WriteString(indent[2:] + "- " + strings.TrimPrefix(one.String(), indent))
	}
}

func showLimits(b *strings.Builder, name, indent string, l *Limits) {
	fmt.Fprintln(b, name)
	for i := range LimitTable {
		text := LimitTable[i].text(l)
		if text == "" {
			text = LimitTable[i].defaultText()
		}
		if text != "" {
			fmt.Fprintf(b, "%s  %s: %s\n", indent, LimitTable[i].Name, text)
		}
	}
}

func showRules(b *strings.Builder, name, indent string, rules Rules) {
	if len(rules) == 0 {
		fmt.Fprintln(b, name, "[]")
		return
	}
	fmt.Fprintln(b, name)
	for _, rule := range rules {
		fmt.Fprintf(b, "%s  - %s\n", indent, yamlText(rule.String()))
	}
}

// valueText is one value, hidden where it has to be.
func (c *Config) valueText(f reflect.StructField, v reflect.Value, key string) string {
	if quoted, ok := c.source.quoted[key]; ok {
		return yamlText(quoted)
	}
	switch value := v.Interface().(type) {
	case time.Duration:
		return durationText(value)
	case string:
		if f.Tag.Get("secret") == "url" {
			value = hidePassword(value)
		}
		return yamlText(value)
	}
	return fmt.Sprint(v.Interface())
}

// durationText is what ParseDuration reads, without the zeros of 1h0m0s.
func durationText(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// hidePassword replaces the password of a URL. What cannot be taken apart is
// hidden as a whole behind its scheme.
func hidePassword(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil || strings.Contains(u.RawQuery, "@") || u.Opaque != "" {
		scheme, _, _ := strings.Cut(text, ":")
		return scheme + ":(hidden)"
	}
	return u.Redacted()
}

// yamlText is a string as a YAML scalar: plain where that means the same,
// otherwise in double quotes, of which JSON's are a part.
func yamlText(s string) string {
	if plainYAML(s) {
		return s
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s)
	return strings.TrimSuffix(b.String(), "\n")
}

func plainYAML(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '/' || r == '_'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '.' || r == '-' || r == '+')) {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "", "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return false
	}
	return true
}
