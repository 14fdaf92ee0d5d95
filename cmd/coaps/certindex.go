// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"

	"github.com/coaps-go/coaps/security/keys"
)

// caIndex is the list of what a CA has done: a file of JSON lines to which lines
// are only ever added, so that two administrators at once, or a crash, lose
// nothing.
type caIndex struct{ path string }

// indexEntry is one line.
type indexEntry struct {
	V     int       `json:"v"`
	Event string    `json:"event"` // issued, revoked or crl
	At    time.Time `json:"at"`

	// issued and revoked
	Serial string `json:"serial,omitempty"` // hexadecimal

	// issued
	Name     string     `json:"name,omitempty"`
	Names    []string   `json:"names,omitempty"`
	For      []string   `json:"for,omitempty"`
	Key      *keys.Name `json:"key,omitempty"`
	NotAfter *time.Time `json:"not_after,omitempty"`

	// revoked
	Reason keys.RevocationReason `json:"reason,omitempty"`

	// crl
	Number int64 `json:"number,omitempty"`
}

const (
	eventIssued  = "issued"
	eventRevoked = "revoked"
	eventCRL     = "crl"
)

func serialText(n *big.Int) string { return fmt.Sprintf("%x", n) }

// issued adds a new certificate. It comes before the certificate is handed out:
// better one too many in the list than one too few.
func (x *caIndex) issued(c *x509.Certificate) error {
	name, until := keys.NameOf(c.RawSubjectPublicKeyInfo, keys.SHA256_120), c.NotAfter.UTC()
	return x.add(indexEntry{Event: eventIssued, Serial: serialText(c.SerialNumber), Name: keys.CertificateName(c),
		Names: certificateNames(c), For: purposesOf(c), Key: &name, NotAfter: &until})
}

// add appends a line, in one write and down to the disk.
func (x *caIndex) add(e indexEntry) error {
	if _, err := x.read(); err != nil { // a half-written last line would swallow this one
		return err
	}
	e.V, e.At = jsonSchemaVersion, time.Now().UTC().Truncate(time.Second)
	line, err := json.Marshal(e)
	if err != nil {
		return asFailure("cannot write "+x.path, err)
	}
	f, err := os.OpenFile(x.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err == nil {
		_, err = f.Write(append(line, '\n'))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return fail("file_unwritable", "cannot write the CA's list "+x.path, "%v", rootCause(err)).because(err).
			try("--index FILE names another place for it")
	}
	return nil
}

// maxIndexLine bounds a line of the list, in bytes.
const maxIndexLine = 1 << 20

// read returns all lines; a list that is not there yet has none.
func (x *caIndex) read() ([]indexEntry, error) {
	data, err := keys.ReadFile(x.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fileFailure("cannot read the CA's list", x.path, err)
	}
	entries, err := parseIndex(data)
	if err != nil {
		return nil, fail("bad_credential_file", "cannot read the CA's list "+x.path, "%v", err).because(err).
			try("look at that line and mend or remove it; the others are good")
	}
	return entries, nil
}

// parseIndex is strict: a revocation that is not understood must not be lost.
func parseIndex(data []byte) ([]indexEntry, error) {
	var entries []indexEntry
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, maxIndexLine)
	for n := 1; scanner.Scan(); n++ {
		var e indexEntry
		decoder := json.NewDecoder(bytes.NewReader(scanner.Bytes()))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&e); err != nil {
			return nil, fmt.Errorf("line %d is damaged: %w", n, err)
		}
		if decoder.More() {
			return nil, fmt.Errorf("line %d is damaged: there is something behind it", n)
		}
		if e.V != jsonSchemaVersion || e.Event != eventIssued && e.Event != eventRevoked && e.Event != eventCRL {
			return nil, fmt.Errorf("line %d is of another version", n)
		}
		if _, ok := parseSerial(e.Serial); !ok && e.Event != eventCRL {
			return nil, fmt.Errorf("line %d: %q is no serial number", n, e.Serial)
		}
		entries = append(entries, e)
	}
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		return nil, fmt.Errorf("line %d is not finished", len(entries))
	}
	return entries, nil
}

// parseSerial reads a serial number as it is shown: hexadecimal, colons or
// blanks between bytes allowed.
func parseSerial(s string) (*big.Int, bool) {
	digits := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] != ':' && s[i] != ' ' {
			digits = append(digits, s[i])
		}
	}
	if len(digits) == 0 || len(digits) > 40 {
		return nil, false
	}
	for _, c := range digits {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return nil, false
		}
	}
	n, ok := new(big.Int).SetString(string(digits), 16)
	return n, ok && n.Sign() > 0
}

// revokedIn lists the revocations, oldest first.
func revokedIn(entries []indexEntry) []keys.Revocation {
	var list []keys.Revocation
	for _, e := range entries {
		if e.Event == eventRevoked {
			serial, _ := parseSerial(e.Serial) // parseIndex has seen it
			list = append(list, keys.Revocation{Serial: serial, At: e.At, Reason: e.Reason})
		}
	}
	return list
}

// find returns the entry of a certificate, nil if the list does not have it.
func find(entries []indexEntry, event string, serial *big.Int) *indexEntry {
	for i := range entries {
		if n, ok := parseSerial(entries[i].Serial); ok && entries[i].Event == event && n.Cmp(serial) == 0 {
			return &entries[i]
		}
	}
	return nil
}

// nextNumber is the number of the next revocation list: it grows, even if the
// file was lost in between (RFC 5280 section 5.2.3).
func nextNumber(entries []indexEntry, now time.Time) int64 {
	number := now.Unix()
	for _, e := range entries {
		number = max(number, e.Number+1)
	}
	return number
}
