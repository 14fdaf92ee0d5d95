// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"bytes"
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// Limits of size. What is longer hides more than one idea.
const (
	maxFileLines     = 600
	maxFunctionLines = 70
)

// header opens each Go file.
const header = "// Copyright 2026 The coaps Authors.\n// SPDX-License-Identifier: Apache-2.0\n\n"

// vague are package names that say nothing about what is inside.
var vague = []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "shared", "lib"}

// checkHeaders returns a complaint for each file without the licence header.
func checkHeaders(files []*file) []string {
	var bad []string
	for _, f := range files {
		if !bytes.HasPrefix(f.text, []byte(header)) {
			bad = append(bad, f.name+": does not begin with the licence header and an empty line")
		}
	}
	return bad
}

// checkNames returns a complaint for each package with a name that says nothing.
func checkNames(files []*file) []string {
	var bad []string
	for _, f := range files {
		name := strings.TrimSuffix(f.syntax.Name.Name, "_test")
		if slices.Contains(vague, name) || slices.ContainsFunc(vague, func(v string) bool { return strings.HasSuffix(f.pkg, "/"+v) }) {
			bad = append(bad, f.name+": package "+name+" has a name that says nothing")
		}
	}
	return bad
}

// checkSize returns a complaint for each file and function over the limits.
// Tables of a test may be long; its functions are not counted.
func checkSize(files []*file) []string {
	var bad []string
	for _, f := range files {
		if n := bytes.Count(f.text, []byte("\n")); n >= maxFileLines {
			bad = append(bad, fmt.Sprintf("%s: %d lines, the limit is %d", f.name, n, maxFileLines))
		}
		if f.test {
			continue
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.lines(fn); n > maxFunctionLines {
				bad = append(bad, fmt.Sprintf("%s: %s has %d lines, the limit is %d", f.at(fn.Pos()), fn.Name.Name, n, maxFunctionLines))
			}
		}
	}
	return bad
}

func (f *file) lines(n ast.Node) int {
	return f.fset.Position(n.End()).Line - f.fset.Position(n.Pos()).Line + 1
}

// insecureFolder is where the one way around verification lives, and
// insecureUsers may call it by its name.
const insecureFolder = "security/insecure"

var insecureUsers = []string{insecureFolder, "cmd/coaps"}

// checkInsecure returns a complaint for each name outside of security/insecure
// by which verification could be switched off, and for each use of the switch
// of crypto/tls. The command may name its own flag so.
func checkInsecure(files []*file) []string {
	var bad []string
	for _, f := range files {
		if f.test || slices.Contains(insecureUsers, f.pkg) || f.pkg == "internal/layers" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && strings.Contains(strings.ToLower(id.Name), "insecure") {
				bad = append(bad, f.at(id.Pos())+": the name "+id.Name+" belongs to "+insecureFolder)
			}
			return true
		})
	}
	return bad
}
