// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package dtls

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/tick"
)

// The keys and certificates of the tests, made once.
var testKeys = sync.OnceValue(func() *keyring {
	k := &keyring{}
	k.p256, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p256b, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, k.ed, _ = ed25519.GenerateKey(rand.Reader)
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.caKey, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.ca = k.certificate(nil, k.caKey)
	return k
})

type keyring struct {
	p256, p256b, p384, caKey *ecdsa.PrivateKey
	ed                       ed25519.PrivateKey
	rsa                      *rsa.PrivateKey
	ca                       *x509.Certificate
}

// certificate issues a certificate for a key, the authority's own if subject
// is nil.
func (k *keyring) certificate(subject []string, key crypto.Signer) *x509.Certificate {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "coaps test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	parent, signer := k.ca, crypto.Signer(k.caKey)
	if subject == nil {
		tmpl.IsCA, tmpl.BasicConstraintsValid, parent = true, true, tmpl
		tmpl.KeyUsage = x509.KeyUsageCertSign
	}
	for _, name := range subject {
		tmpl.DNSNames = append(tmpl.DNSNames, name)
		tmpl.URIs = append(tmpl.URIs, &url.URL{Scheme: "coaps", Host: name})
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

func (k *keyring) chain(key crypto.Signer) Chain {
	cert := k.certificate([]string{"server.example"}, key)
	return Chain{DER: [][]byte{cert.Raw, k.ca.Raw}, Leaf: cert, Signer: key}
}

func rawKey(key crypto.Signer) *KeyPair {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	return &KeyPair{Signer: key, SPKI: spki}
}

// peer is one end of a pair, with the caller that a session needs.
type peer struct {
	*Session
	identity, key []byte // PSK; a server looks its key up whatever is asked for
	unknown       bool   // server: no identity is known
	verdict       Reason
	silent        bool // asks for a PSK are not answered
	holdJobs      bool // jobs wait in jobs until the test runs them
	jobs          []*Job

	established bool
	data        [][]byte
	closed      *Error
	asked       []Event // WantPSK and WantVerdict, in order
	suspected   []Reason
	shown       []byte // the OCSP response that the verdict was about
}

// pair is a client and a server with nothing between them but the test.
type pair struct {
	t      testing.TB
	now    tick.Time
	gate   *Gate
	client peer
	server peer
	addr   netip.AddrPort
	buf    []byte
	// oneSession keeps a server's session in place when it is over.
	oneSession bool
	// sent sees each datagram and says whether it arrives.
	sent func(fromClient bool, datagram []byte) bool
}

var testAddr = netip.MustParseAddrPort("192.0.2.1:5684")

// newPair starts a handshake. The two credentials are what the configs show
// and take.
func newPair(t testing.TB, client, server *Config) *pair {
	t.Helper()
	for _, cfg := range []*Config{client, server} {
		if cfg.Rand == nil {
			cfg.Rand = rand.Reader
		}
	}
	p := &pair{t: t, now: 1e9, addr: testAddr, buf: make([]byte, 1<<16)}
	var err error
	if p.gate, err = NewGate(server, p.now); err != nil {
		t.Fatal(err)
	}
	p.restart(client)
	p.server.key = []byte("0123456789abcdef")
	return p
}

// restart replaces the client by a new one.
func (p *pair) restart(cfg *Config) {
	p.t.Helper()
	s, err := NewClient(cfg, p.now, "server.example")
	if err != nil {
		p.t.Fatal(err)
	}
	p.client = peer{Session: s, identity: []byte("dev1"), key: []byte("0123456789abcdef")}
}

// with makes the Credentials function of fixed credentials.
func with(c Credentials) func(string) *Credentials {
	return func(string) *Credentials { return &c }
}

// pump drains one end's events, playing its caller.
func (p *pair) pump(e *peer) {
	var ev Event
	for i := 0; e.Session != nil && e.Next(p.now, &ev); i++ {
		if i > 1000 {
			p.t.Helper()
			p.t.Fatal("session does not stop having news")
		}
		switch ev.Kind {
		case EventEstablished:
			e.established = true
		case EventData:
			e.data = append(e.data, bytes.Clone(ev.Data))
		case EventClosed:
			e.closed = ev.Err
		case EventWantPSK:
			e.asked = append(e.asked, ev)
			if e.silent {
				continue
			}
			key := e.key
			if e.unknown {
				key = nil
			}
			e.ProvidePSK(p.now, e.identity, key)
		case EventSuspect:
			e.suspected = append(e.suspected, ev.Reason)
		case EventWantVerdict:
			e.asked = append(e.asked, ev)
			e.shown = bytes.Clone(e.Facts().OCSP)
			e.ProvideVerdict(p.now, e.verdict)
			if e.Facts().OCSP != nil {
				p.t.Error("the OCSP response is there after the verdict")
			}
		case EventNeedJob:
			if e.holdJobs {
				e.jobs = append(e.jobs, ev.Job)
				continue
			}
			ev.Job.Run()
			e.Complete(p.now, ev.Job)
		}
	}
}

// take lets one end transmit all it has.
func (p *pair) take(e *peer) (datagrams [][]byte) {
	if e.Session == nil {
		return nil
	}
	p.pump(e)
	for i := 0; ; i++ {
		n := e.Transmit(p.now, p.buf)
		if n == 0 {
			return datagrams
		}
		if i > 10000 {
			p.t.Helper()
			p.t.Fatal("session does not stop transmitting")
		}
		datagrams = append(datagrams, bytes.Clone(p.buf[:n]))
	}
}

// deliver hands a datagram to one end, through the gate if the server has no
// session. The gate's answers go back at once.
func (p *pair) deliver(toServer bool, datagram []byte) {
	datagram = bytes.Clone(datagram)
	if !toServer {
		p.client.Receive(p.now, datagram)
		p.pump(&p.client)
		return
	}
	if p.server.Session == nil || !p.oneSession && p.server.State() == Closed && IsClientHello(datagram) {
		var reply [128]byte
		s := p.gate.Screen(p.now, p.addr, datagram, reply[:])
		if s.Reply > len(datagram) {
			p.t.Helper()
			p.t.Fatalf("gate answers %d bytes with %d", len(datagram), s.Reply)
		}
		if s.Session != nil {
			p.server.Session = s.Session
			p.pump(&p.server)
		}
		if s.Reply > 0 && (p.sent == nil || p.sent(false, reply[:s.Reply])) {
			p.deliver(false, reply[:s.Reply])
		}
		return
	}
	p.server.Receive(p.now, datagram)
	p.pump(&p.server)
}

// exchange delivers what both ends send until neither has anything more, and
// returns the number of datagrams.
func (p *pair) exchange() (n int) {
	for round := 0; round < 1000; round++ {
		quiet := true
		for _, fromClient := range []bool{true, false} {
			e := &p.server
			if fromClient {
				e = &p.client
			}
			for _, d := range p.take(e) {
				quiet = false
				n++
				if p.sent == nil || p.sent(fromClient, d) {
					p.deliver(fromClient, d)
				}
			}
		}
		if quiet {
			return n
		}
	}
	p.t.Helper()
	p.t.Fatal("the two ends do not come to rest")
	return n
}

// run exchanges, and lets time pass to the next deadline when both are at
// rest, until both are established or over.
func (p *pair) run() {
	for range 200 {
		p.exchange()
		if p.done() {
			return
		}
		next := p.client.Deadline()
		if p.server.Session != nil {
			next = tick.First(next, p.server.Deadline())
		}
		if next == tick.Never {
			return
		}
		p.now = next
		p.client.Expire(p.now)
		if p.server.Session != nil {
			p.server.Expire(p.now)
		}
	}
	p.t.Helper()
	p.t.Fatal("handshake neither completes nor fails")
}

func (p *pair) done() bool {
	settled := func(e *peer) bool { return e.Session != nil && e.State() != Handshaking }
	return settled(&p.client) && settled(&p.server)
}

// establish runs the handshake and fails the test if it does not complete.
func (p *pair) establish() {
	p.t.Helper()
	p.run()
	if !p.client.established || !p.server.established {
		p.t.Fatalf("handshake failed: client %v, server %v", p.client.Err(), p.serverErr())
	}
}

func (p *pair) serverErr() *Error {
	if p.server.Session == nil {
		return nil
	}
	return p.server.Err()
}

// echo checks that data goes both ways.
func (p *pair) echo() {
	p.t.Helper()
	for _, ends := range [][2]*peer{{&p.client, &p.server}, {&p.server, &p.client}} {
		from, to := ends[0], ends[1]
		to.data = nil
		record, err := from.Seal(nil, []byte("ping"))
		if err != nil {
			p.t.Fatalf("seal: %v", err)
		}
		to.Receive(p.now, record)
		p.pump(to)
		if len(to.data) != 1 || string(to.data[0]) != "ping" {
			p.t.Fatalf("received %q, want one ping", to.data)
		}
	}
}
