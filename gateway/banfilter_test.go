// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The filter that docs/server.md has for fail2ban finds the address in each line.
// fail2ban takes out what datepattern matches before it tries failregex, so that
// the line it sees begins with a space; and without %z it takes the time for a
// local one, hours off wherever the clock is not UTC.
func TestBanFilter(t *testing.T) {
	page, err := os.ReadFile("../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	setting := func(name string) string {
		_, rest, found := strings.Cut(string(page), "\n"+name+" = ")
		if !found {
			t.Fatalf("docs/server.md has no %s", name)
		}
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}
	if got, want := setting("datepattern"), "^%%Y-%%m-%%dT%%H:%%M:%%S%%z"; got != want {
		t.Errorf("datepattern is %s, not %s", got, want)
	}
	filter := regexp.MustCompile(strings.Replace(setting("failregex"), "<HOST>", `(?P<host>[0-9a-fA-F.:]+)`, 1))
	date := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	for _, peer := range []string{"192.0.2.7", "2001:db8::7"} {
		for _, identity := range []string{"sensor-7", "", `x" from 10.0.0.1`} {
			line := banLineOf(t, &facts{peer: netip.MustParseAddr(peer), reason: "bad_psk", identity: identity})
			rest := date.ReplaceAllString(line, "")
			if rest == line {
				t.Fatalf("%q begins with no date", line)
			}
			if found := filter.FindStringSubmatch(rest); found == nil || found[1] != peer {
				t.Errorf("%q: found %q, want %s", rest, found, peer)
			}
		}
	}
}

// banLineOf is the line about one refusal.
func banLineOf(t *testing.T, f *facts) string {
	path := filepath.Join(t.TempDir(), "ban.log")
	file, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	state := &recorderState{auditFile: new(logFile), banFile: new(logFile)}
	state.banFile.use(file)
	state.ban(time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC), f)
	state.banFile.use(nil)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(text), "\n")
}
