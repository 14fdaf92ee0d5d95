// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package v12

import (
	"github.com/coaps-go/coaps/dtls/internal/flight"
	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/wire"
	"github.com/coaps-go/coaps/tick"
)

// stateID names a state of the handshake.
type stateID uint8

// The states, in the order in which a handshake passes through them. A state
// is named for what it waits for.
const (
	clientHello         stateID = iota // HelloVerifyRequest or ServerHello
	clientCertificate                  // of the server
	clientStatus                       // CertificateStatus, which may be left out
	clientKeyExchange                  // ServerKeyExchange, which this suite must have
	clientHintOrDone                   // ServerKeyExchange with a hint, or ServerHelloDone
	clientRequestOrDone                // CertificateRequest or ServerHelloDone
	clientDone                         // ServerHelloDone
	clientProof                        // job: the server's signature, our ephemeral key
	clientVerdict                      // caller: is this server to be trusted
	clientPSK                          // caller: identity and key
	clientSignature                    // job: our CertificateVerify
	clientFinished                     // of the server
	serverHello                        // ClientHello, its cookie already verified
	serverSignature                    // job: our ephemeral key and ServerKeyExchange
	serverCertificate                  // of the client
	serverKeyExchange                  // ClientKeyExchange of a client without a key
	serverAgreement                    // job: the shared secret
	serverPSK                          // caller: the key of an identity
	serverVerify                       // CertificateVerify
	serverProof                        // job: the client's signature
	serverVerdict                      // caller: is this client to be trusted
	serverFinished                     // of the client
	numStates
)

// rule is a message that a state accepts, and the step it causes.
type rule struct {
	message wire.HandshakeType
	step    func(c *Conn, now tick.Time, m *flight.Message) hs.Reason
	// unhashed messages are not added to the transcript before the step:
	// HelloVerifyRequest never is, CertificateVerify and Finished cover what
	// came before them and are added by their step.
	unhashed bool
}

// state is one row of the table. It accepts messages, or waits for a job or
// for the caller; while it waits, messages gather.
type state struct {
	name    string
	accepts []rule
	waits   hs.EventKind // EventNone: for messages
	// ccs says that a ChangeCipherSpec may come now. It takes effect when
	// the state is one that awaits Finished, and not before.
	ccs  bool
	job  func(c *Conn, now tick.Time, job *hs.Job) hs.Reason
	psk  func(c *Conn, now tick.Time, identity, key []byte) hs.Reason
	pass func(c *Conn, now tick.Time) hs.Reason // the verdict was good
}

// states is the whole handshake. Nothing else decides what may come when.
var states = [numStates]state{
	clientHello: {name: "client awaits ServerHello", accepts: []rule{
		{wire.HandshakeHelloVerifyRequest, (*Conn).onHelloVerifyRequest, true},
		{wire.HandshakeServerHello, (*Conn).onServerHello, false},
	}},
	clientCertificate: {name: "client awaits Certificate", accepts: []rule{
		{wire.HandshakeCertificate, (*Conn).onServerCertificate, false},
	}},
	clientStatus: {name: "client awaits CertificateStatus or ServerKeyExchange", accepts: []rule{
		{wire.HandshakeCertificateStatus, (*Conn).onCertificateStatus, false},
		{wire.HandshakeServerKeyExchange, (*Conn).onServerKeyExchange, false},
	}},
	clientKeyExchange: {name: "client awaits ServerKeyExchange", accepts: []rule{
		{wire.HandshakeServerKeyExchange, (*Conn).onServerKeyExchange, false},
	}},
	clientHintOrDone: {name: "client awaits ServerKeyExchange or ServerHelloDone", accepts: []rule{
		{wire.HandshakeServerKeyExchange, (*Conn).onServerKeyExchange, false},
		{wire.HandshakeServerHelloDone, (*Conn).onServerHelloDone, false},
	}},
	clientRequestOrDone: {name: "client awaits CertificateRequest or ServerHelloDone", accepts: []rule{
		{wire.HandshakeCertificateRequest, (*Conn).onCertificateRequest, false},
		{wire.HandshakeServerHelloDone, (*Conn).onServerHelloDone, false},
	}},
	clientDone: {name: "client awaits ServerHelloDone", accepts: []rule{
		{wire.HandshakeServerHelloDone, (*Conn).onServerHelloDone, false},
	}},
	clientProof:     {name: "client verifies the server's signature", waits: hs.EventNeedJob, job: (*Conn).serverProved},
	clientVerdict:   {name: "client judges the server", waits: hs.EventWantVerdict, pass: (*Conn).sendClientKeys},
	clientPSK:       {name: "client looks for its key", waits: hs.EventWantPSK, psk: (*Conn).clientKeyFound},
	clientSignature: {name: "client signs", waits: hs.EventNeedJob, job: (*Conn).clientSigned},
	clientFinished: {name: "client awaits Finished", ccs: true, accepts: []rule{
		{wire.HandshakeFinished, (*Conn).onServerFinished, true},
	}},

	serverHello: {name: "server awaits ClientHello", accepts: []rule{
		{wire.HandshakeClientHello, (*Conn).onClientHello, false},
	}},
	serverSignature: {name: "server signs", waits: hs.EventNeedJob, job: (*Conn).serverSigned},
	serverCertificate: {name: "server awaits Certificate", ccs: true, accepts: []rule{
		{wire.HandshakeCertificate, (*Conn).onClientCertificate, false},
	}},
	serverKeyExchange: {name: "server awaits ClientKeyExchange", ccs: true, accepts: []rule{
		{wire.HandshakeClientKeyExchange, (*Conn).onClientKeyExchange, false},
	}},
	serverAgreement: {name: "server agrees on the secret", ccs: true, waits: hs.EventNeedJob, job: (*Conn).serverAgreed},
	serverPSK:       {name: "server looks for the key", ccs: true, waits: hs.EventWantPSK, psk: (*Conn).serverKeyFound},
	serverVerify: {name: "server awaits CertificateVerify", ccs: true, accepts: []rule{
		{wire.HandshakeCertificateVerify, (*Conn).onCertificateVerify, true},
	}},
	serverProof:   {name: "server verifies the client's signature", ccs: true, waits: hs.EventNeedJob, job: (*Conn).clientProved},
	serverVerdict: {name: "server judges the client", ccs: true, waits: hs.EventWantVerdict, pass: (*Conn).awaitClientFinished},
	serverFinished: {name: "server awaits Finished", ccs: true, accepts: []rule{
		{wire.HandshakeFinished, (*Conn).onClientFinished, true},
	}},
}

// enter moves the handshake to a state, and announces what it waits for.
func (c *Conn) enter(id stateID, waits hs.EventKind) hs.Reason {
	c.hs.state = id
	c.news = waits
	return hs.ReasonNone
}

// await enters a state that waits for messages.
func (c *Conn) await(id stateID) hs.Reason { return c.enter(id, hs.EventNone) }

// parked reports whether the state waits for something else than messages.
// Meanwhile nothing is sent, neither again nor for the first time: the flight
// in the making is sent when it is whole, and what is late is not the peer.
func (h *handshake) parked() bool { return states[h.state].waits != hs.EventNone }

// dispatch hands the next message to the step of its state. It reports false
// when there is no message, or the state waits for something else.
//
// This is the only place that refuses a message for its type: "any message
// not expected is fatal" is the shape of the table and not of its steps.
func (c *Conn) dispatch(now tick.Time) bool {
	h := c.hs
	if h == nil || h.parked() {
		return false
	}
	var ok bool
	if h.message, ok = h.in.Next(); !ok {
		return false
	}
	m := &h.message
	for i := range states[h.state].accepts {
		r := &states[h.state].accepts[i]
		if r.message != m.Type {
			continue
		}
		if !r.unhashed {
			h.transcript.Add(m.Raw)
		}
		c.proceed(r.step(c, now, m))
		return true
	}
	c.end(hs.ReasonUnexpectedMessage)
	return true
}

// proceed ends the session if a step failed.
func (c *Conn) proceed(r hs.Reason) {
	if r != hs.ReasonNone {
		c.end(r)
	}
}

// Complete brings back a job that has run. A job that the session no longer
// waits for is wiped.
func (c *Conn) Complete(now tick.Time, job *hs.Job) {
	if c.hs == nil || c.hs.job != job || job == nil || !job.Done() {
		if job != nil {
			job.Wipe()
		}
		return
	}
	c.hs.job = nil
	step := states[c.hs.state].job
	if r := job.Failure; r != hs.ReasonNone {
		job.Wipe()
		c.end(r)
		return
	}
	c.proceed(step(c, now, job))
	job.Wipe()
}

// ProvidePSK answers WantPSK.
func (c *Conn) ProvidePSK(now tick.Time, identity, key []byte) {
	if c.hs == nil || states[c.hs.state].psk == nil {
		return
	}
	c.proceed(states[c.hs.state].psk(c, now, identity, key))
}

// ProvideVerdict answers WantVerdict.
func (c *Conn) ProvideVerdict(now tick.Time, r hs.Reason) {
	if c.hs == nil || states[c.hs.state].pass == nil {
		return
	}
	c.facts.OCSP = nil
	if r != hs.ReasonNone {
		c.refusePeer(r)
		return
	}
	c.facts.PeerTrusted = true
	c.proceed(states[c.hs.state].pass(c, now))
}
