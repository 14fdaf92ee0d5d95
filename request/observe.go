// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package request

import (
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
)

// What we observe. A request that registers, and whose response says that it was
// registered, stays as an exchange without a message in the Link and without a
// deadline: each further response with its token is told, until one says that it
// is the last (RFC 7641 section 3.2). Which of them is the newest is not judged
// here.

// registers reports whether out asks for an observation: "A client registers its
// interest in a resource by issuing a GET request with an Observe Option set to 0
// (register)" (RFC 7641 section 3.1); RFC 8132 section 2.4 says the same of FETCH.
func (out *Outgoing) registers() bool {
	if out.Code != coap.GET && out.Code != coap.FETCH {
		return false
	}
	v, ok := out.Options.GetUint(coap.Observe)
	return ok && v == 0
}

// isNotification reports whether a response announces more: "Non-2.xx responses do
// not include an Observe Option" (RFC 7641 section 3.2).
func isNotification(m *coap.Message) bool {
	return m.Code.IsSuccess() && m.Options.Has(coap.Observe)
}

func (c *conversation) fullOfObservations() bool {
	return int(c.observed.Len) >= c.mem.cfg.MaxObservations
}

// observe keeps request i of ours, whose message came as far as p, for what
// follows its response.
func (c *conversation) observe(i uint32, p message.Progress) {
	x := c.at(i)
	if x.state == observing {
		return
	}
	c.mem.exchanges.Remove(c.listOf(x.state), i)
	x.state, x.ref, x.sent = observing, 0, p
	c.mem.exchanges.PushBack(&c.observed, i)
}
