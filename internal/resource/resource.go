// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package resource holds the resources that a server of the command can have: a
// greeting, the time, what the server knows of its caller, and a small store. The
// demonstration has them all; a configuration names those that it wants. While and
// Audience are what a resource needs that changes by itself and can be observed.
package resource

import (
	"fmt"
	"strings"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/coap/link"
	"github.com/coaps-go/coaps/security"
)

// New returns the resources /hello, /time, /whoami and /store/. The first two
// never wait and are answered on the event loop. /time and what is in the store
// can be observed by the audience. The clock is the caller's; end it by Close.
func New(now func() time.Time, audience Audience) (*coaps.Mux, *Clock) {
	mux := coaps.NewMux()
	clock := NewClock(now, audience)
	HandleHello(mux)
	clock.Handle(mux)
	HandleWhoami(mux)
	NewStore(DefaultLimits, audience).Handle(mux, "/store/")
	return mux, clock
}

// HandleHello registers /hello, which greets the caller by name.
func HandleHello(mux *coaps.Mux) {
	mux.Handle("GET /hello", coaps.Inline(fixed(hello)))
	mux.Describe("GET /hello", attr("title", "A greeting by name"), attr("ct", "0"))
}

// HandleWhoami registers /whoami, which tells the caller what is known of it.
func HandleWhoami(mux *coaps.Mux) {
	mux.Handle("GET /whoami", fixed(whoami))
	mux.Describe("GET /whoami", attr("title", "What the server knows of you"), attr("ct", "0 50 60"))
}

func attr(name, value string) link.Attr { return link.Attr{Name: name, Value: value} }

// fixed checks the conditions on a resource that always exists and has no
// entity-tag.
func fixed(next coaps.HandlerFunc) coaps.Handler {
	return coaps.HandlerFunc(func(w coaps.ResponseWriter, r *coaps.Request) {
		if conditionsHold(w, r, true, nil) {
			next(w, r)
		}
	})
}

// conditionsHold answers 4.12 when If-Match or If-None-Match forbids what is
// asked (RFC 7252 section 5.10.8).
func conditionsHold(w coaps.ResponseWriter, r *coaps.Request, exists bool, etag []byte) bool {
	held := r.ConditionsHold(exists, etag)
	if !held {
		coaps.WriteError(w, coap.PreconditionFailed, "the condition does not hold")
	}
	return held
}

// hello greets the caller by the identity it has proved.
func hello(w coaps.ResponseWriter, r *coaps.Request) {
	if !acceptable(w, r, coap.TextPlain) {
		return
	}
	w.SetContentFormat(coap.TextPlain)
	fmt.Fprintf(w, "%s", Greeting(&r.Peer))
}

// Greeting is the sentence of /hello.
func Greeting(peer *coaps.Peer) string {
	switch {
	case peer.Mode == security.NoSec:
		return "Hello, stranger. Nothing protects this exchange (NoSec)."
	case peer.Identity.Anonymous():
		return fmt.Sprintf("Hello, stranger. You are not authenticated, but nobody can listen (%s).", Context(peer))
	}
	return fmt.Sprintf("Hello, %s. You are authenticated (%s).", peer.Identity.Name(), Context(peer))
}

// Context is the security context in brief: "PSK, DTLS 1.2, AES-128-CCM-8".
func Context(peer *coaps.Peer) string {
	if peer.Mode == security.NoSec || peer.Facts == nil {
		return "NoSec"
	}
	return ModeName(peer.Mode) + ", " + peer.Facts.Version.String() + ", " + CipherName(peer.CipherSuite.String())
}

// ModeName is the short name of a mode.
func ModeName(mode security.Mode) string {
	switch mode {
	case security.PreSharedKey:
		return "PSK"
	case security.RawPublicKey:
		return "RPK"
	case security.Certificate:
		return "X.509"
	}
	return mode.String()
}

// CipherName is the part of an IANA cipher suite name that protects the records:
// TLS_PSK_WITH_AES_128_CCM_8 becomes AES-128-CCM-8.
func CipherName(iana string) string {
	if _, cipher, ok := strings.Cut(iana, "_WITH_"); ok {
		iana = cipher
	}
	return strings.ReplaceAll(iana, "_", "-")
}

// acceptable answers 4.06 when the caller wants none of the formats on offer
// (RFC 7252 section 5.10.4).
func acceptable(w coaps.ResponseWriter, r *coaps.Request, offered ...coap.ContentFormat) bool {
	_, ok := choose(w, r, offered...)
	return ok
}

// choose picks the format of the answer: the wanted one, or the first.
func choose(w coaps.ResponseWriter, r *coaps.Request, offered ...coap.ContentFormat) (coap.ContentFormat, bool) {
	wanted, ok := r.Options.GetUint(coap.Accept)
	if !ok {
		return offered[0], true
	}
	var names []string
	for _, format := range offered {
		if uint32(format) == wanted {
			return format, true
		}
		names = append(names, format.MediaType())
	}
	coaps.WriteError(w, coap.NotAcceptable, "this resource speaks "+strings.Join(names, ", "))
	return 0, false
}
