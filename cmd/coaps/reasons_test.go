// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/dtls"
)

// Every word the library may use has a meaning and something to try.
func TestReasonsCoverTheLibrary(t *testing.T) {
	words := []string{
		coaps.ReasonRefused, coaps.ReasonUnreachable, coaps.ReasonNotResolved, coaps.ReasonTimeout, coaps.ReasonCanceled,
		coaps.ReasonClosed, coaps.ReasonTooLarge, coaps.ReasonBusy, coaps.ReasonReset, coaps.ReasonUnavailable, coaps.ReasonBadResponse,
		coaps.ReasonMulticast, coaps.ReasonBadURI, coaps.ReasonSetup, "limit",
	}
	for kind := dtls.Reason(1); (kind << 8).String() != "unknown"; kind++ {
		words = append(words, (kind << 8).String())
	}
	for flight := 1; flight <= 6; flight++ {
		words = append(words, dtls.ReasonForFlight(flight).String())
	}
	for alert := range 256 {
		words = append(words, dtls.ReasonForAlert(dtls.Alert(alert)).String())
	}
	for _, word := range words {
		info := lookupReason(word)
		if !knownReason(word) || info.meaning == "" || info.hint == "" || info.exit == 0 {
			t.Errorf("%s: no meaning, advice or exit code: %+v", word, info)
		}
	}
}

// The words of the table are words: lower case, one token, and each line is
// short enough for a terminal of 160 columns.
func TestReasonTableStyle(t *testing.T) {
	check := func(word string, info reasonInfo) {
		if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("%s: not a word", word)
		}
		if len(word)+len(info.meaning) > 145 || len(info.hint) > 150 || strings.HasSuffix(info.meaning, ".") {
			t.Errorf("%s: too long, or ends in a full stop", word)
		}
	}
	for word, info := range reasons {
		check(word, info)
	}
	for word, info := range alertAdvice {
		check(word, info)
	}
}

func TestFailureIsThreeLines(t *testing.T) {
	var out bytes.Buffer
	f := fail("refused", "GET coap://h/\x1b[2J\nx", "a\nb").try("c\rd")
	f.print(&out, palette{})
	want := "coaps: GET coap://h/\\x1b[2J\\nx\nreason: refused (a\\nb)\ntry: c\\rd\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestAsFailure(t *testing.T) {
	cause := errors.New("boom")
	f := asFailure("get", cause)
	if f.reason != "unexpected" || f.exitCode() != exitUnexpected || !errors.Is(f, cause) {
		t.Errorf("%+v", f)
	}
	wrapped := errors.Join(errors.New("outer"), fail("refused", "x", ""))
	if got := asFailure("get", wrapped); got.reason != "refused" || got.exitCode() != exitRefused {
		t.Errorf("%+v", got)
	}
}
