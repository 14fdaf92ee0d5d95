// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The UDP ports of a URI that names none (RFC 7252 sections 6.1 and 6.2).
const (
	DefaultPort       = 5683
	DefaultSecurePort = 5684
)

// Why a URI is refused: a [URIError] wraps one of them.
var (
	ErrURIScheme    = errors.New("scheme is not coap or coaps")
	ErrURITransport = errors.New("transport is not UDP: coap and coaps are supported")
	ErrURIUserinfo  = errors.New("user information has no place in a CoAP URI")
	ErrURIFragment  = errors.New("fragment is not part of a request")
	ErrURIHost      = errors.New("bad host")
	ErrURIPort      = errors.New("bad port")
	ErrURISyntax    = errors.New("bad character or percent-encoding")
	ErrURILength    = errors.New("component is longer than an option may be")
)

// A URIError says why ParseURI or ComposeURI failed.
type URIError struct {
	URI string // the input of ParseURI, without user information
	Err error  // wraps one of the ErrURI values
}

func (e *URIError) Error() string {
	if e.URI == "" {
		return "coap: composing a URI: " + e.Err.Error()
	}
	return "coap: URI " + strconv.Quote(e.URI) + ": " + e.Err.Error()
}

func (e *URIError) Unwrap() error { return e.Err }

// A URI is a coap or coaps URI taken apart (RFC 7252 section 6).
type URI struct {
	// Scheme is "coap" or "coaps".
	Scheme string

	// Host is a registered name in lower case without percent-encoding, or an
	// IP address, without brackets and with its zone if it has one.
	Host     string
	HostIsIP bool

	// Port is the UDP port, the scheme's default if the URI names none.
	Port uint16

	// Path and Query are the values of the Uri-Path and Uri-Query options,
	// without percent-encoding. They may hold any byte.
	Path  []string
	Query []string
}

// ParseURI takes s apart as RFC 7252 section 6.4 says. It is strict: s has to
// be an absolute URI in the grammar of RFC 3986. The error is a *URIError.
//
// Two inputs that section 6.4 leaves open are settled by section 6.3, by which
// a percent-encoded unreserved character equals the character itself: %2E%2E is
// a dot segment, and the host is in lower case after decoding too. In a zone,
// "%" is accepted for the "%25" of RFC 6874.
func ParseURI(s string) (URI, error) {
	u, err := parseURI(s)
	if err != nil {
		return URI{}, &URIError{withoutUserinfo(s), err}
	}
	return u, nil
}

// withoutUserinfo takes out of s what may be a password, so that it does not
// get into an error message.
func withoutUserinfo(s string) string {
	scheme, rest, ok := strings.Cut(s, "//")
	if !ok {
		return s
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
		return scheme + "//xxxxx" + rest[at:]
	}
	return s
}

func parseURI(s string) (u URI, err error) {
	scheme, rest, _ := strings.Cut(s, ":")
	if u.Scheme, err = parseScheme(scheme); err != nil {
		return u, err
	}
	rest, found := strings.CutPrefix(rest, "//")
	if !found {
		return u, fmt.Errorf("%w: no // after the scheme", ErrURIHost)
	}
	if strings.Contains(rest, "#") {
		return u, ErrURIFragment // section 6.4 step 4
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	authority, path, hasPath := strings.Cut(rest, "/")
	if err := u.parseAuthority(authority); err != nil {
		return u, err
	}
	if hasPath {
		if u.Path, err = parsePath(path); err != nil {
			return u, err
		}
	}
	if hasQuery {
		u.Query, err = parseComponents(query, "&", queryChar)
	}
	return u, err
}

// parseScheme is step 3 of section 6.4.
func parseScheme(s string) (string, error) {
	switch s = lowerASCII(s); s {
	case "coap", "coaps":
		return s, nil
	case "coap+tcp", "coaps+tcp", "coap+ws", "coaps+ws":
		return "", ErrURITransport
	}
	return "", ErrURIScheme
}

func (u *URI) parseAuthority(s string) error {
	if strings.Contains(s, "@") {
		return ErrURIUserinfo
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, port, ok := strings.Cut(inner, "]")
		if !ok || port != "" && port[0] != ':' {
			return fmt.Errorf("%w: no closing bracket before the port", ErrURIHost)
		}
		var err error
		if u.Host, err = parseLiteral(inner); err != nil {
			return err
		}
		u.HostIsIP = true
		return u.parsePort(strings.TrimPrefix(port, ":"))
	}
	host, port, _ := strings.Cut(s, ":")
	if strings.Contains(port, ":") {
		return fmt.Errorf("%w: an IPv6 address needs brackets", ErrURIHost)
	}
	if err := u.parseName(host); err != nil {
		return err
	}
	return u.parsePort(port)
}

// parseName is step 5 of section 6.4 for a reg-name or IPv4address.
func (u *URI) parseName(s string) error {
	name, err := unescape(s, regName)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrURIHost, err)
	}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Is4() {
		u.Host, u.HostIsIP = addr.String(), true
		return nil
	}
	u.Host = lowerASCII(name)
	return checkHost(u.Host)
}

// parseLiteral reads what stands between brackets: an IPv6 address and perhaps
// a zone (RFC 6874).
func parseLiteral(s string) (string, error) {
	text, zone, hasZone := strings.Cut(s, "%")
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is6() {
		return "", fmt.Errorf("%w: not an IPv6 address", ErrURIHost)
	}
	if !hasZone {
		return addr.String(), nil
	}
	zone, err = unescape(strings.TrimPrefix(zone, "25"), unreserved)
	if err != nil || checkHost(zone) != nil {
		return "", fmt.Errorf("%w: bad zone", ErrURIHost)
	}
	return addr.WithZone(zone).String(), nil
}

// checkHost refuses a host that could not be written into a URI again (RFC
// 7252 section 6.5 step 2), or that means something else to whoever resolves it
// or compares it with a certificate: control characters, separators, bytes that
// are no UTF-8.
func checkHost(host string) error {
	switch {
	case host == "":
		return fmt.Errorf("%w: empty", ErrURIHost) // section 6.1
	case len(host) > URIHost.row().max:
		return ErrURILength
	case !utf8.ValidString(host):
		return fmt.Errorf("%w: not UTF-8", ErrURIHost)
	}
	for i := range len(host) {
		if host[i] < utf8.RuneSelf && !regName.contains(host[i]) {
			return fmt.Errorf("%w: character %q in a name", ErrURIHost, host[i])
		}
	}
	return nil
}

func lowerASCII(s string) string {
	lower := []byte(s)
	for i, b := range lower {
		if b >= 'A' && b <= 'Z' {
			lower[i] = b + 'a' - 'A'
		}
	}
	return string(lower)
}

// parsePort is step 6 of section 6.4. Port 0 cannot be a destination.
func (u *URI) parsePort(s string) error {
	u.Port = u.defaultPort()
	if s == "" {
		return nil
	}
	var port int
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return ErrURIPort
		}
		if port = 10*port + int(s[i]-'0'); port > 0xffff {
			return ErrURIPort
		}
	}
	if port == 0 {
		return ErrURIPort
	}
	u.Port = uint16(port)
	return nil
}

// parsePath is step 8 of section 6.4, and of step 2 what concerns an absolute
// URI: the removal of dot segments (RFC 3986 section 5.2.4). The slash that
// begins the path is gone from s.
func parsePath(s string) ([]string, error) {
	segments, err := parseComponents(s, "/", pathChar)
	if err != nil {
		return nil, err
	}
	path := segments[:0]
	for i, segment := range segments {
		if !isDotSegment(segment) {
			path = append(path, segment)
			continue
		}
		if segment == ".." && len(path) > 0 {
			path = path[:len(path)-1]
		}
		if i == len(segments)-1 {
			path = append(path, "") // "/a/." is "/a/"
		}
	}
	if len(path) == 1 && path[0] == "" {
		return nil, nil
	}
	return path, nil
}

// parseComponents decodes the parts of a path or a query. A part may be as long
// as the options Uri-Path and Uri-Query, which have the same limit.
func parseComponents(s, separator string, allowed charClass) ([]string, error) {
	parts := strings.Split(s, separator)
	for i, part := range parts {
		decoded, err := unescape(part, allowed)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrURISyntax, err)
		}
		if len(decoded) > URIPath.row().max {
			return nil, ErrURILength
		}
		parts[i] = decoded
	}
	return parts, nil
}

// Secure reports whether the scheme is coaps.
func (u *URI) Secure() bool { return u.Scheme == "coaps" }

func (u *URI) defaultPort() uint16 { return schemePort(u.Secure()) }

func schemePort(secure bool) uint16 {
	if secure {
		return DefaultSecurePort
	}
	return DefaultPort
}

// Addr returns the host as an address, if it is one.
func (u *URI) Addr() (netip.Addr, bool) {
	if !u.HostIsIP {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(u.Host)
	return addr, err == nil
}

// Options returns the options of a request that goes to the host and port of
// the URI itself: Uri-Host, if withHost is set and the host is a name, Uri-Path
// and Uri-Query (RFC 7252 section 6.4). They are in the order of their numbers.
func (u *URI) Options(withHost bool) OptionList {
	var l OptionList
	if withHost && !u.HostIsIP {
		l.AddString(URIHost, u.Host)
	}
	return u.appendResource(l)
}

// OptionsFor returns the options of a request that goes to dest, which need not
// be what the URI names: a proxy, say. Uri-Host and Uri-Port are there where
// dest does not imply them (RFC 7252 section 6.4 steps 5 and 7).
func (u *URI) OptionsFor(dest netip.AddrPort) OptionList {
	var l OptionList
	switch addr, ok := u.Addr(); {
	case !ok:
		l.AddString(URIHost, u.Host)
	case addr.Unmap() != dest.Addr().Unmap():
		l.AddString(URIHost, literal(addr.WithZone(""))) // a zone means nothing elsewhere
	}
	if u.Port != dest.Port() {
		l.AddUint(URIPort, uint32(u.Port))
	}
	return u.appendResource(l)
}

func (u *URI) appendResource(l OptionList) OptionList {
	l = slices.Grow(l, len(u.Path)+len(u.Query))
	for _, segment := range u.Path {
		l.AddString(URIPath, segment)
	}
	for _, argument := range u.Query {
		l.AddString(URIQuery, argument)
	}
	return l
}
