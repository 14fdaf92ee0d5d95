// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security/keys"
)

// failurePhrases end the first line of an error, by exit code.
var failurePhrases = map[int]string{
	exitSetup:       "not possible with these settings",
	exitResolve:     "the name has no address",
	exitRefused:     "the server was not reached",
	exitTimeout:     "timed out",
	exitHandshake:   "the handshake failed",
	exitUntrusted:   "the server is not trusted",
	exitInterrupted: "interrupted",
}

// failure translates an error of the library.
func (t *transport) failure(what string, err error) *failure {
	e, ok := errors.AsType[*coaps.Error](err)
	if !ok {
		return asFailure(what, err)
	}
	t.tracef(1, "%v", err)
	reason := e.Reason
	if reason == coaps.ReasonCanceled {
		reason = "interrupted"
	}
	if !knownReason(reason) {
		return fail("unexpected", what, "%v", err).because(err)
	}
	f := fail(reason, what, "").because(err)
	if phrase := failurePhrases[f.exitCode()]; phrase != "" {
		f.what += ": " + phrase
	}
	t.explain(f, e)
	return f
}

// explain adds what is known beyond the word.
func (t *transport) explain(f *failure, e *coaps.Error) {
	switch reason := f.reason; {
	case reason == coaps.ReasonSetup, reason == coaps.ReasonBadURI, reason == coaps.ReasonMulticast, reason == "internal":
		if e.Err != nil {
			f.detail = e.Err.Error()
		}
		explainSocket(f, e.Err)
		if f.reason == "address_in_use" {
			f.try("--bind without a port takes a free one")
		}
	case reason == coaps.ReasonNotResolved:
		if family := strings.TrimPrefix(t.client.Network, "udp"); family != "" {
			f.detail = "the name has no address of IPv" + family
		}
	case reason == coaps.ReasonUnreachable && e.Err != nil:
		f.detail = e.Err.Error()
		f.try("the name behind %%25 in the URI is one of those that ip link lists")
	case reason == coaps.ReasonTooLarge:
		f.detail = fmt.Sprintf("the message does not fit into one datagram of %d bytes", t.mtu())
		f.try("about %d bytes of payload fit; where the path allows larger datagrams, --mtu %d", max(t.mtu()-100, 0), 2*t.mtu())
	case reason == coaps.ReasonTimeout, strings.HasPrefix(reason, "timeout_flight_"):
		t.explainSilence(f)
	case reason == "bad_psk_or_unknown_identity":
		t.explainPSK(f)
	case strings.HasPrefix(reason, "alert_"):
		t.explainAlert(f)
	default:
		t.explainTrust(f, e)
	}
}

// mtu is the largest datagram that this client sends, in bytes.
func (t *transport) mtu() int {
	if t.client.MTU != 0 {
		return t.client.MTU
	}
	return defaultMTU
}

// explainSilence tells who did not answer to what.
func (t *transport) explainSilence(f *failure) {
	flight, handshake := strings.CutPrefix(f.reason, "timeout_flight_")
	switch {
	case handshake && flight == "1":
		f.detail = fmt.Sprintf("no answer to the first message, ClientHello, within %s", t.handshakeTime())
	case handshake:
		f.detail = fmt.Sprintf("the server answered at first, but nothing came back for flight %s within %s", flight, t.handshakeTime())
		f.hint = "large datagrams may be lost on the way: --mtu 512; -vvv shows what was sent and received"
		return
	case t.hasSession():
		f.detail = fmt.Sprintf("the session stands, but the request got no answer within %s", t.timeout)
		f.hint = "the server may be busy or gone since; coaps ping shows whether it still answers, -B waits longer"
		return
	default:
		f.detail = fmt.Sprintf("no answer within %s", t.timeout)
	}
	f.hint = t.portHint()
	if handshake && t.mtu() < helloRoom {
		f.hint = fmt.Sprintf("--mtu %d or more: with %d the ClientHello may go in pieces, which servers do not join", helloRoom, t.mtu())
	}
}

// helloRoom is more than a ClientHello takes, in bytes; see MTU of dtls.Config.
const helloRoom = 256

// hasSession reports whether a handshake was completed. When the time is short
// or the machine busy, it can be up before the handshake has begun.
func (t *transport) hasSession() bool {
	ended := t.ended.Load()
	return ended != nil && ended.Err == nil
}

// handshakeTime is how long the last handshake took to fail.
func (t *transport) handshakeTime() time.Duration {
	if ended := t.ended.Load(); ended != nil {
		return ended.Took.Round(10 * time.Millisecond)
	}
	return t.timeout
}

// explainPSK names the identity that was sent, and where the key came from.
func (t *transport) explainPSK(f *failure) {
	psk := t.client.Security.ClientPSK
	if psk == nil {
		return
	}
	identity := keys.PrintableIdentity(psk.Identity)
	f.detail = fmt.Sprintf("the server does not know the identity %s or has another key for it; on the wire both look the same", identity)
	if path := t.flags.identity.pskFile; path != "" {
		f.try("compare the line of %s in %s with the server's; the server's log says which of the two it is", identity, path)
	}
}

// explainAlert says what the server has refused.
func (t *transport) explainAlert(f *failure) {
	switch f.reason {
	case "alert_handshake_failure", "alert_unsupported_certificate", "alert_bad_certificate":
		if t.showsNothing() {
			f.hint = "the server may want to know who you are: -M KEY, -c CERT -j KEY, or --psk-file FILE"
			return
		}
	}
	if shown := t.shown(); shown != "" {
		f.detail = lookupReason(f.reason).meaning + "; you showed " + shown
	} else if f.reason == "alert_handshake_failure" {
		t.explainUnshown(f)
	}
}

// explainUnshown tells of a certificate that was given and not shown, as the
// server's CertificateRequest takes none of that kind or of that authority (RFC 5246
// section 7.4.4).
func (t *transport) explainUnshown(f *failure) {
	ended, config := t.ended.Load(), t.client.Security
	if ended == nil || ended.Facts == nil || ended.Facts.SignatureScheme == 0 || ended.Facts.LocalCertType != dtls.CertX509 || len(config.Chains) == 0 {
		return
	}
	leaf := config.Chains[0].Leaf
	f.detail = fmt.Sprintf("the server names what it takes, and the certificate of %s, issued by %s, is not of that: it was not shown",
		quoteEmpty(leaf.Subject.String()), quoteEmpty(leaf.Issuer.String()))
	f.try("show a certificate of a CA that the server believes: -c CERT -j KEY")
}

// showsNothing says whether the client would be anonymous to the server.
func (t *transport) showsNothing() bool {
	c := t.client.Security
	return c != nil && c.ClientPSK == nil && c.RawKey == nil && len(c.Chains) == 0
}

// shown is the key or certificate that the client showed in the last handshake,
// "" if it did not come to that.
func (t *transport) shown() string {
	ended, config := t.ended.Load(), t.client.Security
	if ended == nil || ended.Facts == nil || ended.Facts.LocalSignatureScheme == 0 {
		return ""
	}
	switch {
	case ended.Facts.LocalCertType == dtls.CertRawPublicKey && config.RawKey != nil:
		return "the raw public key " + keys.NameOf(config.RawKey.SPKI, keys.SHA256_120).String()
	case ended.Facts.LocalCertType == dtls.CertX509 && len(config.Chains) > 0:
		leaf := config.Chains[0].Leaf
		return fmt.Sprintf("the certificate of %s, issued by %s", quoteEmpty(leaf.Subject.String()), quoteEmpty(leaf.Issuer.String()))
	}
	return ""
}

// explainTrust says what was wrong with the server's key or certificate.
func (t *transport) explainTrust(f *failure, e *coaps.Error) {
	refusal, ok := errors.AsType[*keys.VerifyError](e.Err)
	if !ok {
		return
	}
	meaning, particulars := lookupReason(f.reason).meaning, refusal.Err.Error()
	switch f.reason {
	case "rpk_not_pinned", "cert_name_mismatch":
		f.detail = particulars
	case "cert_unknown_ca":
		f.detail = meaning + t.issuer()
	default:
		particulars = strings.TrimPrefix(particulars, "x509: ")
		f.detail = meaning + ": " + strings.TrimPrefix(particulars, "certificate has expired or is not yet valid: ")
	}
}

// issuer is who signed the last certificate of the server's chain.
func (t *transport) issuer() string {
	ended := t.ended.Load()
	if ended == nil || ended.Facts == nil || len(ended.Facts.PeerChain) == 0 {
		return ""
	}
	last := ended.Facts.PeerChain[len(ended.Facts.PeerChain)-1]
	name := quoteEmpty(last.Issuer.String())
	for _, trusted := range t.client.Security.Trust.Authorities() {
		if bytes.Equal(trusted, last.RawIssuer) {
			return ": the CA you trust has the name of its issuer, " + name + ", but another key"
		}
	}
	return ": its issuer is " + name
}

// explainSocket gives a socket that cannot be had its own word.
func explainSocket(f *failure, err error) {
	reason := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		reason = "address_in_use"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		reason = "address_unavailable"
	case errors.Is(err, syscall.EACCES):
		reason = "bind_permission"
	default:
		return
	}
	f.reason, f.detail, f.hint = reason, "", ""
}

// portHint catches the classic mix-up of the two ports, and an address that is
// not whole.
func (t *transport) portHint() string {
	addr, ok := t.uri.Addr()
	switch {
	case ok && addr.IsLinkLocalUnicast() && addr.Is6() && addr.Zone() == "":
		return fmt.Sprintf("a link-local address needs its interface: [%s%%25eth0], with the name from ip link", addr)
	case t.uri.Secure() && t.uri.Port == coap.DefaultPort:
		return "5683 is the plain port, where DTLS is not understood; coaps usually has 5684"
	case !t.uri.Secure() && t.uri.Port == coap.DefaultSecurePort:
		return "5684 is the secure port, where plain CoAP is not answered; use coaps://"
	}
	return fmt.Sprintf("is the server up, and is UDP to port %d let through on the way? -B sets how long to wait", t.uri.Port)
}
