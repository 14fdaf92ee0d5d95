// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"
)

// ShowJSON is Show as JSON: an object with the same keys in the same order. Times
// and rules are texts, as they are in the file.
func (c *Config) ShowJSON() (json.RawMessage, error) {
	var tree yaml.MapSlice
	if err := yaml.UnmarshalWithOptions([]byte(c.Show()), &tree, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("gateway: what Show has written cannot be read: %w", err)
	}
	return appendJSON(nil, tree)
}

// appendJSON writes what the parser of YAML makes of a text, in its order.
func appendJSON(dst []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case yaml.MapSlice:
		dst = append(dst, '{')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendJSON(dst, fmt.Sprint(item.Key)); err != nil {
				return nil, err
			}
			if dst, err = appendJSON(append(dst, ':'), item.Value); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendJSON(dst, item); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	}
	text, err := json.Marshal(v)
	return append(dst, text...), err
}
