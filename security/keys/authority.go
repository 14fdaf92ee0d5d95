// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// DefaultPort is the UDP port of a coaps URI that names none (RFC 7252 §6.2).
const DefaultPort = 5684

// Authority says who a client wants to reach: the authority of the request
// URI (RFC 3986 §3.2) and its scheme.
type Authority struct {
	Scheme string // "" means "coaps"
	// Host is a DNS name in its ASCII form, an IP address without brackets,
	// or an EUI-64 in hexadecimal, with or without "-" between bytes, for
	// nodes that are known by one (RFC 7252 §9.1.3.3).
	Host string
	Port uint16 // 0 means DefaultPort
}

// String returns the authority as a URI without path.
func (a Authority) String() string {
	host := a.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := a.port(); port != DefaultPort {
		host += ":" + strconv.Itoa(int(port))
	}
	return a.scheme() + "://" + host
}

func (a Authority) scheme() string {
	if a.Scheme == "" {
		return "coaps"
	}
	return lowerASCII(a.Scheme)
}

func (a Authority) port() uint16 {
	if a.Port == 0 {
		return DefaultPort
	}
	return a.Port
}

// Check returns an error unless the authority is one that the name in a
// certificate can be compared with.
func (a Authority) Check() error {
	_, err := a.reference()
	return err
}

// ServerName returns the host as a server name indication can carry it: a DNS
// name in lower case, or "" for an address (RFC 6066 §3 allows only names) and
// for an EUI-64, which RFC 7925 §4.4.1 excludes.
func (a Authority) ServerName() string {
	r, err := a.reference()
	if err != nil || r.kind != hostDNS {
		return ""
	}
	return r.name
}

// hostKind tells apart what a host can be. Hosts of different kinds are never
// equal, whatever they look like.
type hostKind uint8

const (
	hostNone hostKind = iota // no valid host
	hostDNS
	hostIP
	hostEUI64
)

// host is a host in the form in which it is compared.
type host struct {
	kind hostKind
	name string     // hostDNS: lower case, no dot at the end
	ip   netip.Addr // hostIP: no zone
	eui  [8]byte    // hostEUI64
}

// reference is a reference identifier in the sense of RFC 6125 §1.8.
type reference struct {
	host
	scheme string
	port   uint16
}

func (a Authority) reference() (reference, error) {
	if a.Host == "" {
		return reference{}, errors.New("no host to compare with the certificate")
	}
	r := reference{host: parseHost(a.Host), scheme: a.scheme(), port: a.port()}
	if r.kind == hostNone {
		return reference{}, fmt.Errorf("host %q cannot be in a certificate; write an internationalized name in its xn-- form", a.Host)
	}
	return r, nil
}

// parseHost reads a host as it stands in a URI, without brackets, or in a
// certificate. An EUI-64 with colons is an IPv6 address here.
func parseHost(s string) host {
	if ip, err := netip.ParseAddr(s); err == nil {
		// A zone is of the local node alone, certificates have none.
		return host{kind: hostIP, ip: ip.WithZone("")}
	}
	if eui, ok := parseEUI64(s); ok {
		return host{kind: hostEUI64, eui: eui}
	}
	name := lowerASCII(strings.TrimSuffix(s, "."))
	if !validDNSName(name) {
		return host{}
	}
	return host{kind: hostDNS, name: name}
}

// validDNSName reports whether s, in lower case, is a host name of letters,
// digits, "-" and "_". Anything else, such as NUL, "*", a space or a letter
// outside ASCII, is no name that could be compared: A-labels are asked for
// (RFC 6125 §6.4.2), and wildcards are not allowed (RFC 7252 §9.1.3.3). A last
// label of digits is refused too, because resolvers take it for an address.
func validDNSName(s string) bool {
	if len(s) > 253 {
		return false
	}
	label := ""
	for label = range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 || strings.ContainsFunc(label, notHostCharacter) {
			return false
		}
	}
	return strings.Trim(label, "0123456789") != ""
}

// lowerASCII folds A to Z and nothing else: Unicode has other characters, such
// as the Kelvin sign, whose lower case is an ASCII letter.
func lowerASCII(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}

func notHostCharacter(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// parseEUI64 reads an EUI-64: sixteen hexadecimal digits, with "-" or with ":"
// between all bytes or with none.
func parseEUI64(s string) (eui [8]byte, ok bool) {
	switch len(s) {
	case 16:
	case 23:
		separator := s[2:3]
		if separator != "-" && separator != ":" || strings.Count(s, separator) != 7 {
			return eui, false
		}
		for i := 2; i < len(s); i += 3 {
			if s[i:i+1] != separator {
				return eui, false
			}
		}
		s = strings.ReplaceAll(s, separator, "")
	default:
		return eui, false
	}
	n, err := hex.Decode(eui[:], []byte(s))
	return eui, err == nil && n == len(eui)
}

// uriHost returns the host and port of a coaps URI in a certificate, and false
// for a URI of another scheme, without a host, with a user part, which could
// hide the host from a reader, or with a zone, which means nothing elsewhere.
func uriHost(u *url.URL, scheme string) (h host, port uint16, ok bool) {
	if !strings.EqualFold(u.Scheme, scheme) || u.Host == "" || u.User != nil || strings.Contains(u.Host, "%") {
		return host{}, 0, false
	}
	port = DefaultPort
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return host{}, 0, false
		}
		port = uint16(n)
	}
	return parseHost(u.Hostname()), port, true
}
