// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package link is the CoRE Link Format of RFC 6690, in which a server describes
// what it hosts at /.well-known/core (RFC 7252 section 7.2): links with
// attributes such as
//
//	</sensors/temp>;rt="temperature-c";if="sensor";ct=50,</store>;obs
//
// The format is text in UTF-8, application/link-format with content-format 40.
package link

import (
	"slices"
	"strconv"
	"strings"

	"github.com/coaps-go/coaps/coap"
)

// A Link is a target with its attributes.
type Link struct {
	// Target is a URI-reference as it stands between the angle brackets,
	// percent-encoding included.
	Target string
	Attrs  []Attr
}

// An Attr is an attribute of a link.
type Attr struct {
	Name  string
	Value string

	// NoValue is set for an attribute that is a name alone, like obs, which is
	// another thing than one with an empty value.
	NoValue bool
}

// Add appends an attribute.
func (l *Link) Add(name, value string) {
	l.Attrs = append(l.Attrs, Attr{Name: name, Value: value})
}

// AddFlag appends an attribute that has no value.
func (l *Link) AddFlag(name string) {
	l.Attrs = append(l.Attrs, Attr{Name: name, NoValue: true})
}

// Get returns the value of the first attribute of that name, "" if it has none,
// and whether there is one. RFC 6690 lets later ones of the same name, where
// only one is allowed, be ignored.
func (l *Link) Get(name string) (value string, ok bool) {
	i := slices.IndexFunc(l.Attrs, func(a Attr) bool { return a.Name == name })
	if i < 0 {
		return "", false
	}
	return l.Attrs[i].Value, true
}

// AddContentFormats appends the attribute ct, which tells in which formats the
// target is to be had (RFC 7252 section 7.2.1).
func (l *Link) AddContentFormats(formats ...coap.ContentFormat) {
	var list []byte
	for i, f := range formats {
		if i > 0 {
			list = append(list, ' ')
		}
		list = strconv.AppendUint(list, uint64(f), 10)
	}
	l.Add("ct", string(list))
}

// ContentFormats returns the numbers in the attribute ct, without what is no
// number from 0 to 65535.
func (l *Link) ContentFormats() []coap.ContentFormat {
	var formats []coap.ContentFormat
	list, _ := l.Get("ct")
	for number := range strings.FieldsSeq(list) {
		if n, err := strconv.ParseUint(number, 10, 16); err == nil {
			formats = append(formats, coap.ContentFormat(n))
		}
	}
	return formats
}

// AppendFitting appends to a list, which may be empty, as many links as fit: it gets
// no longer than most bytes. What does not fit is left out.
func AppendFitting(list []byte, links []Link, most int) []byte {
	for i := range links {
		next := list
		if len(next) > 0 {
			next = append(next, ',')
		}
		if next = Append(next, links[i:i+1]); len(next) <= most {
			list = next
		}
	}
	return list
}

// Append appends links in the link format. In a target, characters that cannot
// stand there are percent-encoded, so that it never ends early. An attribute
// whose name is no parmname has no encoding and is left out.
func Append(dst []byte, links []Link) []byte {
	for i := range links {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '<')
		dst = appendTarget(dst, links[i].Target)
		dst = append(dst, '>')
		for _, a := range links[i].Attrs {
			if isName(a.Name) {
				dst = a.append(append(dst, ';'))
			}
		}
	}
	return dst
}

func appendTarget(dst []byte, target string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(target) {
		if b := target[i]; inReference(b) {
			dst = append(dst, b)
		} else {
			dst = append(dst, '%', hex[b>>4], hex[b&15])
		}
	}
	return dst
}

func (a Attr) append(dst []byte) []byte {
	dst = append(dst, a.Name...)
	if a.NoValue {
		return dst
	}
	dst = append(dst, '=')
	if a.bare() {
		return append(dst, a.Value...)
	}
	dst = append(dst, '"')
	for i := range len(a.Value) {
		if a.Value[i] == '"' || a.Value[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, a.Value[i])
	}
	return append(dst, '"')
}

// bare reports whether the value is written without quotation marks. Most
// attributes may have them, and some must; these are the ones whose grammar has
// none: hreflang, ext-values (title*), and the cardinals of sz and ct.
func (a Attr) bare() bool {
	switch {
	case !isToken(a.Value):
		return false
	case a.Name == "sz" || a.Name == "ct":
		return strings.Trim(a.Value, "0123456789") == ""
	}
	return a.Name == "hreflang" || strings.HasSuffix(a.Name, "*")
}

const (
	alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

	// referenceChars may stand in a URI-reference (RFC 3986 appendix A).
	referenceChars = alphanumeric + "-._~" + ":/?#[]@" + "!$&'()*+,;=" + "%"

	// nameChars are attr-char of RFC 5987, which parmname is made of, and the
	// asterisk that ends an ext-name-star.
	nameChars = alphanumeric + "!#$&+-.^_`|~" + "*"

	// tokenChars are ptokenchar of RFC 6690 section 2.
	tokenChars = alphanumeric + "!#$%&'()*+-./:<=>?@[]^_`{|}~"
)

func inReference(b byte) bool { return strings.IndexByte(referenceChars, b) >= 0 }

func isName(s string) bool { return s != "" && strings.Trim(s, nameChars) == "" }

func isToken(s string) bool { return s != "" && strings.Trim(s, tokenChars) == "" }
