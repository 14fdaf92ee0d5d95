// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// clock is what of package time asks the machine's clock or waits for it. A
// pure package gets the time as an argument (tick.Time).
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// seeded is what of math/rand has no global state. A pure package gets its
// randomness as an argument; a generator with a seed of the caller's is fine.
var seeded = []string{"New", "NewSource", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "PCG", "ChaCha8"}

// checkPurity returns a complaint for each construct by which a package of
// the set would start something, wait for something or ask the machine.
func checkPurity(files []*file, pure []string) []string {
	var bad []string
	for _, f := range files {
		if f.test || !slices.Contains(pure, f.pkg) {
			continue
		}
		names := f.packageNames()
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if why := impure(n, names); why != "" {
				bad = append(bad, f.at(n.Pos())+": "+why)
			}
			return true
		})
	}
	return bad
}

// impure returns what is wrong with a node, "" if nothing is.
func impure(n ast.Node, names map[string]string) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "a goroutine is started"
	case *ast.ChanType:
		return "a channel type"
	case *ast.SelectStmt:
		return "a select statement"
	case *ast.SendStmt:
		return "a send statement"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "a receive operation"
		}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
			return "output by " + id.Name
		}
	case *ast.SelectorExpr:
		return impureSelector(n, names)
	}
	return ""
}

func impureSelector(n *ast.SelectorExpr, names map[string]string) string {
	id, ok := n.X.(*ast.Ident)
	if !ok {
		return ""
	}
	switch pkg := names[id.Name]; {
	case pkg == "time" && slices.Contains(clock, n.Sel.Name):
		return "time." + n.Sel.Name + " asks the clock"
	case strings.HasPrefix(pkg, "math/rand") && !slices.Contains(seeded, n.Sel.Name):
		return pkg + "." + n.Sel.Name + " is global randomness"
	case pkg == "fmt" && strings.HasPrefix(n.Sel.Name, "Print"):
		return "output by fmt." + n.Sel.Name
	}
	return ""
}

// packageNames maps the name by which the file calls a package to its path.
func (f *file) packageNames() map[string]string {
	names := map[string]string{}
	for _, spec := range f.syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := p[strings.LastIndex(p, "/")+1:]
		if p == "math/rand/v2" {
			name = "rand"
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}
