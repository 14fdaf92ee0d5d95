// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coaps-go/coaps/dtls"
)

// TestNoExtendedMasterSecret is GnuTLS told to forget RFC 7627: refused in both
// roles, unless the configuration allows it by name.
//
// Pitfall A1: extended master secret is required unless the application says otherwise
func TestNoExtendedMasterSecret(t *testing.T) {
	t.Parallel()
	m, gnutls := modeNamed("psk"), peerNamed("gnutls")
	for _, allow := range []bool{false, true} {
		for _, weAsk := range []bool{true, false} {
			t.Run(fmt.Sprintf("allow=%v/we ask=%v", allow, weAsk), func(t *testing.T) {
				need(t, gnutls.tools...)
				ctx, f := parallel(t), newFiles(t)
				c := config(t, f, m, !weAsk)
				c.AllowNoExtendedMasterSecret = allow
				var u *tunnel
				if weAsk {
					port := freePort(t)
					args := append(withoutEMS(gnutlsArgs(f, m, goodPath, true)), "--echo", "-p", fmt.Sprint(port), "--pskpasswd="+f.pskFile)
					awaitPort(ctx, t, start(ctx, t, nil, "gnutls-serv", args...), port)
					u = dialTunnel(t, clientPolicy(t, c, port), impatient, 0, port)
				} else {
					u = serveTunnel(t, serverPolicy(t, c), impatient, 0)
					args := append(withoutEMS(gnutlsArgs(f, m, goodPath, false)), "-p", fmt.Sprint(u.port()), "--pskusername="+pskIdentity, "--pskkey="+pskHex)
					start(ctx, t, nil, "gnutls-cli", append(args, "127.0.0.1")...)
				}
				n, ok := u.await(ctx, dtls.EventEstablished)
				switch {
				case ok != allow:
					t.Errorf("session %v, ended with %v", ok, n.err)
				case ok && n.facts.ExtendedMasterSecret:
					t.Error("the peer knows the extended master secret")
				case !ok && n.err.Reason != dtls.ReasonNoExtendedMasterSecret:
					t.Errorf("refused with %v", n.err)
				}
			})
		}
	}
}

func withoutEMS(args []string) []string {
	i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--priority=") })
	args[i] += ":%NO_SESSION_HASH"
	return args
}
