// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/dtls"
)

// The two ways to agree on smaller records, each asked for by us and by the
// peer: max_fragment_length (RFC 6066 §4) with OpenSSL, record_size_limit (RFC
// 8449) with GnuTLS.

const (
	smallRecord = 512
	longLine    = 700
)

// dialSmall is dialTunnel with a wish for small records.
func dialSmall(t *testing.T, f *files, m mode, port int, edit func(*dtls.Config)) *tunnel {
	t.Helper()
	policy := clientPolicy(t, config(t, f, m, false), port)
	u := newTunnel(t, policy)
	cfg := policy.DTLS(rand.Reader)
	edit(cfg)
	session, err := dtls.NewClient(cfg, clock(), policy.ServerName())
	if err != nil {
		t.Fatal(err)
	}
	server := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	u.sessions[server] = session
	u.turn(server, session)
	go u.loop()
	return u
}

func wantSmall(ctx context.Context, t *testing.T, u *tunnel, want int) {
	t.Helper()
	n, ok := u.await(ctx, dtls.EventEstablished)
	if !ok {
		t.Fatalf("no session: %v", n.failure())
	}
	if got := n.facts.PeerMaxFragment; got != want {
		t.Errorf("the peer takes %d bytes in a record, want %d", got, want)
	}
}

// TestMaxFragmentLength is records of at most 512 bytes with OpenSSL.
func TestMaxFragmentLength(t *testing.T) {
	t.Parallel()
	m, openssl := modeNamed("x509"), peerNamed("openssl")
	t.Run("we ask", func(t *testing.T) {
		need(t, openssl.tools...)
		ctx, f := parallel(t), newFiles(t)
		proc, port := openssl.serve(ctx, t, f, m, goodPath)
		u := dialSmall(t, f, m, port, func(c *dtls.Config) { c.MaxFragmentLength = smallRecord })
		wantSmall(ctx, t, u, smallRecord)
		insist(ctx, t, func() { u.send("up to the server\n") }, func() bool { return proc.shows("up to the server") })
	})
	t.Run("we serve", func(t *testing.T) {
		need(t, openssl.tools...)
		ctx, f := parallel(t), newFiles(t)
		u := serveTunnel(t, serverPolicy(t, config(t, f, m, true)), dtls.Timers{}, 0)
		args := append([]string{"s_client", "-connect", fmt.Sprintf("127.0.0.1:%d", u.port()), "-maxfraglen", fmt.Sprint(smallRecord)},
			opensslArgs(f, m, goodPath, false)...)
		proc := start(ctx, t, nil, "openssl", args...)
		wantSmall(ctx, t, u, smallRecord)
		insist(ctx, t, func() { proc.say("there and back") }, func() bool { return proc.shows(`(?m)^there and back`) })
	})
}

// TestRecordSizeLimit is records of a size that each side names, with GnuTLS.
func TestRecordSizeLimit(t *testing.T) {
	t.Parallel()
	m, gnutls := modeNamed("x509"), peerNamed("gnutls")
	t.Run("we ask", func(t *testing.T) {
		need(t, gnutls.tools...)
		ctx, f := parallel(t), newFiles(t)
		_, port := gnutls.serve(ctx, t, f, m, goodPath)
		u := dialSmall(t, f, m, port, func(c *dtls.Config) { c.RecordSizeLimit = smallRecord })
		wantSmall(ctx, t, u, 1<<14)                  // its own limit, which is that of the protocol
		u.send(strings.Repeat("x", longLine) + "\n") // comes back in pieces
		first, ok := u.await(ctx, dtls.EventData)
		if !ok || len(first.data) == 0 || len(first.data) > smallRecord {
			t.Errorf("the peer sends records of %d bytes", len(first.data))
		}
	})
	t.Run("we serve", func(t *testing.T) {
		need(t, gnutls.tools...)
		ctx, f := parallel(t), newFiles(t)
		u := serveTunnel(t, serverPolicy(t, config(t, f, m, true)), dtls.Timers{}, 0)
		args := append(gnutlsArgs(f, m, goodPath, false), "-p", fmt.Sprint(u.port()), fmt.Sprintf("--recordsize=%d", smallRecord), "localhost")
		proc := start(ctx, t, nil, "gnutls-cli", args...)
		wantSmall(ctx, t, u, smallRecord)
		insist(ctx, t, func() { proc.say("there and back") }, func() bool { return proc.shows(`(?m)^there and back`) })
	})
}
