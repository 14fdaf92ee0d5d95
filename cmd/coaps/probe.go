// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coaps-go/coaps"
	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/insecure"
	"github.com/coaps-go/coaps/udp"
)

// probeTime bounds the one datagram's wait for an answer. It is shorter than
// ACK_TIMEOUT (RFC 7252 section 4.8), so that nothing is sent twice.
const probeTime = 1900 * time.Millisecond

// diagnose looks, when nothing at all has answered, whether the two ports were
// mixed up: it sends one datagram of the other kind to the same port. The
// failure says so only where something has answered to that.
func (t *transport) diagnose(ctx context.Context, f *failure) *failure {
	silent := f.reason == "timeout_flight_1" || !t.uri.Secure() && f.reason == coaps.ReasonTimeout
	if !silent || t.down.Load() > 0 || t.flags.network.noProbe || ctx.Err() != nil {
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, min(probeTime, t.timeout))
	defer cancel()
	other := t.uri
	if t.uri.Secure() {
		other.Scheme = "coap"
		t.tracef(1, "no answer to DTLS: trying a CoAP ping at the same port")
		if t.answersPlain(ctx, &other) {
			f.what = strings.TrimSuffix(f.what, failurePhrases[exitTimeout]) + failurePhrases[exitHandshake]
			f.reason, f.detail, f.hint = "plaintext_port", "", t.securePortHint()
		} else {
			f.detail += ", nor to a plain CoAP ping"
		}
		return f
	}
	other.Scheme = "coaps"
	t.tracef(1, "no answer to CoAP: trying a DTLS hello at the same port")
	if t.answersDTLS(ctx, &other) {
		f.detail = "plain CoAP got no answer on this port, but a DTLS hello did"
		f.try("use %s, with -u and -k, -M and --peer-key, or -C", other.String())
	} else {
		f.detail += ", nor to a DTLS hello"
	}
	return f
}

// securePortHint is the usual place of the secure port.
func (t *transport) securePortHint() string {
	next := t.uri
	next.Port++
	if next.Port == 0 {
		return lookupReason("plaintext_port").hint
	}
	return "the secure port is usually the plain port + 1: " + next.String()
}

// prober is a client for one more datagram, on a socket of its own.
func (t *transport) prober() *coaps.Client {
	c := &coaps.Client{Network: t.client.Network, MTU: t.client.MTU, ListenPacket: t.client.ListenPacket}
	if host, _, err := net.SplitHostPort(t.client.LocalAddr); err == nil {
		c.LocalAddr = net.JoinHostPort(host, "0")
	}
	return c
}

// answersPlain says whether a CoAP ping gets its Reset (RFC 7252 section 4.3).
func (t *transport) answersPlain(ctx context.Context, uri *coap.URI) bool {
	client := t.prober()
	defer client.Close()
	_, err := client.Ping(ctx, uri.String())
	return err == nil
}

// answersDTLS says whether a ClientHello is answered by a DTLS record. The
// answer goes no further: no handshake is made, and no server is believed.
func (t *transport) answersDTLS(ctx context.Context, uri *coap.URI) bool {
	ctx, found := context.WithCancel(ctx)
	defer found()
	heard := new(atomic.Bool)
	client := t.prober()
	defer client.Close()
	client.Security = new(security.Config)
	insecure.AcceptAnyServer(client.Security)
	client.Timers = dtls.Timers{Initial: time.Minute, Handshake: time.Minute} // the context ends it
	listen := client.ListenPacket
	if listen == nil {
		listen = coaps.ListenPacket
	}
	client.ListenPacket = func(network, addr string) (udp.Conn, error) {
		conn, err := listen(network, addr)
		return &recordEar{Conn: conn, heard: func() { heard.Store(true); found() }}, err
	}
	_, _ = client.Connect(ctx, uri.String())
	return heard.Load()
}

// recordEar swallows what arrives, and tells when it was a server's DTLS record.
type recordEar struct {
	udp.Conn
	heard func()
}

// Recv returns only with an error: the deadline, or the end.
func (c *recordEar) Recv(batch []udp.Datagram) (int, error) {
	for {
		n, err := c.Conn.Recv(batch)
		for i := range n {
			if fromDTLSServer(batch[i].Payload()) {
				c.heard()
			}
		}
		if err != nil {
			return 0, err
		}
	}
}

// fromDTLSServer says whether b begins with a DTLS record that a server sends
// in answer to a ClientHello: an alert, or a handshake message other than our
// own coming back.
func fromDTLSServer(b []byte) bool {
	if len(b) <= recordHeader || b[1] != 0xfe { // the versions of DTLS are 1's complements
		return false
	}
	const alert, handshake, clientHello = 21, 22, 1
	return b[0] == alert || b[0] == handshake && b[recordHeader] != clientHello
}
