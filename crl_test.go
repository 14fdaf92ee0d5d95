// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"golang.org/x/crypto/ocsp"
)

// A list that names the certificate of a client which is connected ends its
// session within a second, asleep or awake, and no other; the client gets no new
// one, and hears why.
func TestRevokedWhileConnected(t *testing.T) {
	for _, asleep := range []bool{false, true} {
		s := newStage(t, say, dozing)
		bad, good := s.client(security.Certificate), s.client(security.Certificate)
		now := time.Now()
		good.Security.Chains = []dtls.Chain{must(s.ca.IssueClient(rand.Reader, must(keys.NewKey(rand.Reader)), "another", now, time.Hour))}
		for _, c := range []*Client{bad, good} {
			_ = get(t, c, s.secure+"/")
		}
		if asleep {
			s.asleep()
		}
		list := must(s.ca.RevocationList(big.NewInt(1), []keys.Revocation{{Serial: s.clientChain.Leaf.SerialNumber, At: now, Reason: 1}}, now, now.Add(time.Hour)))
		config := *s.server.Security
		config.Trust = must(config.Trust.WithCRLs([]*x509.RevocationList{list}, keys.RevocationFresh))
		told := time.Now()
		if err := s.server.SetSecurity(&config); err != nil {
			t.Fatal(err)
		}
		s.server.Recheck(nil)
		s.wantLog(LogSessionRevoked, "reason=cert_revoked", "identity=02-00-5E-FF-FE-10-00-01")
		if took := time.Since(told); took > promptly {
			t.Errorf("asleep %t: it took %v", asleep, took)
		}
		if got := get(t, good, s.secure+"/"); !strings.Contains(got, "another") {
			t.Errorf("asleep %t: the other: %s", asleep, got)
		}
		again := s.client(security.Certificate)
		_, err := again.Get(timeout(t), s.secure+"/")
		wantReason(t, err, "alert_certificate_revoked")
		s.wantLog(LogHandshakeRefused, "reason=cert_revoked", "keyCompromise")
		if got := s.server.Stats(); got.SessionsRevoked != 1 {
			t.Errorf("asleep %t: %d sessions revoked", asleep, got.SessionsRevoked)
		}
	}
}

// A server shows its OCSP response to clients that require one, shows a new one
// without a restart, and none when it has run out.
func TestStapledResponse(t *testing.T) {
	var staple *keys.Staple
	var later atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	s := newStage(t, say, func(s *Server) {
		var err error
		if staple, err = keys.NewStaple(&s.Security.Chains[0], nil, clock); err != nil {
			t.Fatal(err)
		}
	})
	leaf := s.server.Security.Chains[0].Leaf
	response := func(status int, until time.Duration) []byte {
		now := time.Now()
		return must(ocsp.CreateResponse(s.ca.Certificate, s.ca.Certificate, ocsp.Response{
			Status: status, SerialNumber: leaf.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(until), RevokedAt: now,
		}, s.ca.Key.Signer))
	}
	ask := func() error {
		c := s.client(security.Certificate)
		c.Security.Trust = c.Security.Trust.RequireOCSP()
		_, err := c.Get(timeout(t), s.secure+"/")
		return err
	}
	wantReason(t, ask(), "cert_status_missing")
	if err := staple.Set(response(ocsp.Good, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Errorf("with a response: %v", err)
	}
	if err := staple.Set(response(ocsp.Revoked, time.Hour)); keys.ReasonOf(err) != dtls.ReasonCertRevoked {
		t.Errorf("a response that would drive all clients away: %v", err)
	}
	later.Store(int64(10 * time.Minute))
	wantReason(t, ask(), "cert_status_missing")
	later.Store(0)
	if err := staple.Set(response(ocsp.Good, time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Errorf("renewed: %v", err)
	}
}
