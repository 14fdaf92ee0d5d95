// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/coaps-go/coaps/security/acl"
)

// aifEntry is an entry of AIF in CBOR: an array of a path and the bits of the
// methods (RFC 9237 section 3).
type aifEntry struct {
	_    struct{} `cbor:",toarray"`
	Path string
	Bits uint64
}

// parseAIF reads the permissions of one subject as rules for it.
func parseAIF(what, form string, data []byte, who acl.Who) ([]acl.Rule, error) {
	decode := decodeAIF
	if form == "aif-cbor" {
		decode = decodeAIFCBOR
	}
	permissions, bad := decode(data)
	if len(bad) > 0 {
		return nil, fail("bad_lines", what, "%v", bad[0]).because(errors.Join(bad...)).
			try("RFC 9237: an array of [\"/path\", number], the number made of GET 1, POST 2, PUT 4, DELETE 8, FETCH 16, PATCH 32, iPATCH 64")
	}
	rules, err := acl.RulesOf(who, permissions)
	if err != nil {
		return nil, fail("bad_rule", what, "%v", err).because(err)
	}
	return rules, nil
}

func decodeAIF(data []byte) (permissions []acl.Permission, bad []error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(data, &elements); err != nil {
		return nil, []error{err}
	}
	for i, element := range elements {
		var p acl.Permission
		if err := json.Unmarshal(element, &p); err != nil {
			bad = append(bad, fmt.Errorf("entry %d: %w", i+1, err))
			continue
		}
		permissions = append(permissions, p)
	}
	return permissions, bad
}

func decodeAIFCBOR(data []byte) (permissions []acl.Permission, bad []error) {
	var entries []aifEntry
	if err := cbor.Unmarshal(data, &entries); err != nil {
		return nil, []error{err}
	}
	for i, entry := range entries {
		p, err := acl.NewPermission(entry.Path, entry.Bits)
		if err != nil {
			bad = append(bad, fmt.Errorf("entry %d: %w", i+1, err))
			continue
		}
		permissions = append(permissions, p)
	}
	return permissions, bad
}

// encodeAIF writes permissions in JSON or CBOR.
func encodeAIF(form string, permissions []acl.Permission) ([]byte, error) {
	if form == "aif-cbor" {
		entries := make([]aifEntry, len(permissions))
		for i, p := range permissions {
			entries[i] = aifEntry{Path: p.Path, Bits: p.Bits()}
		}
		return cbor.Marshal(entries)
	}
	if permissions == nil {
		permissions = []acl.Permission{} // an empty list, not null
	}
	data, err := json.Marshal(permissions)
	return append(data, '\n'), err
}
