// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps/internal/flightsize"
	"github.com/coaps-go/coaps/security/keys"
)

func readCredentialsPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/credentials.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// The commands of docs/credentials.md are those that testdata/certtour.txtar runs,
// in the same order.
func TestCredentialsPageCommands(t *testing.T) {
	script, err := os.ReadFile("testdata/certtour.txtar")
	if err != nil {
		t.Fatal(err)
	}
	run := regexp.MustCompile(`(?m)^exec `).ReplaceAllString(strings.ReplaceAll(string(script), "'", `"`), "")
	commands := regexp.MustCompile(`(?m)^coaps .*$`).FindAllString(readCredentialsPage(t), -1)
	if len(commands) < 20 {
		t.Errorf("%d commands", len(commands))
	}
	for _, command := range commands {
		_, rest, found := strings.Cut(run, command+"\n")
		if !found {
			t.Errorf("the script does not run %s", command)
			continue
		}
		run = rest
	}
}

// The figures of the page's table are measured again here. Serial numbers and
// signatures leave them a few bytes.
func TestCredentialsPageFigures(t *testing.T) {
	page := readCredentialsPage(t)
	now := time.Now()
	spec := keys.CASpec{Name: "Plant CA", NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), PathLen: 1}
	root := mustCert(keys.NewRoot(zeroes{}, mustCert(keys.NewKey(zeroes{})), spec))
	spec.Name = "Line 4"
	below := mustCert(root.IssueCA(zeroes{}, mustCert(keys.NewKey(zeroes{})), spec))
	measure := func(h *flightsize.Handshake) []flightsize.Flight {
		t.Helper()
		h.ServerName, h.Authorities = "gw.plant.example", [][]byte{root.Certificate.RawSubject}
		return mustCert(flightsize.Measure(h))
	}
	row := func(label string, flights []flightsize.Flight, parts ...int) {
		t.Helper()
		cells := pageRow(page, label)
		if cells == nil {
			t.Errorf("no row %q", label)
			return
		}
		for i, want := range append(parts, sumOf(flights)) {
			var got int
			if _, err := fmt.Sscan(cells[i], &got); err != nil || got < want-6 || got > want+6 {
				t.Errorf("%s: the page says %s, measured %d", label, cells[i], want)
			}
		}
	}
	for label, ca := range map[string]*keys.CA{"`--profile iot`": root, "iot, one CA below the root": below} {
		server := ca.Certificates(issueAs(t, ca, keys.ProfileIoT, "gw.plant.example", ""))
		client := ca.Certificates(issueAs(t, ca, keys.ProfileIoT, "", "02-00-5E-FF-FE-10-00-07"))
		flights := measure(&flightsize.Handshake{Server: server, Client: client})
		row(label, flights, len(server[0].Raw), flights[3].Bytes, flights[4].Bytes)
		if ca == root {
			raw := measure(&flightsize.Handshake{Server: server, Client: client, RawKeys: true})
			row("raw public keys, P-256", []flightsize.Flight{{Bytes: sumOf(raw)}})
			full := []*x509.Certificate{issueAs(t, ca, keys.ProfileFull, "gw.plant.example", "")}
			flights := measure(&flightsize.Handshake{Server: full, Client: client})
			row("`--profile full`", flights, len(full[0].Raw), flights[3].Bytes, flights[4].Bytes)
		}
	}
}

func mustCert[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func issueAs(t *testing.T, ca *keys.CA, profile keys.Profile, server, client string) *x509.Certificate {
	t.Helper()
	now := time.Now()
	leaf := keys.Leaf{Profile: profile, NotBefore: now.Add(-time.Minute), NotAfter: now.AddDate(1, 0, 0)}
	if server != "" {
		if err := leaf.AddServer(keys.Authority{Host: server}); err != nil {
			t.Fatal(err)
		}
		if profile == keys.ProfileFull {
			leaf.CommonName = server
		}
	}
	if client != "" {
		if err := leaf.AddClient(client); err != nil {
			t.Fatal(err)
		}
	}
	pair := mustCert(keys.NewKey(zeroes{}))
	return mustCert(ca.Issue(zeroes{}, pair.SPKI, leaf))
}

// pageRow returns the cells of a row behind its first, without the empty ones.
func pageRow(page, label string) []string {
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(line, "| \n"), "|")
		if strings.TrimSpace(cells[0]) != label || len(cells) < 5 {
			continue
		}
		var rest []string
		for i, cell := range cells[1:] {
			cell = strings.TrimSpace(cell)
			if cell != "" && !(strings.HasPrefix(label, "raw") && i == 0) {
				rest = append(rest, cell)
			}
		}
		return rest
	}
	return nil
}

// The names in the page are all of one key, that of RFC 6920 section 8.1.
func TestCredentialsPageNames(t *testing.T) {
	script := mustCert(os.ReadFile("testdata/key.txtar"))
	_, pem, found := bytes.Cut(script, []byte("-- rfc6920.pub --\n"))
	if !found {
		t.Fatal("key.txtar has no rfc6920.pub")
	}
	page := readCredentialsPage(t)
	for _, form := range keys.Forms(mustCert(keys.ParsePublicKey(pem))) {
		switch form.Label {
		case "nih suite 3", "nih sha-256", "binary sha-256":
			continue
		}
		if !strings.Contains(page, "`"+form.Text+"`") {
			t.Errorf("the page does not have %s", form.Text)
		}
	}
}
