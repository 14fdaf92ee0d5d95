// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the pages instead of comparing them")

const (
	module       = "../.."
	requirements = module + "/docs/requirements/"
)

// readAccount reads the lists and the tests of the module.
func readAccount(t *testing.T) *Account {
	t.Helper()
	citations, err := ReadCitations(os.DirFS(module).(fs.ReadFileFS))
	if err != nil {
		t.Fatal(err)
	}
	exceptions, err := ParseExceptions(readFile(t, requirements+"exceptions.txt"))
	if err != nil {
		t.Fatal(err)
	}
	pitfalls, err := ParsePitfalls(readFile(t, requirements+"pitfalls.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return NewAccount(readLists(t), pitfalls, exceptions, citations)
}

// readLists returns the documents, the core ones first.
func readLists(t *testing.T) []*Document {
	t.Helper()
	names, err := filepath.Glob(requirements + "rfc*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var first, rest []*Document
	for _, id := range core {
		first = append(first, readList(t, id))
	}
	for _, name := range names {
		id := strings.TrimSuffix(filepath.Base(name), ".txt")
		if !strings.Contains(strings.Join(core, " "), id) {
			rest = append(rest, readList(t, id))
		}
	}
	return append(first, rest...)
}

func readList(t *testing.T, id string) *Document {
	t.Helper()
	d, err := ParseList(id, strings.NewReader(readFile(t, requirements+id+".txt")))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPages compares the pages with what the tests say.
func TestPages(t *testing.T) {
	a := readAccount(t)
	for name, text := range map[string]string{
		"conformance.md": a.Report(),
		"pitfalls.md":    a.PitfallReport(),
	} {
		file := module + "/docs/" + name
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		old, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(old), text); diff != "" {
			t.Errorf("docs/%s is stale; run go generate ./internal/conformance (-page +tests):\n%s", name, diff)
		}
	}
}

// TestCitations checks that what tests and exceptions quote is in the lists.
func TestCitations(t *testing.T) {
	for _, e := range readAccount(t).Errors {
		t.Error(e)
	}
}

// TestCoreIsComplete holds the core documents to their promise: no demand
// without a test or a reason.
func TestCoreIsComplete(t *testing.T) {
	for _, open := range readAccount(t).Core() {
		t.Errorf("neither test nor reason: %s", open)
	}
}

func TestPitfallsAreComplete(t *testing.T) {
	for _, p := range readAccount(t).Owed() {
		t.Errorf("neither test nor reason: %s: %s", p.ID, p.What)
	}
}

// TestListsAreFormatted keeps the lists as the extractor writes them, so that
// a new extraction shows only what changed.
func TestListsAreFormatted(t *testing.T) {
	for _, d := range readLists(t) {
		if diff := cmp.Diff(readFile(t, requirements+d.ID+".txt"), d.Format()); diff != "" {
			t.Errorf("%s (-file +formatted):\n%s", d.ID, diff)
		}
	}
}

const rfc = `Internet Engineering Task Force

   1. Introduction ................................................2

1.  Introduction

   Not a demand.  A sender (e.g. a client) MUST say "hello" in the first
   fully-
   fledged message, see Section 2.1 of [X].  It SHALL not wait.

      +-----+  A figure MUST be left out.
      |     |

   o  An item
      MUST count.

2.1.  More

   Nothing is REQUIRED.
`

func TestSplitRFC(t *testing.T) {
	var got []Sentence
	for _, s := range SplitRFC(rfc) {
		if s.Demands() {
			got = append(got, *s)
		}
	}
	want := []Sentence{
		{"1", `A sender (e.g. a client) MUST say "hello" in the first fully-fledged message, see Section 2.1 of [X].`},
		{"1", "It SHALL not wait."},
		{"1", "An item MUST count."},
		{"2.1", "Nothing is REQUIRED."},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sentences (-want +got):\n%s", diff)
	}
}

const example = `package x

// TestOne does.
//
// Proves rfc1 §1: "A sender (e.g. a client) MUST say "hello" in
// the first ... message"
// Pitfall P7, O6: something
func TestOne(t *testing.T) {
	// Proves rfc1 §2.1: "Nothing is REQUIRED."
	// Proves rfc1 §1: "It SHALL not wait. An item MUST count."
}

// Proves rfc1 §2.1: "It SHALL not wait."
func TestWrong(t *testing.T) {}

// Proves rfc1: "no section"
// Pitfall X99: no such row
func TestBad(t *testing.T) {}
`

func TestAccount(t *testing.T) {
	doc := &Document{ID: "rfc1", Title: "RFC 1"}
	for _, s := range SplitRFC(rfc) {
		if s.Demands() {
			doc.Sentences = append(doc.Sentences, s)
		}
	}
	pitfalls, err := ParsePitfalls("# Group\nP7: seven\nO6: six\nW1: one\n  later: not built\nW2: two\n")
	if err != nil {
		t.Fatal(err)
	}
	exceptions, err := ParseExceptions("rfc1 §2.1: \"Nothing is REQUIRED.\"\n  because\n")
	if err != nil {
		t.Fatal(err)
	}
	citations, err := ReadCitations(fstest.MapFS{"a/x_test.go": {Data: []byte(example)}, "a/testdata/y_test.go": {Data: []byte("no Go")}})
	if err != nil {
		t.Fatal(err)
	}
	a := NewAccount([]*Document{doc}, pitfalls, exceptions, citations)
	for i, want := range []string{"TestBad: not the form", "it stands in §1", "a test proves it", "no pitfall X99"} {
		if i >= len(a.Errors) || !strings.Contains(a.Errors[i], want) {
			t.Errorf("errors are %q, want number %d to be %q", a.Errors, i, want)
		}
	}
	if open := a.Open(doc); len(open) != 0 {
		t.Errorf("open: %v", open)
	}
	if owed := a.Owed(); len(owed) != 1 || owed[0].ID != "W2" {
		t.Errorf("owed: %v", owed)
	}
	if !strings.Contains(a.Report(), "proven: `a TestOne` |") || !strings.Contains(a.PitfallReport(), "later: not built") {
		t.Errorf("report:\n%s%s", a.Report(), a.PitfallReport())
	}
}

func TestListRoundTrip(t *testing.T) {
	d := &Document{ID: "rfc1", Title: "RFC 1", Notes: []string{"All sections."}, Sentences: SplitRFC(rfc)}
	got, err := ParseList("rfc1", strings.NewReader(d.Format()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, got); diff != "" {
		t.Errorf("read back (-written +read):\n%s", diff)
	}
	if _, err := ParseList("rfc1", strings.NewReader("no list")); err == nil {
		t.Error("a list without form was read")
	}
}
