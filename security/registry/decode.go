// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/store"
)

// ParseDevice reads a device as JSON, strictly: see the package comment. Errors
// in its content are *PathError. It does not check what Check checks.
func ParseDevice(data []byte) (Device, error) {
	t, err := parseTree(data)
	if err != nil {
		return Device{}, err
	}
	var d Device
	return d, t.each(d.read)
}

// ParseGroup is ParseDevice for a group.
func ParseGroup(data []byte) (Group, error) {
	t, err := parseTree(data)
	if err != nil {
		return Group{}, err
	}
	var g Group
	return g, t.each(g.read)
}

// ParseOwner reads a device, or a group, whose name stands under "group" and not
// under "name", as ParseDevice and ParseGroup do.
func ParseOwner(data []byte) (Owner, error) {
	t, err := parseTree(data)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(t.fields, func(f field) bool { return f.name == groupField }) {
		d := new(Device)
		return d, t.each(d.read)
	}
	g := new(Group)
	return g, t.each(func(name string, t *tree) error {
		switch name {
		case groupField:
			return t.text(&g.Name)
		case "name":
			return errField
		}
		return g.read(name, t)
	})
}

// ownerOf reads the device or group in a record.
func ownerOf(record store.Record) (owner, error) {
	if strings.HasPrefix(record.Key, groupPrefix) {
		g, err := groupOf(record)
		return &g, err
	}
	d, err := deviceOf(record)
	return &d, err
}

// deviceOf reads the device in a record.
func deviceOf(record store.Record) (Device, error) {
	d, err := ParseDevice(record.Value)
	if err := sound(record, &d, err); err != nil {
		return Device{}, err
	}
	d.Version = record.Version
	return d, nil
}

// groupOf reads the group in a record.
func groupOf(record store.Record) (Group, error) {
	g, err := ParseGroup(record.Value)
	if err := sound(record, &g, err); err != nil {
		return Group{}, err
	}
	g.Version = record.Version
	return g, nil
}

// sound checks what was read from a record, if that went well: who can write into
// the store may have done so without us.
func sound(record store.Record, o owner, err error) error {
	if err == nil && o.key() != record.Key {
		err = errors.New("the record is that of " + o.what())
	}
	list := o.credentials()
	for i := 0; err == nil && i < len(list); i++ {
		err = list[i].normalize()
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", store.ErrCorrupt, record.Key, err)
	}
	return nil
}

func (d *Device) read(name string, t *tree) error {
	switch name {
	case "name":
		return t.text(&d.Name)
	case "tenant":
		return t.text(&d.Tenant)
	case "label":
		return t.text(&d.Label)
	case "groups":
		return t.texts(&d.Groups)
	case "disabled":
		return t.flag(&d.Disabled)
	case "not-before":
		return t.time(&d.NotBefore)
	case "not-after":
		return t.time(&d.NotAfter)
	case "last-id":
		return t.number(&d.LastID)
	case "created":
		return t.time(&d.Created)
	case "changed":
		return t.time(&d.Changed)
	}
	return readCredentials(name, t, &d.Credentials)
}

func (g *Group) read(name string, t *tree) error {
	switch name {
	case "name":
		return t.text(&g.Name)
	case "tenant":
		return t.text(&g.Tenant)
	case "label":
		return t.text(&g.Label)
	case "disabled":
		return t.flag(&g.Disabled)
	case "last-id":
		return t.number(&g.LastID)
	case "created":
		return t.time(&g.Created)
	case "changed":
		return t.time(&g.Changed)
	}
	return readCredentials(name, t, &g.Credentials)
}

var errField = errors.New("unknown field")

// readCredentials reads the credentials of one kind.
func readCredentials(kind string, t *tree, list *[]Credential) error {
	switch kind {
	case "psk", "rpk", "certificate", "token":
	default:
		return errField
	}
	return t.list(func(item *tree) error {
		c, err := readCredential(kind, item)
		if err == nil {
			*list = append(*list, c)
		}
		return err
	})
}

func readCredential(kind string, t *tree) (c Credential, err error) {
	read := c.reader(kind)
	err = t.each(func(name string, value *tree) error {
		switch name {
		case "id":
			return value.text(&c.ID)
		case "disabled":
			return value.flag(&c.Disabled)
		case "not-before":
			return value.time(&c.NotBefore)
		case "not-after":
			return value.time(&c.NotAfter)
		case "host":
			return value.text(&c.Host)
		case "created":
			return value.time(&c.Created)
		}
		return read(name, value)
	})
	if c.RPK != nil && c.RPK.Name.IsZero() && len(c.RPK.SPKI) > 0 {
		c.RPK.Name = keys.NameOf(c.RPK.SPKI, keys.SHA256)
	}
	return c, err
}

// reader sets the kind of an empty credential and returns what reads its fields.
func (c *Credential) reader(kind string) func(string, *tree) error {
	switch kind {
	case "psk":
		c.PSK = new(PSK)
		return c.PSK.read
	case "rpk":
		c.RPK = new(RPK)
		return c.RPK.read
	case "certificate":
		c.Certificate = new(Certificate)
		return c.Certificate.read
	}
	c.Token = new(Token)
	return c.Token.read
}

func (p *PSK) read(name string, t *tree) error {
	switch name {
	case "identity":
		return t.identity(&p.Identity)
	case "key":
		return t.secret(&p.Key)
	case "nodes":
		return t.texts(&p.Nodes)
	}
	return errField
}

func (p *RPK) read(name string, t *tree) error {
	switch name {
	case "name":
		return t.keyName(&p.Name)
	case "key":
		return t.publicKey(&p.SPKI)
	}
	return errField
}

func (c *Certificate) read(name string, t *tree) error {
	switch name {
	case "pin":
		return t.keyName(&c.Pin)
	case "uri":
		return t.text(&c.URI)
	case "dns":
		return t.text(&c.DNS)
	case "eui64":
		return t.text(&c.EUI64)
	case "subject":
		return t.text(&c.Subject)
	case "issuer":
		return t.text(&c.Issuer)
	}
	return errField
}

func (k *Token) read(name string, t *tree) error {
	if name != "sha256" {
		return errField
	}
	var digits string
	if err := t.text(&digits); err != nil {
		return err
	}
	sum, err := hex.DecodeString(digits)
	if err != nil {
		return errors.New("not hexadecimal")
	}
	k.SHA256 = sum
	return nil
}

func (t *tree) time(at *time.Time) error {
	var text string
	if err := t.text(&text); err != nil {
		return err
	}
	read, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("%q is not a time such as 2026-12-31T23:59:59Z", text)
	}
	*at = read.UTC()
	return nil
}

func (t *tree) identity(identity *[]byte) error {
	var text string
	if err := t.text(&text); err != nil {
		return err
	}
	read, err := keys.ParseIdentity(text)
	*identity = read
	return err
}

func (t *tree) secret(key *keys.Secret) error {
	var literal string
	if err := t.text(&literal); err != nil {
		return err
	}
	read, err := keys.ParseLiteral(literal)
	*key = read
	return err
}

func (t *tree) keyName(name *keys.Name) error {
	var text string
	if err := t.text(&text); err != nil {
		return err
	}
	read, err := keys.ParseName(text)
	*name = read
	return err
}

func (t *tree) publicKey(spki *[]byte) error {
	var text string
	if err := t.text(&text); err != nil {
		return err
	}
	encoded, ok := strings.CutPrefix(text, "b64:")
	if !ok {
		return errors.New("a public key is written as b64:…, a SubjectPublicKeyInfo in base64")
	}
	der, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return errors.New("the public key is not base64")
	}
	*spki = der
	return nil
}
