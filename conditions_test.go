// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"testing"

	"github.com/coaps-go/coaps/coap"
)

// Proves rfc7252 §5.10.8.1: "An If-Match option with an ETag matches a
// representation with that exact ETag."
// Proves rfc7252 §5.10.8.1: "An If-Match option with an empty value matches
// any existing representation"
// Proves rfc7252 §5.10.8.1: "If there is one or more If-Match Options, but none
// of the options match, then the condition is not fulfilled."
// Proves rfc7252 §5.10.8.1: "The If-Match Option can occur multiple times.  If
// any of the options match, then the condition is fulfilled."
// Proves rfc7252 §5.10.8.2: "If the target resource does exist, then the
// condition is not fulfilled."
// Proves rfc7252 §5.10.8.2: "(It is not very useful to combine If-Match and
// If-None-Match options in one request, because the condition will then never
// be fulfilled.)"
func TestConditionsHold(t *testing.T) {
	match := func(tags ...string) (options coap.OptionList) {
		for _, tag := range tags {
			options.AddString(coap.IfMatch, tag)
		}
		return options
	}
	none := coap.OptionList{{Number: coap.IfNoneMatch}}
	both := append(match(""), none...)
	tag := []byte("tag")
	for _, c := range []struct {
		name    string
		options coap.OptionList
		exists  bool
		etag    []byte
		want    bool
	}{
		{"no condition, nothing there", nil, false, nil, true},
		{"no condition", nil, true, tag, true},
		{"If-None-Match, nothing there", none, false, nil, true},
		{"If-None-Match", none, true, tag, false},
		{"If-Match anything, nothing there", match(""), false, nil, false},
		{"If-Match anything", match(""), true, nil, true},
		{"If-Match the tag", match("tag"), true, tag, true},
		{"If-Match a longer tag", match("tag1"), true, tag, false},
		{"If-Match a shorter tag", match("ta"), true, tag, false},
		{"If-Match a tag, nothing there", match("tag"), false, nil, false},
		{"If-Match a tag, and there is none", match("tag"), true, nil, false},
		{"If-Match one of two", match("other", "tag"), true, tag, true},
		{"If-Match none of two", match("other", "another"), true, tag, false},
		{"both, nothing there", both, false, nil, false},
		{"both", both, true, tag, false},
	} {
		r := &Request{Options: c.options}
		if got := r.ConditionsHold(c.exists, c.etag); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
