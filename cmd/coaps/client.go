// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/udp"
)

// clientFlags are the groups that every command with a URI has.
type clientFlags struct {
	identity identityFlags
	trust    trustFlags
	dtls     dtlsFlags
	network  networkFlags
}

func (f *clientFlags) register(set *pflag.FlagSet) {
	f.identity.register(set)
	f.trust.register(set, true)
	f.dtls.register(set, true)
	f.network.register(set)
}

// uriArgument checks the one argument. A -k that swallowed something comes
// first: without that the complaint would be about a missing URI.
func (f *clientFlags) uriArgument(cmd *cobra.Command, args []string) error {
	if looksLikeMistakenInsecure(f.identity.psk) {
		return mistakenInsecure(cmd, f.identity.psk)
	}
	return exactArgs("URI")(cmd, args)
}

// transport is a client with the URI it was made for.
type transport struct {
	*app
	uri     coap.URI
	client  *coaps.Client
	keylog  *os.File // may be nil
	flags   *clientFlags
	timeout time.Duration

	ended              atomic.Pointer[coaps.Handshake] // the last handshake; nil: none has ended
	up, down           atomic.Int64                    // UDP payload bytes
	handshakeUp, hDown int64
}

// open prepares a client for one URI. Nothing is sent yet.
func (f *clientFlags) open(a *app, cmd *cobra.Command, uri string, timeout time.Duration) (*transport, error) {
	if timeout <= 0 {
		return nil, usage(cmd, "--timeout %v: more than nothing is needed", timeout)
	}
	parsed, err := parseURI(cmd, uri)
	if err != nil {
		return nil, err
	}
	if addr, ok := parsed.Addr(); ok && addr.IsMulticast() {
		return nil, fail("multicast", cmd.Name()+" "+uri, "")
	}
	if err := f.network.suits(cmd, &parsed); err != nil {
		return nil, err
	}
	t := &transport{app: a, uri: parsed, flags: f, timeout: timeout}
	t.client = &coaps.Client{MTU: f.dtls.mtu, ServerName: f.dtls.serverName(), Trace: t.trace(), Timers: timersFor(timeout)}
	if err := f.network.apply(cmd, a, t.client); err != nil {
		return nil, err
	}
	if err := f.dtls.check(cmd); err != nil {
		return nil, err
	}
	if !parsed.Secure() {
		a.warnUnusedCredentials(&f.identity)
		return t, nil
	}
	t.keylog, err = f.dtls.openKeyLog(a)
	if err != nil {
		return nil, err
	}
	t.client.Security, err = f.securityConfig(a, cmd, parsed, t.keylog)
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// timersFor makes the handshake end, with the reason that only the engine knows,
// before --timeout does. A server that does not know the key stays silent, so a
// flight is sent again only as often as fits into half the time, but three
// times at least.
func timersFor(timeout time.Duration) dtls.Timers {
	timers := dtls.Timers{Initial: time.Second, Handshake: timeout - timeout/20, Retransmissions: 3}
	for wait := 16 * time.Second; 2*wait-time.Second <= timeout/2; wait *= 2 {
		timers.Retransmissions++
	}
	return timers
}

// hideUserinfo takes a password out of a URI before it can get into any output.
// What is left is refused for the same reason.
func hideUserinfo(uri string) string {
	begin := 0
	if at := strings.Index(uri, "//"); at >= 0 {
		begin = at + len("//")
	}
	authority := uri[begin:]
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority = authority[:end]
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		return uri[:begin] + "xxxxx" + uri[begin+at:]
	}
	return uri
}

// parseURI explains the mistakes that people make.
func parseURI(cmd *cobra.Command, text string) (coap.URI, error) {
	uri, err := coap.ParseURI(text)
	if err == nil {
		return uri, nil
	}
	cause := err
	if e, ok := errors.AsType[*coap.URIError](err); ok {
		cause = e.Err
	}
	f := fail("bad_uri", cmd.Name()+" "+text, "%v", cause).because(err)
	if advice := uriAdvice(text, err); advice != "" {
		f.hint = advice
	}
	return coap.URI{}, f
}

// uriAdvice is what to write instead, "" where only the form can be shown.
func uriAdvice(text string, err error) string {
	scheme, rest, _ := strings.Cut(text, ":")
	switch {
	case errors.Is(err, coap.ErrURITransport):
		return "only UDP is spoken here: coap://... or coaps://..."
	case errors.Is(err, coap.ErrURIUserinfo):
		return "an identity is given with -u, never in the URI"
	case errors.Is(err, coap.ErrURIPort):
		return "a port is a number up to 65535; without one it is 5683, or 5684 with coaps"
	case errors.Is(err, coap.ErrURIFragment):
		return "leave out what begins with #: it is not sent to a server"
	case scheme == "coap" || scheme == "coaps":
		if rest = strings.TrimLeft(rest, "/"); !strings.HasPrefix(text, scheme+"://") && rest != "" {
			return scheme + "://" + rest
		}
	case !strings.Contains(text, "://"):
		return "coaps://" + text + " or coap://" + text
	}
	return ""
}

// serverName translates --sni for the library, which writes "-" for none.
func (f *dtlsFlags) serverName() string {
	if f.sni == "off" {
		return "-"
	}
	return f.sni
}

// Bounds of --mtu in bytes, the least that DTLS can work with and UDP's own, and
// the library's choice.
const (
	minMTU     = 128
	maxMTU     = 65507
	defaultMTU = 1232
)

func (f *dtlsFlags) check(cmd *cobra.Command) error {
	if f.mtu != 0 && (f.mtu < minMTU || f.mtu > maxMTU) {
		return usage(cmd, "--mtu %d: %d to %d bytes are possible", f.mtu, minMTU, maxMTU)
	}
	return nil
}

// openKeyLog appends to --keylog or SSLKEYLOGFILE. The file opens every session
// that it names, so it is for its owner only.
func (f *dtlsFlags) openKeyLog(a *app) (*os.File, error) {
	path := f.keylog
	if path == "" {
		path, _ = a.env("SSLKEYLOGFILE")
	}
	if path == "" {
		return nil, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fail("file_unwritable", "cannot write the key log "+path, "%v", rootCause(err)).because(err)
	}
	a.warnf("session secrets are written to %s: whoever has it reads this traffic", path)
	return file, nil
}

// apply sets the socket's side of a client.
func (f *networkFlags) apply(cmd *cobra.Command, a *app, client *coaps.Client) error {
	switch {
	case f.ipv4 && f.ipv6:
		return usage(cmd, "-4 and -6 exclude each other")
	case f.ipv4:
		client.Network = "udp4"
	case f.ipv6:
		client.Network = "udp6"
	}
	if f.bind != "" {
		local, err := localAddress(f.bind)
		if err != nil {
			return usage(cmd, "--bind %q: %v", f.bind, err)
		}
		client.LocalAddr = local
	}
	listen, err := f.listener(cmd, a)
	client.ListenPacket = listen
	return err
}

// suits refuses an address of the other family than -4 or -6 asks for.
func (f *networkFlags) suits(cmd *cobra.Command, uri *coap.URI) error {
	addr, literal := uri.Addr()
	switch {
	case literal && f.ipv4 && addr.Is6():
		return usage(cmd, "-4 excludes the address %s", addr).try("leave out -4")
	case literal && f.ipv6 && addr.Is4():
		return usage(cmd, "-6 excludes the address %s", addr).try("leave out -6")
	}
	return nil
}

// localAddress accepts ADDR, ADDR:PORT, [ADDR]:PORT and :PORT.
func localAddress(text string) (string, error) {
	bare := strings.Trim(text, "[]")
	if addr, err := netip.ParseAddr(bare); err == nil {
		return net.JoinHostPort(addr.String(), "0"), nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", errors.New("an address, with or without :PORT, is needed")
	}
	if _, err := net.LookupPort("udp", port); err != nil {
		return "", errors.New("the port is not a number from 0 to 65535")
	}
	return net.JoinHostPort(host, port), nil
}

// listener opens the socket, with what --loss and -vvv put around it. Nil means
// the library's own.
func (f *networkFlags) listener(cmd *cobra.Command, a *app) (func(network, addr string) (udp.Conn, error), error) {
	if f.loss == "" && a.verbose < 3 {
		return nil, nil
	}
	var loss *lossSpec
	if f.loss != "" {
		var err error
		if loss, err = parseLoss(f.loss); err != nil {
			return nil, usage(cmd, "--loss: %v", err)
		}
	}
	return func(network, addr string) (udp.Conn, error) {
		conn, err := coaps.ListenPacket(network, addr)
		if err != nil {
			return nil, err
		}
		if loss != nil {
			conn = loss.wrap(conn)
		}
		if a.verbose >= 3 {
			conn = &tracedConn{Conn: conn, app: a}
		}
		return conn, nil
	}, nil
}

// trace counts bytes, shows retransmissions and keeps the handshake.
func (t *transport) trace() *coaps.Trace {
	return &coaps.Trace{
		DatagramSent:     func(_ netip.AddrPort, n int) { t.up.Add(int64(n)) },
		DatagramReceived: func(_ netip.AddrPort, n int) { t.down.Add(int64(n)) },
		Retransmission:   func(to netip.AddrPort) { t.tracef(2, "> retransmission to %s", to) },
		Handshake:        func(h *coaps.Handshake) { t.ended.Store(h) },
	}
}

// connect does the handshake of a secure URI, so that its bytes can be told from
// the request's. A plain URI has none.
func (t *transport) connect(ctx context.Context) (*coaps.Connection, error) {
	connection, err := t.client.Connect(ctx, t.uri.String())
	if t.uri.Secure() {
		t.handshakeUp, t.hDown = t.up.Load(), t.down.Load()
	}
	if err == nil && t.uri.Secure() {
		peer := connection.Peer()
		t.tracef(1, "%s", reportPeer(&peer).sentence())
	}
	return connection, err
}

func (t *transport) bytes() byteCount {
	return byteCount{Up: int(t.up.Load()), Down: int(t.down.Load()),
		HandshakeUp: int(t.handshakeUp), HandshakeDown: int(t.hDown)}
}

// close ends the connections in order and the key log after them.
func (t *transport) close() {
	_ = t.client.Close()
	if t.keylog != nil {
		_ = t.keylog.Close()
	}
}

// progressDelay is how long something may take before a person is told.
const progressDelay = 300 * time.Millisecond

// progress shows on a terminal that something is being waited for; the returned
// function ends it.
func (a *app) progress(text string) (stop func()) {
	if a.quiet || !isTerminal(a.err) {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		a.showProgress(text, quit)
	}()
	return func() {
		close(quit)
		<-done
	}
}

func (a *app) showProgress(text string, quit <-chan struct{}) {
	start := time.Now()
	ticker := time.NewTicker(progressDelay)
	defer ticker.Stop()
	shown := false
	for {
		select {
		case <-quit:
			if shown {
				_, _ = a.err.Write([]byte("\r\x1b[K"))
			}
			return
		case <-ticker.C:
			shown = true
			p := a.errPalette()
			_, _ = a.err.Write([]byte("\r\x1b[K" + p.dim(text+" "+time.Since(start).Truncate(100*time.Millisecond).String())))
		}
	}
}
