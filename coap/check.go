// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"slices"
	"strconv"
)

// An OptionSet is the set of options that an endpoint recognizes. The zero
// value recognizes none. It does not change once made, so it may be shared.
type OptionSet struct {
	low  [(int(RequestTag) + 64) / 64]uint64 // a bit for each number of the registry's range
	high []OptionNumber                      // the others
}

// coreOptions are those of RFC 7252 itself.
var coreOptions = func() *OptionSet {
	var nums []OptionNumber
	for i := range optionRegistry {
		if optionRegistry[i].rfc == 7252 {
			nums = append(nums, optionRegistry[i].number)
		}
	}
	return new(OptionSet).With(nums...)
}()

// CoreOptions returns the options that RFC 7252 defines.
func CoreOptions() *OptionSet { return coreOptions }

// With returns a set that recognizes nums too.
func (s *OptionSet) With(nums ...OptionNumber) *OptionSet {
	more := &OptionSet{low: s.low, high: slices.Clone(s.high)}
	for _, n := range nums {
		if int(n) < 64*len(more.low) {
			more.low[n/64] |= 1 << (n % 64)
		} else {
			more.high = append(more.high, n)
		}
	}
	return more
}

// Contains reports whether the set recognizes the option.
func (s *OptionSet) Contains(n OptionNumber) bool {
	if int(n) < 64*len(s.low) {
		return s.low[n/64]>>(n%64)&1 != 0
	}
	return slices.Contains(s.high, n)
}

// Check is CheckOptions for a request to an endpoint that recognizes the
// options of RFC 7252.
func (o Options) Check() (bad OptionNumber, err error) {
	return o.check(coreOptions, inRequest)
}

// CheckOptions returns the first critical option of a received message that is
// unrecognized, or has to be treated as such, and why: one of
// ErrOptionUnrecognized, ErrOptionMisplaced, ErrOptionLength, ErrOptionRepeated
// and ErrOptionValue. The error is nil if there is none. Elective options are
// never the reason: where they are wrong, reading them by number ignores them.
// The exception are the numbers that section 5.10.7 reserves beside
// Location-Path and Location-Query.
//
// For a Confirmable request the consequence is a 4.02 (Bad Option) response,
// for which [AppendDiagnostic] writes the payload; any other message is
// rejected (RFC 7252 section 5.4.1).
func (m *Message) CheckOptions(recognized *OptionSet) (bad OptionNumber, err error) {
	return m.Options.check(recognized, m.Code.usage())
}

// usage is the kind of message that a code makes.
func (c Code) usage() usage {
	if c.IsResponse() {
		return inResponse
	}
	return inRequest
}

func (o Options) check(recognized *OptionSet, in usage) (bad OptionNumber, err error) {
	var last OptionNumber // no option has the number 0
	var located bool
	for num, value := range o.All() {
		switch {
		case num.Critical():
			if !recognized.Contains(num) {
				return num, ErrOptionUnrecognized
			}
			if err := judge(num, value, num == last, in); err != nil {
				return num, err
			}
		case num == LocationPath || num == LocationQuery:
			located = true
		}
		last = num
	}
	if located {
		return o.checkLocation(recognized)
	}
	return 0, nil
}

// CheckOutgoing returns the first option that a sender must not include in m as
// it stands, critical or not, and why, by the same errors as CheckOptions. An
// option that the registry does not have is the sender's own affair.
func (m *Message) CheckOutgoing() (bad OptionNumber, err error) {
	in := m.Code.usage()
	proxied := m.Options.Has(ProxyURI)
	var last OptionNumber
	for num, value := range m.Options.All() {
		if err := judge(num, value, num == last, in); err != nil {
			return num, err
		}
		switch num {
		case URIHost, URIPort, URIPath, URIQuery:
			if proxied { // section 5.10.2
				return num, ErrOptionMisplaced
			}
		}
		last = num
	}
	return 0, nil
}

// judge holds one occurrence of an option against the registry; again is set if
// it is not the first.
func judge(num OptionNumber, value []byte, again bool, in usage) error {
	row := num.row()
	switch {
	case row.usage&in == 0:
		// Section 5.4: an option that is not defined for a Method or Response
		// Code is treated like an unrecognized one.
		return ErrOptionMisplaced
	case !row.fits(value):
		return ErrOptionLength // section 5.4.3
	case again && !row.repeatable:
		return ErrOptionRepeated // section 5.4.5
	case again && num == ETag && in == inResponse:
		return ErrOptionRepeated // section 5.10.6.1
	case (num == URIPath || num == LocationPath) && isDotSegment(value):
		// Sections 5.10.1 and 5.10.7: the sender must have resolved it. Let
		// through, it could mean different things to access control and to
		// the handler.
		return ErrOptionValue
	}
	return nil
}

// checkLocation finds the options that RFC 7252 section 5.10.7 reserves for
// future Location-* options. They are elective by number, and yet 4.02 where
// they occur beside Location-Path or Location-Query and are not supported.
func (o Options) checkLocation(recognized *OptionSet) (bad OptionNumber, err error) {
	for num := range o.All() {
		switch num {
		case 128, 132, 136, 140:
			if !recognized.Contains(num) {
				return num, ErrOptionUnrecognized
			}
		}
	}
	return 0, nil
}

func isDotSegment[S ~string | ~[]byte](segment S) bool {
	return string(segment) == "." || string(segment) == ".."
}

// AppendDiagnostic appends the diagnostic payload of a 4.02 (Bad Option)
// response, such as "Accept (17): length out of range", from what CheckOptions
// returned (RFC 7252 sections 5.4.1 and 5.5.2). It holds nothing that the
// sender of the option chose beyond its number.
func AppendDiagnostic(dst []byte, bad OptionNumber, err error) []byte {
	if bad.Known() {
		dst = append(dst, bad.String()...)
		dst = append(dst, " ("...)
		dst = strconv.AppendUint(dst, uint64(bad), 10)
		dst = append(dst, "): "...)
	} else {
		dst = append(dst, bad.String()...)
		dst = append(dst, ": "...)
	}
	return append(dst, err.Error()...)
}
