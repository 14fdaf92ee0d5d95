// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps/internal/load"
)

func benchDocs(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/bench.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every flag that docs/bench.md and the README name is one, and every flag of a
// load is in the help of a command that exists.
func TestBenchDocsFlags(t *testing.T) {
	a := &app{streams: processStreams()}
	known := map[string]bool{}
	for _, cmd := range append(a.benchCommand().Commands(), a.serveCommand(), a.rootCommand()) {
		add := func(f *pflag.Flag) { known[f.Name] = true }
		cmd.Flags().VisitAll(add)
		cmd.PersistentFlags().VisitAll(add)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Putting a load on it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	flags := regexp.MustCompile(`--([a-z][-a-z]+)`).FindAllStringSubmatch(benchDocs(t)+section, -1)
	if len(flags) < 30 || len(section) < 100 {
		t.Errorf("%d flags in the documents", len(flags))
	}
	known["help"] = true // made by cobra when a command runs
	for _, flag := range flags {
		if !known[flag[1]] {
			t.Errorf("there is no --%s", flag[1])
		}
	}
	for _, kind := range regexp.MustCompile(`coaps bench ([a-z]+) `).FindAllStringSubmatch(benchDocs(t)+section, -1) {
		if !slices.ContainsFunc(a.benchCommand().Commands(), func(c *cobra.Command) bool { return c.Name() == kind[1] }) {
			t.Errorf("there is no coaps bench %s", kind[1])
		}
	}
}

// Every field of the JSON that docs/bench.md names is there, and none that is
// there is left out.
func TestBenchDocsFields(t *testing.T) {
	b := sampleBench(nil)
	b.security = &securityReport{version: "DTLS 1.2"}
	r := sampleReport()
	r.Sessions = &load.SessionsReport{BytesPerSession: 1, ClientBytesPerSession: 1}
	r.Interrupted, r.Unfinished, r.Overdue, r.Drained = true, 1, 1, 1
	r.Config.Suite, r.Handshakes.Slow = "TLS_PSK_WITH_AES_128_CCM_8", 1
	r.Config.Rate, r.Config.Loss, r.Config.Reorder = 1, 1, 1
	r.Series[0].Failures, r.Latency.AtLeast = 1, 1
	text, err := json.Marshal(b.json(r, fail("timeout", "", "")))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	collect(all, fields)
	_, table, _ := strings.Cut(benchDocs(t), "\n## For scripts\n")
	table, _, _ = strings.Cut(table, "\n| exit code")
	for _, name := range regexp.MustCompile("`([a-z][a-z0-9_]*)`").FindAllStringSubmatch(table, -1) {
		if !fields[name[1]] && name[1] != "_us" {
			t.Errorf("the JSON has no %s", name[1])
		}
	}
	for name := range all {
		if !strings.Contains(table, "`"+name+"`") {
			t.Errorf("docs/bench.md does not name %s", name)
		}
	}
}

func collect(value any, into map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			into[name] = true
			collect(inner, into)
		}
	case []any:
		for _, inner := range v {
			collect(inner, into)
		}
	}
}

// The exit codes of docs/bench.md are those of the reasons.
func TestBenchDocsExits(t *testing.T) {
	_, table, _ := strings.Cut(benchDocs(t), "\n| exit code")
	for _, reason := range []string{"too_many_failures", "only_errors", "not_resolved", "refused", "timeout", "bad_psk_or_unknown_identity", "rpk_not_pinned", "usage", "setup", "interrupted"} {
		code := strconv.Itoa(lookupReason(reason).exit)
		if !regexp.MustCompile(`(?m)^\| [0-9, ]*\b` + code + `\b`).MatchString(table) {
			t.Errorf("docs/bench.md does not name exit code %s of %s", code, reason)
		}
	}
}

// Each member of a report, and of its parts about handshakes and sessions, stands in the table
// of docs/bench.md.
func TestBenchDocsMembers(t *testing.T) {
	_, section, _ := strings.Cut(benchDocs(t), "\n## For scripts\n")
	for _, part := range []reflect.Type{reflect.TypeFor[load.Report](), reflect.TypeFor[load.HandshakeReport](), reflect.TypeFor[load.SessionsReport]()} {
		for field := range part.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("%s.%s: the page does not have %s", part.Name(), field.Name, name)
			}
		}
	}
}
