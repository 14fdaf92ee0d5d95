// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls/internal/wire"
)

// TestAgainstCryptoTLS lets the standard library make TLS 1.2 connections,
// and checks everything it derived against ours: the exporter, the key block
// by opening the client's Finished record, and the Finished itself.
func TestAgainstCryptoTLS(t *testing.T) {
	for _, id := range []wire.CipherSuite{0xc02b, 0xc02c, 0xcca9} {
		s := ByID(id)
		t.Run(s.Name, func(t *testing.T) {
			c := dialCryptoTLS(t, uint16(id))
			for _, context := range [][]byte{nil, {}, []byte("context")} {
				ours := make([]byte, 50)
				err := s.Export(ours, &c.master, c.clientRandom, c.serverRandom, "EXPERIMENTAL coaps", context)
				theirs, theirErr := c.state.ExportKeyingMaterial("EXPERIMENTAL coaps", context, 50)
				if err != nil || theirErr != nil || !bytes.Equal(ours, theirs) {
					t.Errorf("context %q: exported %x (%v), crypto/tls %x (%v)", context, ours, err, theirs, theirErr)
				}
			}

			sched := &Schedule{suite: s, master: c.master}
			sched.prf.start(s.Hash, c.master[:])
			client, _ := sched.KeyBlock(c.clientRandom, c.serverRandom)
			finished := openFirstTLSRecord(t, s, &client, c.clientFinished)
			h := s.Hash.New()
			h.Write(c.transcript)
			want := sched.ClientVerifyData(h.Sum(nil))
			if header := []byte{20, 0, 0, 12}; !bytes.Equal(finished, append(header, want[:]...)) {
				t.Errorf("the client's Finished is %x, want verify_data %x", finished, want)
			}
		})
	}
}

// tlsConnection is what a listener with the key log knows of a connection.
type tlsConnection struct {
	state                      tls.ConnectionState
	master                     MasterSecret
	clientRandom, serverRandom []byte
	transcript                 []byte // handshake messages up to ClientKeyExchange
	clientFinished             []byte // the fragment of the record
}

func dialCryptoTLS(t *testing.T, suiteID uint16) *tlsConnection {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"s"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)

	var keyLog bytes.Buffer
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	deadline := time.Now().Add(10 * time.Second)
	near.SetDeadline(deadline)
	far.SetDeadline(deadline)
	tap := &tappedConn{Conn: near}
	client := tls.Client(tap, &tls.Config{
		RootCAs: roots, ServerName: "s", MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{suiteID}, KeyLogWriter: &keyLog,
	})
	server := tls.Server(far, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MaxVersion:   tls.VersionTLS12, SessionTicketsDisabled: true,
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.Handshake(); err != nil {
			t.Error("server:", err)
		}
	})
	if err := client.Handshake(); err != nil {
		t.Fatal("client:", err)
	}
	wg.Wait()

	c := &tlsConnection{state: client.ConnectionState()}
	fields := strings.Fields(keyLog.String()) // CLIENT_RANDOM <random> <master>
	c.clientRandom = unhex(t, fields[1])
	copy(c.master[:], unhex(t, fields[2]))
	sent, _, finished := handshakeRecords(tap.wrote.Bytes())
	received, serverHello, _ := handshakeRecords(tap.read.Bytes())
	c.serverRandom = serverHello[4+2 : 4+2+RandomLen]
	hello := 4 + int(binary.BigEndian.Uint16(sent[2:]))
	c.transcript = bytes.Join([][]byte{sent[:hello], received, sent[hello:]}, nil)
	c.clientFinished = finished
	return c
}

// tappedConn keeps what passes through it.
type tappedConn struct {
	net.Conn
	wrote, read bytes.Buffer
}

func (c *tappedConn) Write(b []byte) (int, error) {
	c.wrote.Write(b)
	return c.Conn.Write(b)
}

func (c *tappedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Write(b[:n])
	return n, err
}

// handshakeRecords returns the plaintext handshake messages of a TLS stream,
// the first record's fragment, and the fragment of the first record after
// ChangeCipherSpec.
func handshakeRecords(stream []byte) (plain, first, protected []byte) {
	changed := false
	for len(stream) >= 5 {
		end := 5 + int(binary.BigEndian.Uint16(stream[3:]))
		fragment := stream[5:end]
		switch {
		case stream[0] == 20:
			changed = true
		case changed && protected == nil:
			protected = fragment
		case !changed:
			plain = append(plain, fragment...)
			if first == nil {
				first = fragment
			}
		}
		stream = stream[end:]
	}
	return plain, first, protected
}

// openFirstTLSRecord opens the record with sequence number 0 of a direction.
// In TLS that is all that tells it from a DTLS record.
func openFirstTLSRecord(t *testing.T, s *Suite, keys *Keys, fragment []byte) []byte {
	t.Helper()
	var nonce [NonceLen]byte
	copy(nonce[:], keys.IV(s))
	copy(nonce[NonceLen-s.ExplicitNonceLen:], fragment[:s.ExplicitNonceLen])
	fragment = fragment[s.ExplicitNonceLen:]
	aad := []byte{0, 0, 0, 0, 0, 0, 0, 0, 22, 3, 3, 0, byte(len(fragment) - s.TagLen)}
	n, ok := s.AEAD(keys.Key(s)).Open(fragment, &nonce, aad)
	if !ok {
		t.Fatalf("the client's Finished does not open with %s", hex.EncodeToString(keys.Key(s)))
	}
	return fragment[:n]
}
