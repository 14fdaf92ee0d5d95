// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/gateway"
)

// What an operator has to see: what was ignored, and at which port, and which list or
// certificate is over or soon will be.
func TestStatusText(t *testing.T) {
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	status := &gateway.Status{
		Listeners: []gateway.ListenerStatus{
			{Addr: "[::]:5684", Security: "dtls", Ignored: map[string]uint64{"not_a_client_hello": 3, "answer_rate": 1}},
			{Addr: "[::]:5683", Security: "nosec"},
		},
		Keys: []gateway.KeyStatus{
			{What: "identity", Name: "gw", Expires: now.Add(400 * 24 * time.Hour)},
			{What: "crl", Name: "CN=Plant CA", Host: "gw2", Expires: now.Add(time.Hour)},
			{What: "crl", Name: "CN=Other", Expires: now.Add(-time.Hour), Expired: true},
		},
	}
	var b strings.Builder
	writeStatus(&b, status, now, palette{})
	for _, line := range []string{
		"ignored      at [::]:5684: answer_rate 1, not_a_client_hello 3",
		"identity     gw, until 2027-12-28",
		"crl          CN=Plant CA (gw2), until 2026-11-23 03:00Z",
		"crl          CN=Other, until 2026-11-23 01:00Z: OVER",
	} {
		if !strings.Contains(b.String(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, &b)
		}
	}
	if strings.Count(b.String(), "ignored") != 1 {
		t.Errorf("a port that has ignored nothing has a line:\n%s", &b)
	}
}

// The reasons in docs/server.md, A device gets no answer, are words that there are, and
// their commands such as there are.
func TestNoAnswerPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## A device gets no answer\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, table, _ := strings.Cut(section, "| reason of `handshake refused` |")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := 0
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		for _, word := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(cells[min(1, len(cells)-1)], -1) {
			rows++
			if !knownReason(word[1]) {
				t.Errorf("there is no reason %s", word[1])
			}
		}
	}
	if rows < 20 {
		t.Errorf("%d reasons", rows)
	}
	root := (&app{streams: processStreams()}).rootCommand()
	for _, command := range regexp.MustCompile("`coaps ([a-z ]+)").FindAllStringSubmatch(section, -1) {
		if found, _, err := root.Find(strings.Fields(command[1])); err != nil || found.HasSubCommands() {
			t.Errorf("there is no coaps %s: %v", command[1], err)
		}
	}
}
