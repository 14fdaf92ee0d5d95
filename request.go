// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/acl"
)

// A Request is a request to be sent by a Client or one received by a Server.
type Request struct {
	Method coap.Code // GET when zero
	URI    string    // client: absolute, coap or coaps. Server: empty

	// Server only: what the Uri-* options say.
	Path  string   // begins with "/"; percent-encoded as in a URI, so that a "/" always separates segments
	Query []string // one element an argument, such as "rt=light", decoded
	Host  string   // Uri-Host, "" when absent

	// Options are all but Uri-Host, Uri-Port, Uri-Path and Uri-Query, which are
	// in URI, and in Path, Query and Host. A client may name another Uri-Host
	// than the URI's host.
	Options coap.OptionList
	Payload []byte

	// NonConfirmable sends the request once and without acknowledgement
	// (RFC 7252 section 4.3); on a server it says that this was done. While it is
	// not answered it is an outstanding interaction: with NSTART = 1 the next
	// request to the server waits for as many seconds as it has bytes
	// (PROBING_RATE, section 4.7). Who sends many sets Params.NStart higher.
	NonConfirmable bool

	// Token is chosen at random when nil, which is what RFC 7252 section 5.3.1
	// wants of a client. Set it only for tests.
	Token []byte

	Peer Peer // server: who asks

	ctx        context.Context
	session    *session     // server: of the peer
	subject    *acl.Subject // likewise, as rules see it
	access     *acl.List    // in force when the request came; nil allows everything
	authorized bool         // by the handler
}

// Context is canceled when the server shuts down. It is never nil.
func (r *Request) Context() context.Context {
	if r.ctx == nil {
		return context.Background()
	}
	return r.ctx
}

// method is that of a request to be sent.
func (r *Request) method() coap.Code {
	if r.Method == coap.Empty {
		return coap.GET
	}
	return r.Method
}

// A Response is what came back for a request.
type Response struct {
	Code    coap.Code
	Options coap.OptionList
	Payload []byte
	Peer    Peer // who answered

	Type            coap.Type     // Acknowledgement when piggybacked, else Confirmable or NonConfirmable
	MessageID       uint16        // of the message that carried the response
	Token           []byte        // of the request
	RTT             time.Duration // from the first transmission of the request to the response; the handshake is not in it. 0 of a notification
	Retransmissions int           // of the request
}

// A Peer is the other side of an exchange and what it has proved.
type Peer struct {
	Mode        security.Mode
	Identity    security.Identity
	CipherSuite dtls.CipherSuite // zero in NoSec mode
	Addr        netip.AddrPort
	Facts       *dtls.Facts // what the handshake settled; nil in NoSec mode
}
