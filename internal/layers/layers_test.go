// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// TestPolicy holds the module to its rules.
func TestPolicy(t *testing.T) {
	rules, err := Parse(policy)
	if err != nil {
		t.Fatal(err)
	}
	files, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d files found: wrong folder?", len(files))
	}
	checks := map[string][]string{
		"imports":  checkImports(files, rules),
		"purity":   checkPurity(files, rules.Set("PURE")),
		"headers":  checkHeaders(files),
		"names":    checkNames(files),
		"size":     checkSize(files),
		"insecure": checkInsecure(files),
	}
	for name, bad := range checks {
		t.Run(name, func(t *testing.T) {
			for _, b := range bad {
				t.Error(b)
			}
		})
	}
}

func TestRules(t *testing.T) {
	r, err := Parse(`
		NONE < a, b;  # the bottom
		a < c < d;
		ALL = a, c, e;
		os, b !< ALL;
	`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what string
		got  bool
		want bool
	}{
		{"d may import what c may", r.Allows("d", "a"), true},
		{"a may not import upwards", r.Allows("a", "c"), false},
		{"d may not import beside", r.Allows("d", "b"), false},
		{"a set is banned as a whole", r.Bans("e", "os"), true},
		{"a ban is not for others", r.Bans("d", "os"), false},
		{"a banned package is not thereby placed", r.Knows("e"), false},
		{"the bottom is no package", r.Knows("NONE"), false},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v", tt.what, tt.got)
		}
	}
}

func TestRulesRefused(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"a < b;", "before it is placed"},
		{"NONE < a; a < b; b < a;", "below each other"},
		{"NONE < a; a < a;", "below each other"},
		{"NONE < a; a < b < c; a !< c;", "another rule"},
		{"NONE, a;", "no operator"},
	} {
		if _, err := Parse(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%q): %v, want %q", tt.text, err, tt.want)
		}
	}
}

// TestChecks gives each check something to find.
func TestChecks(t *testing.T) {
	rules, err := Parse("NONE < low; low < high < top; net, sync !< low; PURE = low;")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what  string
		file  string
		body  string
		check func([]*file) []string
		want  string // "" for no complaint
	}{
		{"downwards", "high/x.go", `import _ "` + module + `/low"`, imports(rules), ""},
		{"upwards", "low/x.go", `import _ "` + module + `/high"`, imports(rules), "no rule orders"},
		{"banned", "low/x.go", `import _ "net"`, imports(rules), "!< rule"},
		{"banned elsewhere", "high/x.go", `import _ "net"`, imports(rules), ""},
		{"foreign", "high/x.go", `import _ "github.com/a/b"`, imports(rules), "golang.org/x alone"},
		{"x is fine", "high/x.go", `import _ "golang.org/x/crypto/cryptobyte"`, imports(rules), ""},
		{"foreign in a test", "high/x_test.go", `import _ "github.com/a/b"`, imports(rules), ""},
		{"unknown", "new/x.go", "", imports(rules), "does not name"},
		{"goroutine", "low/x.go", "func f() { go f() }", pure, "goroutine"},
		{"channel", "low/x.go", "var c chan int", pure, "channel type"},
		{"receive", "low/x.go", "func f(c C) { <-c }", pure, "receive"},
		{"select", "low/x.go", "func f() { select {} }", pure, "select"},
		{"println", "low/x.go", "func f() { println() }", pure, "output"},
		{"clock", "low/x.go", "import \"time\"\nvar t = time.Now()", pure, "asks the clock"},
		{"clock by another name", "low/x.go", "import wall \"time\"\nvar t = wall.Since(u)", pure, "asks the clock"},
		{"duration", "low/x.go", "import \"time\"\nvar t = time.Second", pure, ""},
		{"randomness", "low/x.go", "import \"math/rand/v2\"\nvar n = rand.IntN(3)", pure, "global randomness"},
		{"seeded", "low/x.go", "import \"math/rand/v2\"\nvar n = rand.New(s)", pure, ""},
		{"goroutine above", "high/x.go", "func f() { go f() }", pure, ""},
		{"goroutine in a test", "low/x_test.go", "func f() { go f() }", pure, ""},
		{"no header", "low/x.go", "\x00", checkHeaders, "licence header"},
		{"vague name", "low/util/x.go", "", checkNames, "says nothing"},
		{"long function", "low/x.go", "func f() {" + strings.Repeat("\n", 70) + "}", checkSize, "71 lines"},
		{"function", "low/x.go", "func f() {" + strings.Repeat("\n", 69) + "}", checkSize, ""},
		{"long file", "low/x.go", strings.Repeat("\n", 600), checkSize, "the limit is 600"},
		{"insecure", "low/x.go", "import \"crypto/tls\"\nvar c = tls.Config{InsecureSkipVerify: true}", checkInsecure, "InsecureSkipVerify"},
		{"insecure at home", "security/insecure/x.go", "func Insecure() {}", checkInsecure, ""},
	} {
		t.Run(tt.what, func(t *testing.T) {
			text := header + "package x\n" + tt.body + "\n"
			if tt.body == "\x00" {
				text = "package x\n"
			}
			files, err := load(fstest.MapFS{tt.file: {Data: []byte(text)}})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(tt.check(files), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("complaints %q, want %q", got, tt.want)
			}
		})
	}
}

func TestForeignModuleIsLeftOut(t *testing.T) {
	files, err := load(fstest.MapFS{
		"a.go":               {Data: []byte(header + "package a")},
		"tools/go.mod":       {Data: []byte("module x")},
		"tools/b.go":         {Data: []byte("package b")},
		"c/testdata/d.go":    {Data: []byte("not Go")},
		".hidden/e.go":       {Data: []byte("not Go")},
		"dtls/internal/f.go": {Data: []byte(header + "package f")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files[0].pkg != root || files[1].pkg != "dtls/internal" {
		t.Errorf("loaded %d files", len(files))
	}
}

func imports(rules *Rules) func([]*file) []string {
	return func(files []*file) []string { return checkImports(files, rules) }
}

func pure(files []*file) []string { return checkPurity(files, []string{"low"}) }
