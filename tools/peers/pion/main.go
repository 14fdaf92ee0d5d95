// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

// Command pion is a CoAP server on github.com/pion/dtls that can do one thing:
// answer any Confirmable request by 2.05 with a short text. It is there to be
// compared with.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/pion/dtls/v3"
)

// answer is as long as what the other servers answer.
const answer = "Nov 22 10:07:45"

func main() {
	addr := flag.String("addr", "127.0.0.1:5684", "`address` to listen on")
	key := flag.String("key", "", "pre-shared `key`, whatever the identity")
	chain := flag.String("cert", "", "certificate `file`, instead of a key")
	private := flag.String("cert-key", "", "`file` with its key")
	ca := flag.String("ca", "", "`file` with the CA of the clients")
	flag.Parse()
	log.SetFlags(0)
	options, err := preSharedKey(*key), error(nil)
	if *chain != "" {
		options, err = certificate(*chain, *private, *ca)
	}
	if err == nil {
		err = serve(*addr, options)
	}
	log.Fatal(err)
}

func preSharedKey(key string) []dtls.ServerOption {
	return []dtls.ServerOption{
		dtls.WithPSK(func([]byte) ([]byte, error) { return []byte(key), nil }),
		dtls.WithCipherSuites(dtls.TLS_PSK_WITH_AES_128_CCM_8),
	}
}

func certificate(chain, private, ca string) ([]dtls.ServerOption, error) {
	pair, err := tls.LoadX509KeyPair(chain, private)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("no certificate in %s", ca)
	}
	return []dtls.ServerOption{
		dtls.WithCertificates(pair),
		dtls.WithClientAuth(dtls.RequireAndVerifyClientCert),
		dtls.WithClientCAs(roots),
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8),
	}, nil
}

// serve answers on one goroutine a session, which is how the library is used.
func serve(addr string, options []dtls.ServerOption) error {
	local, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return err
	}
	listener, err := dtls.ListenWithOptions("udp", local, options...)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return err
		case err == nil:
			go session(conn)
		}
	}
}

// session answers the requests of one session until it ends.
func session(conn net.Conn) {
	defer conn.Close()
	in, out := make([]byte, 1500), make([]byte, 0, 64)
	for {
		n, err := conn.Read(in)
		if err != nil {
			return
		}
		if out = reply(out[:0], in[:n]); len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return
			}
		}
	}
}

// reply appends a piggybacked response (RFC 7252 section 5.2.1) with the Message
// ID and the token of the request.
func reply(dst, request []byte) []byte {
	const confirmable, acknowledgement, content, payload = 0x40, 0x60, 0x45, 0xff
	if len(request) < 4 || request[0]&0xf0 != confirmable || request[1] == 0 {
		return dst
	}
	token := int(request[0] & 0x0f)
	if token > 8 || len(request) < 4+token {
		return dst
	}
	dst = append(dst, acknowledgement|byte(token), content)
	dst = append(dst, request[2:4+token]...)
	dst = append(dst, payload)
	return append(dst, answer...)
}
