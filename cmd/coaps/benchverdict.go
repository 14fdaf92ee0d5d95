// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coaps-go/coaps/internal/load"
)

// verdict is how a run that has a report ends: in nothing if at least one
// operation succeeded, was not interrupted, and --fail-above was kept. A session
// that was made and then lost, or did not answer any more, is a failure as well.
func (b *bench) verdict(report *load.Report) *failure {
	lost := report.Failed() + report.Unfinished
	bad, all := lost+report.Errors, report.Operations+lost
	if s := report.Sessions; s != nil {
		all += s.Touched
	}
	switch {
	case report.Interrupted:
		return fail("interrupted", b.title(), "after %s", seconds(b.took.Seconds())).try("the report is about what was done until then")
	case report.Operations == 0:
		return b.nothingDone(report)
	case nothingLeft(report.Sessions):
		return b.nothingDone(report)
	case report.Errors > 0 && report.Errors == report.Operations:
		return b.onlyErrors(report)
	case b.failAbove >= 0 && float64(bad) > b.failAbove*float64(all):
		return fail("too_many_failures", b.title(), "%s of %s failed, were not answered or were answered by an error, %s, and --fail-above allows %.4g %%",
			grouped(bad), grouped(all), percent(bad, all), 100*b.failAbove)
	}
	return nil
}

// nothingLeft reports whether no session survived its rest, or none answered
// after it.
func nothingLeft(s *load.SessionsReport) bool {
	return s != nil && (s.Lost > 0 && s.Lost == s.Established || s.TouchFailed > 0 && s.Touched == 0)
}

// nothingDone is a run without a single success.
func (b *bench) nothingDone(report *load.Report) *failure {
	reason := report.Reason()
	if reason == "" {
		return fail("timeout", b.title(), "nothing was completed within %s", seconds(report.Seconds)).try("a longer --duration")
	}
	f := fail(reason, b.title(), "")
	if !knownReason(reason) {
		f = fail("unexpected", b.title(), "%s", reason)
	}
	f.detail = fmt.Sprintf("every one of %s failed, most of them so: %s", many(int(report.Failed()), "operation"), f.explanation())
	return f
}

// onlyErrors is a run in which every answer was an error.
func (b *bench) onlyErrors(report *load.Report) *failure {
	code := mostFrequent(report.Codes)
	f := fail("only_errors", b.title(), "every answer was an error, most of them %s", codeText(code))
	f.code = exitClientError
	if strings.HasPrefix(code, "5") {
		f.code = exitServerError
	}
	return f
}

// mostFrequent is the key with the highest count, "" if there is none.
func mostFrequent(counts map[string]uint64) string {
	most := ""
	for _, name := range byCount(counts) {
		return name
	}
	return most
}

// byCount are the keys, the highest count first.
func byCount(counts map[string]uint64) []string {
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case counts[a] > counts[b]:
			return -1
		case counts[a] < counts[b]:
			return 1
		}
		return 0
	})
	return names
}
