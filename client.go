// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/udp"
)

// A Client sends requests to coap and coaps URIs. The zero value is ready for
// coap; coaps needs Security. Connections are made when they are needed, kept
// and shared by all requests to the same scheme, host and port. A Client is
// safe for concurrent use; its fields must not change after the first request.
//
// A server that has restarted knows the session no more and is silent. The
// request that finds out fails by timeout; the connection is given up with it,
// and the next request makes a new one.
type Client struct {
	Security *security.Config // what to show and whom to believe; nil refuses coaps

	Network   string          // "udp" (default), "udp4" or "udp6"
	LocalAddr string          // "host:port" to send from; any when empty
	Resolver  *net.Resolver   // net.DefaultResolver when nil
	Params    message.Params  // RFC 7252 section 4.8; zero fields take its defaults
	Timers    dtls.Timers     // of the handshake; zero fields take dtls's defaults
	MTU       int             // largest UDP payload in bytes; 0 is dtls's default
	Limits    endpoint.Limits // zero fields take the defaults

	// RecordSizeLimit and MaxFragmentLength are those of dtls.Config: the
	// largest plaintext in bytes that servers are asked to put into one record,
	// by RFC 8449 and by RFC 6066 section 4; 0 does not ask.
	RecordSizeLimit, MaxFragmentLength int

	// ObserveProbe is after how long an observation of which nothing was heard is
	// registered again although the last response's Max-Age allows more silence:
	// the server may have lost it. DefaultObserveProbe when 0, never when negative.
	ObserveProbe time.Duration

	// ServerName is sent as Server Name Indication instead of the URI's host.
	// "-" sends none.
	ServerName string

	// ListenPacket opens a socket; the function of that name when nil. It is
	// where a packet capture or a lossy line is put between.
	ListenPacket func(network, addr string) (udp.Conn, error)

	Trace  *Trace       // may be nil
	Logger *slog.Logger // discards when nil

	mu          sync.Mutex
	closed      bool
	connections map[authority]*Connection
	interests   map[string]*interest
	lines       []*line
	keyWorkers  *pool
	ctx         context.Context // ends with the client
	cancel      context.CancelFunc
	dials       sync.WaitGroup
}

// Trace is called from the event loop; it must not wait.
type Trace struct {
	DatagramSent     func(to netip.AddrPort, n int)
	DatagramReceived func(from netip.AddrPort, n int)
	Retransmission   func(to netip.AddrPort) // of a CoAP message, after the datagram that carries it
	Handshake        func(h *Handshake)      // has ended, well or not, with one address of a server
}

// An authority is what connections are kept by.
type authority struct {
	secure bool
	host   string
	port   uint16
}

// Get asks for the resource at uri.
func (c *Client) Get(ctx context.Context, uri string) (*Response, error) {
	return c.Do(ctx, &Request{Method: coap.GET, URI: uri})
}

// Delete asks to remove the resource at uri.
func (c *Client) Delete(ctx context.Context, uri string) (*Response, error) {
	return c.Do(ctx, &Request{Method: coap.DELETE, URI: uri})
}

// Put asks to store payload at uri.
func (c *Client) Put(ctx context.Context, uri string, format coap.ContentFormat, payload []byte) (*Response, error) {
	return c.send(ctx, coap.PUT, uri, format, payload)
}

// Post asks the resource at uri to process payload.
func (c *Client) Post(ctx context.Context, uri string, format coap.ContentFormat, payload []byte) (*Response, error) {
	return c.send(ctx, coap.POST, uri, format, payload)
}

func (c *Client) send(ctx context.Context, method coap.Code, uri string, format coap.ContentFormat, payload []byte) (*Response, error) {
	r := &Request{Method: method, URI: uri, Payload: payload}
	r.Options.AddUint(coap.ContentFormatOption, uint32(format))
	return c.Do(ctx, r)
}

// Do sends r and waits for its response, for the handshake first if there is no
// connection yet. A response of any code is a success. Errors are *Error.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	op := strings.ToLower(r.method().String())
	uri, err := parseURI(r.URI)
	if err != nil {
		return nil, failed(op, r.URI, err)
	}
	response, err := c.roundTrip(ctx, &uri, newCall(outgoing(&uri, r)))
	if err != nil {
		return nil, failed(op, r.URI, err)
	}
	return response, nil
}

// outgoing is a request as the endpoint takes it.
func outgoing(uri *coap.URI, r *Request) request.Outgoing {
	options := append(uri.Options(!r.Options.Has(coap.URIHost)), r.Options...)
	out := request.Outgoing{
		Type: coap.Confirmable, Code: r.method(), Token: r.Token, Payload: r.Payload, Options: options.Encode(nil),
	}
	if r.NonConfirmable {
		out.Type = coap.NonConfirmable
	}
	return out
}

// Ping sends an empty Confirmable message (RFC 7252 section 4.3) and returns
// the time until the peer's Reset.
func (c *Client) Ping(ctx context.Context, uri string) (time.Duration, error) {
	parsed, err := parseURI(uri)
	if err != nil {
		return 0, failed("ping", uri, err)
	}
	response, err := c.roundTrip(ctx, &parsed, newPing())
	if err != nil {
		return 0, failed("ping", uri, err)
	}
	return response.RTT, nil
}

// Connect makes the connection that a request to uri would use. For coaps it
// returns when the handshake has ended.
func (c *Client) Connect(ctx context.Context, uri string) (*Connection, error) {
	parsed, err := parseURI(uri)
	if err != nil {
		return nil, failed("connect", uri, err)
	}
	conn, err := c.connection(&parsed)
	if err == nil {
		err = conn.wait(ctx)
	}
	if err != nil {
		return nil, failed("connect", uri, err)
	}
	return conn, nil
}

// parseURI takes a URI apart and refuses those no unicast request can be sent
// to.
func parseURI(s string) (coap.URI, error) {
	uri, err := coap.ParseURI(s)
	if err != nil {
		return uri, &Error{Reason: ReasonBadURI, Err: err} // which quotes s without what may be secret
	}
	if a, ok := uri.Addr(); ok && a.IsMulticast() {
		return uri, &Error{Reason: ReasonMulticast, Err: errMulticast}
	}
	return uri, nil
}

// errMulticast: RFC 7252 section 9.1, "DTLS is not applicable to group keying
// (multicast communication)". Requests to groups without DTLS need another
// kind of call, with many responses.
var errMulticast = errors.New("requests to a multicast address cannot be secured and are not supported")

// maxTries bounds how often a call that was never sent is made again.
const maxTries = 4

// reach makes the connection to an authority if there is none, and waits for it.
func (c *Client) reach(ctx context.Context, uri *coap.URI) error {
	for try := 1; ; try++ {
		conn, err := c.connection(uri)
		if err == nil {
			err = conn.wait(ctx)
		}
		if try == maxTries || !errors.Is(err, errNotSent) {
			return err
		}
	}
}

// roundTrip sends a call on the connection to an authority. When it turns out
// that it was never sent, because the connection had just ended or nobody
// listens at the host's first address, it is made again on another.
func (c *Client) roundTrip(ctx context.Context, uri *coap.URI, call *call) (*Response, error) {
	for try := 1; ; try++ {
		conn, err := c.connection(uri)
		if err != nil {
			return nil, err
		}
		response, err := conn.roundTrip(ctx, call)
		if err == nil || try == maxTries || !c.mayRetry(conn, err) {
			return response, err
		}
		call = call.again()
	}
}

func (c *Client) mayRetry(conn *Connection, err error) bool {
	if errors.Is(err, errNotSent) {
		return true
	}
	// Without a handshake it is the first request that is refused.
	if conn.policy != nil || len(conn.rest) == 0 || !elsewhere(err) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.connections[conn.key] == nil && !c.closed {
		c.begin(newConnection(c, conn.key, nil, conn.rest))
	}
	return true
}

// connection returns the connection to an authority, which may still have to
// be made.
func (c *Client) connection(uri *coap.URI) (*Connection, error) {
	key := authority{uri.Secure(), uri.Host, uri.Port}
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn := c.connections[key]; conn != nil {
		return conn, nil
	}
	if err := c.start(); err != nil {
		return nil, err
	}
	policy, err := c.policy(key)
	if err != nil {
		return nil, err
	}
	conn := newConnection(c, key, policy, nil)
	c.begin(conn)
	return conn, nil
}

// begin makes a connection known and lets it be made.
func (c *Client) begin(conn *Connection) {
	c.connections[conn.key] = conn
	c.dials.Go(conn.dial)
}

func (c *Client) start() error {
	switch {
	case c.closed:
		return errClientClosed
	case c.connections != nil:
		return nil
	}
	if err := c.Params.Check(); err != nil {
		return &Error{Reason: ReasonSetup, Err: err}
	}
	c.connections = make(map[authority]*Connection)
	c.keyWorkers = newPool(runtime.GOMAXPROCS(0), keyJobsWaiting)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return nil
}

// Close sends close_notify on every connection, fails what is in flight, and ends
// what is observed, with reason closed, and returns when no goroutine is left. A
// plain server learns that nobody observes any more when it notifies the next time,
// unless each Observation is closed before.
func (c *Client) Close() error {
	c.mu.Lock()
	started := c.cancel != nil
	c.closed = true
	lines := c.lines
	c.mu.Unlock()
	if !started {
		return nil
	}
	c.cancel()
	c.dials.Wait()
	for _, l := range lines {
		l.close()
	}
	c.keyWorkers.close()
	c.keyWorkers.wait()
	return nil
}

// lineTo returns a line on which nobody talks to remote yet, and reserves it.
// One line can hold one peer an address; a second is needed only for another
// name at the same address and port.
func (c *Client) lineTo(remote netip.AddrPort) (*line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClientClosed
	}
	for _, l := range c.lines {
		if !l.taken[remote] && l.alive() {
			l.taken[remote] = true
			return l, nil
		}
	}
	if len(c.lines) >= maxSockets {
		return nil, &Error{Reason: ReasonBusy, Err: errTooManySockets}
	}
	l, err := c.openLine()
	if err != nil {
		return nil, &Error{Reason: ReasonSetup, Err: err}
	}
	l.taken[remote] = true
	c.lines = append(c.lines, l)
	return l, nil
}

var errTooManySockets = errors.New("coaps: too many servers at the same address and port")

func (c *Client) openLine() (*line, error) {
	addr := c.LocalAddr
	if addr == "" {
		addr = ":0"
	}
	conn, err := listen(c.ListenPacket, c.Network, addr)
	if err != nil {
		return nil, err
	}
	loop, err := newLoop(conn, endpoint.Config{
		Request: &request.Config{Params: c.Params}, Limits: c.Limits, Rand: rand.Reader,
	}, c.MTU, clientBatch)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return newLine(c, loop), nil
}

// policy is what a connection shows and believes; nil for coap.
func (c *Client) policy(key authority) (*security.Policy, error) {
	if !key.secure {
		return nil, nil
	}
	if c.Security == nil {
		return nil, &Error{Reason: ReasonSetup, Err: errNoSecurity}
	}
	policy, err := c.Security.Client(key.security())
	if err != nil {
		return nil, &Error{Reason: ReasonSetup, Err: err}
	}
	return policy, nil
}

var errNoSecurity = errors.New("coaps: a coaps URI needs Client.Security")

// lookUp finds the addresses of a name in the families that Network allows.
func (c *Client) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	network := "ip" + strings.TrimPrefix(c.Network, "udp")
	return cmp.Or(c.Resolver, net.DefaultResolver).LookupNetIP(ctx, network, host)
}

// serverName is the Server Name Indication for a connection under policy.
func (c *Client) serverName(policy *security.Policy) string {
	switch c.ServerName {
	case "":
		return policy.ServerName()
	case "-":
		return ""
	}
	return c.ServerName
}
