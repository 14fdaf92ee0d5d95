// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/message"
	"github.com/coaps-go/coaps/security"
)

// An observed server is libcoap's coap-server, whose /time changes each second,
// in one mode; "" is NoSec.
type observedServer struct {
	t       *testing.T
	f       *files
	library string
	mode    string
	port    int // of its own, not of DTLS
	proc    *process
}

func observed(t *testing.T, f *files, library, mode string) *observedServer {
	t.Helper()
	need(t, "coap-server-"+library)
	return &observedServer{t: t, f: f, library: library, mode: mode, port: freePort(t)}
}

func (s *observedServer) start(ctx context.Context) {
	s.t.Helper()
	args, bound := []string{"-p", strconv.Itoa(s.port), "-A", "127.0.0.1"}, s.port
	if s.mode != "" {
		args, bound = append(args, libcoapArgs(s.f, modeNamed(s.mode), true)...), s.port+1
	}
	s.proc = start(ctx, s.t, libcoapEnv(s.f), "coap-server-"+s.library, args...)
	awaitPort(ctx, s.t, s.proc, bound)
}

// client is ours, and the URI for it; on the loopback there is no congestion to
// cause by haste.
func (s *observedServer) client(c condition) (*coaps.Client, string) {
	params := message.Params{AckTimeout: 500 * time.Millisecond, MaxRetransmit: 4}
	if s.mode == "" {
		_, port := path(s.t, c, 1, s.port)
		return &coaps.Client{Network: "udp4", Params: params}, fmt.Sprintf("coap://localhost:%d/time", port)
	}
	client := newClient(s.t, s.f, modeNamed(s.mode), c)
	client.Params = params
	_, port := path(s.t, c, 1, s.port+1)
	return client, fmt.Sprintf("coaps://localhost:%d/time", port)
}

// judge asserts who a state has come from.
func (s *observedServer) judge(r *coaps.Response) {
	s.t.Helper()
	if r.Code != coap.Content || len(r.Payload) == 0 {
		s.t.Fatalf("%v %q", r.Code, r.Payload)
	}
	if s.mode == "" {
		if r.Peer.Mode != security.NoSec || r.Peer.Facts != nil {
			s.t.Errorf("from %v", r.Peer)
		}
		return
	}
	checkFacts(s.t, s.f, modeNamed(s.mode), false, r.Peer.Facts, r.Peer.Identity)
}

// follows reads n states, of which each must be newer than the last.
func (s *observedServer) follows(ctx context.Context, o *coaps.Observation, n int) {
	s.t.Helper()
	last := int64(-1)
	for range n {
		r, err := o.Next(ctx)
		if err != nil {
			s.t.Fatalf("%v; %+v", err, o.Stats())
		}
		s.judge(r)
		number, ok := r.Options.GetUint(coap.Observe)
		if !ok || last >= int64(number) {
			s.t.Errorf("number %d after %d", number, last)
		}
		last = int64(number)
	}
	if !o.Observing() {
		s.t.Error("not observing")
	}
}

// libcoap's server is observed in all four modes, over good and bad paths; and
// when we have had enough, it says no more.
//
// Proves rfc7641 §7: "Resources can be observed over DTLS-secured CoAP using any
// of the security modes described in Section 9 of RFC 7252."
// Proves rfc7641 §3.6: "When the server receives such a request, it will remove
// any matching entry from the list of observers and process the GET request as
// usual."
func TestObserveLibcoap(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	for _, tt := range []struct{ library, mode string }{
		{"notls", ""}, {"gnutls", "psk"}, {"gnutls", "rpk"}, {"gnutls", "x509"}, {"openssl", "psk"}, {"openssl", "x509"},
	} {
		for _, c := range []condition{goodPath, lossyPath} {
			t.Run(fmt.Sprintf("%s/%s/%s", tt.library, tt.mode, c.name), func(t *testing.T) {
				s := observed(t, f, tt.library, tt.mode)
				ctx := parallel(t)
				s.start(ctx)
				observeUntilEnough(ctx, s, c)
			})
		}
	}
}

func observeUntilEnough(ctx context.Context, s *observedServer, c condition) {
	client, uri := s.client(c)
	defer client.Close()
	var heard atomic.Int64
	client.Trace = &coaps.Trace{DatagramReceived: func(netip.AddrPort, int) { heard.Add(1) }}
	var o *coaps.Observation
	c.try(ctx, s.t, func(int) (err error) {
		o, err = client.Observe(ctx, &coaps.Request{URI: uri})
		return err
	})
	s.follows(ctx, o, 5)
	o.Close()
	if c.loss > 0 {
		return // what was lost comes again
	}
	before := heard.Load()
	time.Sleep(4 * time.Second)
	if n := heard.Load() - before; n > 1 { // one may have been under way
		s.t.Errorf("%d datagrams after the end", n)
	}
}

// When libcoap is killed and started anew while we observe it, we register again,
// in a new session, whether we notice that it is gone (the system says so) or find
// out only that the session is not known any more.
func TestObserveLibcoapRestarted(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	for _, tt := range []struct{ library, mode string }{
		{"notls", ""}, {"gnutls", "psk"}, {"gnutls", "rpk"}, {"gnutls", "x509"},
	} {
		for _, noticed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%s/noticed=%v", tt.library, tt.mode, noticed), func(t *testing.T) {
				s := observed(t, f, tt.library, tt.mode)
				ctx := parallel(t)
				s.start(ctx)
				client, uri := s.client(goodPath)
				defer client.Close()
				o, err := client.Observe(ctx, &coaps.Request{URI: uri})
				if err != nil {
					t.Fatal(err)
				}
				defer o.Close()
				s.follows(ctx, o, 2)
				s.proc.stop()
				if !noticed {
					s.start(ctx)
				}
				awaitReturn(ctx, s, o, noticed)
				s.follows(ctx, o, 3)
			})
		}
	}
}

// awaitReturn passes over what comes until the server observes us again. Where it
// is gone it is started when we have noticed.
func awaitReturn(ctx context.Context, s *observedServer, o *coaps.Observation, noticed bool) {
	s.t.Helper()
	for lost := false; ; {
		u, err := o.Update(ctx)
		if err != nil {
			s.t.Fatalf("%v; %+v", err, o.Stats())
		}
		switch u.Kind {
		case coaps.UpdateNotified:
			s.judge(u.Response)
		case coaps.UpdateLost:
			s.t.Logf("lost: %v", u.Err)
			if noticed && !lost {
				s.start(ctx)
			}
			lost = true
		case coaps.UpdateReconnected:
			if !lost {
				s.t.Error("back, but it was not told that it was lost")
			}
			return
		case coaps.UpdateReregistered:
			if s.mode == "" && !noticed {
				return // there is no session to lose
			}
			s.t.Error("registered again in the same session")
			return
		}
	}
}
