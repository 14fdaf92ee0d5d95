// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/coaps-go/coaps/coap"
	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/security"
	"github.com/coaps-go/coaps/security/keys"
	"github.com/coaps-go/coaps/tick"
)

// A bareClient makes its requests by hand on a socket of its own, so that
// whatever is allocated is the server's doing.
type bareClient struct {
	t       testing.TB
	conn    net.Conn
	session *dtls.Session // nil in NoSec mode
	began   time.Time
	message []byte
	out, in []byte
	mid     uint16
}

func newBareClient(t testing.TB, s *stage, secure bool) *bareClient {
	t.Helper()
	_, port := s.server.Addrs()
	if !secure {
		port, _ = s.server.Addrs()
	}
	conn, err := net.Dial("udp", port.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c := &bareClient{t: t, conn: conn, began: time.Now(), out: make([]byte, 2048), in: make([]byte, 2048)}
	get := coap.Message{Type: coap.Confirmable, Code: coap.GET, Token: []byte("token")}
	get.Options = coap.OptionList{{Number: coap.URIPath, Value: []byte("some")}, {Number: coap.URIPath, Value: []byte("path")}}.Encode(nil)
	c.message = must(get.AppendTo(nil))
	if secure {
		c.handshake(s)
	}
	return c
}

func (c *bareClient) now() tick.Time { return tick.Time(time.Since(c.began)) }

func (c *bareClient) handshake(s *stage) {
	c.t.Helper()
	config := must(s.clientConfig(security.PreSharedKey).Client(keys.Authority{})).DTLS(rand.Reader)
	c.session = must(dtls.NewClient(config, c.now(), ""))
	var ev dtls.Event
	for c.session.State() == dtls.Handshaking {
		for n := c.session.Transmit(c.now(), c.out); n > 0; n = c.session.Transmit(c.now(), c.out) {
			must(c.conn.Write(c.out[:n]))
		}
		n := must(c.conn.Read(c.in))
		c.session.Receive(c.now(), slices.Clone(c.in[:n]))
		for c.session.Next(c.now(), &ev) {
			switch ev.Kind {
			case dtls.EventWantPSK:
				c.session.ProvidePSK(c.now(), s.psk.Identity, s.psk.Key.Bytes())
			case dtls.EventNeedJob:
				ev.Job.Run()
				c.session.Complete(c.now(), ev.Job)
			}
		}
	}
	if c.session.State() != dtls.Established {
		c.t.Fatal(c.session.Err())
	}
}

// get sends one request and takes the answer, which it does not open.
func (c *bareClient) get() {
	c.mid++
	binary.BigEndian.PutUint16(c.message[2:], c.mid)
	datagram := c.message
	if c.session != nil {
		var err error
		if datagram, err = c.session.Seal(c.out[:0], c.message); err != nil {
			c.t.Fatal(err)
		}
	}
	if _, err := c.conn.Write(datagram); err != nil {
		c.t.Fatal(err)
	}
	if n, err := c.conn.Read(c.in); err != nil || n < len("path: some/path") {
		c.t.Fatalf("%d bytes, %v", n, err)
	}
}

// pace is how long a request takes, half of the time.
func (c *bareClient) pace() time.Duration {
	took := make([]time.Duration, 101)
	for i := range took {
		start := time.Now()
		c.get()
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// A request costs the server no allocation, from the socket through the
// handler and back, with and without DTLS, on the loop and on a worker, with
// access rules and without.
func TestRequestsAllocateNothing(t *testing.T) {
	handler := HandlerFunc(func(w ResponseWriter, r *Request) { _, _ = w.Write(pathOf(r)) })
	for name, h := range map[string]Handler{"inline": Inline(handler), "worker": handler} {
		for i := range 4 {
			secure, guarded := i&1 != 0, i&2 != 0
			t.Run(fmt.Sprintf("%s/secure=%v/guarded=%v", name, secure, guarded), func(t *testing.T) {
				s := newStage(t, h, func(s *Server) {
					if guarded {
						s.Access = rules("allow anybody GET /some/path", "allow group:a * /{device}/**")
					}
					s.Logger, s.ListenPacket, s.Addr, s.SecureAddr = nil, nil, "127.0.0.1:0", "127.0.0.1:0"
				})
				c := newBareClient(t, s, secure)
				for range 1000 {
					c.get() // pools and tables grow to their size
				}
				if n := testing.AllocsPerRun(2000, c.get); n != 0 {
					t.Errorf("a request costs %v allocations", n)
				}
			})
		}
	}
}

var payload = []byte("path: /some/path")

func pathOf(r *Request) []byte {
	if r.Path != "/some/path" {
		return nil
	}
	return payload
}

// A port remembers paths, and no more than its limit, whatever is asked for.
func TestPathsAreBounded(t *testing.T) {
	var p paths
	for i := range 10 * pathsKept {
		for _, segment := range []string{"often", fmt.Sprint(i), fmt.Sprint(i) + string(make([]byte, maxPathKept))} {
			options := coap.Options(coap.OptionList{{Number: coap.URIPath, Value: []byte(segment)}}.Encode(nil))
			if got, want := p.of(options), options.Path(); got != want {
				t.Fatalf("path %q, want %q", got, want)
			}
			p.learn(options, options.Path())
			if got, known := p.find(options); known && got != options.Path() {
				t.Fatalf("path %q, want %q", got, options.Path())
			} else if len(segment) < 10 != known {
				t.Fatalf("%d bytes of options: known %v", len(options), known)
			}
		}
		if len(p.known) > pathsKept || len(p.alone) > pathsKept || cap(p.octets) > 4*maxPathKept {
			t.Fatalf("%d and %d paths are kept, and %d bytes", len(p.known), len(p.alone), cap(p.octets))
		}
	}
}
