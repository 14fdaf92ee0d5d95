// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coaps

import (
	"crypto/rand"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/coaps-go/coaps/dtls"
	"github.com/coaps-go/coaps/endpoint"
	"github.com/coaps-go/coaps/request"
	"github.com/coaps-go/coaps/tick"
	"github.com/coaps-go/coaps/udp"
)

// A sinkConn takes what is sent and brings nothing.
type sinkConn struct {
	udp.Conn
	sent  int
	delay time.Duration
}

func (c *sinkConn) Send(batch []udp.Datagram) (int, error) {
	c.sent += len(batch)
	time.Sleep(c.delay)
	return len(batch), nil
}

func (c *sinkConn) Recv([]udp.Datagram) (int, error) { return 0, os.ErrDeadlineExceeded }
func (c *sinkConn) SetReadDeadline(time.Time) error  { return nil }
func (c *sinkConn) Close() error                     { return nil }

// To close very many sessions takes many turns, each as bounded as any other,
// and what closeTime is over for is not sent.
func TestClosingIsBounded(t *testing.T) {
	t.Parallel()
	const peers = 4 * turnDatagrams
	conn := &sinkConn{}
	l, err := newLoop(conn, endpoint.Config{Request: &request.Config{}, Rand: rand.Reader}, 0, serverBatch)
	if err != nil {
		t.Fatal(err)
	}
	l.handle = func(tick.Time, *endpoint.Event) {}
	cfg := &dtls.Config{Rand: rand.Reader, Credentials: func(string) *dtls.Credentials { return &dtls.Credentials{PSK: true} }}
	for i := range peers {
		remote := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(1+i))
		if _, err := l.ep.Connect(l.clock.now(), remote, netip.Addr{}, cfg, ""); err != nil {
			t.Fatal(err)
		}
	}
	for l.busy = true; l.busy; {
		l.turn()
	}
	conn.sent = 0
	l.stop()
	l.turn()
	if conn.sent == 0 || conn.sent > 2*turnDatagrams {
		t.Errorf("%d datagrams in one turn", conn.sent)
	}
	conn.delay = closeTime/10 + time.Millisecond
	began := time.Now()
	l.end()
	if took := time.Since(began); took > closeTime+promptly || conn.sent >= peers {
		t.Errorf("%d of %d were told, in %v", conn.sent, peers, took)
	}
}
