// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/security/registry"
)

// csvRow is a row as it is read: what it says of the device, and of one
// credential of each kind.
type csvRow struct {
	line        int
	device      registry.Device
	common      registry.Credential // what goes for all credentials of the row
	psk         registry.PSK
	hasIdentity bool
	public      *registry.RPK
	cert        *registry.Certificate
	bearer      *registry.Token
	credentials []registry.Credential
}

func (r *csvRow) of() string { return deviceKey(&r.device) }

func (r *csvRow) name(value string) error {
	r.device.Name = value
	return nil
}

func (r *csvRow) tenant(value string) error {
	r.device.Tenant = value
	return nil
}

func (r *csvRow) label(value string) error {
	r.device.Label = value
	return nil
}

func (r *csvRow) groups(value string) error {
	r.device.Groups = listed(value)
	return nil
}

// listed splits a field that holds several names, in which none of the
// separators can be (registry.Device.Check).
func listed(value string) []string {
	var all []string
	for one := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ';' || r == ',' || r == '|' }) {
		if one = strings.TrimSpace(one); one != "" && !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}

func (r *csvRow) disabled(value string) (err error) {
	r.device.Disabled, err = csvTruth(value)
	return err
}

func (r *csvRow) credentialDisabled(value string) (err error) {
	r.common.Disabled, err = csvTruth(value)
	return err
}

func csvTruth(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "yes", "y":
		return true, nil
	case "no", "n":
		return false, nil
	}
	truth, err := strconv.ParseBool(value)
	if err != nil {
		return false, errors.New("yes or no is needed")
	}
	return truth, nil
}

func (r *csvRow) notBefore(value string) (err error) {
	r.device.NotBefore, err = csvMoment(value)
	return err
}

func (r *csvRow) notAfter(value string) (err error) {
	r.device.NotAfter, err = csvMoment(value)
	return err
}

func (r *csvRow) credentialNotBefore(value string) (err error) {
	r.common.NotBefore, err = csvMoment(value)
	return err
}

func (r *csvRow) credentialNotAfter(value string) (err error) {
	r.common.NotAfter, err = csvMoment(value)
	return err
}

func csvMoment(value string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, value); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("a time such as 2027-01-31T12:00:00Z is needed")
}

func (r *csvRow) id(value string) error {
	r.common.ID = value
	return nil
}

func (r *csvRow) host(value string) error {
	r.common.Host = value
	return nil
}

func (r *csvRow) nodes(value string) error {
	r.psk.Nodes = listed(value)
	return nil
}

func (r *csvRow) identity(value string) error {
	identity, err := parseIdentity(value)
	r.psk.Identity, r.hasIdentity = identity, true
	return err
}

// parseIdentity is the inverse of keys.PrintableIdentity.
func parseIdentity(text string) ([]byte, error) {
	digits, isHex := strings.CutPrefix(text, "0x")
	if !isHex {
		return []byte(text), nil
	}
	identity, err := hex.DecodeString(digits)
	if err != nil {
		return nil, errors.New("not hexadecimal after 0x")
	}
	return identity, nil
}

func (r *csvRow) key(value string) error {
	key, err := parseKey(value)
	if err != nil {
		return err
	}
	r.psk.Key = keys.NewSecret(key)
	clear(key)
	return nil
}

// parseKey takes a key as tables have it. A bare one is hexadecimal: base64 and
// text look too much like it to be guessed.
func parseKey(text string) ([]byte, error) {
	form, rest, found := strings.Cut(text, ":")
	switch {
	case found && form == "b64":
		key, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return nil, errors.New("b64: is followed by something that is not base64")
		}
		return key, nil
	case found && form == "text":
		return []byte(rest), nil
	case found && form == "hex":
		text = rest
	}
	key, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		return nil, errors.New("not hexadecimal; other forms are b64:BASE64 and text:TEXT")
	}
	return key, nil
}

// rpk takes the name of a key, or the key itself in base64 or hexadecimal.
func (r *csvRow) rpk(value string) error {
	public, err := parseRPK(value)
	r.public = public
	return err
}

func parseRPK(value string) (*registry.RPK, error) {
	if name, err := keys.ParseName(value); err == nil {
		return &registry.RPK{Name: name}, nil
	}
	key, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		key, err = hex.DecodeString(value)
	}
	if err != nil {
		return nil, errors.New("neither the name of a key nor one in base64 or hexadecimal")
	}
	credential, err := rpkCredential(key)
	return credential.RPK, err
}

func (r *csvRow) token(value string) error {
	sum, err := hex.DecodeString(value)
	if err != nil || len(sum) != 32 {
		return errors.New("the SHA-256 of a token in hexadecimal is needed")
	}
	r.bearer = &registry.Token{SHA256: sum}
	return nil
}

// certificateField is where a column of a certificate goes.
func certificateField(c *registry.Certificate, field string) *string {
	switch field {
	case "subject":
		return &c.Subject
	case "uri":
		return &c.URI
	case "dns":
		return &c.DNS
	case "eui64":
		return &c.EUI64
	}
	return &c.Issuer
}

func setCertificate(field string) func(r *csvRow, value string) error {
	return func(r *csvRow, value string) (err error) {
		if r.cert == nil {
			r.cert = new(registry.Certificate)
		}
		if field != "pin" {
			*certificateField(r.cert, field) = value
			return nil
		}
		r.cert.Pin, err = keys.ParseName(value)
		return err
	}
}

func getCertificate(field string) func(d *registry.Device, c *registry.Credential) string {
	return func(_ *registry.Device, c *registry.Credential) string {
		switch {
		case c.Certificate == nil:
			return ""
		case field == "pin" && c.Certificate.Pin.IsZero():
			return ""
		case field == "pin":
			return c.Certificate.Pin.String()
		}
		return *certificateField(c.Certificate, field)
	}
}

// finish makes the credentials of the row.
func (r *csvRow) finish() error {
	if r.device.Name == "" && r.hasIdentity {
		r.device.Name = nameOfIdentity(r.psk.Identity)
	}
	if r.device.Name == "" {
		return errors.New("the row names no device")
	}
	hasKey := r.psk.Key.Len() > 0
	if r.hasIdentity && !hasKey {
		return errors.New("an identity without a key")
	}
	if hasKey && !r.hasIdentity {
		r.psk.Identity = []byte(r.device.Name)
	}
	if hasKey {
		psk := r.psk
		r.add(registry.Credential{PSK: &psk})
	}
	if r.public != nil {
		r.add(registry.Credential{RPK: r.public})
	}
	if r.cert != nil {
		r.add(registry.Credential{Certificate: r.cert})
	}
	if r.bearer != nil {
		r.add(registry.Credential{Token: r.bearer})
	}
	if r.common.ID != "" && len(r.credentials) > 1 {
		return errors.New("a row that names its credential has one of them")
	}
	return nil
}

func (r *csvRow) add(c registry.Credential) {
	c.ID, c.Host = r.common.ID, r.common.Host
	c.Disabled, c.NotBefore, c.NotAfter = r.common.Disabled, r.common.NotBefore, r.common.NotAfter
	r.credentials = append(r.credentials, c)
}

// joinTo adds the credentials of a row to the device of the row above.
func (r *csvRow) joinTo(d *registry.Device) error {
	same := r.device.Label == d.Label && slices.Equal(r.device.Groups, d.Groups) && r.device.Disabled == d.Disabled &&
		r.device.NotBefore.Equal(d.NotBefore) && r.device.NotAfter.Equal(d.NotAfter)
	if !same {
		return errors.New("the device is on the row above already, with other properties")
	}
	if len(r.credentials) == 0 {
		return errors.New("the device is on the row above already")
	}
	d.Credentials = append(d.Credentials, r.credentials...)
	return nil
}

func csvBool(truth bool) string {
	if truth {
		return "yes"
	}
	return ""
}

func csvTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func csvIdentity(_ *registry.Device, c *registry.Credential) string {
	if c.PSK == nil {
		return ""
	}
	return keys.PrintableIdentity(c.PSK.Identity)
}

func csvKey(_ *registry.Device, c *registry.Credential) string {
	if c.PSK == nil {
		return ""
	}
	return hex.EncodeToString(c.PSK.Key.Bytes())
}

func csvNodes(_ *registry.Device, c *registry.Credential) string {
	if c.PSK == nil {
		return ""
	}
	return strings.Join(c.PSK.Nodes, ";")
}

// csvRPK writes the key if it is known, else its name.
func csvRPK(_ *registry.Device, c *registry.Credential) string {
	switch {
	case c.RPK == nil:
		return ""
	case len(c.RPK.SPKI) > 0:
		return base64.StdEncoding.EncodeToString(c.RPK.SPKI)
	}
	return c.RPK.Name.String()
}

func csvToken(_ *registry.Device, c *registry.Credential) string {
	if c.Token == nil {
		return ""
	}
	return hex.EncodeToString(c.Token.SHA256)
}

// csvWriter writes a row for each credential.
type csvWriter struct {
	w      *csv.Writer
	o      *WriteOptions
	begun  bool
	fields []string
}

func (c *csvWriter) begin() error {
	if c.begun {
		return nil
	}
	c.begun = true
	c.fields = make([]string, len(csvColumns))
	for i := range csvColumns {
		c.fields[i] = csvColumns[i].name
	}
	return c.w.Write(c.fields)
}

func (c *csvWriter) device(d *registry.Device) (bool, error) {
	if err := c.begin(); err != nil {
		return false, err
	}
	credentials := d.Credentials
	if len(credentials) == 0 {
		credentials = []registry.Credential{{}}
	}
	for i := range credentials {
		for column := range csvColumns {
			c.fields[column] = csvColumns[column].get(d, &credentials[i])
		}
		c.warnFormulas(d)
		if err := c.w.Write(c.fields); err != nil {
			return true, err
		}
	}
	return true, nil
}

// warnFormulas tells of cells that a spreadsheet would calculate. They are
// written as they are, so that they can be read again.
func (c *csvWriter) warnFormulas(d *registry.Device) {
	for i, field := range c.fields {
		if c.o.Note != nil && field != "" && strings.IndexByte("=+-@", field[0]) >= 0 {
			c.o.Note(d, "its "+csvColumns[i].name+" begins like a formula: take care when a spreadsheet opens this file")
		}
	}
}

func (c *csvWriter) end() error {
	if err := c.begin(); err != nil {
		return err
	}
	c.w.Flush()
	return c.w.Error()
}
