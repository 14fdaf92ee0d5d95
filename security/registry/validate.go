// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
)

// Limits of what a device may have.
const (
	MaxName        = 128 // bytes of the name of a device, group or tenant
	MaxLabel       = 1024
	MaxGroups      = 64
	MaxCredentials = 256
	MaxNodes       = 64
	maxText        = 1024 // bytes of a name in a certificate
	maxSPKI        = 2048
	// maxPrincipal leaves room for the name of a host and for the ID of a
	// credential, see security.MaxPrincipalLen.
	maxPrincipal = security.MaxPrincipalLen - 300 - MaxName
)

// CheckName returns why s cannot be the name of a device, group or tenant: it
// is printable UTF-8 of up to MaxName bytes without spaces at its ends, has no
// "/", and means nothing else where names are written: not ".", ".." or "*" in a
// path, not "group:ops" or "anybody" in an access rule and on a command line.
func CheckName(s string) error {
	switch {
	case s == "":
		return errors.New("the name is empty")
	case len(s) > MaxName:
		return fmt.Errorf("the name has %d bytes, at most %d are taken", len(s), MaxName)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, notPrintable) || strings.TrimSpace(s) != s:
		return fmt.Errorf("the name %q is not printable text", s)
	case strings.Contains(s, "/"):
		return fmt.Errorf(`the name %q has a "/"`, s)
	case s == "." || s == ".." || s == "*":
		return fmt.Errorf("the name %q means something else in a path", s)
	case slices.Contains(reservedWords, strings.ToLower(s)):
		return fmt.Errorf("the name %q means something else in an access rule", s)
	}
	for _, prefix := range reservedPrefixes {
		if strings.HasPrefix(strings.ToLower(s), prefix) {
			return fmt.Errorf("the name %q begins with what says of which kind a name is", s)
		}
	}
	return nil
}

// What package acl and the commands take for something other than a name.
var (
	reservedWords    = []string{"anybody", "anonymous", "authenticated"}
	reservedPrefixes = []string{"device:", "group:", "tenant:", "host:", "mode:"}
)

// checkListed returns why s cannot be a name that stands in lists, as groups and
// nodes do on command lines and in files of other software.
func checkListed(s string) error {
	if strings.ContainsAny(s, ",;|") {
		return fmt.Errorf("the name %q has a character that separates names in a list", s)
	}
	return nil
}

func notPrintable(r rune) bool { return !unicode.IsPrint(r) }

// checkGroups checks the list of groups of a device.
func checkGroups(groups []string) error {
	if len(groups) > MaxGroups {
		return fmt.Errorf("%d groups, at most %d are taken", len(groups), MaxGroups)
	}
	for i, group := range groups {
		if err := cmp.Or(CheckName(group), checkListed(group)); err != nil {
			return at("groups", under(i, err))
		}
		for _, other := range groups[:i] {
			if group == other {
				return at("groups", under(i, fmt.Errorf("group %s comes twice", group)))
			}
		}
	}
	return nil
}

// Check returns why AddDevice would refuse the device without looking into the
// store.
func (d *Device) Check() error {
	c := d.Clone()
	return c.normalize(time.Time{})
}

// Check is Device.Check for a group.
func (g *Group) Check() error {
	c := g.Clone()
	return c.normalize(time.Time{})
}

// normalize checks a device and brings it into the form in which it is stored.
// Errors are paths into its JSON form.
func (d *Device) normalize(now time.Time) error {
	if err := checkOwner(d.Name, d.Tenant, d.Label); err != nil {
		return err
	}
	if err := checkGroups(d.Groups); err != nil {
		return err
	}
	if err := normalizeTimes(&d.NotBefore, &d.NotAfter); err != nil {
		return err
	}
	if err := normalizeCredentials(d.Credentials, d.Name, &d.LastID, now); err != nil {
		return err
	}
	whose := security.Principal{Device: d.Name, Tenant: d.Tenant, Groups: d.Groups, NotAfter: now, Mark: 1}
	if n := len(whose.AppendBinary(nil)); n > maxPrincipal {
		return at("groups", fmt.Errorf("the names of device, tenant and groups have %d bytes together, at most %d fit", n, maxPrincipal))
	}
	stamp(&d.Created, &d.Changed, now)
	return nil
}

// normalize is Device.normalize for a group.
func (g *Group) normalize(now time.Time) error {
	if err := checkOwner(g.Name, g.Tenant, g.Label); err != nil {
		return err
	}
	if err := checkListed(g.Name); err != nil {
		return at("name", err)
	}
	for i := range g.Credentials {
		if c := &g.Credentials[i]; c.RPK != nil || c.Certificate != nil {
			// Whoever has the private half is one node, or the key is not
			// private.
			return at(c.Kind(), errors.New("what members of a group share is a pre-shared key or a token"))
		}
	}
	if err := normalizeCredentials(g.Credentials, g.Name, &g.LastID, now); err != nil {
		return err
	}
	stamp(&g.Created, &g.Changed, now)
	return nil
}

func checkOwner(name, tenant, label string) error {
	if err := CheckName(name); err != nil {
		return at("name", err)
	}
	if tenant != "" {
		if err := CheckName(tenant); err != nil {
			return at("tenant", err)
		}
	}
	if len(label) > MaxLabel || !utf8.ValidString(label) || strings.ContainsFunc(label, notPrintable) {
		return at("label", fmt.Errorf("not one line of printable text of up to %d bytes", MaxLabel))
	}
	return nil
}

// stamp sets the times of a record that is about to be written.
func stamp(created, changed *time.Time, now time.Time) {
	*changed = now.UTC().Truncate(time.Second)
	if created.IsZero() {
		*created = *changed
	}
	*created = created.UTC().Truncate(time.Second)
}

func normalizeTimes(notBefore, notAfter *time.Time) error {
	for _, t := range []*time.Time{notBefore, notAfter} {
		if year := t.UTC().Year(); !t.IsZero() && (year < 1 || year > 9999) {
			return at("not-after", errors.New("not a time between the years 1 and 9999"))
		}
		*t = t.UTC().Truncate(time.Second)
	}
	if !notBefore.IsZero() && !notAfter.IsZero() && notAfter.Before(*notBefore) {
		return at("not-after", errors.New("the end is before the beginning"))
	}
	return nil
}

// normalizeCredentials checks the credentials of name and gives IDs to those
// that have none. lastID is the last number that was given.
func normalizeCredentials(list []Credential, name string, lastID *int, now time.Time) error {
	if len(list) > MaxCredentials {
		return fmt.Errorf("%d credentials, at most %d are taken", len(list), MaxCredentials)
	}
	for i := range list {
		c := &list[i]
		if n, err := strconv.Atoi(c.ID); err == nil {
			*lastID = max(*lastID, n)
		}
		if c.PSK != nil && c.PSK.Identity == nil {
			c.PSK.Identity = []byte(name)
		}
		if err := c.normalize(); err != nil {
			return inList(list, i, err)
		}
		if sameIndex(list[:i], c) != nil {
			return inList(list, i, fmt.Errorf("%s comes twice", c.what()))
		}
	}
	number(list, lastID, now)
	return nil
}

// number gives IDs to the credentials that have none.
func number(list []Credential, lastID *int, now time.Time) {
	for i := range list {
		c := &list[i]
		if c.ID == "" {
			*lastID++
			c.ID = strconv.Itoa(*lastID)
		}
		if c.Created.IsZero() {
			c.Created = now
		}
		c.Created = c.Created.UTC().Truncate(time.Second)
	}
}

// inList puts the place of the i-th credential, which is counted by kind, before
// the path of err.
func inList(list []Credential, i int, err error) error {
	kind, n := list[i].Kind(), 0
	for j := range i {
		if list[j].Kind() == kind {
			n++
		}
	}
	return at(kind, under(n, err))
}

// sameIndex returns the credential in list that would be found by what c is
// found by, or that has its ID.
func sameIndex(list []Credential, c *Credential) *Credential {
	if len(list) == 0 {
		return nil
	}
	var buf, other [512]byte
	key := c.appendIndexKey(buf[:0])
	for i := range list {
		if c.ID != "" && c.ID == list[i].ID || string(list[i].appendIndexKey(other[:0])) == string(key) {
			return &list[i]
		}
	}
	return nil
}

func (c *Credential) normalize() error {
	kinds := 0
	for _, there := range [...]bool{c.PSK != nil, c.RPK != nil, c.Certificate != nil, c.Token != nil} {
		if there {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return fmt.Errorf("a credential is one of PSK, raw public key, certificate and token, this is %d of them", kinds)
	case len(c.ID) > MaxName || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= ' ' || r > '~' }):
		return at("id", errors.New("an ID is ASCII without spaces"))
	}
	if err := normalizeTimes(&c.NotBefore, &c.NotAfter); err != nil {
		return err
	}
	if c.Host != "" {
		host, ok := keys.CanonicalDNS(c.Host)
		if !ok {
			return at("host", fmt.Errorf("%q is no DNS name that a client can ask for", c.Host))
		}
		c.Host = host
	}
	return c.normalizeKind()
}

func (c *Credential) normalizeKind() error {
	switch {
	case c.PSK != nil:
		return c.PSK.check()
	case c.RPK != nil:
		return c.RPK.normalize()
	case c.Certificate != nil:
		return c.Certificate.normalize()
	}
	if len(c.Token.SHA256) != 32 {
		return at("sha256", errors.New("not 32 bytes"))
	}
	return nil
}

func (p *PSK) check() error {
	switch n := p.Key.Len(); {
	case n == 0:
		return at("key", errors.New("the key is empty"))
	case n > keys.MaxPSKLen:
		return at("key", fmt.Errorf("a key of %d bytes, at most %d fit", n, keys.MaxPSKLen))
	case len(p.Identity) > keys.MaxPSKIdentityLen:
		return at("identity", fmt.Errorf("an identity of %d bytes, at most %d fit", len(p.Identity), keys.MaxPSKIdentityLen))
	case len(p.Nodes) > MaxNodes:
		return at("nodes", fmt.Errorf("%d nodes, at most %d are taken", len(p.Nodes), MaxNodes))
	}
	for i, node := range p.Nodes {
		if node == "" || len(node) > maxText || !utf8.ValidString(node) || strings.ContainsFunc(node, notPrintable) || checkListed(node) != nil {
			return at("nodes", under(i, errors.New("not the name of a node")))
		}
	}
	return nil
}

func (p *RPK) normalize() error {
	if len(p.SPKI) > 0 {
		if len(p.SPKI) > maxSPKI || keys.CheckPublicKey(p.SPKI) != nil {
			return at("key", errors.New("not a public key of a kind that can be used"))
		}
		if !p.Name.IsZero() && !p.Name.Matches(p.SPKI) {
			return at("name", errors.New("not the name of the key beside it"))
		}
		p.Name = keys.NameOf(p.SPKI, keys.SHA256)
	}
	return checkPin("name", p.Name)
}

func checkPin(field string, name keys.Name) error {
	if name.Bits() < keys.MinPinBits {
		return at(field, fmt.Errorf("a name of %d bits is too short to be a pin, at least %d are needed", name.Bits(), keys.MinPinBits))
	}
	return nil
}

func (c *Certificate) normalize() error {
	count := 0
	for _, there := range [...]bool{!c.Pin.IsZero(), c.URI != "", c.DNS != "", c.EUI64 != "", c.Subject != ""} {
		if there {
			count++
		}
	}
	if count != 1 {
		return errors.New("a certificate is found by one of pin, uri, dns, eui64 and subject")
	}
	for _, f := range [...]struct{ name, text string }{{"uri", c.URI}, {"subject", c.Subject}, {"issuer", c.Issuer}} {
		if len(f.text) > maxText || !utf8.ValidString(f.text) || strings.ContainsFunc(f.text, notPrintable) {
			return at(f.name, fmt.Errorf("not printable text of up to %d bytes", maxText))
		}
	}
	var ok bool
	switch {
	case c.DNS != "":
		if c.DNS, ok = keys.CanonicalDNS(c.DNS); !ok {
			return at("dns", errors.New("not a DNS name without wildcard"))
		}
	case c.EUI64 != "":
		if c.EUI64, ok = keys.CanonicalEUI64(c.EUI64); !ok {
			return at("eui64", errors.New("not an EUI-64"))
		}
	case !c.Pin.IsZero():
		return checkPin("pin", c.Pin)
	}
	return nil
}
