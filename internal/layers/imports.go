// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"fmt"
	"strings"
)

// outside lists, per package, what it may import beyond the standard library,
// golang.org/x and our own packages. The library packages have no row: their
// users inherit nothing.
var outside = map[string][]string{
	"cmd/coaps":         {"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/fxamacker/cbor/v2", "github.com/go-analyze/charts", "github.com/goccy/go-yaml", "filippo.io/age", "rsc.io/qr"},
	"gateway":           {"github.com/goccy/go-yaml", "filippo.io/age"},
	"store/file":        {"github.com/goccy/go-yaml"},
	"store/bolt":        {"go.etcd.io/bbolt"},
	"store/redis":       {"github.com/valkey-io/valkey-go"},
	"store/sealed":      {"filippo.io/age"},
	"internal/foreign":  {"github.com/fxamacker/cbor/v2", "github.com/goccy/go-yaml"},
	"internal/cosekey":  {"github.com/fxamacker/cbor/v2"},
	"internal/perf":     {"github.com/go-analyze/charts"},
	"internal/resource": {"github.com/fxamacker/cbor/v2"},
	"internal/load":     {"github.com/HdrHistogram/hdrhistogram-go"},
}

// checkImports returns a complaint for each import that the rules forbid and
// for each package that they do not know. Imports of test files are free, as
// long as the go tool accepts them.
func checkImports(files []*file, rules *Rules) []string {
	var bad []string
	unknown := map[string]bool{}
	for _, f := range files {
		if !rules.Knows(f.pkg) && !unknown[f.pkg] {
			unknown[f.pkg] = true
			bad = append(bad, fmt.Sprintf("%s: the policy does not name this package", f.pkg))
		}
		if f.test {
			continue
		}
		for imported, ours := range f.imports {
			if why := judge(rules, f.pkg, imported, ours); why != "" {
				bad = append(bad, fmt.Sprintf("%s: %s must not import %s: %s", f.name, f.pkg, imported, why))
			}
		}
	}
	return bad
}

// judge returns why the import is forbidden, "" if it is not.
func judge(rules *Rules, pkg, imported string, ours bool) string {
	switch {
	case rules.Bans(pkg, imported):
		return "a !< rule forbids it"
	case ours && !rules.Allows(pkg, imported):
		return "no rule orders it below"
	case !ours && !standard(imported) && !listed(pkg, imported):
		return "the library stands on the standard library and golang.org/x alone"
	}
	return ""
}

func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") || strings.HasPrefix(imported, "golang.org/x/")
}

func listed(pkg, imported string) bool {
	for _, p := range outside[pkg] {
		if imported == p || strings.HasPrefix(imported, p+"/") {
			return true
		}
	}
	return false
}
