// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"fmt"
	"strconv"
	"strings"
)

// A Code is the Code field of the header, written "c.dd": a class of three
// bits and a detail of five (RFC 7252 section 3). It is a request method, a
// response code, or Empty.
type Code uint8

// Empty, and the methods of RFC 7252 section 12.1.1 and RFC 8132.
const (
	Empty  Code = 0
	GET    Code = 1
	POST   Code = 2
	PUT    Code = 3
	DELETE Code = 4
	FETCH  Code = 5
	PATCH  Code = 6
	IPATCH Code = 7
)

// The response codes of RFC 7252 section 12.1.2, RFC 7959 (2.31, 4.08), RFC
// 8132 (4.09, 4.22), RFC 8516 (4.29) and RFC 8768 (5.08).
const (
	Created  Code = 2<<5 | 1
	Deleted  Code = 2<<5 | 2
	Valid    Code = 2<<5 | 3
	Changed  Code = 2<<5 | 4
	Content  Code = 2<<5 | 5
	Continue Code = 2<<5 | 31

	BadRequest               Code = 4 << 5
	Unauthorized             Code = 4<<5 | 1
	BadOption                Code = 4<<5 | 2
	Forbidden                Code = 4<<5 | 3
	NotFound                 Code = 4<<5 | 4
	MethodNotAllowed         Code = 4<<5 | 5
	NotAcceptable            Code = 4<<5 | 6
	RequestEntityIncomplete  Code = 4<<5 | 8
	Conflict                 Code = 4<<5 | 9
	PreconditionFailed       Code = 4<<5 | 12
	RequestEntityTooLarge    Code = 4<<5 | 13
	UnsupportedContentFormat Code = 4<<5 | 15
	UnprocessableEntity      Code = 4<<5 | 22
	TooManyRequests          Code = 4<<5 | 29

	InternalServerError  Code = 5 << 5
	NotImplemented       Code = 5<<5 | 1
	BadGateway           Code = 5<<5 | 2
	ServiceUnavailable   Code = 5<<5 | 3
	GatewayTimeout       Code = 5<<5 | 4
	ProxyingNotSupported Code = 5<<5 | 5
	HopLimitReached      Code = 5<<5 | 8
)

// codeNames is the registry of section 12.1: a code without a name is
// unassigned or reserved.
var codeNames = [256]string{
	Empty: "Empty",

	GET:    "GET",
	POST:   "POST",
	PUT:    "PUT",
	DELETE: "DELETE",
	FETCH:  "FETCH",
	PATCH:  "PATCH",
	IPATCH: "iPATCH",

	Created:  "Created",
	Deleted:  "Deleted",
	Valid:    "Valid",
	Changed:  "Changed",
	Content:  "Content",
	Continue: "Continue",

	BadRequest:               "Bad Request",
	Unauthorized:             "Unauthorized",
	BadOption:                "Bad Option",
	Forbidden:                "Forbidden",
	NotFound:                 "Not Found",
	MethodNotAllowed:         "Method Not Allowed",
	NotAcceptable:            "Not Acceptable",
	RequestEntityIncomplete:  "Request Entity Incomplete",
	Conflict:                 "Conflict",
	PreconditionFailed:       "Precondition Failed",
	RequestEntityTooLarge:    "Request Entity Too Large",
	UnsupportedContentFormat: "Unsupported Content-Format",
	UnprocessableEntity:      "Unprocessable Entity",
	TooManyRequests:          "Too Many Requests",

	InternalServerError:  "Internal Server Error",
	NotImplemented:       "Not Implemented",
	BadGateway:           "Bad Gateway",
	ServiceUnavailable:   "Service Unavailable",
	GatewayTimeout:       "Gateway Timeout",
	ProxyingNotSupported: "Proxying Not Supported",
	HopLimitReached:      "Hop Limit Reached",
}

// Class returns the class, 0 to 7.
func (c Code) Class() uint8 { return uint8(c) >> 5 }

// Detail returns the detail, 0 to 31.
func (c Code) Detail() uint8 { return uint8(c) & 31 }

// IsEmpty reports whether c is 0.00.
func (c Code) IsEmpty() bool { return c == Empty }

// IsRequest reports whether c is in 0.01 to 0.31, assigned or not.
func (c Code) IsRequest() bool { return c.Class() == 0 && c != Empty }

// IsResponse reports whether c is in 2.00 to 5.31, assigned or not (RFC 7252
// section 12.1).
func (c Code) IsResponse() bool { return c.Class() >= 2 && c.Class() <= 5 }

// IsSuccess reports whether c is a 2.xx response code.
func (c Code) IsSuccess() bool { return c.Class() == 2 }

// IsError reports whether c is a 4.xx or 5.xx response code.
func (c Code) IsError() bool { return c.Class() == 4 || c.Class() == 5 }

// IsReserved reports whether the class of c is 1, 6 or 7: a message with such a
// code is rejected (RFC 7252 sections 4.2 and 4.3).
func (c Code) IsReserved() bool { return c.Class() == 1 || c.Class() > 5 }

// Dotted returns the form "2.05".
func (c Code) Dotted() string {
	return string([]byte{'0' + c.Class(), '.', '0' + c.Detail()/10, '0' + c.Detail()%10})
}

// Name returns the name in the registry, such as "GET" or "Content", or "" if
// the code is not assigned.
func (c Code) Name() string { return codeNames[c] }

// String returns "GET" for a method, "2.05 Content" for a response code, and
// the number alone for a code without a name.
func (c Code) String() string {
	switch name := codeNames[c]; {
	case name == "":
		return c.Dotted()
	case c.Class() == 0:
		return name
	default:
		return c.Dotted() + " " + name
	}
}

// ParseCode reads what Dotted, Name or String return, a name in any case.
func ParseCode(s string) (Code, error) {
	number, name, both := strings.Cut(s, " ")
	c, ok := parseDotted(number)
	if ok && (!both || name != "" && strings.EqualFold(name, codeNames[c])) {
		return c, nil
	}
	for i, name := range codeNames {
		if name != "" && strings.EqualFold(name, s) {
			return Code(i), nil
		}
	}
	return 0, fmt.Errorf("coap: no code %s", strconv.Quote(s))
}

func parseDotted(s string) (Code, bool) {
	if len(s) != len("c.dd") || s[1] != '.' || s[0] < '0' || s[0] > '7' {
		return 0, false
	}
	detail, err := strconv.ParseUint(s[2:], 10, 8)
	if err != nil || detail > 31 {
		return 0, false
	}
	return Code(s[0]-'0')<<5 | Code(detail), true
}
