// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/store"
)

// A found is a credential and its owner, as a look-up has read them. What the
// time says of it is judged when it is asked for.
type found struct {
	owner               string // key
	entry               security.Entry
	ownerOff, off       bool // disabled
	notBefore, notAfter time.Time
}

// at is the answer at a time.
func (f *found) at(now time.Time) security.Entry {
	e := f.entry
	switch {
	case f.ownerOff && e.Device != "":
		e.Reason = dtls.ReasonDeviceDisabled
	case f.ownerOff, f.off:
		e.Reason = dtls.ReasonCredentialDisabled
	case !f.notBefore.IsZero() && now.Before(f.notBefore):
		e.Reason = dtls.ReasonCredentialNotYetValid
		e.Err = fmt.Errorf("%s may be used from %s on", e.Name(), f.notBefore.Format(time.RFC3339))
	case e.Ended(now):
		e.Reason = dtls.ReasonCredentialExpired
		e.Err = fmt.Errorf("the time of %s was over at %s", e.Name(), e.NotAfter.Format(time.RFC3339))
	}
	return e
}

// nobody is the answer on a credential that is nobody's.
var nobody = security.Entry{Reason: dtls.ReasonUnknownIdentity}

// unavailable is the answer when nobody can say.
func unavailable(err error) security.Entry {
	return security.Entry{Reason: dtls.ReasonStoreUnavailable, Err: err}
}

// newFound makes the answer for one credential of an owner.
func newFound(o owner, c *Credential) *found {
	f := &found{owner: o.key(), off: c.Disabled, notBefore: c.NotBefore, notAfter: c.NotAfter}
	whose := &f.entry.Principal
	switch o := o.(type) {
	case *Device:
		whose.Device, whose.Tenant, whose.Groups = o.Name, o.Tenant, o.Groups
		f.ownerOff = o.Disabled
		if o.NotBefore.After(f.notBefore) {
			f.notBefore = o.NotBefore
		}
		if f.notAfter.IsZero() || !o.NotAfter.IsZero() && o.NotAfter.Before(f.notAfter) {
			f.notAfter = o.NotAfter
		}
	case *Group:
		whose.Group, whose.Tenant = o.Name, o.Tenant
		f.ownerOff = o.Disabled
	}
	whose.Host, whose.Credential, whose.NotAfter = c.Host, c.ID, f.notAfter
	// The other kinds say themselves what they are: to look them up again is
	// to verify them.
	switch {
	case c.PSK != nil:
		f.entry.Key, f.entry.Nodes = c.PSK.Key, c.PSK.Nodes
		whose.Mark = security.MarkOf(c.PSK.Key.Bytes())
	case c.Token != nil:
		whose.Mark = security.MarkOf(c.Token.SHA256)
	}
	return f
}

// is reports whether the credential is what the claim shows.
func (c *Credential) is(claim *security.Claim) bool {
	switch {
	case c.Host != claim.Host:
		return false
	case c.PSK != nil:
		return claim.PSKIdentity != nil && bytes.Equal(c.PSK.Identity, claim.PSKIdentity)
	case c.RPK != nil:
		return c.RPK.Name.Matches(claim.RawKey)
	case c.Token != nil:
		sum := sha256.Sum256(claim.Token)
		return len(claim.Token) > 0 && subtle.ConstantTimeCompare(c.Token.SHA256, sum[:]) == 1
	case len(claim.Chain) > 0:
		return c.Certificate.is(claim)
	}
	return false
}

// is reports whether a certificate that has been verified is this one.
func (c *Certificate) is(claim *security.Claim) bool {
	leaf := claim.Chain[0]
	names := keys.NamesOf(leaf)
	switch bySubject := c.EUI64 != "" || c.Subject != ""; {
	case c.Issuer != "" && c.Issuer != names.Issuer:
		return false
	case claim.Bound && bySubject && c.Issuer == "":
		return false
	case !c.Pin.IsZero():
		return c.Pin.Matches(leaf.RawSubjectPublicKeyInfo)
	case c.URI != "":
		return slices.Contains(names.URIs, c.URI)
	case c.DNS != "":
		return slices.Contains(names.DNS, c.DNS)
	case c.EUI64 != "":
		return slices.Contains(names.EUI64, c.EUI64)
	}
	return c.Subject != "" && c.Subject == names.Subject
}

// indexKeys lists the index records that can tell whose a claim is, the more
// specific ones first.
func indexKeys(claim *security.Claim) []string {
	var buf [512]byte
	switch {
	case claim.PSKIdentity != nil:
		return []string{string(appendPSKKey(buf[:0], claim.Host, claim.PSKIdentity))}
	case claim.RawKey != nil:
		return []string{string(appendHashKey(buf[:0], indexRPK, claim.Host, shortHash(keys.NameOf(claim.RawKey, keys.SHA256_120))))}
	case claim.Token != nil:
		sum := sha256.Sum256(claim.Token)
		return []string{string(appendHashKey(buf[:0], indexToken, claim.Host, sum[:]))}
	case len(claim.Chain) > 0:
		return certificateKeys(claim)
	}
	return nil
}

// certificateKeys lists first the pin, then the names from the one that says
// most to the one that says least; of each what is bound to the issuer first.
func certificateKeys(claim *security.Claim) []string {
	names := keys.NamesOf(claim.Chain[0])
	var list []string
	add := func(kind string, values ...string) {
		for _, value := range values {
			if value == "" {
				continue
			}
			if names.Issuer != "" {
				list = append(list, string(appendNameKey(nil, kind, claim.Host, names.Issuer, value)))
			}
			list = append(list, string(appendNameKey(nil, kind, claim.Host, "", value)))
		}
	}
	_, pin := (&Certificate{Pin: names.Pin}).name()
	add(indexPin, pin)
	add(indexURI, names.URIs...)
	add(indexDNS, names.DNS...)
	add(indexEUI64, names.EUI64...)
	add(indexSubject, names.Subject)
	return list
}

// look finds out whose a claim is. It returns nil if it is nobody's.
func look(ctx context.Context, s store.Store, claim *security.Claim) (*found, error) {
	if claim.Principal != nil {
		return lookPrincipal(ctx, s, claim.Principal)
	}
	for _, key := range indexKeys(claim) {
		record, err := s.Get(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ref, _ := parseReference(record.Value)
		o, err := getOwner(ctx, s, ref.owner)
		if err != nil {
			return nil, err
		}
		// The owner alone is believed: an index record that somebody else has
		// made leads nowhere.
		if c := credentialOf(o, ref.credential); c != nil && c.is(claim) {
			return newFound(o, c), nil
		}
	}
	return nil, nil
}

// lookPrincipal finds an owner, and a credential of his if one is named.
func lookPrincipal(ctx context.Context, s store.Store, p *security.Principal) (*found, error) {
	o, err := getOwner(ctx, s, principalKey(p))
	if o == nil || err != nil {
		return nil, err
	}
	if p.Credential == "" {
		f := newFound(o, &Credential{Token: new(Token)})
		f.entry.Mark = 0
		return f, nil
	}
	if c := credentialOf(o, p.Credential); c != nil {
		return newFound(o, c), nil
	}
	return nil, nil
}

func principalKey(p *security.Principal) string {
	if p.Device == "" {
		return groupKey(p.Tenant, p.Group)
	}
	return deviceKey(p.Tenant, p.Device)
}

// getOwner reads a device or group, nil if it is not there.
func getOwner(ctx context.Context, s store.Store, key string) (owner, error) {
	record, err := s.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	defer clear(record.Value)
	return ownerOf(record)
}

func credentialOf(o owner, id string) *Credential {
	if o == nil {
		return nil
	}
	list := o.credentials()
	for i := range list {
		if list[i].ID == id {
			return &list[i]
		}
	}
	return nil
}

// tenantFits checks that the tenant that is part of a PSK identity is that of
// its owner.
func tenantFits(split string, claim *security.Claim, f *found) bool {
	if split == "" || claim.PSKIdentity == nil || f == nil {
		return true
	}
	tenant := ""
	if i := bytes.LastIndex(claim.PSKIdentity, []byte(split)); i >= 0 {
		tenant = string(claim.PSKIdentity[i+len(split):])
	}
	return tenant == f.entry.Tenant
}
