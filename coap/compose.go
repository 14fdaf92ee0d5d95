// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// String returns the URI in normal form (RFC 7252 section 6.3): lower case, no
// default port, nothing encoded that need not be. ParseURI reads it back to an
// equal URI.
func (u *URI) String() string {
	return string(appendResource([]byte(u.Scheme+"://"+u.Authority()), u.appendResource(nil).Encode(nil)))
}

// Authority returns the host, and the port where it is not the scheme's
// default, as they stand in String.
func (u *URI) Authority() string {
	return withPort(u.hostText(), u.Port, u.defaultPort())
}

// hostText returns the host as it is written in a URI.
func (u *URI) hostText() string {
	if addr, ok := u.Addr(); ok {
		return literal(addr)
	}
	return string(appendEscaped(nil, u.Host, regName))
}

// literal returns addr as an IP-literal or IPv4address, in the form that RFC
// 5952 recommends.
func literal(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	zone := addr.Zone()
	if zone != "" {
		zone = string(appendEscaped([]byte("%25"), zone, unreserved)) // RFC 6874
	}
	return "[" + addr.WithZone("").String() + zone + "]"
}

func withPort(host string, port, defaultPort uint16) string {
	if port == defaultPort {
		return host
	}
	return host + ":" + strconv.Itoa(int(port))
}

// ComposeURI returns the URI of the request that carries o and was sent to
// dest, over DTLS if secure is set (RFC 7252 section 6.5). It fails with a
// *URIError if no URI can hold what is in the Uri-Host option, or if there is
// neither that option nor a valid dest.
//
// It leaves Proxy-Uri and Proxy-Scheme out of account.
func ComposeURI(secure bool, dest netip.AddrPort, o Options) (string, error) {
	host, err := composeHost(dest.Addr(), o)
	if err != nil {
		return "", &URIError{Err: err}
	}
	port := dest.Port()
	if v, ok := o.GetUint(URIPort); ok {
		port = uint16(v)
	}
	scheme := "coap://"
	if secure {
		scheme = "coaps://"
	}
	return string(appendResource([]byte(scheme+withPort(host, port, schemePort(secure))), o)), nil
}

// composeHost is step 2 of section 6.5.
func composeHost(dest netip.Addr, o Options) (string, error) {
	value, ok := o.Get(URIHost)
	if !ok {
		if !dest.IsValid() {
			return "", fmt.Errorf("%w: no Uri-Host and no destination address", ErrURIHost)
		}
		return literal(dest.Unmap()), nil
	}
	host := string(appendEscapedNonASCII(nil, value))
	if address, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(address, "]") {
		_, err := parseLiteral(strings.TrimSuffix(address, "]"))
		return host, err
	}
	if _, err := unescape(host, regName); err != nil {
		return "", fmt.Errorf("%w: %w", ErrURIHost, err)
	}
	return host, nil
}

// appendResource appends what steps 6 to 8 of section 6.5 call the resource
// name.
func appendResource(dst []byte, o Options) []byte {
	dst = o.AppendPath(dst)
	separator := byte('?')
	for num, value := range o.All() {
		if num == URIQuery {
			dst = appendEscapedArgument(append(dst, separator), value)
			separator = '&'
		}
	}
	return dst
}
