// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/security/acl"
)

// The rules of docs/access.md are rules, and say what the tests beside them
// expect.
func TestAccessGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	var rules *heldRules
	asked := 0
	for _, block := range regexp.MustCompile("(?s)```(acl|yaml)\n(.*?)```").FindAllStringSubmatch(string(guide), -1) {
		b := testBench()
		b.in = strings.NewReader(block[2])
		if block[1] == "acl" {
			list, err := b.readRules("-", "text", acl.Who{})
			if err != nil {
				t.Fatalf("%s%v", block[2], err)
			}
			if rules, err = newHeldRules(heldIn(list, "docs/access.md")); err != nil {
				t.Fatal(err)
			}
			continue
		}
		tests, err := b.readPolicyTests("-")
		if err != nil {
			t.Fatalf("%s%v: %s", block[2], err, asFailure("", err).detail)
		}
		for i := range tests {
			asked++
			if ok, err := b.runTest(&aclTest{file: "docs/access.md"}, rules, &tests[i]); !ok || err != nil {
				t.Errorf("%s: %v, %v", tests[i].String(), ok, err)
			}
		}
	}
	if asked < 15 {
		t.Errorf("%d tests in the guide", asked)
	}
}
