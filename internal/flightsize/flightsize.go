// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Package flightsize measures how many bytes and datagrams the handshake with a
// certificate chain takes, before a constrained device finds out. It does not
// compute them: a client and a server of package dtls make the handshake, in
// memory.
package flightsize

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/tick"
)

// Handshake says what is shown in the handshake to be measured. No private keys
// are needed: the certificates are shown with other keys of the same kind in
// them, which changes no length.
type Handshake struct {
	Server []*x509.Certificate // leaf first
	Client []*x509.Certificate // empty: the client shows none and is asked for none
	OCSP   []byte              // response of the server to show, empty for none
	// RawKeys shows the keys of the leaves alone (RFC 7250).
	RawKeys bool
	// ServerName is in the client's hello, "" for none.
	ServerName string
	// Authorities is how many bytes of distinguished names (DER) the server
	// sends in its CertificateRequest.
	Authorities [][]byte
	// MTU is the largest UDP payload in bytes, 128 at least; 0: 1232.
	MTU int
	// CipherSuites is what client and server use; nil: the default order.
	CipherSuites []dtls.CipherSuite
}

// Message is one handshake message, ChangeCipherSpec or encrypted record of a
// flight.
type Message struct {
	Name   string
	Length int // in bytes, with the handshake header and without fragments' and records'
}

// Flight is one flight of a handshake (RFC 6347 §4.2.4).
type Flight struct {
	Number    int  // 1 to 6
	Client    bool // the client sends it
	Bytes     int  // of UDP payload
	Datagrams []int
	Messages  []Message
}

// errUnfinished says that the handshake came to rest before its end.
var errUnfinished = errors.New("the handshake does not end")

// Measure makes the handshake and returns its flights, in order. Signatures have
// the greatest length that they can have with their keys.
//
// It fails for keys that no cipher suite has, and with what ended the handshake:
// a chain that is too long to be taken, a hello that does not fit the MTU.
func Measure(h *Handshake) ([]Flight, error) {
	m, err := newMeter(h)
	if err != nil {
		return nil, err
	}
	for number := 1; number <= 6; number++ {
		if err := m.flight(number); err != nil {
			return nil, err
		}
	}
	if m.client.State() != dtls.Established || m.server.State() != dtls.Established {
		return nil, errUnfinished
	}
	return m.flights, nil
}

// meter is a client and a server with nothing between them.
type meter struct {
	gate           *dtls.Gate
	client, server *dtls.Session
	reply          [128]byte // of the gate
	flights        []Flight
}

// now is the time of the whole handshake. Nothing is lost, nothing comes again.
const now tick.Time = 1

var address = netip.MustParseAddrPort("192.0.2.1:5684")

func newMeter(h *Handshake) (*meter, error) {
	server, err := credentials(h.Server, h.RawKeys)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	client := &dtls.Credentials{}
	if len(h.Client) > 0 {
		if client, err = credentials(h.Client, h.RawKeys); err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
	}
	client.AcceptCertificates, client.AcceptRawKeys = !h.RawKeys, h.RawKeys
	if len(h.Client) > 0 {
		server.AcceptCertificates, server.AcceptRawKeys = !h.RawKeys, h.RawKeys
		server.Authorities = h.Authorities
	}
	if len(h.OCSP) > 0 && !h.RawKeys {
		client.AskOCSP = true
		server.Chains[0].OCSP = func() []byte { return h.OCSP }
	}
	m := &meter{}
	if m.gate, err = dtls.NewGate(config(h, server), now); err != nil {
		return nil, err
	}
	m.client, err = dtls.NewClient(config(h, client), now, h.ServerName)
	return m, err
}

func config(h *Handshake, c *dtls.Credentials) *dtls.Config {
	return &dtls.Config{
		CipherSuites: h.CipherSuites, MTU: h.MTU, Rand: rand.Reader,
		Credentials: func(string) *dtls.Credentials { return c },
	}
}

// flight has one side send a flight and the other receive it.
func (m *meter) flight(number int) error {
	f := Flight{Number: number, Client: number%2 == 1}
	messages := cutter{}
	for _, datagram := range m.transmit(f.Client, number) {
		f.Bytes += len(datagram)
		f.Datagrams = append(f.Datagrams, len(datagram))
		messages.cut(datagram)
		if err := m.deliver(f.Client, datagram); err != nil {
			return err
		}
	}
	if f.Bytes == 0 {
		return errUnfinished
	}
	f.Messages = messages.found
	m.flights = append(m.flights, f)
	return nil
}

// transmit takes what one side has to send.
func (m *meter) transmit(client bool, number int) (datagrams [][]byte) {
	if number == 2 {
		return [][]byte{m.reply[:m.gateReply()]}
	}
	s := m.server
	if client {
		s = m.client
	}
	buffer := make([]byte, 1<<16)
	for s != nil {
		n := s.Transmit(now, buffer)
		if n == 0 {
			break
		}
		datagrams = append(datagrams, append([]byte(nil), buffer[:n]...))
	}
	return datagrams
}

// gateReply is the length of what the gate has answered, which is in reply.
func (m *meter) gateReply() int { return 13 + (int(m.reply[11])<<8 | int(m.reply[12])) }

// deliver hands a datagram to the other side, and does what that asks for.
func (m *meter) deliver(fromClient bool, datagram []byte) error {
	switch {
	case !fromClient:
		m.client.Receive(now, datagram)
		return settle(m.client)
	case m.server == nil:
		s := m.gate.Screen(now, address, datagram, m.reply[:])
		if s.Session == nil && s.Reply == 0 {
			return fmt.Errorf("the client's hello is not answered: %s; it may not fit the MTU", s.Drop)
		}
		if m.server = s.Session; m.server == nil {
			return nil
		}
	default:
		m.server.Receive(now, datagram)
	}
	return settle(m.server)
}

// settle answers what a session asks, and believes everybody.
func settle(s *dtls.Session) error {
	var ev dtls.Event
	for s.Next(now, &ev) {
		switch ev.Kind {
		case dtls.EventNeedJob:
			ev.Job.Run()
			s.Complete(now, ev.Job)
		case dtls.EventWantVerdict:
			s.ProvideVerdict(now, dtls.ReasonNone)
		case dtls.EventClosed:
			return ev.Err
		}
	}
	return nil
}
