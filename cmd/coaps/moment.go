// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coaps-go/coaps/gateway"
)

// moment is a flag for a point in time: RFC 3339, a date, or how long from now.
type moment struct {
	text string
	at   time.Time
}

// momentForms is the help text for flags that take a point in time.
const momentForms = "2027-01-31T12:00:00Z, 2027-01-31 or 90d from now"

// parse resolves the flag at this moment; nothing given is the zero time.
func (m *moment) parse(cmd *cobra.Command, flag string, now time.Time) error {
	if m.text == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, m.text, time.Local); err == nil {
			m.at = at.UTC().Truncate(time.Second)
			return nil
		}
	}
	span, err := gateway.ParseDuration(strings.TrimPrefix(m.text, "+"))
	if err != nil {
		return usage(cmd, "--%s %q: %s is needed", flag, m.text, momentForms)
	}
	m.at = now.Add(span).UTC().Truncate(time.Second)
	return nil
}

// bounds is a pair of such flags.
type bounds struct{ notBefore, notAfter moment }

func (p *bounds) parse(cmd *cobra.Command, now time.Time) error {
	if err := p.notBefore.parse(cmd, "not-before", now); err != nil {
		return err
	}
	if err := p.notAfter.parse(cmd, "not-after", now); err != nil {
		return err
	}
	if !p.notBefore.at.IsZero() && !p.notAfter.at.IsZero() && p.notAfter.at.Before(p.notBefore.at) {
		return usage(cmd, "--not-after lies before --not-before")
	}
	return nil
}

// state says in a word whether something with these bounds is good now.
func state(disabled bool, notBefore, notAfter, now time.Time) string {
	switch {
	case disabled:
		return "disabled"
	case !notAfter.IsZero() && now.After(notAfter):
		return "expired"
	case !notBefore.IsZero() && now.Before(notBefore):
		return "not yet valid"
	}
	return "ok"
}

// periodText is "until 2027-01-31 12:00:00Z" and the like; "" without bounds.
func periodText(notBefore, notAfter time.Time) string {
	var parts []string
	if !notBefore.IsZero() {
		parts = append(parts, "from "+timeText(notBefore))
	}
	if !notAfter.IsZero() {
		parts = append(parts, "until "+timeText(notAfter))
	}
	return strings.Join(parts, " ")
}

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// timeJSON is nothing for the zero time.
func timeJSON(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
