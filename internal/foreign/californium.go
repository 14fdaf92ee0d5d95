// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// formatCalifornium is the device file of Californium's cloud demo server and
// S3 proxy:
//
//	# comment
//	name[.group]=group
//	[name].label=label
//	[name].psk='identity',BASE64 | :0xHEX | 'text'
//	[name].rpk=BASE64 | :0xHEX          (SPKI, or the 64 octets of a P-256 point)
//	[name].x509=                        (and a certificate in PEM on the lines below)
//	[name].type=dev | prov | ca
//	[name].ban=1
//
// A field without a name belongs to the device above it. Provisioners and CAs
// are not devices and skipped, and so are the fields of the HTTP forwarding and
// the proof of possession (.sig), all with a note.
var formatCalifornium = &Format{
	Name: "californium", Title: "Californium device file: name=group, .psk=, .rpk=, .x509=",
	Lacks: "a second group, tenants, validity, more than one key of a kind", Secret: true,
	Named: []string{"cf", "cf-devices"},
	looks: looksLikeCalifornium,
	read:  readCalifornium,
	write: func(w io.Writer, o *WriteOptions) writer { return &californiumWriter{w: w, o: o} },
}

// californiumFields are the fields of a device, by what follows its name.
var californiumFields = map[string]func(*californiumReader, string) error{
	".label": (*californiumReader).label,
	".psk":   (*californiumReader).psk,
	".rpk":   (*californiumReader).rpk,
	".x509":  (*californiumReader).x509,
	".type":  (*californiumReader).kind,
	".prov":  func(c *californiumReader, _ string) error { return c.kind("prov") },
	".ban":   func(c *californiumReader, _ string) error { c.d.Disabled = true; return nil },
}

// californiumSkipped are fields that mean nothing to us.
var californiumSkipped = []string{".sig", ".fdest", ".fauth", ".fdevid", ".fresp", ".fservice"}

// looksLikeCalifornium wants a device and one of its fields at the beginning: a
// PSK store has lines with "=" as well.
func looksLikeCalifornium(head []byte) bool {
	found := firstLines(head, 20, blank)
	if len(found) < 2 {
		return false
	}
	name, _, isField := bytes.Cut(found[0], []byte("="))
	if !isField || bytes.HasPrefix(bytes.TrimSpace(name), []byte(".")) {
		return false
	}
	for _, line := range found[1:] {
		name, _, _ := bytes.Cut(line, []byte("="))
		if _, field := californiumField(strings.TrimSpace(string(name))); field != "" {
			return true
		}
	}
	return false
}

// californiumField splits "name.psk" into the name and the field; no field is
// found in a name that ends in nothing known.
func californiumField(id string) (name, field string) {
	dot := strings.LastIndexByte(id, '.')
	if dot < 0 {
		return id, ""
	}
	field = strings.ToLower(id[dot:])
	if californiumFields[field] != nil || field == ".group" || slices.Contains(californiumSkipped, field) {
		return id[:dot], field
	}
	if dot == 0 {
		return "", field
	}
	return id, ""
}

// californiumReader is a device that is being read.
type californiumReader struct {
	l    *lines
	o    *Options
	d    registry.Device
	line int    // where it begins; 0: there is none
	role string // "dev", "prov", "ca"
	bad  bool   // one of its lines was wrong: reported already
}

func readCalifornium(r io.Reader, o *Options) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		c := &californiumReader{l: newLines(r), o: o}
		for {
			line, err := c.l.next()
			if errors.Is(err, io.EOF) {
				break
			}
			var done Entry
			if err == nil {
				done, err = c.feed(line)
			} else {
				c.bad = true
			}
			if (done.Line > 0 || err != nil) && !yield(done, err) {
				return
			}
			if _, goOn := asLineError(err); err != nil && !goOn {
				return
			}
		}
		if done, err := c.finish(); done.Line > 0 || err != nil {
			yield(done, err)
		}
	}
}

// feed takes a line; a device comes back when the next one begins.
func (c *californiumReader) feed(line []byte) (Entry, error) {
	if blank(line) {
		return Entry{}, nil
	}
	id, value, found := strings.Cut(string(line), "=")
	if !found {
		return Entry{}, c.l.wrong(0, errors.New("no '=' in it"))
	}
	id, value = strings.TrimSpace(id), strings.TrimSpace(value)
	name, field := californiumField(id)
	if field == "" || field == ".group" {
		return c.begin(name, value)
	}
	err := c.field(name, field, value, len(line)-len(value)+1)
	if err != nil {
		c.bad = true
	}
	return Entry{}, err
}

// begin starts a device and returns the one before.
func (c *californiumReader) begin(name, group string) (Entry, error) {
	done, err := c.finish()
	c.d, c.line, c.role, c.bad = registry.Device{Name: name}, c.l.n, "", false
	if group = unquoted(group); group != "" {
		c.d.Groups = []string{group}
	}
	return done, err
}

// finish returns the device that was being read, if it is one.
func (c *californiumReader) finish() (Entry, error) {
	done := Entry{Device: c.d, Line: c.line}
	c.d, c.line = registry.Device{}, 0
	switch {
	case done.Line == 0, c.bad:
		return Entry{}, nil
	case c.role == "prov" || c.role == "ca" || c.role == "web":
		c.o.note(done.Line, "%s is no device (type %s): skipped", done.Device.Name, c.role)
		return Entry{}, nil
	case done.Device.Name == "":
		return Entry{}, &LineError{Line: done.Line, Column: 1, Err: errors.New("a device needs a name")}
	case len(done.Device.Credentials) == 0:
		return Entry{}, &LineError{Line: done.Line, Err: errors.New("the device has neither .psk nor .rpk nor .x509")}
	}
	return done, nil
}

func (c *californiumReader) field(name, field, value string, column int) error {
	switch {
	case c.line == 0:
		return c.l.wrong(1, errors.New("a field before the first device"))
	case name != "" && name != c.d.Name:
		return c.l.wrong(1, errors.New("the field names another device than the one above it"))
	}
	set := californiumFields[field]
	if set == nil {
		c.o.note(c.l.n, "%s means nothing here: skipped", field)
		return nil
	}
	if err := set(c, value); err != nil {
		if _, is := asLineError(err); is {
			return err
		}
		return c.l.wrong(column, err)
	}
	return nil
}

func (c *californiumReader) label(value string) error {
	c.d.Label = unquoted(value)
	return nil
}

func (c *californiumReader) kind(value string) error {
	if !slices.Contains([]string{"dev", "prov", "ca", "web"}, value) {
		return errors.New(".type is dev, prov or ca")
	}
	c.role = value
	return nil
}

func (c *californiumReader) psk(value string) error {
	identity, secret, found := cutQuoted(value)
	if !found {
		return errors.New("no ',' between identity and key")
	}
	key, err := californiumOctets(secret)
	if err != nil {
		return fmt.Errorf("the key: %w", err)
	}
	defer clear(key)
	psk, err := keys.NewPSK([]byte(unquoted(identity)), key)
	if err != nil {
		return err
	}
	c.d.Credentials = append(c.d.Credentials, pskCredential(psk))
	return nil
}

func (c *californiumReader) rpk(value string) error {
	key, err := californiumOctets(value)
	if err != nil {
		return fmt.Errorf("the public key: %w", err)
	}
	credential, err := rpkCredential(key)
	if err != nil {
		return err
	}
	c.d.Credentials = append(c.d.Credentials, credential)
	return nil
}

// p256Header is the SPKI of a P-256 key before its 64 octets.
var p256Header, _ = hex.DecodeString("3059301306072a8648ce3d020106082a8648ce3d03010703420004")

// rpkCredential takes an SPKI, or the octets of a P-256 point alone.
func rpkCredential(key []byte) (registry.Credential, error) {
	if len(key) == 64 {
		key = append(slices.Clone(p256Header), key...)
	}
	if err := keys.CheckPublicKey(key); err != nil {
		return registry.Credential{}, errors.New("not a public key of a kind that can be used")
	}
	return registry.Credential{RPK: &registry.RPK{Name: keys.NameOf(key, keys.SHA256), SPKI: key}}, nil
}

// x509 reads the PEM block below the line. What counts is the key in it: the
// certificate itself is shown in each handshake.
func (c *californiumReader) x509(value string) error {
	if value != "" {
		return errors.New("the certificate is expected on the lines below")
	}
	begin := c.l.n
	var block []byte
	for !bytes.HasPrefix(block[bytes.LastIndexByte(block, '\n')+1:], []byte("-----END ")) {
		line, err := c.l.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = &LineError{Line: begin, Err: errors.New("the certificate has no end")}
			}
			return err
		}
		if len(block) > maxLine {
			return &LineError{Line: begin, Err: errLineTooLong}
		}
		block = append(append(block, '\n'), line...)
	}
	decoded, _ := pem.Decode(append(block, '\n'))
	if decoded == nil {
		return &LineError{Line: begin, Err: errors.New("no PEM block")}
	}
	certificates, err := keys.ParseCertificates(decoded.Bytes)
	if err != nil || len(certificates) != 1 {
		return &LineError{Line: begin, Err: errors.New("not a certificate")}
	}
	pin := keys.NameOf(certificates[0].RawSubjectPublicKeyInfo, keys.SHA256)
	c.d.Credentials = append(c.d.Credentials, registry.Credential{Certificate: &registry.Certificate{Pin: pin}})
	return nil
}

// cutQuoted splits at the first comma that is not inside quotes.
func cutQuoted(value string) (before, after string, found bool) {
	if value != "" && (value[0] == '\'' || value[0] == '"') {
		if end := strings.Index(value[1:], value[:1]+","); end >= 0 {
			return value[:end+2], value[end+3:], true
		}
	}
	return strings.Cut(value, ",")
}

// unquoted takes the quotes from around a text.
func unquoted(value string) string {
	if n := len(value); n > 2 && (value[0] == '\'' || value[0] == '"') && value[n-1] == value[0] {
		return value[1 : n-1]
	}
	return value
}

// californiumOctets reads 'text', :0xHEX or base64.
func californiumOctets(value string) ([]byte, error) {
	if text := unquoted(value); text != value {
		return []byte(text), nil
	}
	if digits, found := strings.CutPrefix(value, ":0x"); found {
		octets, err := hex.DecodeString(digits)
		if err != nil {
			return nil, errors.New("not hexadecimal")
		}
		return octets, nil
	}
	octets, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, errors.New("not base64 (text is written in quotes, hexadecimal as :0x…)")
	}
	return octets, nil
}
