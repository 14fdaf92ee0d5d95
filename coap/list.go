// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"cmp"
	"slices"
)

// An Option is one occurrence of an option.
type Option struct {
	Number OptionNumber
	Value  []byte
}

// An OptionList builds options in any order. Occurrences of the same option
// keep the order they were added in, which for Uri-Path is the path.
type OptionList []Option

// Add appends an occurrence. The list keeps value, not a copy.
func (l *OptionList) Add(num OptionNumber, value []byte) {
	*l = append(*l, Option{num, value})
}

// AddString appends an occurrence with the bytes of value.
func (l *OptionList) AddString(num OptionNumber, value string) { l.Add(num, []byte(value)) }

// AddUint appends an occurrence in the format uint.
func (l *OptionList) AddUint(num OptionNumber, v uint32) { l.Add(num, AppendUint(nil, v)) }

// Set replaces all occurrences of the option by one. The list keeps value, not
// a copy.
func (l *OptionList) Set(num OptionNumber, value []byte) {
	l.Remove(num)
	l.Add(num, value)
}

// Remove takes out all occurrences of the option.
func (l *OptionList) Remove(num OptionNumber) {
	*l = slices.DeleteFunc(*l, func(o Option) bool { return o.Number == num })
}

// Get returns the value of the first occurrence, and whether there is one.
func (l OptionList) Get(num OptionNumber) (value []byte, ok bool) {
	for i := range l {
		if l[i].Number == num {
			return l[i].Value, true
		}
	}
	return nil, false
}

// GetUint returns the value of an option of the format uint. It reports false
// if the option is absent or holds a number of more than 32 bits.
func (l OptionList) GetUint(num OptionNumber) (v uint32, ok bool) {
	value, ok := l.Get(num)
	if !ok {
		return 0, false
	}
	return DecodeUint(value)
}

// Has reports whether the list holds the option.
func (l OptionList) Has(num OptionNumber) bool {
	_, ok := l.Get(num)
	return ok
}

// Sort orders the list by option number and keeps the order of occurrences of
// the same option.
func (l OptionList) Sort() {
	slices.SortStableFunc(l, compareNumbers)
}

func compareNumbers(a, b Option) int { return cmp.Compare(a.Number, b.Number) }

// Encode appends the encoded options to dst, in the order of their numbers, and
// returns the extended buffer. It allocates only if dst is too small or the
// list is not in order; the list itself stays as it is.
//
// A value longer than MaxOptionLength has no encoding: the result is then
// malformed, which [Options.Validate] and [Message.AppendTo] report.
func (l OptionList) Encode(dst []byte) Options {
	if !slices.IsSortedFunc(l, compareNumbers) {
		l = slices.Clone(l)
		l.Sort()
	}
	var prev OptionNumber
	for i := range l {
		dst = AppendOption(dst, prev, l[i].Number, l[i].Value)
		prev = l[i].Number
	}
	return dst
}
