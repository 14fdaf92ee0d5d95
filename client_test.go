// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
	"github.com/coaps-go/coaps/udp/portable"
)

// deafAfter opens sockets that receive n datagrams and no more.
func deafAfter(n int) func(network, addr string) (udp.Conn, error) {
	return func(network, addr string) (udp.Conn, error) {
		conn, err := portable.Listen(network, addr)
		return &deafConn{Conn: conn, left: n}, err
	}
}

type deafConn struct {
	udp.Conn
	left int
}

func (c *deafConn) Recv(batch []udp.Datagram) (int, error) {
	for {
		n, err := c.Conn.Recv(batch[:1])
		if err != nil || c.left > 0 {
			c.left -= n
			return n, err
		}
	}
}

// Each way to fail has its named reason.
//
// Proves rfc7252 §9.1: "DTLS is not applicable to group keying (multicast
// communication); however, it may be a component in a future group key
// management protocol."
func TestReasons(t *testing.T) {
	s := newStage(t, whoami, func(s *Server) { s.Timers = hasty })
	port := s.secure[strings.LastIndex(s.secure, ":"):]
	wrongKey := must(keys.RandomPSK(nilRandom{}, []byte("device")))
	otherName := s.clientConfig(security.Certificate)
	silent := socket(t)
	t.Cleanup(func() { silent.Close() })
	for name, tt := range map[string]struct {
		config  *security.Config
		suites  []dtls.CipherSuite
		uri     string
		reasons []string
	}{
		"refused, coap":       {nil, nil, "coap://" + freePort(t), []string{"refused"}},
		"refused, coaps":      {s.clientConfig(security.PreSharedKey), nil, "coaps://" + freePort(t), []string{"refused"}},
		"silent, coap":        {nil, nil, "coap://" + silent.LocalAddr().String(), []string{"timeout"}},
		"silent, coaps":       {s.clientConfig(security.PreSharedKey), nil, "coaps://" + silent.LocalAddr().String(), []string{"timeout_flight_1"}},
		"no such name":        {nil, nil, "coap://no-such-name.invalid", []string{"not_resolved"}},
		"multicast, coaps":    {s.clientConfig(security.PreSharedKey), nil, "coaps://[ff02::fd]", []string{"multicast"}},
		"multicast, IPv4":     {s.clientConfig(security.PreSharedKey), nil, "coaps://224.0.1.187", []string{"multicast"}},
		"no URI":              {nil, nil, "coap:/nothing", []string{"bad_uri"}},
		"a password":          {nil, nil, "coap://user:secret@127.0.0.1/", []string{"bad_uri"}},
		"other scheme":        {nil, nil, "http://127.0.0.1", []string{"bad_uri"}},
		"no credentials":      {nil, nil, s.secure, []string{"setup"}},
		"believes nobody":     {&security.Config{}, nil, s.secure, []string{"setup"}},
		"wrong key":           {&security.Config{ClientPSK: &wrongKey}, nil, s.secure, []string{"bad_psk_or_unknown_identity"}},
		"nothing in common":   {s.clientConfig(security.PreSharedKey), []dtls.CipherSuite{0xC0AE}, s.secure, []string{"setup", "no_common_cipher", "no_credential"}},
		"server not pinned":   {&security.Config{RawKey: s.clientKey, Pins: pin(s.clientKey)}, nil, s.secure, []string{"rpk_not_pinned"}},
		"server's name wrong": {otherName, nil, "coaps://localhost" + port, []string{"cert_name_mismatch"}},
		"unknown CA":          {&security.Config{Chains: otherName.Chains, Trust: keys.NewTrust([]*x509.Certificate{otherCA(t)})}, nil, s.secure, []string{"cert_unknown_ca"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Client{Security: tt.config, Timers: hasty, Params: impatient, Network: "udp4", Resolver: hosts("127.0.0.1")}
			if tt.suites != nil {
				c.Security.CipherSuites = tt.suites
			}
			defer c.Close()
			_, err := c.Get(timeout(t), tt.uri)
			e := wantReason(t, err, tt.reasons...)
			if e.Op != "get" || e.URI != tt.uri && e.Reason != "bad_uri" || !strings.Contains(e.Error(), e.Reason) {
				t.Errorf("error %q", e)
			}
			if strings.Contains(e.Error(), "secret") {
				t.Errorf("error %q holds a secret", e)
			}
		})
	}
}

// A context ends a request wherever it is, and says how far a handshake came.
func TestContext(t *testing.T) {
	entered, release := make(chan struct{}, 10), make(chan struct{})
	defer close(release)
	s := newStage(t, HandlerFunc(func(ResponseWriter, *Request) { entered <- struct{}{}; <-release }), nil)
	silent := socket(t)
	defer silent.Close()
	for _, tt := range []struct{ name, uri, reason string }{
		{"during the handshake", "coaps://" + silent.LocalAddr().String(), "timeout_flight_1"},
		{"during a request", s.secure, "timeout"},
		{"during a plain request", s.plain, "timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{Security: s.clientConfig(security.PreSharedKey)}
			defer c.Close()
			sent := make(chan struct{})
			first := sync.OnceFunc(func() { close(sent) })
			c.Trace = &Trace{DatagramSent: func(netip.AddrPort, int) { first() }}
			ctx, failed := newDeadline(t), make(chan error, 1)
			go func() { _, err := c.Get(ctx, tt.uri); failed <- err }()
			if <-sent; tt.reason == "timeout" {
				<-entered
			}
			close(ctx.over)
			wantReason(t, <-failed, tt.reason)

			ctx2, stop := context.WithCancel(context.Background())
			time.AfterFunc(50*time.Millisecond, stop)
			_, err := c.Get(ctx2, tt.uri)
			if e := wantReason(t, err, "canceled"); !errors.Is(e, context.Canceled) {
				t.Errorf("cause %v", e.Err)
			}
		})
	}
}

// A caller who gives up takes nothing from those who still wait.
func TestGivingUpIsPersonal(t *testing.T) {
	hold := make(chan struct{})
	s := newStage(t, whoami, nil)
	c := s.client(security.PreSharedKey)
	c.Timers = dtls.Timers{}
	c.Security = &security.Config{ClientPSKFor: func(keys.Authority, []byte) (keys.PSK, bool) {
		<-hold // the handshake waits here
		return s.psk, true
	}}
	patient := make(chan error, 1)
	go func() {
		_, err := c.Get(timeout(t), s.secure+"/")
		patient <- err
	}()
	eventually(t, "a handshake", func() bool { return s.server.Stats().HalfOpen == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Get(ctx, s.secure+"/")
	wantReason(t, err, "timeout")
	close(hold)
	if err := <-patient; err != nil {
		t.Errorf("the other caller: %v", err)
	}
}

// A server that has restarted is silent in the old session. The request that
// finds out fails, the next begins a new session.
func TestServerRestarts(t *testing.T) {
	s := newStage(t, whoami, nil)
	var mute atomic.Bool
	c := s.client(security.PreSharedKey)
	c.Params = impatient
	var lost atomic.Int32
	c.ListenPacket = muteWhile(&mute, &lost)
	if _, err := c.Get(timeout(t), s.secure+"/"); err != nil {
		t.Fatal(err)
	}
	mute.Store(true) // a server that has lost its power sends no close_notify
	s.server.Close()
	eventually(t, "close_notify is lost", func() bool { return lost.Load() > 0 })
	mute.Store(false)
	fresh := &Server{SecureAddr: strings.TrimPrefix(s.secure, "coaps://"), Security: s.server.Security, Handler: whoami}
	if err := fresh.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- fresh.Serve(context.Background()) }()
	defer func() { fresh.Close(); <-served }()

	// Those that wait behind the first have not been sent and need not fail.
	results := make(chan error, 3)
	for i := range 3 {
		go func() {
			_, err := c.Get(timeout(t), s.secure+"/")
			results <- err
		}()
		if i == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
	wantReason(t, <-results, "timeout")
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("a request that waited: %v", err)
		}
	}
	if got := fresh.Stats(); got.Handshakes != 1 {
		t.Errorf("%d handshakes with the new server", got.Handshakes)
	}
}

// A request that fails while the server answers others does not cost the
// session, nor does one without security.
func TestDeaf(t *testing.T) {
	const late = tick.Time(10 * time.Second)
	for _, tt := range []struct {
		name   string
		secure bool
		heard  tick.Time
		ev     endpoint.Event
		want   bool
	}{
		{"silence", true, 5, endpoint.Event{Reason: request.Timeout, Sent: 10}, true},
		{"heard since", true, 15, endpoint.Event{Reason: request.Timeout, Sent: 10}, false},
		{"given up late", true, 5, endpoint.Event{Reason: request.Canceled, Sent: 10}, true},
		{"sent in the turn of the last answer", true, 10, endpoint.Event{Reason: request.Canceled, Sent: 10}, true},
		{"given up soon", true, 5, endpoint.Event{Reason: request.Canceled, Sent: late - 1}, false},
		{"rejected", true, 5, endpoint.Event{Reason: request.Reset, Sent: 10}, false},
		{"never sent", true, 5, endpoint.Event{Reason: request.Timeout, Sent: tick.Never}, false},
		{"NoSec", false, 5, endpoint.Event{Reason: request.Timeout, Sent: 10}, false},
	} {
		conn := &Connection{heard: tt.heard, client: new(Client)}
		if tt.secure {
			conn.policy = new(security.Policy)
		}
		if got := conn.deaf(late, &tt.ev, false); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// Callers who never wait for a retransmission find out, too.
func TestImpatientCallersGetANewSession(t *testing.T) {
	for _, non := range []bool{false, true} {
		s := newStage(t, whoami, nil)
		var mute atomic.Bool
		c := s.client(security.PreSharedKey)
		c.Params = message.Params{AckTimeout: 300 * time.Millisecond}
		c.ListenPacket = muteWhile(&mute, new(atomic.Int32))
		if _, err := c.Get(timeout(t), s.secure+"/"); err != nil {
			t.Fatal(err)
		}
		first := must(c.Connect(timeout(t), s.secure))
		mute.Store(true)
		for tries := 0; ; tries++ {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			_, err := c.Do(ctx, &Request{URI: s.secure + "/", NonConfirmable: non})
			cancel()
			wantReason(t, err, "timeout", "timeout_flight_1")
			c.mu.Lock()
			current := c.connections[first.key]
			c.mu.Unlock()
			if current != first {
				break
			}
			if tries > 20 {
				t.Fatal("the dead session is kept")
			}
		}
		mute.Store(false)
		if _, err := c.Get(timeout(t), s.secure+"/"); err != nil {
			t.Errorf("after that: %v", err)
		}
	}
}

// A destination that the system knows no way to is reported at once.
func TestUnreachableIsReportedAtOnce(t *testing.T) {
	s := newStage(t, whoami, nil)
	for _, tt := range []struct {
		err    error
		reason string
	}{
		{syscall.ENETUNREACH, "unreachable"}, {syscall.ECONNREFUSED, "refused"},
		{syscall.ENOBUFS, "timeout"}, {syscall.EMSGSIZE, "timeout"},
	} {
		for _, mode := range []security.Mode{security.NoSec, security.PreSharedKey} {
			c := s.client(mode)
			if tt.reason == "timeout" {
				c = s.hurried(mode)
			}
			c.ListenPacket = func(network, addr string) (udp.Conn, error) {
				conn, err := portable.Listen(network, addr)
				return &lostConn{conn, tt.err}, err
			}
			start := time.Now()
			_, err := c.Get(timeout(t), s.uri(mode)+"/")
			if tt.reason != "timeout" {
				e := wantReason(t, err, tt.reason)
				if took := time.Since(start); took >= patient.AckTimeout || e.Err != nil {
					t.Errorf("%v: %v after %v", tt.err, err, took)
				}
				continue
			}
			wantReason(t, err, "timeout", "timeout_flight_1") // a loss, as any other
		}
	}
}

// A lostConn sends nothing.
type lostConn struct {
	udp.Conn
	err error
}

func (c *lostConn) Send([]udp.Datagram) (int, error) {
	return 0, &net.OpError{Op: "write", Net: "udp", Err: c.err}
}

// muteWhile opens sockets that lose what arrives while mute is set, and count it.
func muteWhile(mute *atomic.Bool, lost *atomic.Int32) func(network, addr string) (udp.Conn, error) {
	return func(network, addr string) (udp.Conn, error) {
		conn, err := portable.Listen(network, addr)
		return &muteConn{conn, mute, lost}, err
	}
}

type muteConn struct {
	udp.Conn
	mute *atomic.Bool
	lost *atomic.Int32
}

func (c *muteConn) Recv(batch []udp.Datagram) (int, error) {
	for {
		n, err := c.Conn.Recv(batch)
		if err != nil || !c.mute.Load() {
			return n, err
		}
		c.lost.Add(int32(n))
	}
}

func otherCA(t *testing.T) *x509.Certificate {
	return must(keys.NewCA(rand.Reader, "another CA", time.Now(), time.Hour)).Certificate
}

// A client that has restarted with the same port gets a session, while the
// server still has the old one (RFC 6347 section 4.2.8).
func TestClientRestarts(t *testing.T) {
	s := newStage(t, whoami, nil)
	local := freePort(t)
	for i := range 3 {
		c := s.client(security.PreSharedKey)
		c.LocalAddr = local
		dead := &atomic.Bool{}
		c.ListenPacket = func(network, addr string) (udp.Conn, error) {
			conn, err := portable.Listen(network, addr)
			return &deadConn{conn, dead}, err
		}
		if _, err := c.Get(timeout(t), s.secure+"/"); err != nil {
			t.Fatalf("start %d: %v", i+1, err)
		}
		dead.Store(true)
		c.Close() // whose close_notify is lost
	}
	if got := s.server.Stats(); got.Sessions != 1 || got.Superseded != 2 {
		t.Errorf("%d sessions, %d superseded", got.Sessions, got.Superseded)
	}
}

// A deadConn sends nothing any more once it is dead.
type deadConn struct {
	udp.Conn
	dead *atomic.Bool
}

func (c *deadConn) Send(batch []udp.Datagram) (int, error) {
	if c.dead.Load() {
		return len(batch), nil
	}
	return c.Conn.Send(batch)
}

// Zones are written as the system writes them, or no answer would match.
func TestZones(t *testing.T) {
	loopback, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Skipf("no interface 1: %v", err)
	}
	for in, want := range map[string]string{
		"::1%" + loopback.Name: "::1", "::1": "::1", "::ffff:192.0.2.1": "192.0.2.1",
		"fe80::1%1": "fe80::1%" + loopback.Name, "fe80::1%eth9": "fe80::1%eth9", "fe80::1%99999": "fe80::1%99999",
	} {
		if got := canonical(netip.MustParseAddr(in)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
}

// A name with several addresses: one where nobody listens is passed over.
func TestNextAddress(t *testing.T) {
	s := newStage(t, whoami, nil)
	for _, mode := range []security.Mode{security.NoSec, security.PreSharedKey} {
		c := s.client(mode)
		c.Timers, c.Params = dtls.Timers{}, message.Params{}
		uri := must(coap.ParseURI(s.uri(mode)))
		key := authority{uri.Secure(), uri.Host, uri.Port}
		c.mu.Lock()
		if err := c.start(); err != nil {
			t.Fatal(err)
		}
		policy, _ := c.policy(key)
		nobody := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), uri.Port)
		somebody := netip.AddrPortFrom(netip.MustParseAddr(uri.Host), uri.Port)
		c.begin(newConnection(c, key, policy, []netip.AddrPort{nobody, somebody}))
		c.mu.Unlock()
		r, err := c.Get(timeout(t), s.uri(mode)+"/")
		if err != nil {
			t.Errorf("%v: %v", mode, err)
		} else if r.Peer.Addr != somebody {
			t.Errorf("%v: answered by %v", mode, r.Peer.Addr)
		}
	}
}

// Two names at one address and port are two peers, each with its own session.
func TestVirtualHosts(t *testing.T) {
	s := newStage(t, HandlerFunc(func(w ResponseWriter, r *Request) {
		w.Write([]byte(r.Host + " " + r.Peer.Facts.ServerName))
	}), nil)
	port := s.secure[strings.LastIndex(s.secure, ":"):]
	c := s.client(security.PreSharedKey)
	c.Network, c.Resolver = "udp4", hosts("127.0.0.1")
	for range 2 {
		for _, host := range []string{"a.example", "b.example"} {
			r, err := c.Get(timeout(t), "coaps://"+host+port+"/")
			if err != nil {
				t.Fatal(err)
			}
			if got, want := string(r.Payload), host+" "+host; got != want {
				t.Errorf("the server heard %q, want %q", got, want)
			}
		}
	}
	if got := s.server.Stats(); got.Sessions != 2 || got.Handshakes != 2 {
		t.Errorf("%d sessions by %d handshakes", got.Sessions, got.Handshakes)
	}
}

// hosts is a resolver that knows one address for all names but the invalid ones.
func hosts(addr string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go answerDNS(server, netip.MustParseAddr(addr))
		return client, nil
	}}
}

// answerDNS answers one query over a stream (RFC 1035 section 4.2.2).
func answerDNS(conn net.Conn, addr netip.Addr) {
	defer conn.Close()
	query := make([]byte, 1024)
	n, err := conn.Read(query)
	if err == nil && n == 2 {
		n, err = conn.Read(query[2:])
		n += 2
	}
	if err != nil {
		return
	}
	var m dnsmessage.Message
	if m.Unpack(query[2:n]) != nil || len(m.Questions) != 1 {
		return
	}
	m.Response, m.Additionals = true, nil
	switch q := m.Questions[0]; {
	case strings.Contains(q.Name.String(), ".invalid."): // RFC 2606 section 2, with or without the search list's domains
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60},
			Body:   &dnsmessage.AResource{A: addr.As4()},
		}}
	}
	octets, _ := m.Pack()
	conn.Write(append([]byte{byte(len(octets) >> 8), byte(len(octets))}, octets...))
}

// Trace sees every datagram and every retransmission.
func TestTrace(t *testing.T) {
	s := newStage(t, whoami, nil)
	var mute atomic.Bool
	var sent, received, repeated atomic.Int32
	c := s.client(security.PreSharedKey)
	c.ListenPacket = muteWhile(&mute, new(atomic.Int32))
	c.Trace = &Trace{
		DatagramSent:     func(netip.AddrPort, int) { sent.Add(1) },
		DatagramReceived: func(netip.AddrPort, int) { received.Add(1) },
		Retransmission:   func(netip.AddrPort) { repeated.Add(1); mute.Store(false) },
	}
	if _, err := c.Get(timeout(t), s.secure+"/"); err != nil {
		t.Fatal(err)
	}
	if sent.Load() != 4 || received.Load() != 4 || repeated.Load() != 0 {
		t.Errorf("%d sent, %d received, %d repeated; want 4, 4, 0", sent.Load(), received.Load(), repeated.Load())
	}
	mute.Store(true)
	r, err := c.Get(timeout(t), s.secure+"/")
	if err != nil {
		t.Fatal(err)
	}
	if r.Retransmissions != 1 || repeated.Load() != 1 {
		t.Errorf("%d retransmissions in the response, %d seen", r.Retransmissions, repeated.Load())
	}
}

// A Client may be closed at any time, twice, and before its first use.
func TestClientClose(t *testing.T) {
	new(Client).Close()
	release := make(chan struct{})
	defer close(release)
	s := newStage(t, HandlerFunc(func(ResponseWriter, *Request) { <-release }), nil)
	silent := socket(t)
	defer silent.Close()
	c := s.client(security.PreSharedKey)
	var wg sync.WaitGroup
	for _, uri := range []string{s.plain, s.secure, "coaps://" + silent.LocalAddr().String()} {
		wg.Go(func() {
			_, err := c.Get(timeout(t), uri)
			wantReason(t, err, "closed")
		})
	}
	eventually(t, "requests in flight", func() bool { return s.server.Stats().Requests == 2 })
	c.Close()
	c.Close()
	wg.Wait()
	_, err := c.Get(timeout(t), s.plain)
	if e := wantReason(t, err, "closed"); !errors.Is(e, ErrClientClosed) {
		t.Errorf("cause %v", e.Err)
	}
	eventually(t, "the server has heard close_notify", func() bool { return s.server.Stats().Sessions == 0 })
}

// What does not fit into a datagram is refused here, not by the network.
func TestRequestTooLarge(t *testing.T) {
	s := newStage(t, whoami, nil)
	c := s.client(security.PreSharedKey)
	for _, mode := range []security.Mode{security.NoSec, security.PreSharedKey} {
		_, err := c.Put(timeout(t), s.uri(mode)+"/", coap.OctetStream, make([]byte, 5000))
		wantReason(t, err, "too_large")
		if _, err = c.Put(timeout(t), s.uri(mode)+"/", coap.OctetStream, make([]byte, 1000)); err != nil {
			t.Errorf("%v: 1000 bytes: %v", mode, err)
		}
	}
}

// The secure port answers nobody in the clear, nor the plain port a handshake.
//
// Proves rfc7252 §6.2: "All of the requirements listed above for the "coap"
// scheme are also requirements for the "coaps" scheme, except that a default UDP
// port of 5684 is assumed if the port subcomponent is empty or not given, and the
// UDP datagrams MUST be secured through the use of DTLS as described in Section
// 9.1."
func TestPortsAreApart(t *testing.T) {
	s := newStage(t, whoami, func(s *Server) { s.Timers = hasty })
	c := s.hurried(security.PreSharedKey)
	_, err := c.Get(timeout(t), strings.Replace(s.secure, "coaps", "coap", 1))
	wantReason(t, err, "timeout")
	_, err = c.Get(timeout(t), strings.Replace(s.plain, "coap", "coaps", 1))
	wantReason(t, err, "timeout_flight_1")
}
