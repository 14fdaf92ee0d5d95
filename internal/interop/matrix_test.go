// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
)

// TestMatrix is every mode, in both roles, with every peer that knows it, on
// a good path, with datagrams of at most 256 bytes, and with a fifth of the
// datagrams lost in both directions. Each case asserts from our side which
// suite and certificate types were negotiated and who the peer proved to be.
//
// Proves rfc7252 §9.1.3.1: "Implementations in these modes MUST support the
// mandatory-to-implement cipher suite TLS_PSK_WITH_AES_128_CCM_8"
//
// Proves rfc7252 §9.1.3.2: "Implementations in RawPublicKey mode MUST support the
// mandatory-to-implement cipher suite TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"
//
// Proves rfc7252 §9.1.3.3: "Implementations in Certificate Mode MUST support the
// mandatory-to-implement cipher suite TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"
func TestMatrix(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	for _, p := range peers {
		for _, m := range modes {
			if !p.knows(m) {
				continue
			}
			for _, c := range conditions {
				t.Run(fmt.Sprintf("%s/%s/%s/we serve", p.name, m.name, c.name), func(t *testing.T) {
					need(t, p.tools...)
					weServe(parallel(t), t, f, p, m, c)
				})
				t.Run(fmt.Sprintf("%s/%s/%s/we ask", p.name, m.name, c.name), func(t *testing.T) {
					need(t, p.tools...)
					weAsk(parallel(t), t, f, p, m, c)
				})
			}
		}
	}
}

// seed is the relay's, fixed by the name of the case and the number of the try.
func seed(t *testing.T, try int) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(t.Name()))
	return h.Sum64() + uint64(try)
}

// path puts the relay of a condition before a port. On a good path there is
// none.
func path(t *testing.T, c condition, try, port int) (*relay, int) {
	if c.mtu == 0 && c.loss == 0 {
		return nil, port
	}
	r := newRelay(t, port, c.loss, seed(t, try))
	return r, r.port()
}

// checkSizes asserts that no datagram of ours was larger than its limit.
func (r *relay) checkSizes(t *testing.T, c condition, ours func(*relay) int) {
	t.Helper()
	if r == nil || c.mtu == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := ours(r); n > c.mtu || n == 0 {
		t.Errorf("our largest datagram has %d bytes, the limit is %d", n, c.mtu)
	}
}

// tries is how often a case may be begun. On a lossy path some peers give up
// before the RFC's timers have come to their third turn: libcoap does after
// six seconds.
func (c condition) tries() int {
	if c.loss > 0 {
		return 4
	}
	return 1
}

// timers are ours on the path: what has not come to pass in half a minute is
// begun anew.
func (c condition) timers() dtls.Timers {
	if c.loss > 0 {
		return dtls.Timers{Handshake: 30 * time.Second}
	}
	return dtls.Timers{}
}

// try runs a case until there is no error or the tries are used up.
func (c condition) try(ctx context.Context, t *testing.T, f func(try int) error) {
	t.Helper()
	for try := 1; ; try++ {
		err := f(try)
		if err == nil {
			return
		}
		if try == c.tries() || ctx.Err() != nil {
			t.Fatal(err)
		}
		t.Logf("try %d: %v", try, err)
	}
}

// weAsk is our side as the client.
func weAsk(ctx context.Context, t *testing.T, f *files, p *peer, m mode, c condition) {
	c.try(ctx, t, func(try int) error {
		proc, port := p.serve(ctx, t, f, m, c)
		defer proc.stop()
		r, port := path(t, c, try, port)
		defer r.checkSizes(t, c, func(r *relay) int { return r.largestUp })
		if p.coap {
			return askCoAP(ctx, t, f, m, c, port)
		}
		return askLines(ctx, t, f, p, m, c, proc, port)
	})
}

// newClient is a coaps.Client in the mode.
func newClient(t *testing.T, f *files, m mode, c condition) *coaps.Client {
	t.Helper()
	client := &coaps.Client{Security: config(t, f, m, false), Network: "udp4", MTU: c.mtu, Timers: c.timers()}
	t.Cleanup(func() { client.Close() })
	return client
}

func askCoAP(ctx context.Context, t *testing.T, f *files, m mode, c condition, port int) error {
	client := newClient(t, f, m, c)
	defer client.Close()
	response, err := client.Get(ctx, fmt.Sprintf("coaps://localhost:%d/time", port))
	if err != nil {
		return err
	}
	if response.Code != coap.Content || len(response.Payload) == 0 {
		t.Errorf("response %v %q", response.Code, response.Payload)
	}
	checkFacts(t, f, m, false, response.Peer.Facts, response.Peer.Identity)
	return nil
}

// askLines exchanges lines with a peer that knows no CoAP. GnuTLS echoes them;
// OpenSSL shows them and sends what it is given to say.
func askLines(ctx context.Context, t *testing.T, f *files, p *peer, m mode, c condition, proc *process, port int) error {
	u := dialTunnel(t, clientPolicy(t, config(t, f, m, false), port), c.timers(), c.mtu, port)
	n, ok := u.await(ctx, dtls.EventEstablished)
	if !ok {
		return fmt.Errorf("no session: %w", n.failure())
	}
	checkFacts(t, f, m, false, n.facts, n.identity)
	if p.name == "openssl" {
		insist(ctx, t, func() { u.send("up to the server\n") }, func() bool { return proc.shows("up to the server") })
		insist(ctx, t, func() { proc.say("down to the client") }, func() bool { return u.got("down to the client") })
	} else {
		insist(ctx, t, func() { u.send("there and back\n") }, func() bool { return u.got("there and back") })
	}
	u.shut()
	return nil
}

// got reports whether data came that begins with text.
func (u *tunnel) got(text string) bool {
	for {
		select {
		case n := <-u.news:
			if n.kind == dtls.EventData && strings.HasPrefix(n.data, text) {
				return true
			}
		default:
			return false
		}
	}
}

// insist repeats an act, which the path may lose, until it has had its effect.
func insist(ctx context.Context, t *testing.T, act func(), done func() bool) {
	t.Helper()
	for !done() {
		act()
		for range 20 {
			if done() {
				return
			}
			select {
			case <-ctx.Done():
				t.Fatal("the data did not come through")
			case <-time.After(25 * time.Millisecond):
			}
		}
	}
}

// weServe is our side as the server.
func weServe(ctx context.Context, t *testing.T, f *files, p *peer, m mode, c condition) {
	if p.coap {
		serveCoAP(ctx, t, f, p, m, c)
	} else {
		serveLines(ctx, t, f, p, m, c)
	}
}

// server is a coaps.Server whose /whoami tells the test who asked.
type server struct {
	*coaps.Server
	port  int
	asked chan coaps.Peer
}

func newServer(t *testing.T, f *files, m mode, c condition) *server {
	t.Helper()
	return newServerAt(t, f, m, c, 0, nil)
}

// newServerAt is newServer at a given port, with a key log.
func newServerAt(t *testing.T, f *files, m mode, c condition, port int, keyLog io.Writer) *server {
	t.Helper()
	s := &server{asked: make(chan coaps.Peer, 100)}
	mux := coaps.NewMux()
	mux.HandleFunc("GET /whoami", func(w coaps.ResponseWriter, r *coaps.Request) {
		s.asked <- r.Peer
		fmt.Fprintf(w, "you are %v", r.Peer.Identity)
	})
	settings := config(t, f, m, true)
	settings.KeyLog = keyLog
	s.Server = &coaps.Server{
		SecureAddr: fmt.Sprintf("127.0.0.1:%d", port), Network: "udp4",
		Security: settings, Handler: mux, MTU: c.mtu, Timers: c.timers(),
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	_, secure := s.Addrs()
	s.port = int(secure.Port())
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context()) }()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	return s
}

func serveCoAP(ctx context.Context, t *testing.T, f *files, p *peer, m mode, c condition) {
	s := newServer(t, f, m, c)
	c.try(ctx, t, func(try int) error {
		r, port := path(t, c, try, s.port)
		defer r.checkSizes(t, c, func(r *relay) int { return r.largestDown })
		proc := p.dial(ctx, t, f, m, c, port)
		defer proc.stop()
		select {
		case who := <-s.asked:
			checkFacts(t, f, m, true, who.Facts, who.Identity)
		case <-proc.exited:
			return fmt.Errorf("the peer gave up: %s", proc.text())
		case <-ctx.Done():
			return errors.New("nobody asked")
		}
		if !proc.await(ctx, `you are \S+`) {
			return fmt.Errorf("the peer did not show the response: %s", proc.text())
		}
		return nil
	})
}

func serveLines(ctx context.Context, t *testing.T, f *files, p *peer, m mode, c condition) {
	c.try(ctx, t, func(try int) error {
		u := serveTunnel(t, serverPolicy(t, config(t, f, m, true)), c.timers(), c.mtu)
		r, port := path(t, c, try, u.port())
		defer r.checkSizes(t, c, func(r *relay) int { return r.largestDown })
		proc := p.dial(ctx, t, f, m, c, port)
		defer proc.stop()
		n, ok := u.await(ctx, dtls.EventEstablished)
		if !ok {
			return fmt.Errorf("no session: %w", n.failure())
		}
		checkFacts(t, f, m, true, n.facts, n.identity)
		insist(ctx, t, func() { proc.say("there and back") }, func() bool { return proc.shows(`(?m)^there and back`) })
		return nil
	})
}
