// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import "iter"

// Options are the encoded options of a message without the payload marker.
// [Parse] returns them checked; a method on malformed options sees those before
// the defect. No method changes them.
type Options []byte

// Validate checks that o can stand in a message. It returns a *FormatError if
// not.
func (o Options) Validate() error {
	var num OptionNumber
	var err error
	for rest := []byte(o); len(rest) > 0; {
		if num, _, rest, err = splitOption(rest, num); err != nil {
			return err
		}
	}
	return nil
}

// All returns each occurrence of an option in the order of the message, which
// is the order of the numbers. The values are views.
func (o Options) All() iter.Seq2[OptionNumber, []byte] {
	return func(yield func(OptionNumber, []byte) bool) { o.each(yield) }
}

func (o Options) each(yield func(OptionNumber, []byte) bool) {
	var num OptionNumber
	for rest := []byte(o); len(rest) > 0; {
		var value []byte
		var err error
		if num, value, rest, err = splitOption(rest, num); err != nil || !yield(num, value) {
			return
		}
	}
}

// Values returns the values of the option, as views, without the occurrences
// that RFC 7252 sections 5.4.3 and 5.4.5 treat as unrecognized.
func (o Options) Values(num OptionNumber) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) { o.eachValue(num, yield) }
}

func (o Options) eachValue(num OptionNumber, yield func([]byte) bool) {
	row := num.row()
	var n OptionNumber
	var value []byte
	var err error
	for rest := []byte(o); len(rest) > 0 && n <= num; {
		if n, value, rest, err = splitOption(rest, n); err != nil {
			return
		}
		if n == num && (row.fits(value) && !yield(value) || !row.repeatable) {
			return
		}
	}
}

// Get returns the value of the first occurrence of the option, as a view, and
// whether there is one. An empty value is not nil.
func (o Options) Get(num OptionNumber) (value []byte, ok bool) {
	for value := range o.Values(num) {
		return value, true
	}
	return nil, false
}

// GetUint returns the value of an option of the format uint. It reports false
// if the option is absent or holds a number of more than 32 bits.
func (o Options) GetUint(num OptionNumber) (v uint32, ok bool) {
	value, ok := o.Get(num)
	if !ok {
		return 0, false
	}
	return DecodeUint(value)
}

// Has reports whether the option is present.
func (o Options) Has(num OptionNumber) bool {
	_, ok := o.Get(num)
	return ok
}

// ContentFormat returns the value of the Content-Format option (RFC 7252
// section 5.10.3).
func (o Options) ContentFormat() (ContentFormat, bool) {
	v, ok := o.GetUint(ContentFormatOption)
	return ContentFormat(v), ok
}

// Accept returns the value of the Accept option (RFC 7252 section 5.10.4).
func (o Options) Accept() (ContentFormat, bool) {
	v, ok := o.GetUint(Accept)
	return ContentFormat(v), ok
}

// defaultMaxAge is the Max-Age of a response that has no such option, in
// seconds (RFC 7252 section 5.10.5).
const defaultMaxAge = 60

// MaxAge returns for how many seconds a response may be cached: the value of
// the Max-Age option or, if it is absent, its default of 60 (RFC 7252 section
// 5.10.5).
func (o Options) MaxAge() uint32 {
	if v, ok := o.GetUint(MaxAge); ok {
		return v
	}
	return defaultMaxAge
}

// List returns each occurrence as an element of a list, the values as views.
func (o Options) List() OptionList {
	var l OptionList
	for num, value := range o.All() {
		l = append(l, Option{num, value})
	}
	return l
}

// AppendPath appends the absolute path that the Uri-Path options spell, "/" if
// there are none, percent-encoded as RFC 7252 section 6.5 steps 6 and 7 say. A
// slash within a segment therefore never looks like one between segments.
func (o Options) AppendPath(dst []byte) []byte {
	start := len(dst)
	for num, value := range o.All() {
		if num == URIPath {
			dst = appendEscaped(append(dst, '/'), value, pathChar)
		}
	}
	if len(dst) == start {
		dst = append(dst, '/')
	}
	return dst
}

// Path returns what AppendPath appends.
func (o Options) Path() string { return string(o.AppendPath(nil)) }

// Query returns the arguments that the Uri-Query options hold, with no
// percent-encoding (RFC 7252 section 5.10.1).
func (o Options) Query() []string {
	var args []string
	for num, value := range o.All() {
		if num == URIQuery {
			args = append(args, string(value))
		}
	}
	return args
}
