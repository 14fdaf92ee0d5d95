// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package acl

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/coaps-go/coaps/coap"
)

// Methods is a set of rights on a resource: the request methods, numbered as
// RFC 9237 section 3 does (the method's code minus one), and OBSERVE.
type Methods uint16

// The rights. OBSERVE comes on top of GET or FETCH: whoever wants to follow a
// resource (RFC 7641) needs both.
const (
	GET Methods = 1 << iota
	POST
	PUT
	DELETE
	FETCH
	PATCH
	IPATCH
	OBSERVE

	// All is every right there is.
	All Methods = 1<<iota - 1
)

var methodNames = [...]string{"GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH", "OBSERVE"}

// MethodOf returns the right to a request method. It is 0, which no rule
// allows, for a code that is no method of RFC 7252 or RFC 8132.
func MethodOf(code coap.Code) Methods {
	if code < coap.GET || code > coap.IPATCH {
		return 0
	}
	return 1 << (code - coap.GET)
}

// ParseMethods reads names separated by commas, in any case, such as
// "GET,OBSERVE"; "*" is All.
func ParseMethods(s string) (Methods, error) {
	if s == "*" {
		return All, nil
	}
	var set Methods
	for name := range strings.SplitSeq(s, ",") {
		m, err := parseMethod(name)
		if err != nil {
			return 0, err
		}
		set |= m
	}
	return set, nil
}

func parseMethod(s string) (Methods, error) {
	for i, name := range methodNames {
		if strings.EqualFold(s, name) {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("%q is no method: %s, or * for all of them", s, strings.Join(methodNames[:], ", "))
}

// String returns the names separated by commas, "*" for All and "none" for
// the empty set.
func (m Methods) String() string {
	switch {
	case m&All == All:
		return "*"
	case m&All == 0:
		return "none"
	}
	return strings.Join(m.Names(), ",")
}

// Names returns the name of each right in the set.
func (m Methods) Names() []string {
	names := make([]string, 0, bits.OnesCount16(uint16(m)))
	for i, name := range methodNames {
		if m&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
