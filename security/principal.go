// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"
	"time"
)

// Principal is whose a credential is, as a Directory or an application has
// found out: for access rules and for logs. The zero Principal is nobody in
// particular.
type Principal struct {
	// Device is the device whose own credential it is, "" if it is a group's
	// or nobody's.
	Device string
	// Group is the group that a shared pre-shared key proves membership of,
	// and nothing more (RFC 7252 §9): "" for a device's own credential.
	Group string
	// Tenant is the tenant of the device or group, "" for none.
	Tenant string
	// Groups are the groups that the device is in.
	Groups []string
	// Host is the virtual host that was asked for, "" for the default one.
	Host string
	// Credential is what the Directory calls the credential among those of
	// its owner, "" if an application has named the peer by its own means.
	Credential string
	// NotAfter is the last second at which all this is so; zero: no end.
	NotAfter time.Time
	// Mark tells two keys apart that were used under one name, one after the
	// other. It means nothing outside of this process and does not reveal the
	// key. 0: unknown, or nothing that could change unseen.
	Mark uint32
}

// IsZero reports whether p names nobody: neither a device nor a group.
func (p *Principal) IsZero() bool { return p == nil || p.Device == "" && p.Group == "" }

// Name returns the device's name, or the group's with "group " before it, or
// "".
func (p *Principal) Name() string {
	switch {
	case p.IsZero():
		return ""
	case p.Device == "":
		return "group " + p.Group
	}
	return p.Device
}

// SameCredential reports whether a session that was established as p may go on
// as q: they are one device or group, and no key was changed under the name
// that it was found by.
func (p *Principal) SameCredential(q *Principal) bool {
	sameOwner := p.Device == q.Device && p.Group == q.Group && p.Tenant == q.Tenant
	return sameOwner && (p.Mark == q.Mark || p.Mark == 0 || q.Mark == 0)
}

// Ended reports whether the time of p is over at now.
func (p *Principal) Ended(now time.Time) bool {
	return !p.NotAfter.IsZero() && now.After(p.NotAfter)
}

// MaxPrincipalLen is how many octets a Principal in binary form should have at
// most: a session keeps no longer ones.
const MaxPrincipalLen = 1024

// principalVersion is the first byte of a Principal in binary form.
const principalVersion = 1

// What a Principal in binary form has, in this order.
const (
	hasDevice byte = 1 << iota
	hasGroup
	hasTenant
	hasGroups
	hasHost
	hasCredential
	hasNotAfter
	hasMark
)

// AppendBinary appends p in a short form that ParsePrincipal reads, for what a
// session keeps while it sleeps: a version, an octet that says what follows,
// then strings with their length before them. The zero Principal, Mark
// included, is no octets at all. NotAfter is kept in whole seconds.
func (p *Principal) AppendBinary(dst []byte) []byte {
	has := p.has()
	if has == 0 {
		return dst
	}
	dst = append(dst, principalVersion, has)
	for _, s := range []string{p.Device, p.Group, p.Tenant} {
		if s != "" {
			dst = appendString(dst, s)
		}
	}
	if len(p.Groups) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(p.Groups)))
		for _, group := range p.Groups {
			dst = appendString(dst, group)
		}
	}
	for _, s := range []string{p.Host, p.Credential} {
		if s != "" {
			dst = appendString(dst, s)
		}
	}
	if has&hasNotAfter != 0 {
		dst = binary.AppendVarint(dst, p.NotAfter.Unix())
	}
	if has&hasMark != 0 {
		dst = binary.BigEndian.AppendUint32(dst, p.Mark)
	}
	return dst
}

func (p *Principal) has() (has byte) {
	for i, there := range [...]bool{
		p.Device != "", p.Group != "", p.Tenant != "", len(p.Groups) > 0,
		p.Host != "", p.Credential != "", !p.NotAfter.IsZero(), p.Mark != 0,
	} {
		if there {
			has |= 1 << i
		}
	}
	return has
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

var errPrincipal = errors.New("security: not a principal")

// ParsePrincipal reads what AppendBinary has written, and nothing else: all of
// b, in the shortest form.
func ParsePrincipal(b []byte) (Principal, error) {
	var p Principal
	if len(b) == 0 {
		return p, nil
	}
	if len(b) < 2 || b[0] != principalVersion || b[1] == 0 {
		return p, errPrincipal
	}
	has := b[1]
	r := noteReader{rest: b[2:]}
	r.text(has&hasDevice, &p.Device)
	r.text(has&hasGroup, &p.Group)
	r.text(has&hasTenant, &p.Tenant)
	r.texts(has&hasGroups, &p.Groups)
	r.text(has&hasHost, &p.Host)
	r.text(has&hasCredential, &p.Credential)
	r.time(has&hasNotAfter, &p.NotAfter)
	r.mark(has&hasMark, &p.Mark)
	if r.bad || len(r.rest) > 0 || !slices.Equal(p.AppendBinary(nil), b) {
		return Principal{}, errPrincipal
	}
	return p, nil
}

// noteReader takes a Principal apart. After the first thing that is not there
// it reads nothing more.
type noteReader struct {
	rest []byte
	bad  bool
}

func (r *noteReader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.bad || size <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *noteReader) bytes(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	read := r.rest[:n]
	r.rest = r.rest[n:]
	return read
}

func (r *noteReader) text(has byte, s *string) {
	if has != 0 && !r.bad {
		*s = string(r.bytes(r.number()))
	}
}

func (r *noteReader) texts(has byte, list *[]string) {
	if has == 0 || r.bad {
		return
	}
	// Each text has an octet of length at least.
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return
	}
	*list = make([]string, n)
	for i := range *list {
		r.text(1, &(*list)[i])
	}
}

func (r *noteReader) time(has byte, t *time.Time) {
	if has == 0 || r.bad {
		return
	}
	seconds, size := binary.Varint(r.rest)
	if size <= 0 {
		r.bad = true
		return
	}
	r.rest = r.rest[size:]
	*t = time.Unix(seconds, 0).UTC()
}

func (r *noteReader) mark(has byte, mark *uint32) {
	if has == 0 {
		return
	}
	if b := r.bytes(4); !r.bad {
		*mark = binary.BigEndian.Uint32(b)
	}
}

// markSeed is drawn anew in each process.
var markSeed = maphash.MakeSeed()

// MarkOf is the Principal.Mark of a key, or of whatever else a credential is.
func MarkOf(key []byte) uint32 {
	sum := maphash.Bytes(markSeed, key)
	return uint32(sum>>32) ^ uint32(sum) | 1
}
