// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// publicComparisons are the functions that may compare byte strings in
// variable time, as what they compare crosses the network in plaintext.
var publicComparisons = map[string]string{
	"addCertTypes":    "certificate types of our own offer",
	"rewindForCookie": "the cookie that a server sent us",
	"onServerHello":   "the randoms of both hellos",
	"RepeatsHello":    "the random of a hello",
	"issuedByOne":     "names of certificate authorities",
}

// Secrets are compared in constant time: whatever compares byte strings in
// another way is on a short list with the reason, and Finished and cookies are
// not.
//
// Pitfall W8: subtle.ConstantTimeCompare for Finished and cookie
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	constant := map[string]bool{}
	for _, folder := range []string{".", "internal/wire", "internal/suite", "internal/record", "internal/flight", "internal/hs", "internal/v12"} {
		eachCall(t, folder, func(function, call string) {
			switch call {
			case "bytes.Equal", "bytes.Compare", "slices.Equal", "reflect.DeepEqual", "strings.EqualFold":
				if publicComparisons[function] == "" {
					t.Errorf("%s: %s calls %s", folder, function, call)
				}
			case "subtle.ConstantTimeCompare":
				constant[function] = true
			}
		})
	}
	for _, function := range []string{"finishedMatches", "verify"} {
		if !constant[function] {
			t.Errorf("%s does not compare in constant time", function)
		}
	}
}

// eachCall calls f with each call of a package's function in the files of a
// folder.
func eachCall(t *testing.T, folder string, f func(function, call string)) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", folder, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				ast.Inspect(fn, func(n ast.Node) bool {
					if call := calledOf(n); call != "" {
						f(fn.Name.Name, call)
					}
					return true
				})
			}
		}
	}
}

// calledOf is the name of a called function, package and all, or empty.
func calledOf(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return ""
	}
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + s.Sel.Name
}
