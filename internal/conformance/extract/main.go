// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Extract writes a list of docs/requirements from the plain text of an RFC:
// each sentence of the named sections that leaves no choice, and each other
// sentence that a test of the module quotes.
//
//	go run ./internal/conformance/extract -rfc rfc7252 -sections 9,4 -title "RFC 7252, ..." \
//	    -note "..." rfc7252.txt > docs/requirements/rfc7252.txt
//
// With -without, sections are left out, as are those below them.
package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/coaps-go/coaps/internal/conformance"
)

func main() {
	id := flag.String("rfc", "", "name of the document, such as rfc7252")
	title := flag.String("title", "", "title of the list")
	note := flag.String("note", "", "notes, separated by |")
	sections := flag.String("sections", "", "sections to list, with those below them; empty: all")
	without := flag.String("without", "", "sections to leave out")
	module := flag.String("module", ".", "folder of the module whose tests are read")
	flag.Parse()
	text, err := os.ReadFile(flag.Arg(0))
	if err != nil {
		fail(err)
	}
	citations, err := conformance.ReadCitations(os.DirFS(*module).(fs.ReadFileFS))
	if err != nil {
		fail(err)
	}
	d := &conformance.Document{ID: *id, Title: *title}
	if *note != "" {
		d.Notes = strings.Split(*note, "|")
	}
	for _, s := range conformance.SplitRFC(string(text)) {
		if strings.HasPrefix(s.Text, `The key words "MUST"`) {
			continue
		}
		listed := s.Demands() && within(s.Section, *sections, true) && !within(s.Section, *without, false)
		if listed || conformance.Quoted(*id, s, citations) {
			d.Sentences = append(d.Sentences, s)
		}
	}
	fmt.Print(d.Format())
}

// within reports whether a section is one of the list or below one.
func within(section, list string, empty bool) bool {
	if list == "" {
		return empty
	}
	for _, top := range strings.Split(list, ",") {
		if section == top || strings.HasPrefix(section, top+".") {
			return true
		}
	}
	return false
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "extract:", err)
	os.Exit(1)
}
