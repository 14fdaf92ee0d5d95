// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The commands of README.md's "Five minutes" are those that testdata/readme.txtar,
// readmedevice.txtar and libcoap.txtar run: the same words, but for the ports and for where the server says that it
// is ready.
func TestReadmeTour(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var script []byte
	for _, name := range []string{"testdata/readme.txtar", "testdata/readmedevice.txtar", "testdata/libcoap.txtar"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		script = append(script, text...)
	}
	_, tour, found := strings.Cut(string(readme), "\n## Five minutes\n")
	if !found {
		t.Fatal("README.md has no Five minutes")
	}
	tour, _, _ = strings.Cut(tour, "\n## ")
	ports := strings.NewReplacer(":$SECURE_PORT", "", ":$PLAIN_PORT", "")
	run := ports.Replace(string(script))
	run = regexp.MustCompile(`(?m)^exec (sh -c ')?`).ReplaceAllString(run, "")
	run = regexp.MustCompile(`(?m)^fails \S+ \S+ `).ReplaceAllString(run, "coaps ")
	commands := regexp.MustCompile("`((?:coaps (?:serve|get|observe|put|connect|ping|config|device|psk|acl|session)|coap-client)[^`]*)`").FindAllStringSubmatch(tour, -1)
	if len(commands) < 23 {
		t.Errorf("%d commands in the tour", len(commands))
	}
	for _, command := range commands {
		if !strings.Contains(run, "\n"+command[1]) {
			t.Errorf("no script runs %s", command[1])
		}
	}
}
