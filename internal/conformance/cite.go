// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// Citations is what the tests of the module say of themselves.
type Citations struct {
	Proofs   []Proof
	Pitfalls []PitfallTest
	Bad      []string // comments that begin like a citation and are none
}

// Proof is one comment of the form
//
//	Proves rfc6347 §4.1.2.6: "The receiver ..."
type Proof struct {
	RFC, Section, Quote string
	Test                Test
}

// PitfallTest is one comment of the form
//
//	Pitfall P7, O6: what is checked
type PitfallTest struct {
	IDs  []string
	Test Test
}

// Test names a test function.
type Test struct {
	Package string // folder, relative to the module
	Name    string
	File    string
	Line    int // of the comment
}

func (t Test) String() string { return t.Package + " " + t.Name }

// ReadCitations reads the comments of all test files in the module.
func ReadCitations(module fs.ReadFileFS) (*Citations, error) {
	c := &Citations{}
	err := fs.WalkDir(module, ".", func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (base == "testdata" || base[0] == '.' || base[0] == '_' || base == "tools"):
			return fs.SkipDir
		case strings.HasSuffix(name, "_test.go"):
			return c.readFile(module, name)
		}
		return nil
	})
	return c, err
}

func (c *Citations) readFile(module fs.ReadFileFS, name string) error {
	text, err := module.ReadFile(name)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, group := range f.Comments {
		test := Test{
			Package: path.Dir(name),
			Name:    owner(f, group),
			File:    name,
			Line:    fset.Position(group.Pos()).Line,
		}
		c.readComment(group.Text(), test)
	}
	return nil
}

// owner names the function that a comment documents or stands in; one between
// functions belongs to the next.
func owner(f *ast.File, group *ast.CommentGroup) string {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && group.Pos() < fn.End() {
			return fn.Name.Name
		}
	}
	return ""
}

var (
	provesLine  = regexp.MustCompile(`^Proves\s+(rfc\d+|draft-\S+)\s+§\s*([\dA-Z][\d.]*):\s*"(.*)$`)
	pitfallLine = regexp.MustCompile(`^Pitfalls?\s+([A-Z]+\d+(?:\s*(?:,|and)\s*[A-Z]+\d+)*)\b`)
	pitfallID   = regexp.MustCompile(`[A-Z]+\d+`)
)

// readComment takes the citations out of the text of a comment group.
func (c *Citations) readComment(text string, test Test) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if m := pitfallLine.FindStringSubmatch(line); m != nil {
			c.Pitfalls = append(c.Pitfalls, PitfallTest{pitfallID.FindAllString(m[1], -1), test})
			continue
		}
		m := provesLine.FindStringSubmatch(line)
		if m == nil {
			if strings.HasPrefix(line, "Proves rfc") || strings.HasPrefix(line, "Pitfall ") {
				c.bad(test, "not the form of a citation: "+line)
			}
			continue
		}
		quote, last := m[3], i
		for !strings.HasSuffix(quote, `"`) && last+1 < len(lines) && strings.TrimSpace(lines[last+1]) != "" {
			last++
			quote = join(quote, strings.TrimSpace(lines[last]))
		}
		if !strings.HasSuffix(quote, `"`) {
			c.bad(test, "the quotation does not end: "+line)
			continue
		}
		i = last
		c.Proofs = append(c.Proofs, Proof{m[1], strings.TrimSuffix(m[2], "."), strings.TrimSuffix(quote, `"`), test})
	}
}

func (c *Citations) bad(t Test, what string) {
	c.Bad = append(c.Bad, t.File+" "+t.Name+": "+what)
}
