// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"

	"github.com/fxamacker/cbor/v2"
)

// cborToJSON follows the advice of RFC 8949 section 6.1: byte strings become base64url,
// keys that are not text become their text form, tags are dropped, and what has
// no JSON form becomes null.
func cborToJSON(payload []byte) ([]byte, error) {
	var value any
	if err := cbor.Unmarshal(payload, &value); err != nil {
		return nil, fmt.Errorf("the payload is not CBOR: %w", err)
	}
	return json.Marshal(jsonValue(value))
}

// jsonValue converts one decoded item. The decoder bounds the nesting.
func jsonValue(value any) any {
	switch v := value.(type) {
	case map[any]any:
		object := make(map[string]any, len(v))
		for key, item := range v {
			object[jsonMapKey(key)] = jsonValue(item)
		}
		return object
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = jsonValue(item)
		}
		return list
	case []byte:
		return base64.RawURLEncoding.EncodeToString(v)
	case cbor.ByteString:
		return base64.RawURLEncoding.EncodeToString([]byte(v))
	case cbor.Tag:
		return jsonValue(v.Content)
	case cbor.SimpleValue:
		return nil
	case big.Int:
		return json.Number(v.String())
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	}
	return value
}

func jsonMapKey(key any) string {
	if text, ok := key.(string); ok {
		return text
	}
	return fmt.Sprint(jsonValue(key))
}
