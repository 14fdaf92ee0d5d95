// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"fmt"
	"strconv"
	"strings"
)

// An OptionNumber identifies an option and by its bits tells how to treat one
// that is not recognized (RFC 7252 section 5.4.6).
type OptionNumber uint16

// The options of RFC 7252 section 5.10, and those of other RFCs as the registry
// below says.
const (
	IfMatch             OptionNumber = 1
	URIHost             OptionNumber = 3
	ETag                OptionNumber = 4
	IfNoneMatch         OptionNumber = 5
	Observe             OptionNumber = 6
	URIPort             OptionNumber = 7
	LocationPath        OptionNumber = 8
	OSCORE              OptionNumber = 9
	URIPath             OptionNumber = 11
	ContentFormatOption OptionNumber = 12 // Content-Format; the plain name is the type of its value
	MaxAge              OptionNumber = 14
	URIQuery            OptionNumber = 15
	HopLimit            OptionNumber = 16
	Accept              OptionNumber = 17
	QBlock1             OptionNumber = 19
	LocationQuery       OptionNumber = 20
	EDHOC               OptionNumber = 21
	Block2              OptionNumber = 23
	Block1              OptionNumber = 27
	Size2               OptionNumber = 28
	QBlock2             OptionNumber = 31
	ProxyURI            OptionNumber = 35
	ProxyScheme         OptionNumber = 39
	Size1               OptionNumber = 60
	Echo                OptionNumber = 252
	NoResponse          OptionNumber = 258
	RequestTag          OptionNumber = 292
)

// A ValueFormat is the format of an option value (RFC 7252 section 3.2).
type ValueFormat uint8

const (
	FormatOpaque ValueFormat = iota // bytes without further structure here
	FormatEmpty                     // no bytes
	FormatUint                      // unsigned integer in network byte order, without leading zeros
	FormatString                    // UTF-8, compared as bytes
)

var formatNames = [...]string{FormatOpaque: "opaque", FormatEmpty: "empty", FormatUint: "uint", FormatString: "string"}

// String returns the RFC's word: opaque, empty, uint or string.
func (f ValueFormat) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return "ValueFormat(" + strconv.Itoa(int(f)) + ")"
}

// usage says in which messages an option is defined.
type usage uint8

const (
	inRequest usage = 1 << iota
	inResponse
	inBoth = inRequest | inResponse
)

// optionRow is a row of the registry. Criticality, Unsafe and NoCacheKey have
// no column: they are bits of the number.
type optionRow struct {
	number     OptionNumber
	name       string
	format     ValueFormat
	min, max   int // length of a value, in bytes
	repeatable bool
	usage      usage
	rfc        uint16
}

const repeatable, once = true, false

// optionRegistry is the "CoAP Option Numbers" registry (section 12.2) with the
// properties that the defining documents give, in ascending order.
var optionRegistry = [...]optionRow{
	{IfMatch, "If-Match", FormatOpaque, 0, 8, repeatable, inRequest, 7252},
	{URIHost, "Uri-Host", FormatString, 1, 255, once, inRequest, 7252},
	{ETag, "ETag", FormatOpaque, 1, 8, repeatable, inBoth, 7252}, // once in a response (section 5.10.6.1)
	{IfNoneMatch, "If-None-Match", FormatEmpty, 0, 0, once, inRequest, 7252},
	{Observe, "Observe", FormatUint, 0, 3, once, inBoth, 7641},
	{URIPort, "Uri-Port", FormatUint, 0, 2, once, inRequest, 7252},
	{LocationPath, "Location-Path", FormatString, 0, 255, repeatable, inResponse, 7252},
	{OSCORE, "OSCORE", FormatOpaque, 0, 255, once, inBoth, 8613},
	{URIPath, "Uri-Path", FormatString, 0, 255, repeatable, inRequest, 7252},
	{ContentFormatOption, "Content-Format", FormatUint, 0, 2, once, inBoth, 7252},
	{MaxAge, "Max-Age", FormatUint, 0, 4, once, inResponse, 7252},
	{URIQuery, "Uri-Query", FormatString, 0, 255, repeatable, inRequest, 7252},
	{HopLimit, "Hop-Limit", FormatUint, 1, 1, once, inRequest, 8768},
	{Accept, "Accept", FormatUint, 0, 2, once, inRequest, 7252},
	{QBlock1, "Q-Block1", FormatUint, 0, 3, once, inBoth, 9177},
	{LocationQuery, "Location-Query", FormatString, 0, 255, repeatable, inResponse, 7252},
	{EDHOC, "EDHOC", FormatEmpty, 0, 0, once, inRequest, 9668},
	{Block2, "Block2", FormatUint, 0, 3, once, inBoth, 7959},
	{Block1, "Block1", FormatUint, 0, 3, once, inBoth, 7959},
	{Size2, "Size2", FormatUint, 0, 4, once, inBoth, 7959},
	{QBlock2, "Q-Block2", FormatUint, 0, 3, repeatable, inBoth, 9177},
	{ProxyURI, "Proxy-Uri", FormatString, 1, 1034, once, inRequest, 7252},
	{ProxyScheme, "Proxy-Scheme", FormatString, 1, 255, once, inRequest, 7252},
	{Size1, "Size1", FormatUint, 0, 4, once, inBoth, 7252},
	{Echo, "Echo", FormatOpaque, 1, 40, once, inBoth, 9175},
	{NoResponse, "No-Response", FormatUint, 0, 1, once, inRequest, 7967},
	{RequestTag, "Request-Tag", FormatOpaque, 0, 8, repeatable, inRequest, 9175},
}

// unknownOption has the properties of a number without a row: nothing is known
// that would allow to refuse a value.
var unknownOption = optionRow{max: MaxOptionLength, repeatable: true, usage: inBoth}

// registryIndex is the position of each number's row plus one, 0 for none.
var registryIndex = func() (index [RequestTag + 1]uint8) {
	for i := range optionRegistry {
		index[optionRegistry[i].number] = uint8(i + 1)
	}
	return index
}()

func (n OptionNumber) row() *optionRow {
	if int(n) < len(registryIndex) && registryIndex[n] != 0 {
		return &optionRegistry[registryIndex[n]-1]
	}
	return &unknownOption
}

// fits reports whether the registry allows a value of this length.
func (r *optionRow) fits(value []byte) bool {
	return len(value) >= r.min && len(value) <= r.max
}

// Critical reports whether a recipient that does not recognize the option must
// refuse the message (RFC 7252 section 5.4.1).
func (n OptionNumber) Critical() bool { return n&1 != 0 }

// Unsafe reports whether a proxy that does not recognize the option must not
// forward the message (RFC 7252 section 5.4.2).
func (n OptionNumber) Unsafe() bool { return n&2 != 0 }

// NoCacheKey reports whether the option, which is then Safe-to-Forward, is not
// part of the Cache-Key (RFC 7252 section 5.4.6).
func (n OptionNumber) NoCacheKey() bool { return n&0x1e == 0x1c }

// Known reports whether the registry has a row for the number.
func (n OptionNumber) Known() bool { return n.row() != &unknownOption }

// Repeatable reports whether the option may occur more than once in a message
// (RFC 7252 section 5.4.5). An unknown option may.
func (n OptionNumber) Repeatable() bool { return n.row().repeatable }

// Format returns the format of the value, FormatOpaque for an unknown option.
func (n OptionNumber) Format() ValueFormat { return n.row().format }

// Length returns the lowest and highest length of a value in bytes (RFC 7252
// section 5.4.3).
func (n OptionNumber) Length() (lowest, highest int) {
	row := n.row()
	return row.min, row.max
}

// String returns the name in the registry, such as "Uri-Path", or
// "Option 65001".
func (n OptionNumber) String() string {
	if n.Known() {
		return n.row().name
	}
	return "Option " + strconv.Itoa(int(n))
}

// ParseOptionNumber reads a name of the registry, in any case, or a decimal
// number.
func ParseOptionNumber(s string) (OptionNumber, error) {
	for i := range optionRegistry {
		if strings.EqualFold(optionRegistry[i].name, s) {
			return optionRegistry[i].number, nil
		}
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("coap: no option %s", strconv.Quote(s))
	}
	return OptionNumber(n), nil
}
