// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"bytes"

	"github.com/coaps-go/coaps/coap"
)

// ConditionsHold reports whether the If-Match and If-None-Match options of r,
// if any, allow its method on a resource (RFC 7252 section 5.10.8). Exists says
// whether the resource has a representation now, etag is that representation's
// entity-tag; nil if it has none.
//
// A handler for which it reports false must do nothing and answer 4.12. Both
// options are critical, so a handler that changes something has to ask.
func (r *Request) ConditionsHold(exists bool, etag []byte) bool {
	if exists && r.Options.Has(coap.IfNoneMatch) {
		return false
	}
	asked, match := false, false
	for _, option := range r.Options {
		if option.Number != coap.IfMatch {
			continue
		}
		asked = true
		match = match || len(option.Value) == 0 || bytes.Equal(option.Value, etag)
	}
	return !asked || exists && match
}

// conditional answers 4.12 where the conditions do not hold for a resource that
// always exists and has no entity-tag.
func conditional(next HandlerFunc) HandlerFunc {
	return func(w ResponseWriter, r *Request) {
		if !r.ConditionsHold(true, nil) {
			WriteError(w, coap.PreconditionFailed, "the condition does not hold")
			return
		}
		next(w, r)
	}
}
