// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

// The DTLS cases of ETSI's CoAP plugtests, by their names, with libcoap on
// GnuTLS, the one peer that has both modes. Where our role is in doubt, both
// are played.

var (
	goodPath  = condition{name: "plain"}
	lossyPath = condition{name: "lossy", loss: 0.2}
)

func etsi(t *testing.T, name string, f func(ctx context.Context, t *testing.T, f *files)) {
	t.Run(name, func(t *testing.T) {
		need(t, "coap-server-gnutls", "coap-client-gnutls", "gnutls-cli", "gnutls-serv")
		f(parallel(t), t, newFiles(t))
	})
}

func bothRoles(t *testing.T, name, mode string, c condition) {
	etsi(t, name+"/client", func(ctx context.Context, t *testing.T, f *files) {
		weAsk(ctx, t, f, peerNamed("libcoap-gnutls"), modeNamed(mode), c)
	})
	etsi(t, name+"/server", func(ctx context.Context, t *testing.T, f *files) {
		weServe(ctx, t, f, peerNamed("libcoap-gnutls"), modeNamed(mode), c)
	})
}

// TestETSI_TD_COAP_DTLS_01 is a request under a pre-shared key.
func TestETSI_TD_COAP_DTLS_01(t *testing.T) {
	t.Parallel()
	bothRoles(t, "psk", "psk", goodPath)
}

// TestETSI_TD_COAP_DTLS_02 is a wrong pre-shared key: no session comes to be,
// and the client is not told which of identity and key was wrong.
//
// Pitfall A6: our server's answers to a wrong key and to an unknown identity are the same silence
// Pitfall P18: the server serves the next client
func TestETSI_TD_COAP_DTLS_02(t *testing.T) {
	t.Parallel()
	m := modeNamed("psk")
	etsi(t, "client", func(ctx context.Context, t *testing.T, f *files) {
		_, port := peerNamed("libcoap-gnutls").serve(ctx, t, f, m, goodPath)
		client := newClient(t, f, m, goodPath)
		client.Security.ClientPSK = wrongPSK(t, pskIdentity)
		client.Timers = impatient
		wantRefused(ctx, t, client, port, dtls.ReasonBadPSKOrUnknownIdentity)
	})
	for name, identity := range map[string]string{"wrong key": pskIdentity, "unknown identity": "stranger"} {
		etsi(t, "server/"+name, func(ctx context.Context, t *testing.T, f *files) {
			s := newServer(t, f, m, goodPath)
			p := start(ctx, t, libcoapEnv(f), "coap-client-gnutls", "-B", "8", "-m", "get",
				"-u", identity, "-k", "quite another key", fmt.Sprintf("coaps://127.0.0.1:%d/whoami", s.port))
			select {
			case <-p.exited:
			case who := <-s.asked:
				t.Errorf("%v was let in", who.Identity)
			case <-ctx.Done():
				t.Error("the peer did not give up")
			}
			if p.shows("you are") {
				t.Error("the peer got an answer")
			}
			// The server, and nobody else, knows which it was.
			if stats := s.Stats(); (stats.UnknownIdentities > 0) != (identity == "stranger") || (stats.WrongPSKs > 0) != (identity == pskIdentity) {
				t.Errorf("%d unknown identities, %d wrong keys", stats.UnknownIdentities, stats.WrongPSKs)
			}
			serveCoAPAgain(ctx, t, f, s, m)
		})
	}
}

// TestETSI_TD_COAP_DTLS_03 is a pre-shared key over a lossy path.
func TestETSI_TD_COAP_DTLS_03(t *testing.T) {
	t.Parallel()
	bothRoles(t, "psk", "psk", lossyPath)
}

// TestETSI_TD_COAP_DTLS_04 is a request under raw public keys.
func TestETSI_TD_COAP_DTLS_04(t *testing.T) {
	t.Parallel()
	bothRoles(t, "rpk", "rpk", goodPath)
}

// TestETSI_TD_COAP_DTLS_05 is a raw public key of the server that the client
// does not know.
//
// Pitfall O19: no session comes to be with a server whose raw public key is not trusted
func TestETSI_TD_COAP_DTLS_05(t *testing.T) {
	t.Parallel()
	m := modeNamed("rpk")
	etsi(t, "we refuse", func(ctx context.Context, t *testing.T, f *files) {
		_, port := peerNamed("libcoap-gnutls").serve(ctx, t, f, m, goodPath)
		client := newClient(t, f, m, goodPath)
		client.Security.Pins = &keys.Pins{}
		client.Security.Pins.AddKey(f.client.key.SPKI) // somebody else's
		wantRefused(ctx, t, client, port, dtls.ReasonRPKNotPinned)
	})
	etsi(t, "we are refused", func(ctx context.Context, t *testing.T, f *files) {
		u := serveTunnel(t, serverPolicy(t, config(t, f, m, true)), dtls.Timers{}, 0)
		// Without --insecure gnutls-cli believes no raw key.
		args := append([]string{"-p", fmt.Sprint(u.port())}, gnutlsArgs(f, m, goodPath, false)...)
		p := start(ctx, t, nil, "gnutls-cli", append(args, "127.0.0.1")...)
		n, ok := u.await(ctx, dtls.EventEstablished)
		if ok {
			t.Fatalf("a session with a client that refused: %v", n.identity)
		}
		if n.err == nil || n.err.Reason.Kind() != dtls.ReasonAlert {
			t.Errorf("the session ended with %v, want the client's alert", n.err)
		}
		<-p.exited
	})
}

// TestETSI_TD_COAP_DTLS_06 is a raw public key of the client that the server
// does not know.
//
// Pitfall O19: no session comes to be with a client whose raw public key is not trusted
func TestETSI_TD_COAP_DTLS_06(t *testing.T) {
	t.Parallel()
	m := modeNamed("rpk")
	etsi(t, "we refuse", func(ctx context.Context, t *testing.T, f *files) {
		s := newServer(t, f, m, goodPath)
		stranger := *f
		stranger.client = f.newSide(t, "stranger")
		p := peerNamed("libcoap-gnutls").dial(ctx, t, &stranger, m, goodPath, s.port)
		select {
		case <-p.exited:
		case who := <-s.asked:
			t.Errorf("%v was let in", who.Identity)
		case <-ctx.Done():
			t.Error("the peer did not give up")
		}
		if p.shows("you are") {
			t.Error("the peer got an answer")
		}
		if s.Stats().HandshakesFailed == 0 {
			t.Error("the server has refused nobody")
		}
		serveCoAPAgain(ctx, t, f, s, m)
	})
	etsi(t, "we are refused", func(ctx context.Context, t *testing.T, f *files) {
		// A server that wants a certificate refuses a client that has a raw
		// key alone.
		x509 := modeNamed("x509")
		proc, port := peerNamed("gnutls").serve(ctx, t, f, x509, goodPath)
		c := config(t, f, x509, false)
		c.Chains, c.RawKey = nil, f.client.key
		u := dialTunnel(t, clientPolicy(t, c, port), impatient, 0, port)
		if n, ok := u.await(ctx, dtls.EventEstablished); ok {
			t.Errorf("the server lets in %v, whom it cannot know", n.identity)
		}
		// GnuTLS refuses without an alert, so that our side sees silence; that it
		// is a refusal stands in its output.
		if !proc.shows("certificate type is not supported") {
			t.Error("the server has not seen our key's type")
		}
	})
}

// TestETSI_TD_COAP_DTLS_07 is raw public keys over a lossy path.
func TestETSI_TD_COAP_DTLS_07(t *testing.T) {
	t.Parallel()
	bothRoles(t, "rpk", "rpk", lossyPath)
}

// impatient are timers for handshakes that are meant to fail by silence.
var impatient = dtls.Timers{Initial: 500 * time.Millisecond, Retransmissions: 3, Handshake: 10 * time.Second}

func wrongPSK(t *testing.T, identity string) *keys.PSK {
	t.Helper()
	psk, err := keys.NewPSK([]byte(identity), []byte("quite another key"))
	if err != nil {
		t.Fatal(err)
	}
	return &psk
}

// wantRefused asks and wants the error to have the given reason, or an alert
// where the peer says it first.
func wantRefused(ctx context.Context, t *testing.T, client *coaps.Client, port int, reason dtls.Reason) {
	t.Helper()
	response, err := client.Get(ctx, fmt.Sprintf("coaps://localhost:%d/time", port))
	var failed *coaps.Error
	switch {
	case err == nil:
		t.Errorf("the server answered %v", response.Code)
	case !errors.As(err, &failed) || failed.Reason != reason.String():
		t.Errorf("error %v, want the reason %v", err, reason)
	}
}

// serveCoAPAgain lets a good client in after a bad one.
func serveCoAPAgain(ctx context.Context, t *testing.T, f *files, s *server, m mode) {
	t.Helper()
	peerNamed("libcoap-gnutls").dial(ctx, t, f, m, goodPath, s.port)
	select {
	case who := <-s.asked:
		checkFacts(t, f, m, true, who.Facts, who.Identity)
	case <-ctx.Done():
		t.Error("the next client was not served")
	}
}
