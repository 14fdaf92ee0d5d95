// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/udp"
)

// A Client sends requests to coap and coaps URIs. The zero value is ready for
// coap; coaps needs Security. Connections are made when they are needed, kept
// and shared by all requests to the same scheme, host and port. A Client is
// safe for concurrent use; its fields must not change after the first request.
type Client struct {
	Security *security.Config // what to show and whom to believe; nil refuses coaps

	Network   string          // "udp" (default), "udp4" or "udp6"
	LocalAddr string          // "host:port" to send from; any when empty
	Resolver  *net.Resolver   // net.DefaultResolver when nil
	Params    message.Params  // RFC 7252 section 4.8; zero fields take its defaults
	Timers    dtls.Timers     // of the handshake; zero fields take dtls's defaults
	MTU       int             // largest UDP payload in bytes; 0 is dtls's default
	Limits    endpoint.Limits // zero fields take the defaults

	// ServerName is sent as Server Name Indication instead of the URI's host.
	// "-" sends none.
	ServerName string

	// Listen opens a socket; portable.Listen when nil. It is where a packet
	// capture or a lossy line is put between.
	Listen func(network, addr string) (udp.Conn, error)

	Trace  *Trace       // may be nil
	Logger *slog.Logger // discards when nil
}

// Trace is called from the event loop; it must not wait.
type Trace struct {
	DatagramSent     func(to netip.AddrPort, n int)
	DatagramReceived func(from netip.AddrPort, n int)
	Retransmission   func(to netip.AddrPort) // of a CoAP message
}

// Get asks for the resource at uri.
func (c *Client) Get(ctx context.Context, uri string) (*Response, error) { panic("todo") }

// Delete asks to remove the resource at uri.
func (c *Client) Delete(ctx context.Context, uri string) (*Response, error) { panic("todo") }

// Put asks to store payload at uri.
func (c *Client) Put(ctx context.Context, uri string, format coap.ContentFormat, payload []byte) (*Response, error) {
	panic("todo")
}

// Post asks the resource at uri to process payload.
func (c *Client) Post(ctx context.Context, uri string, format coap.ContentFormat, payload []byte) (*Response, error) {
	panic("todo")
}

// Do sends r and waits for its response, for the handshake first if there is no
// connection yet. A response of any code is a success. Errors are *Error.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) { panic("todo") }

// Ping sends an empty Confirmable message (RFC 7252 section 4.3) and returns
// the time until the peer's Reset.
func (c *Client) Ping(ctx context.Context, uri string) (time.Duration, error) { panic("todo") }

// Connect makes the connection that a request to uri would use. For coaps it
// returns when the handshake has ended.
func (c *Client) Connect(ctx context.Context, uri string) (*Connection, error) { panic("todo") }

// Close sends close_notify on every connection, fails what is in flight with
// reason closed and returns when no goroutine is left.
func (c *Client) Close() error { panic("todo") }

// A Connection is a Client's way to one server.
type Connection struct{}

// Peer is the server and what it has proved.
func (c *Connection) Peer() Peer { panic("todo") }

// Flights lists the handshake's flights in order; empty for coap.
func (c *Connection) Flights() []Flight { panic("todo") }

// HandshakeTime is the time from the first datagram to the end of the
// handshake; zero for coap.
func (c *Connection) HandshakeTime() time.Duration { panic("todo") }

// Export derives n bytes of keying material (RFC 5705).
func (c *Connection) Export(label string, context []byte, n int) ([]byte, error) { panic("todo") }

// Ping is Client.Ping on this connection.
func (c *Connection) Ping(ctx context.Context) (time.Duration, error) { panic("todo") }

// Close sends close_notify; the Client makes a new connection when it needs one.
func (c *Connection) Close() error { panic("todo") }

// A Flight is a run of handshake datagrams in one direction.
type Flight struct {
	Sent      bool // by the client
	Datagrams int
	Bytes     int           // UDP payloads, retransmissions included
	At        time.Duration // since the first datagram of the handshake
}
