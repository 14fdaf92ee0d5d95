// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mode is how a peer came to be known: a security mode of RFC 7252 section 9,
// or a token that the application has checked.
type Mode uint8

// The modes. The zero Mode is none of them: in a rule it stands for all, and a
// subject that has it is met by rules that ask for no mode only.
const (
	AnyMode Mode = iota
	NoSec
	PSK
	RPK
	Certificate
	Token

	modeCount = iota
)

var modeNames = [modeCount]string{"", "nosec", "psk", "rpk", "certificate", "token"}

// String returns the name in rules, such as "psk", "" for AnyMode.
func (m Mode) String() string {
	if m < modeCount {
		return modeNames[m]
	}
	return "unknown"
}

// ParseMode reads what String returns, in any case.
func ParseMode(s string) (Mode, error) {
	for i, name := range modeNames {
		if name != "" && strings.EqualFold(s, name) {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no mode: %s", s, strings.Join(modeNames[1:], ", "))
}

// AnyTenant as the tenant of a rule stands for each tenant there is, and not
// for peers without a tenant.
const AnyTenant = "*"

// Who says whom a rule is for. All that it names must hold. The zero Who is
// nobody, and an error: everybody is spelled Anybody.
//
// The names of devices and groups are unique within a tenant. Without Tenant,
// Device and Group are those that belong to no tenant.
type Who struct {
	Device string // this device
	Group  string // each member of this group
	Tenant string // peers of this tenant, AnyTenant: of any
	Mode   Mode   // peers known by this mode; of all but NoSec, only the authenticated unless Anonymous or Anybody
	Host   string // peers that came to this virtual host

	Authenticated bool // peers that have proved who they are
	Anonymous     bool // peers that have not: NoSec, or DTLS without a key of the client
	Anybody       bool // both
}

// ParseWho reads the text form: terms separated by commas, each
//
//	device:NAME  group:NAME  tenant:NAME  tenant:*  host:NAME  mode:MODE
//	authenticated  anonymous  anybody
//
// A NAME that contains a space, a comma, a quotation mark or what cannot be
// printed is written as a Go string in quotation marks.
func ParseWho(s string) (Who, error) {
	var w whoText
	for rest, more := s, true; more; {
		term, after, err := cutTerm(rest)
		if err != nil {
			return Who{}, err
		}
		if err := w.add(term); err != nil {
			return Who{}, err
		}
		rest, more = strings.CutPrefix(after, ",")
	}
	host := CanonicalHost(w.Host)
	if host == "" && w.Host != "" {
		return Who{}, errHost
	}
	w.Host = host
	if w.mode != "" {
		var err error
		if w.Mode, err = ParseMode(w.mode); err != nil {
			return Who{}, err
		}
	}
	return w.Who, w.check()
}

// whoText is a Who that is being read.
type whoText struct {
	Who
	mode string // as it is written
}

// A term is a key and, if hasName, what follows its colon.
type term struct {
	key, name string
	hasName   bool
}

// cutTerm reads one term from the beginning of s; after is empty or begins
// with the comma.
func cutTerm(s string) (t term, after string, err error) {
	end := strings.IndexAny(s, ",:")
	if end < 0 {
		return term{key: s}, "", nil
	}
	t.key, after = s[:end], s[end:]
	if after[0] == ',' {
		return t, after, nil
	}
	t.hasName = true
	t.name, after, err = cutName(after[1:])
	return t, after, err
}

// cutName reads a name, in quotation marks or without.
func cutName(s string) (name, after string, err error) {
	if !strings.HasPrefix(s, "\"") {
		name, _, _ = strings.Cut(s, ",")
		if mustQuote(name) {
			return "", "", fmt.Errorf("the name %q must be written in quotation marks", name)
		}
		return name, s[len(name):], nil
	}
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", "", fmt.Errorf("there is no string in quotation marks at the beginning of %q", s)
	}
	if after = s[len(quoted):]; after != "" && after[0] != ',' {
		return "", "", fmt.Errorf("a comma must follow %s", quoted)
	}
	name, err = strconv.Unquote(quoted)
	return name, after, err
}

// add sets what one term says.
func (w *whoText) add(t term) error {
	if flag := w.flag(t.key); flag != nil {
		if t.hasName || *flag {
			return fmt.Errorf("%q stands once and takes no name", t.key)
		}
		*flag = true
		return nil
	}
	name := w.name(t.key)
	switch {
	case name == nil:
		return fmt.Errorf("%q: say device:NAME, group:NAME, tenant:NAME, host:NAME, mode:MODE, authenticated, anonymous or anybody", t.key)
	case t.name == "":
		return fmt.Errorf("a name must follow %q", t.key+":")
	case *name != "":
		return fmt.Errorf("%q may stand once", t.key+":")
	}
	*name = t.name
	return nil
}

func (w *whoText) flag(key string) *bool {
	switch key {
	case "authenticated":
		return &w.Authenticated
	case "anonymous":
		return &w.Anonymous
	case "anybody":
		return &w.Anybody
	}
	return nil
}

func (w *whoText) name(key string) *string {
	switch key {
	case "device":
		return &w.Device
	case "group":
		return &w.Group
	case "tenant":
		return &w.Tenant
	case "host":
		return &w.Host
	case "mode":
		return &w.mode
	}
	return nil
}

// String returns the text form.
func (w Who) String() string {
	var b strings.Builder
	term := func(use bool, parts ...string) {
		if !use {
			return
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		for _, p := range parts {
			b.WriteString(p)
		}
	}
	term(w.Device != "", "device:", quoteName(w.Device))
	term(w.Group != "", "group:", quoteName(w.Group))
	term(w.Tenant != "", "tenant:", quoteName(w.Tenant))
	term(w.Authenticated, "authenticated")
	term(w.Anonymous, "anonymous")
	term(w.Anybody, "anybody")
	term(w.Mode != AnyMode, "mode:", w.Mode.String())
	term(w.Host != "", "host:", quoteName(w.Host))
	return b.String()
}

func quoteName(name string) string {
	if mustQuote(name) {
		return strconv.Quote(name)
	}
	return name
}

func mustQuote(name string) bool {
	return !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool {
		return r == ',' || r == '"' || unicode.IsSpace(r) || !strconv.IsPrint(r)
	})
}

var (
	errNobody    = errors.New("nobody is named: say device:NAME, group:NAME, tenant:NAME, mode:MODE, authenticated, anonymous or anybody")
	errDevice    = errors.New("device and group in one rule: a rule is for one of them")
	errAnybody   = errors.New("anybody stands with mode or host alone")
	errAnonymous = errors.New("an anonymous peer has no name, group or tenant")
	errNoSec     = errors.New("mode:nosec proves nothing: no device, group, tenant or authenticated peer has it")
	errToken     = errors.New("mode:token is for peers that the application has authenticated")
	errMode      = errors.New("there is no such mode")
	errHost      = errors.New("a dot is no virtual host")
)

// named reports whether w asks for what only an authenticated peer has.
func (w *Who) named() bool {
	return w.Device != "" || w.Group != "" || w.Tenant != "" || w.Authenticated
}

// needsProof reports whether w is for authenticated peers only.
func (w *Who) needsProof() bool {
	return w.named() || !w.Anonymous && !w.Anybody && w.Mode != NoSec
}

// check refuses a Who that is nobody and one that contradicts itself.
func (w *Who) check() error {
	switch {
	case w.Mode >= modeCount:
		return errMode
	case !w.named() && !w.Anonymous && !w.Anybody && w.Mode == AnyMode:
		return errNobody
	case w.Device != "" && w.Group != "":
		return errDevice
	case w.Anybody && (w.named() || w.Anonymous):
		return errAnybody
	case w.Anonymous && w.named():
		return errAnonymous
	case w.Mode == NoSec && w.named():
		return errNoSec
	case w.Mode == Token && w.Anonymous:
		return errToken
	}
	return nil
}
