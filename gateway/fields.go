// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// each calls visit for every field of a configuration that holds a value, not
// those that hold further fields, with its key. Elements of lists of structs and of maps have
// keys such as listen[0].addr and hosts[a.example].identity.cert.
func each(v reflect.Value, key string, visit func(key string, f reflect.StructField, v reflect.Value)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || yamlName(f) == "" {
			continue
		}
		within(join(key, yamlName(f)), f, v.Field(i), visit)
	}
}

func within(key string, f reflect.StructField, v reflect.Value, visit func(string, reflect.StructField, reflect.Value)) {
	switch {
	case isDecodable(v.Type()):
		visit(key, f, v)
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			each(v.Elem(), key, visit)
		}
	case v.Kind() == reflect.Struct:
		each(v, key, visit)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			each(v.Index(i), key+"["+strconv.Itoa(i)+"]", visit)
		}
	case v.Kind() == reflect.Map:
		for _, name := range sortedKeys(v) {
			each(v.MapIndex(reflect.ValueOf(name)), key+"["+name+"]", visit)
		}
	default:
		visit(key, f, v)
	}
}

func sortedKeys(v reflect.Value) []string {
	names := map[string]bool{}
	for _, k := range v.MapKeys() {
		names[k.String()] = true
	}
	return slices.Sorted(maps.Keys(names))
}
