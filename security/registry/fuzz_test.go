// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// What is read is JSON and nothing else; what is written is read as the same.
func FuzzParseDevice(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `{"name":"a"}`, `{"name":"a","psk":[{"id":"1","identity":"0x00","key":"hex:00","nodes":["x"],"not-after":"2026-01-01T00:00:00Z"}]}`,
		`{"name":"\u00fc","label":"\\\"","groups":["a","b"],"disabled":true,"last-id":7}`, `{"name":"a","rpk":[{"name":"ni:///sha-256-120;UyaQV-Ev4rdLoHyJJWCi"}]}`,
		`{"name":"a","certificate":[{"uri":"urn:x","issuer":"CN=y"}],"token":[{"sha256":"00"}]}`, `{"name":1}`, `{"a":[[[[[[[[[[[[[[]]]]]]]]]]]]]]}`, `{"name":"a",}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := parseTree(data)
		if err == nil && !json.Valid(data) {
			t.Fatal("read what is no JSON")
		}
		if err != nil && json.Valid(data) && !strings.Contains(err.Error(), "twice") && !strings.Contains(err.Error(), "levels") && !strings.Contains(err.Error(), "UTF-8") {
			t.Fatal("did not read JSON:", err)
		}
		if err == nil {
			if again, err := parseTree(tree.appendJSON(nil)); err != nil || !bytes.Equal(again.appendJSON(nil), tree.appendJSON(nil)) {
				t.Fatal("written as something else", err)
			}
		}
		d, err := ParseDevice(data)
		if err != nil || d.Check() != nil {
			return
		}
		if err := d.normalize(noon); err != nil {
			t.Fatal(err)
		}
		text := d.AppendJSON(nil)
		again, err := ParseDevice(text)
		if err != nil || !bytes.Equal(again.AppendJSON(nil), text) || again.Check() != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for i := range d.Credentials {
			if !strings.HasPrefix(string(d.Credentials[i].appendIndexKey(nil)), indexPrefix) || d.Credentials[i].what() == "" {
				t.Fatal("no index key")
			}
		}
	})
}

// Whatever file is read, each of its records can be.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(fileText))
	f.Add([]byte(`{"tenants":{"t":{"devices":{"a":{"psk":[{"key":"text:k"}]}}}},"acl":["deny anybody GET /"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := Records(data)
		if err != nil {
			if p, ok := errorsAs[*PathError](err); ok && !strings.HasPrefix(p.Path(), "$") {
				t.Fatal(p.Path())
			}
			return
		}
		seen := map[string]bool{}
		for _, record := range records {
			if seen[record.Key] {
				t.Fatalf("%s twice", record.Key)
			}
			seen[record.Key] = true
			switch record.Key[:2] {
			case devicePrefix:
				_, err = deviceOf(record)
			case groupPrefix:
				_, err = groupOf(record)
			case rulePrefix:
				_, err = ruleOf(record)
			default:
				if _, ok := parseReference(record.Value); !ok {
					t.Fatalf("%s: %s", record.Key, record.Value)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
