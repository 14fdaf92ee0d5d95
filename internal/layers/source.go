// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// module is the path that our import clauses begin with, and root the name
// that the policy gives to the package at the top.
const (
	module = "github.com/coaps-go/coaps"
	root   = "coaps"
)

// file is one Go file of the module, whatever its build constraints say.
type file struct {
	name   string // slash-separated, relative to the module
	pkg    string // the name that the policy uses for its folder
	test   bool
	text   []byte
	syntax *ast.File
	fset   *token.FileSet
}

// load parses every Go file of the module in tree. Folders that the go tool
// ignores, and modules of their own, are left out.
func load(tree fs.FS) ([]*file, error) {
	var files []*file
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skipDir(tree, name)
		case path.Ext(name) != ".go":
			return nil
		}
		f, err := loadFile(tree, name)
		if err == nil {
			files = append(files, f)
		}
		return err
	})
	return files, err
}

func skipDir(tree fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func loadFile(tree fs.FS, name string) (*file, error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	pkg := path.Dir(name)
	if pkg == "." {
		pkg = root
	}
	return &file{
		name:   name,
		pkg:    pkg,
		test:   strings.HasSuffix(name, "_test.go"),
		text:   text,
		syntax: syntax,
		fset:   fset,
	}, nil
}

// imports returns the import paths of the file; ours are given by the name
// that the policy uses, with ours true.
func (f *file) imports(yield func(path string, ours bool) bool) {
	for _, spec := range f.syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name, ours := ourName(p)
		if !yield(name, ours) {
			return
		}
	}
}

func ourName(importPath string) (string, bool) {
	if importPath == module {
		return root, true
	}
	if rest, ok := strings.CutPrefix(importPath, module+"/"); ok {
		return rest, true
	}
	return importPath, false
}

// at names a place of the file for a complaint.
func (f *file) at(pos token.Pos) string {
	p := f.fset.Position(pos)
	return p.Filename + ":" + strconv.Itoa(p.Line)
}
