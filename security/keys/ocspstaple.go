// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"golang.org/x/crypto/ocsp"
)

// Staple is the OCSP response that a server shows beside one of its chains. It
// can be renewed while the server runs, and nothing is shown once it has run
// out. It may be used by several goroutines at once.
//
//	staple, err := keys.NewStaple(&chain, issuer, time.Now) // sets chain.OCSP
//	err = staple.Set(der)                                   // and again before staple.NextUpdate()
type Staple struct {
	leaf, issuer *x509.Certificate
	clock        func() time.Time
	response     atomic.Pointer[stapleResponse]
}

type stapleResponse struct {
	der       []byte
	this, end time.Time
}

// NewStaple makes the place of the response about the leaf of a chain, and has
// the chain use it. issuer is the certificate of who issued the leaf; nil takes
// the second of the chain. Without either, as in a chain that ends below the root,
// nobody checks here who signed a response; clients do. clock tells the time.
func NewStaple(chain *dtls.Chain, issuer *x509.Certificate, clock func() time.Time) (*Staple, error) {
	if issuer == nil && len(chain.DER) > 1 {
		second, err := x509.ParseCertificate(chain.DER[1])
		if err != nil {
			return nil, err
		}
		issuer = second
	}
	if chain.Leaf == nil {
		return nil, errors.New("no certificate")
	}
	if issuer != nil {
		if err := chain.Leaf.CheckSignatureFrom(issuer); err != nil {
			return nil, fmt.Errorf("%s did not issue the certificate: %w", nameText(issuer.Subject), err)
		}
	}
	s := &Staple{leaf: chain.Leaf, issuer: issuer, clock: clock}
	chain.OCSP = s.Response
	return s, nil
}

// Set takes a new response, in DER. It refuses one with which a client would
// end the handshake: about another certificate, not signed by the issuer or its
// responder, not good, not fresh, or longer than is sent. The error is a
// *VerifyError unless it is about the length, and the old response stays.
func (s *Staple) Set(der []byte) error {
	if len(der) > dtls.MaxOCSP {
		return fmt.Errorf("the OCSP response has %d bytes, at most %d are shown", len(der), dtls.MaxOCSP)
	}
	if err := new(Trust).checkOCSP(der, s.leaf, s.issuer, s.clock()); err != nil {
		return err
	}
	r, err := ocsp.ParseResponseForCert(der, s.leaf, nil)
	if err != nil {
		return err
	}
	end := r.NextUpdate
	if end.IsZero() {
		end = r.ThisUpdate.Add(noNextUpdate)
	}
	s.response.Store(&stapleResponse{append([]byte(nil), der...), r.ThisUpdate, end})
	return nil
}

// Response returns the response in DER, nil if there is none or it has run out.
// It must not be changed.
func (s *Staple) Response() []byte {
	r := s.response.Load()
	if r == nil || s.clock().After(r.end) {
		return nil
	}
	return r.der
}

// Validity returns since when and until when the response holds, zero times if
// there is none.
func (s *Staple) Validity() (thisUpdate, nextUpdate time.Time) {
	if r := s.response.Load(); r != nil {
		return r.this, r.end
	}
	return time.Time{}, time.Time{}
}
